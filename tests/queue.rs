//! Callbacks come back from JSON as they were.
//!
//! `PROPTEST_CASES=1000000 cargo test --release --test queue` tries a million.

mod common;

use std::{
    fmt::Debug,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use http::Method;
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde::Serialize;
use serde_json::{Value, json};
use tower_tencent_chat::{
    BlackListAdd, BlackListDelete, Callback, CallbackLayer, FriendAdd, FriendDelete, Packet,
    test_util::CallbackRequest,
};

use common::{APP_ID, TOKEN, at, token};

/// Writes a callback, with what its URL said, and reads it again in every way that serde_json has.
fn assert_comes_back<P>(body: &Value, url: &[(&str, Option<String>)], signed_at: Option<u64>)
where
    P: Packet + Serialize + Debug + PartialEq,
{
    let mut request = CallbackRequest::new(P::COMMAND, APP_ID, body.to_string());
    for (name, value) in url {
        request = value
            .iter()
            .fold(request, |it, value| it.query(name, value));
    }
    let mut layer = CallbackLayer::<P>::new(APP_ID);
    if let Some(time) = signed_at.map(at) {
        layer = layer.token(token(TOKEN)).clock(move || time);
        request = request.signed(&token(TOKEN), time);
    }
    let callback = layer.receive(&Method::POST, &request.uri(), &request.body());
    let callback = callback.unwrap();
    assert_eq!(callback.context().request_time, signed_at.map(at));

    let written = serde_json::to_string(&callback).unwrap();
    let value = serde_json::to_value(&callback).unwrap();
    for read in [
        serde_json::from_str::<Callback<P>>(&written),
        serde_json::from_reader(written.as_bytes()),
        serde_json::from_value(value),
    ] {
        assert_eq!(read.unwrap(), callback);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z@#0-9_]{0,40}",
        ".{0,40}",
        vec(any::<char>(), 0..40).prop_map(String::from_iter)
    ]
}

/// Values that Tencent sends, and whatever else may come in a field that must not cost the event.
fn lenient() -> impl Strategy<Value = Value> {
    let known = [
        "friend_add",
        "FriendResponse",
        "administrator",
        "1",
        "0",
        "",
    ];
    prop_oneof![
        text().prop_map(Value::from),
        select(known.to_vec()).prop_map(Value::from),
        select(vec![
            json!(null),
            json!(true),
            json!(1),
            json!(-0.5),
            json!([]),
            json!({"a": ""})
        ]),
    ]
}

fn platform() -> impl Strategy<Value = String> {
    let known = [
        "RESTAPI", "Web", "iOS", "ios", "macOS", "Mac", "iPad", "Unkown",
    ];
    prop_oneof![select(known.to_vec()).prop_map(String::from), text()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_callback_comes_back_identical(
        pairs in vec((text(), text(), lenient()), 0..4),
        [command, admin, force] in [lenient(), lenient(), lenient()],
        ip in prop_oneof![any::<IpAddr>().prop_map(|ip| ip.to_string()), text()],
        (platform, id) in (option::of(platform()), option::of(text())),
        signed_at in option::of(0..100_000_000_000_u64),
    ) {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(from, to, initiator)| {
                json!({"From_Account": from, "To_Account": to, "Initiator_Account": initiator})
            })
            .collect();
        let body = json!({
            "PairList": pairs, "ClientCmd": command, "Admin_Account": admin, "ForceFlag": force,
        });
        let url = [("ClientIP", Some(ip)), ("OptPlatform", platform), ("RequestId", id)];
        assert_comes_back::<FriendAdd>(&body, &url, signed_at);
        assert_comes_back::<FriendDelete>(&body, &url, signed_at);
        assert_comes_back::<BlackListAdd>(&body, &url, signed_at);
        assert_comes_back::<BlackListDelete>(&body, &url, signed_at);
    }
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
