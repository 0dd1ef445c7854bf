//! A body is one packet of the webhook that the URL names.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower_tencent_chat::{
    ClientCmd,
    RejectionKind::{CommandMismatch, MalformedPacket},
    test_util::CallbackRequest,
};

use crate::{broken, common::APP_ID, layer, outcome};

const COMMAND: &str = "Sns.CallbackFriendAdd";

fn callback(body: impl Into<Vec<u8>>) -> Request<Full<Bytes>> {
    CallbackRequest::new(COMMAND, APP_ID, body.into()).build()
}

#[tokio::test]
async fn the_pages_own_packet_is_read_whole() {
    let page = include_str!("../samples/friend-add.json");
    let callback = outcome(&layer(), callback(page)).await.unwrap();
    let pairs: Vec<_> = callback
        .pair_list
        .iter()
        .map(|pair| {
            let initiator = pair.initiator_account.as_deref();
            (&*pair.from_account, &*pair.to_account, initiator)
        })
        .collect();
    assert_eq!(
        pairs,
        [
            ("id", "id1", Some("id")),
            ("id", "id2", Some("id")),
            ("id", "id3", Some("id")),
        ]
    );
    assert_eq!(callback.client_cmd, Some(ClientCmd::FriendAdd));
    assert_eq!(callback.admin_account, None);
    assert!(callback.force_flag);
}

#[tokio::test]
async fn a_two_way_addition_is_two_pairs() {
    let two_way = include_str!("../samples/friend-add-two-way.json");
    let callback = outcome(&layer(), callback(two_way)).await.unwrap();
    let pairs: Vec<_> = callback
        .pair_list
        .iter()
        .map(|pair| (&*pair.from_account, &*pair.to_account))
        .collect();
    assert_eq!(pairs, [("411172", "425914"), ("425914", "411172")]);
    assert_eq!(callback.admin_account.as_deref(), Some("administrator"));
}

#[tokio::test]
async fn the_friends_of_a_whole_account_in_both_directions_fit() {
    let mut request = CallbackRequest::friend_add(APP_ID);
    for at in 0..3000 {
        let (user, friend) = ("u".repeat(32), format!("{at:032}"));
        request = request.pair(&user, &friend).pair(&friend, &user);
    }
    let callback = outcome(&layer(), request.build::<Full<Bytes>>())
        .await
        .unwrap();
    assert_eq!(callback.pair_list.len(), 6000);
    assert_eq!(
        callback.pair_list[5999].from_account,
        *format!("{:032}", 2999)
    );
}

#[tokio::test]
async fn no_event_is_lost_to_what_tencent_leaves_out_or_adds() {
    for fields in [
        r#""PairList":[]"#,
        r#""PairList":[],"ClientCmd":"something_new""#,
        r#""PairList":[],"ClientCmd":null,"Admin_Account":null,"ForceFlag":null"#,
        r#""PairList":[],"ForceFlag":"1""#,
        r#""PairList":[],"ForceFlag":true"#,
        r#""PairList":[],"EventTime":1669872112000,"New":{"CallbackCommand":[{}]}"#,
        r#""PairList":[{"From_Account":"a","To_Account":"b","Initiator_Account":null}]"#,
        r#""PairList":[{"From_Account":"a","To_Account":"b","New":1}]"#,
    ] {
        for body in [
            format!(r#"{{"CallbackCommand":"{COMMAND}",{fields}}}"#),
            format!(" {{{fields}, \"CallbackCommand\" : \"{COMMAND}\"}}\r\n"),
        ] {
            assert_eq!(broken(&layer(), callback(&*body)).await, None, "{body}");
        }
    }
}

#[tokio::test]
async fn the_deepest_nesting_is_passed_over_or_refused() {
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    let command = format!(r#""CallbackCommand":"{COMMAND}""#);
    for (name, body, expected) in [
        (
            "unknown",
            format!(r#"{{{command},"PairList":[],"New":{deep}}}"#),
            None,
        ),
        (
            "pairs",
            format!(r#"{{{command},"PairList":{deep}}}"#),
            Some(MalformedPacket),
        ),
        (
            "flag",
            format!(r#"{{{command},"PairList":[],"ForceFlag":{deep}}}"#),
            None,
        ),
        (
            "command",
            format!(r#"{{"CallbackCommand":{deep},"PairList":[]}}"#),
            Some(MalformedPacket),
        ),
        ("whole", deep.clone(), Some(MalformedPacket)),
        ("unclosed", "[".repeat(100_000), Some(MalformedPacket)),
        ("objects", r#"{"a":"#.repeat(100_000), Some(MalformedPacket)),
    ] {
        let kind = broken(&layer(), callback(body)).await.map(|(kind, _)| kind);
        assert_eq!(kind, expected, "{name}");
    }
}

#[tokio::test]
async fn anything_but_one_packet_of_the_webhook_is_refused() {
    for (body, expected) in [
        ("", MalformedPacket),
        ("null", MalformedPacket),
        ("[]", MalformedPacket),
        ("{}", MalformedPacket),
        (r#"{"PairList":[]}"#, MalformedPacket),
        (r#"{"CallbackCommand":null,"PairList":[]}"#, MalformedPacket),
        (r#"{"CallbackCommand":1,"PairList":[]}"#, MalformedPacket),
        (
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd"}"#,
            MalformedPacket,
        ),
        (
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[{"From_Account":"a"}]}"#,
            MalformedPacket,
        ),
        (
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]} {}"#,
            MalformedPacket,
        ),
        (
            r#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":["#,
            MalformedPacket,
        ),
        (
            "CallbackCommand=Sns.CallbackFriendAdd&PairList=",
            MalformedPacket,
        ),
        (r#"{"CallbackCommand":"","PairList":[]}"#, CommandMismatch),
        (
            r#"{"CallbackCommand":"Sns.CallbackFriendDelete","PairList":[]}"#,
            CommandMismatch,
        ),
        (
            r#"{"CallbackCommand":"sns.callbackfriendadd","PairList":[]}"#,
            CommandMismatch,
        ),
        (
            r#"{"CallbackCommand":"Group.CallbackAfterSendMsg"}"#,
            CommandMismatch,
        ),
    ] {
        let kind = broken(&layer(), callback(body)).await.map(|(kind, _)| kind);
        assert_eq!(kind, Some(expected), "{}", &body[..body.len().min(100)]);
    }
}

#[tokio::test]
async fn a_body_need_not_be_utf_8_where_nobody_reads_it() {
    let start = br#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[],"New":""#;
    for (end, expected) in [
        (&b"\xc3\xa9\"}"[..], None),
        (b"\xff\"}", None),
        (b"\"}\xff", Some(MalformedPacket)),
    ] {
        let request = callback([start, end].concat());
        let kind = broken(&layer(), request).await.map(|(kind, _)| kind);
        assert_eq!(kind, expected, "{}", end.escape_ascii());
    }
}
