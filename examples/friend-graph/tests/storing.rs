//! What is in the table after callbacks have come, on both databases.

mod common;

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use serde_json::json;
use sqlx::Executor;
use tower_tencent_chat::{Token, test_util::CallbackRequest};

use common::{APP_ID, Answer, App, Chat, Database, Row, add, alices, delete, pair};

const PACKET: &str = include_str!("samples/friend-add.json");
const TWO_WAY: &str = include_str!("samples/friend-add-two-way.json");
const TWO_WAY_DELETE: &str = include_str!("samples/friend-delete.json");

fn friend_add(body: &'static str) -> CallbackRequest {
    CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, body)
}

#[tokio::test]
async fn the_packet_of_tencents_page_is_stored_whole() {
    for database in Database::all() {
        let app = App::start(&database);
        let start = jiff::Timestamp::now().as_millisecond();
        Chat::new().deliver(&app, &friend_add(PACKET)).await;
        let end = jiff::Timestamp::now().as_millisecond();

        let rows = database.rows().await;
        let pairs: Vec<_> = rows.iter().map(|row| row.pair.clone()).collect();
        assert_eq!(pairs, ["id1", "id2", "id3"].map(|to| pair("id", to)));
        for row in rows {
            assert_eq!(row.initiator.as_deref(), Some("id"));
            assert_eq!(row.platform.as_deref(), Some("Web"));
            assert!((start..=end).contains(&row.first_seen));
            assert_eq!(row.last_seen, row.first_seen);
            assert_eq!((row.deleted_at, row.request_time), (None, None));
        }
    }
}

#[tokio::test]
async fn a_two_way_addition_and_its_end_are_two_pairs() {
    for database in Database::all() {
        let app = App::start(&database);
        let chat = Chat::new();
        chat.deliver(&app, &friend_add(TWO_WAY)).await;
        let both = [pair("411172", "425914"), pair("425914", "411172")];
        assert_eq!(database.friends().await, BTreeSet::from(both));
        for row in database.rows().await {
            assert_eq!(row.initiator.as_deref(), Some("411172"));
        }

        let delete = CallbackRequest::new("Sns.CallbackFriendDelete", APP_ID, TWO_WAY_DELETE);
        chat.deliver(&app, &delete).await;
        assert_eq!(database.friends().await, BTreeSet::new());
    }
}

#[tokio::test]
async fn six_thousand_pairs_are_stored_in_time() {
    let pairs: BTreeSet<_> = (0..6000)
        .map(|n| pair(format!("from{n:028}"), format!("to{n:030}")))
        .collect();
    for database in Database::all() {
        let app = App::start(&database);
        let chat = Chat::new();
        chat.deliver(&app, &add(pairs.clone())).await;
        assert_eq!(database.friends().await, pairs);
        chat.deliver(&app, &add(pairs.clone())).await;
        assert_eq!(database.friends().await, pairs);
        chat.deliver(&app, &delete(pairs.clone())).await;
        assert_eq!(database.friends().await, BTreeSet::new());
    }
}

#[tokio::test]
async fn a_callback_that_comes_twice_changes_nothing_but_last_seen() {
    for database in Database::all() {
        let app = App::start(&database);
        let chat = Chat::new();
        chat.deliver(&app, &friend_add(PACKET)).await;
        let once = database.rows().await;
        chat.deliver(&app, &friend_add(PACKET)).await;
        let mut twice = database.rows().await;
        for (once, twice) in once.iter().zip(&mut twice) {
            assert!(twice.last_seen >= once.last_seen);
            twice.last_seen = once.last_seen;
        }
        assert_eq!(once, twice);

        let before = database.rows().await;
        chat.deliver(&app, &delete([("id", "id1")])).await;
        let once = database.rows().await;
        // Everything else is kept.
        let deleted_at = once[0].deleted_at;
        assert!(deleted_at >= Some(before[0].last_seen));
        assert_eq!(
            once[0],
            Row {
                deleted_at,
                ..before[0].clone()
            }
        );
        assert_eq!(once[1..], before[1..]);
        chat.deliver(&app, &delete([("id", "id1")])).await;
        let mut twice = database.rows().await;
        assert!(twice[0].deleted_at >= once[0].deleted_at);
        twice[0].deleted_at = once[0].deleted_at;
        assert_eq!(once, twice);
    }
}

#[tokio::test]
async fn who_becomes_friends_again_is_first_seen_anew() {
    for database in Database::all() {
        let app = App::start(&database);
        let chat = Chat::new();
        chat.deliver(&app, &add([("alice", "bob")])).await;
        let before = database.rows().await.remove(0);
        chat.deliver(&app, &delete([("alice", "bob")])).await;
        while jiff::Timestamp::now().as_millisecond() == before.last_seen {}
        let again = add([("alice", "bob")]).query("OptPlatform", "iOS");
        chat.deliver(&app, &again).await;
        let after = database.rows().await.remove(0);
        assert!(after.first_seen > before.last_seen);
        assert_eq!(after.last_seen, after.first_seen);
        assert_eq!(after.platform.as_deref(), Some("iOS"));
        assert_eq!(after.deleted_at, None);
    }
}

#[tokio::test]
async fn fifty_senders_of_overlapping_pairs_leave_their_union() {
    /// The users of each sender's callbacks; every callback is sent twice.
    fn callbacks(sender: usize) -> impl Iterator<Item = Vec<(String, String)>> {
        (0..6).map(move |n| {
            let size = 1 + (sender + n) % 20;
            let pairs = (0..size).map(|k| {
                let from = (sender * 7 + n * 3 + k * 11) % 12;
                let to = (sender * 5 + n + k) % 12;
                pair(format!("user{from}"), format!("friend{to}"))
            });
            pairs.collect()
        })
    }
    let union: BTreeSet<_> = (0..50).flat_map(callbacks).flatten().collect();
    for database in Database::all() {
        let app = App::start(&database);
        let twice = |sender| {
            let requests = callbacks(sender).map(add);
            requests
                .flat_map(|request| [request.clone(), request])
                .collect()
        };
        Chat::new().send_all(&app, (0..50).map(twice)).await;
        app.settle().await;
        assert_eq!(database.friends().await, union);
        let rows = database.rows().await;
        assert_eq!(rows.len(), union.len());
        assert!(rows.iter().all(|row| row.first_seen <= row.last_seen));
    }
}

/// Additions and deletions of the same pairs, each in an order of its own: neither a deadlock nor, if
/// the database is told to be strict about transactions, a conflict becomes a FAIL.
#[tokio::test]
async fn transactions_that_meet_all_succeed() {
    for database in Database::all() {
        if let Database::Postgres(_) = database {
            let strict = "ALTER DATABASE postgres SET default_transaction_isolation = serializable";
            let mut connection = database.connect().await;
            connection.execute(strict).await.unwrap();
        }
        let app = App::start(&database);
        let callbacks = |sender: usize| {
            let mut pairs: Vec<_> = (0..30).map(|k| pair("alice", format!("{k}"))).collect();
            pairs.rotate_left(sender * 3);
            let requests = (0..10).map(|n| match (sender + n) % 2 {
                0 => add(pairs.clone()),
                _ => delete(pairs.clone()),
            });
            requests.collect()
        };
        Chat::new().send_all(&app, (0..10).map(callbacks)).await;
        app.settle().await;
        let rows = database.rows().await;
        assert_eq!(rows.len(), 30);
        // All pairs of a callback or none.
        let friends = database.friends().await.len();
        assert!(friends == 0 || friends == 30, "{friends}");
    }
}

/// Signed at different times, additions and deletions may arrive in any order.
#[tokio::test]
async fn the_later_request_time_decides_in_whatever_order_they_arrive() {
    let token = Token::new("xxxxyyyy").unwrap();
    for database in Database::all() {
        let app = App::start_with(&database, &[("CALLBACK_TOKEN", "xxxxyyyy")]);
        let now = SystemTime::now();
        let at = |seconds| now - Duration::from_secs(30) + Duration::from_secs(seconds);
        let added = |seconds| add([("alice", "bob")]).signed(&token, at(seconds));
        let deleted = |seconds| delete([("alice", "bob")]).signed(&token, at(seconds));
        let chat = Chat::new();
        let friends = alices(["bob"]);
        for (callbacks, expected) in [
            // A deletion before its addition, and in order.
            ([deleted(1), added(0)], false),
            ([added(1), deleted(2)], false),
            // The deletion of before comes late, and in order again.
            ([added(4), deleted(3)], true),
            ([deleted(5), added(6)], true),
            // The addition of before comes late, and is repeated.
            ([deleted(8), added(7)], false),
            ([added(7), added(8)], true),
            // In one second.
            ([added(9), deleted(9)], false),
            ([deleted(10), added(10)], true),
        ] {
            for callback in &callbacks {
                chat.deliver(&app, callback).await;
            }
            let is_friend = database.friends().await == friends;
            assert_eq!(is_friend, expected, "{callbacks:?}");
        }
        assert_eq!(app.metric("stale_pairs_total").await, 4.0);
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_left_out_and_logged() {
    let too_long = "b".repeat(900_000);
    let odd = json!({
        "CallbackCommand": "Sns.CallbackFriendAdd",
        "PairList": [
            {"From_Account": "alice", "To_Account": "bob", "Initiator_Account": "a\0"},
            {"From_Account": "alice", "To_Account": "b\0b"},
            {"From_Account": "", "To_Account": "界\u{9b}\u{202e}\u{7f}"},
            {"From_Account": "alice", "To_Account": too_long},
        ],
    });
    let odd = CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, odd.to_string());
    for database in Database::all() {
        let app = App::start(&database);
        let chat = Chat::new();
        let odd = odd.clone().query("OptPlatform", "\0");
        chat.deliver(&app, &odd.query("RequestId", "8f14e45f"))
            .await;
        let rows = database.rows().await;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].pair, pair("alice", "bob"));
        assert_eq!((&rows[0].initiator, &rows[0].platform), (&None, &None));
        assert_eq!(app.metric("left_out_pairs_total").await, 3.0);
        let log = app.log();
        let line = log.lines().find(|line| line.contains("ERROR")).unwrap();
        assert!(line.contains("a UserID is empty, too long, or has a NUL in it"));
        assert!(line.contains(r#"request_id="8f14e45f""#), "{line}");
        assert!(
            line.contains(r#"["alice","b\u0000b"],["","界\u009b\u202e\u007f"],["alice","bbb"#),
            "{line}"
        );
        assert!(log.lines().all(|line| line.len() < 1000));

        let nothing = add([("alice", ""), ("", "alice")]);
        let answer = chat.send(&app.url, &nothing).await;
        let expected = "a UserID is empty, too long, or has a NUL in it";
        assert_eq!(answer, Answer::Fail(expected.to_owned()));
        let kind = "rejections_total{kind=\"unstorable_user_id\"}";
        assert_eq!(app.metric(kind).await, 1.0);
    }
}

#[tokio::test]
async fn a_rejection_is_counted_by_its_kind_from_zero_on() {
    let database = Database::sqlite();
    let app = App::start(&database);
    let metrics = app.get("/metrics").await.text().await.unwrap();
    let zeros = metrics
        .lines()
        .filter(|line| line.contains("_rejections_total{"));
    assert_eq!(zeros.filter(|line| line.ends_with(" 0")).count(), 13);

    let wrong_app = add([("alice", "bob")]).query("SdkAppid", "1");
    Chat::new().send_fail(&app, &wrong_app).await;
    assert_eq!(database.rows().await, []);
    for name in [
        "callbacks_total{outcome=\"rejected\"}",
        "rejections_total{kind=\"sdk_app_id_mismatch\"}",
    ] {
        assert_eq!(app.metric(name).await, 1.0, "{name}");
    }
}

#[tokio::test]
async fn other_webhooks_and_empty_callbacks_are_acknowledged() {
    for database in Database::all() {
        let app = App::start(&database);
        let chat = Chat::new();
        let none: [(&str, &str); 0] = [];
        chat.deliver(&app, &add(none)).await;
        let other = CallbackRequest::new("State.StateChange", APP_ID, "{}");
        chat.deliver(&app, &other).await;
        assert_eq!(database.rows().await, []);
        for outcome in ["committed", "acknowledged"] {
            let name = format!("callbacks_total{{outcome=\"{outcome}\"}}");
            assert_eq!(app.metric(&name).await, 1.0, "{outcome}");
        }
    }
}

/// As if an app whose clock is an hour fast had written the row: what comes live is newer all the same.
#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_change_stale() {
    let ahead = "UPDATE friends SET last_seen = last_seen + 3600000,
                     deleted_at = deleted_at + 3600000 WHERE from_account = 'alice'";
    for database in Database::all() {
        let app = App::start(&database);
        let chat = Chat::new();
        let mut connection = database.connect().await;
        let friends = alices(["bob"]);
        let requests = [add([("alice", "bob")]), delete([("alice", "bob")])];
        for (request, expected) in [
            (&requests[0], &friends),
            (&requests[1], &BTreeSet::new()),
            (&requests[0], &friends),
        ] {
            chat.deliver(&app, request).await;
            assert_eq!(&database.friends().await, expected);
            connection.execute(ahead).await.unwrap();
        }
        assert_eq!(app.metric("stale_pairs_total").await, 0.0);
    }
}
