//! What the app tells of the friends it knows.

mod common;

use std::{io, process::Command};

use serde_json::{Value, json};

use common::{App, Chat, Database, add, delete};

#[tokio::test]
async fn friends_are_listed_with_what_is_known_of_them() {
    for database in Database::all() {
        let app = App::start(&database);
        let chat = Chat::new();
        let start = jiff::Timestamp::now().as_millisecond();
        let request = add([("alice", "bob"), ("bob", "alice"), ("alice", "carol")]);
        chat.deliver(&app, &request.query("OptPlatform", "macos"))
            .await;
        chat.deliver(&app, &add([("alice", "dave")])).await;
        chat.deliver(&app, &delete([("alice", "dave")])).await;
        // Who was deleted by a friend is still theirs, but not the other way round.
        chat.deliver(&app, &add([("carol", "alice")])).await;
        chat.deliver(&app, &delete([("carol", "alice")])).await;

        let mut list = app.json("/users/alice/friends").await;
        for friend in list["friends"].as_array_mut().unwrap() {
            for time in ["first_seen", "last_seen"] {
                let time: jiff::Timestamp = friend[time].as_str().unwrap().parse().unwrap();
                assert!(time.as_millisecond() >= start);
            }
            let friend = friend.as_object_mut().unwrap();
            friend.retain(|key, _| !key.ends_with("_seen"));
        }
        let expected = json!({
            "friends": [
                {"user_id": "bob", "mutual": true, "initiator": "alice", "platform": "Mac"},
                {"user_id": "carol", "mutual": false, "initiator": "alice", "platform": "Mac"},
            ],
            "next": null,
        });
        assert_eq!(list, expected);
        let nobody = json!({"friends": [], "next": null});
        assert_eq!(app.json("/users/carol/friends").await, nobody);
        assert_eq!(app.json("/users/nobody/friends").await, nobody);
    }
}

#[tokio::test]
async fn every_friend_is_on_exactly_one_page() {
    // As UserIDs may be: of any characters, in no order.
    let id = |n: usize| format!("{} {}/é&{n}", n * 7 % 250, ["a", "B"][n % 2]);
    for database in Database::all() {
        let app = App::start(&database);
        let user = "alice/界 &?";
        let pairs = (0..250).map(|n| (user.to_owned(), id(n)));
        Chat::new().deliver(&app, &add(pairs)).await;

        let client = reqwest::Client::new();
        for limit in [1, 99, 125, 249, 250, 251, 1000] {
            let mut listed = Vec::new();
            let mut pages = 0;
            let mut after = Some(String::new());
            while let Some(last) = after {
                let mut url = reqwest::Url::parse(&app.url).unwrap();
                url.path_segments_mut()
                    .unwrap()
                    .extend(["users", user, "friends"]);
                url.query_pairs_mut()
                    .append_pair("after", &last)
                    .append_pair("limit", &limit.to_string());
                let page: Value = client.get(url).send().await.unwrap().json().await.unwrap();
                for friend in page["friends"].as_array().unwrap() {
                    listed.push(friend["user_id"].as_str().unwrap().to_owned());
                }
                after = page["next"].as_str().map(str::to_owned);
                pages += 1;
            }
            assert_eq!(pages, 250_usize.div_ceil(limit), "{limit}");
            listed.sort();
            let mut expected: Vec<_> = (0..250).map(id).collect();
            expected.sort();
            assert_eq!(listed, expected, "{limit}");
        }
    }
}

#[tokio::test]
async fn a_limit_out_of_range_is_a_bad_request() {
    let database = Database::sqlite();
    let app = App::start(&database);
    for limit in ["0", "1001", "-1", "many", ""] {
        let path = format!("/users/alice/friends?limit={limit}");
        assert_eq!(app.get(&path).await.status(), 400, "{limit}");
    }
}

#[tokio::test]
async fn what_no_database_can_hold_is_nobody() {
    for database in Database::all() {
        let app = App::start(&database);
        let nobody = json!({"friends": [], "next": null});
        for path in ["/users/%00/friends", "/users/a/friends?after=%00"] {
            assert_eq!(app.json(path).await, nobody, "{path}");
        }
        assert_eq!(app.get("/?user=%00").await.status(), 200);
    }
}

#[tokio::test]
async fn health_and_metrics_are_for_machines() {
    for database in Database::all() {
        let app = App::start(&database);
        Chat::new().deliver(&app, &add([("alice", "bob")])).await;

        let health = app.get("/healthz").await;
        assert_eq!(health.status(), 200);
        assert_eq!(health.text().await.unwrap(), "ok\n");
        assert_eq!(app.get("/livez").await.status(), 200);

        let metrics = app.get("/metrics").await;
        let content_type = metrics.headers()["content-type"].to_str().unwrap();
        assert!(content_type.starts_with("text/plain; version=0.0.4"));
        let text = metrics.text().await.unwrap();
        for line in [
            "_callbacks_total counter",
            "_callbacks_total{outcome=\"committed\"} 1",
            "_callbacks_total{outcome=\"failed\"} 0",
            "_commit_seconds histogram",
            "_commit_seconds_count{outcome=\"committed\"} 1",
            "_queued_pairs 0",
            "_spooled 0",
            "_spooled_age_seconds 0",
            "_callbacks_in_flight 0",
            "_stale_pairs_total 0",
            "_refused 0",
            "_files_gone 0",
        ] {
            assert!(
                text.lines().any(|have| have.ends_with(line)),
                "{line} in {text}"
            );
        }
        for name in ["connections{state=\"idle\"}", "spooled_bytes"] {
            assert!(app.metric(name).await > 0.0, "{name} in {text}");
        }
    }
}

#[test]
fn the_alerts_fire_when_they_should() {
    let mut promtool = Command::new("promtool");
    promtool.args(["test", "rules", "tests/alerts.yml"]);
    let output = promtool.current_dir(env!("CARGO_MANIFEST_DIR")).output();
    // It is needed for nothing else.
    if matches!(&output, Err(error) if error.kind() == io::ErrorKind::NotFound) {
        return println!("skipped: promtool is not installed");
    }
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
}
