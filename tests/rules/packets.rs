//! A body is one packet of the webhook that the URL names.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tower_tencent_chat::{
    AccountPair, BlackListAdd, BlackListDelete, Callback, FriendAdd, FriendDelete, FriendPair,
    Packet, RejectionKind::MalformedPacket, test_util::CallbackRequest,
};

use crate::{
    broken,
    common::{APP_ID, at, layer},
};

const COMMAND: &str = FriendAdd::COMMAND;

fn callback(body: impl Into<Vec<u8>>) -> Request<Full<Bytes>> {
    CallbackRequest::new(COMMAND, APP_ID, body.into()).build()
}

#[tokio::test]
async fn the_deepest_nesting_is_passed_over_or_rejected() {
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    let command = format!(r#""CallbackCommand":"{COMMAND}""#);
    for (name, body, expected) in [
        (
            "unknown",
            format!(r#"{{{command},"PairList":[],"New":{deep}}}"#),
            None,
        ),
        (
            "flag",
            format!(r#"{{{command},"PairList":[],"ForceFlag":{deep}}}"#),
            None,
        ),
        (
            "pairs",
            format!(r#"{{{command},"PairList":{deep}}}"#),
            Some(MalformedPacket),
        ),
        (
            "command",
            format!(r#"{{"CallbackCommand":{deep},"PairList":[]}}"#),
            Some(MalformedPacket),
        ),
        ("whole", deep.clone(), Some(MalformedPacket)),
        ("objects", r#"{"a":"#.repeat(100_000), Some(MalformedPacket)),
    ] {
        let broken = broken(&layer(), callback(body)).await;
        assert_eq!(broken, expected, "{name}");
    }
}

#[test]
fn a_packet_that_is_read_back_is_its_own_webhooks() {
    fn reads<P: Packet>(body: &str) -> bool {
        serde_json::from_str::<P>(body).is_ok()
    }
    let all = [
        (FriendAdd::COMMAND, reads::<FriendAdd> as fn(&str) -> bool),
        (FriendDelete::COMMAND, reads::<FriendDelete>),
        (BlackListAdd::COMMAND, reads::<BlackListAdd>),
        (BlackListDelete::COMMAND, reads::<BlackListDelete>),
    ];
    for (command, _) in all {
        let body = format!(r#"{{"CallbackCommand":"{command}","PairList":[]}}"#);
        for (other, reads) in all {
            assert_eq!(reads(&body), command == other, "{command} as {other}");
            // A list of pairs by itself doesn't say what it is.
            assert!(reads(r#"{"PairList":[]}"#), "{other}");
        }
    }
}

#[test]
fn a_pair_by_itself_is_an_object() {
    serde_json::from_str::<FriendPair>(r#"["a","b","a"]"#).unwrap_err();
    serde_json::from_str::<AccountPair>(r#"["a","b"]"#).unwrap_err();
    let pair = r#"{"From_Account":"a","To_Account":"b"}"#;
    assert_eq!(
        serde_json::from_str::<FriendPair>(pair).unwrap().to_account,
        "b"
    );
    assert_eq!(
        serde_json::from_str::<AccountPair>(pair)
            .unwrap()
            .to_account,
        "b"
    );
}

#[test]
fn a_request_time_that_no_clock_has_is_an_error() {
    let read = |time: Value| {
        let context = json!({"SdkAppid": APP_ID, "RequestTime": time});
        let written = json!({"context": context, "packet": {"PairList": []}});
        let callback = serde_json::from_value::<Callback<FriendAdd>>(written);
        callback.map(|callback| callback.context().request_time)
    };
    // The last one that `SystemTime` can hold differs by platform.
    let last = (0..64).fold(0, |last, bit| {
        let more = last | 1 << (63 - bit);
        let holds = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(more));
        if holds.is_some() { more } else { last }
    });
    assert_eq!(read(json!(last)).unwrap(), Some(at(last)));
    assert_eq!(read(json!(null)).unwrap(), None);
    let too_large = read(json!(u64::MAX)).unwrap_err();
    assert_eq!(too_large.to_string(), "RequestTime is too large");
    for wrong in [json!(last as f64), json!(-1), json!("1669872112")] {
        read(wrong.clone()).expect_err(&wrong.to_string());
    }
}
