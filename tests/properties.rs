//! Properties of any input. The references that it is compared with are the fuzz targets'.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, Uri};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::Config,
};
use serde_json::{Value, json};
use tower_tencent_chat::{
    FriendAdd, FriendAddLayer, Packet, RejectionKind, Token, test_util::CallbackRequest,
};

use crate::checks::{APP, NOW, Outcome, Pieces, outcome};

#[path = "../fuzz/checks.rs"]
mod checks;

/// Failures are printed, and become tests by hand.
fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

/// What becomes of a request, where any time is near enough.
fn verified_by(token: &str, request: &CallbackRequest) -> Outcome {
    let layer = FriendAddLayer::new(APP)
        .token(Token::new(token).unwrap())
        .request_time_window(Duration::MAX)
        .clock(now);
    outcome(&layer, post(request.uri(), Pieces::whole(request.body())))
}

fn post(uri: Uri, body: Pieces) -> Request<Pieces> {
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .body(body)
        .unwrap()
}

fn receive(body: impl Into<Bytes>) -> Outcome {
    let request = post(checks::own_url(), Pieces::whole(body.into()));
    outcome(&FriendAddLayer::new(APP), request)
}

/// A text that a console takes as a token.
fn a_token() -> impl Strategy<Value = String> {
    "[!-~]{1,128}|[!-~é界]{1,32}"
}

fn a_query() -> impl Strategy<Value = String> {
    let name = select(vec![
        "CallbackCommand",
        "Callback%43ommand",
        "SdkAppid",
        "contenttype",
        "ClientIP",
        "OptPlatform",
        "Sign",
        "RequestTime",
        "RequestId",
        "RequestID",
        "own",
        "",
    ]);
    let value = prop_oneof![
        4 => select(vec![
            "Sns.CallbackFriendAdd",
            "Sns%2eCallbackFriendAdd",
            "Sns+CallbackFriendAdd",
            "1400000000",
            "01400000000",
            "json",
            "JSON",
            "127.0.0.1",
            "%3A%3A1",
            "iOS",
            "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061",
            "17773BC39A671D7B9AA835458704D2A6DB81360A5940292B587D6D760D484061",
            "1669872112",
            "01669872112",
            "1669872113",
            "1669872173",
        ]).prop_map(str::to_owned),
        1 => "[-!$-~é]{0,8}(%[0-9a-fA-F]{0,2}[+=&]?){0,3}",
    ];
    let parameter = (name, select(vec!["=", "=", "=", ""]), value)
        .prop_map(|(name, equals, value)| format!("{name}{equals}{value}"));
    vec(parameter, 0..8).prop_map(|parameters| parameters.join("&"))
}

/// A query that is right, but for a few parameters that come, go, or change.
fn a_query_that_is_nearly_right() -> impl Strategy<Value = String> {
    (a_query(), any::<bool>(), any::<Index>()).prop_map(|(extra, keep, index)| {
        let mut right: Vec<&str> = vec![
            "CallbackCommand=Sns.CallbackFriendAdd",
            "SdkAppid=1400000000",
            "Sign=17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061",
            "RequestTime=1669872112",
        ];
        if !keep {
            right.remove(index.index(right.len()));
        }
        let at = index.index(right.len() + 1);
        let first = extra.split('&').next().unwrap_or_default();
        right.insert(at, first);
        right.join("&")
    })
}

/// Any JSON, with the packet's own names and values more often than others.
fn a_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(vec![json!(0), json!(1), json!("0"), json!("1"), json!("")]),
        select(vec![
            "Sns.CallbackFriendAdd",
            "friend_add",
            "FriendResponse",
            "false"
        ])
        .prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        3 => select(vec![
            "CallbackCommand",
            "PairList",
            "ClientCmd",
            "Admin_Account",
            "ForceFlag",
            "From_Account",
            "To_Account",
            "Initiator_Account",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn an_account() -> impl Strategy<Value = String> {
    "\\PC{0,32}"
}

/// A packet as Tencent sends it, in all its variations.
fn a_packet() -> impl Strategy<Value = Value> {
    let pair = (an_account(), an_account(), proptest::option::of(an_account())).prop_map(
        |(from, to, initiator)| json!({"From_Account": from, "To_Account": to, "Initiator_Account": initiator}),
    );
    let client_cmd = proptest::option::of(prop_oneof![
        select(vec![
            "friend_add",
            "FriendAdd",
            "friend_response",
            "FriendResponse"
        ])
        .prop_map(str::to_owned),
        "\\PC{0,20}",
    ]);
    let flag = select(vec![
        json!(0),
        json!(1),
        json!("0"),
        json!("1"),
        json!(true),
        json!(false),
        json!(null),
    ]);
    let admin = proptest::option::of(an_account());
    (vec(pair, 0..5), client_cmd, admin, flag).prop_map(|(pairs, client_cmd, admin, flag)| {
        json!({
            "CallbackCommand": FriendAdd::COMMAND,
            "PairList": pairs,
            "ClientCmd": client_cmd,
            "Admin_Account": admin,
            "ForceFlag": flag,
        })
    })
}

/// A packet with one of its fields, or one field of its pairs, gone or replaced.
fn a_packet_that_is_nearly_right() -> impl Strategy<Value = Value> {
    let name = select(vec![
        "CallbackCommand",
        "PairList",
        "ClientCmd",
        "Admin_Account",
        "ForceFlag",
        "From_Account",
        "To_Account",
        "Initiator_Account",
        "EventTime",
    ]);
    let value = proptest::option::of(a_value());
    (a_packet(), name, value).prop_map(|(mut packet, name, value)| {
        let pairs = packet["PairList"].as_array_mut().unwrap();
        let object = match pairs.first_mut() {
            Some(pair) if name.contains("_Account") && name != "Admin_Account" => pair,
            _ => &mut packet,
        };
        let object = object.as_object_mut().unwrap();
        match value {
            Some(value) => object.insert(name.to_owned(), value),
            None => object.remove(name),
        };
        packet
    })
}

/// A body of any bytes, or one that is a packet.
fn a_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        a_packet().prop_map(|packet| packet.to_string().into_bytes()),
        a_packet_that_is_nearly_right().prop_map(|packet| packet.to_string().into_bytes()),
    ]
}

/// `text` with one of its bytes changed, still of ASCII.
fn with_one_byte_changed(text: &str, at: Index, to: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = at.index(bytes.len());
    bytes[at] = to;
    String::from_utf8(bytes).unwrap()
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn any_split_into_frames_gives_the_outcome_of_one_frame(
        body in a_body(),
        cuts in vec(any::<u8>(), 0..40),
        limit in 0_usize..400,
    ) {
        let layer = FriendAddLayer::new(APP).max_body_size(limit);
        let run = |pieces| outcome(&layer, post(checks::own_url(), pieces));
        let whole = run(Pieces::whole(body.clone().into()));
        prop_assert_eq!(run(Pieces::cut(&body, &cuts)), whole);
        prop_assert_eq!(run(Pieces::cut(&body, &[b'1'; 400])), run(Pieces::cut(&body, &[b'2'; 400])));
    }

    #[test]
    fn any_split_of_a_body_that_passes_through_loses_nothing(
        body in vec(any::<u8>(), 0..300),
        cuts in vec(any::<u8>(), 0..40),
    ) {
        let request = post("/?CallbackCommand=Other".parse().unwrap(), Pieces::cut(&body, &cuts));
        let expected = Outcome::PassedThrough(body.into());
        prop_assert_eq!(outcome(&FriendAddLayer::new(APP), request), expected);
    }

    #[test]
    fn any_json_is_a_packet_exactly_where_its_value_is_one(value in a_value()) {
        checks::packet(value.to_string().as_bytes());
    }

    #[test]
    fn a_packet_with_one_field_changed_is_one_exactly_where_its_value_is_one(
        value in a_packet_that_is_nearly_right(),
    ) {
        checks::packet(value.to_string().as_bytes());
    }

    #[test]
    fn a_packet_has_the_fields_of_its_value(packet in a_packet()) {
        let Outcome::Delivered(delivered) = receive(packet.to_string()) else {
            panic!("{packet}");
        };
        checks::assert_fields(&delivered.callback, &packet);
    }

    #[test]
    fn a_packet_survives_being_written_and_read(packet in a_packet()) {
        let packet: FriendAdd = serde_json::from_value(packet).unwrap();
        let Outcome::Delivered(delivered) = receive(serde_json::to_vec(&packet).unwrap()) else {
            panic!("{packet:?}");
        };
        prop_assert_eq!(&*delivered.callback, &packet);
    }

    #[test]
    fn any_bytes_are_a_packet_or_malformed_or_anothers(body in vec(any::<u8>(), 0..100)) {
        checks::packet(&body);
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn a_query_is_judged_as_its_decoded_list_is(query in a_query()) {
        checks::query(query.as_bytes());
    }

    #[test]
    fn a_query_that_is_nearly_right_is_judged_as_its_decoded_list_is(
        query in a_query_that_is_nearly_right(),
    ) {
        checks::query(query.as_bytes());
    }

    #[test]
    fn any_text_as_a_query_is_judged_as_its_decoded_list_is(
        query in "\\PC{0,60}|(CallbackCommand=|Sns.CallbackFriendAdd|%[0-9a-f]{2}|[&=%+;]){0,9}",
    ) {
        checks::query(query.as_bytes());
    }
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn what_was_signed_is_accepted(
        token in a_token(),
        seconds in 0..u64::from(u32::MAX) * 2,
        from in an_account(),
        to in an_account(),
    ) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let signed = CallbackRequest::friend_add(APP)
            .pair(&from, &to)
            .signed(&Token::new(&*token).unwrap(), time);
        let Outcome::Delivered(delivered) = verified_by(&token, &signed) else {
            panic!("refused");
        };
        prop_assert_eq!(&*delivered.callback.pair_list[0].from_account, from);
        prop_assert_eq!(&*delivered.callback.pair_list[0].to_account, to);
        prop_assert_eq!(delivered.callback.context().request_time, Some(time));
    }

    #[test]
    fn what_was_signed_is_refused_with_any_byte_of_the_token_changed(
        token in "[!-~]{1,128}",
        at in any::<Index>(),
        to in b'!'..=b'~',
    ) {
        let other = with_one_byte_changed(&token, at, to);
        prop_assume!(other != token);
        let signed = CallbackRequest::friend_add(APP).signed(&Token::new(token).unwrap(), now());
        let refused = Outcome::Refused(RejectionKind::SignMismatch);
        prop_assert_eq!(verified_by(&other, &signed), refused);
    }

    #[test]
    fn what_was_signed_is_refused_with_any_byte_of_the_time_changed(
        token in a_token(),
        seconds in any::<u32>(),
        at in any::<Index>(),
        to in prop_oneof![b'0'..=b'9', 0_u8..128],
    ) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into());
        let other = with_one_byte_changed(&seconds.to_string(), at, to);
        prop_assume!(other != seconds.to_string());
        let signed = CallbackRequest::friend_add(APP)
            .signed(&Token::new(&*token).unwrap(), time)
            .query("RequestTime", &other);
        let refused = Outcome::Refused(RejectionKind::SignMismatch);
        prop_assert_eq!(verified_by(&token, &signed), refused);
    }

    #[test]
    fn what_was_signed_is_refused_with_any_byte_of_the_sign_changed_but_for_case(
        token in a_token(),
        at in any::<Index>(),
        to in prop_oneof![select(b"0123456789abcdefABCDEF".as_slice()), 0_u8..128],
    ) {
        let token_value = Token::new(&*token).unwrap();
        let sign = token_value.sign(NOW);
        let other = with_one_byte_changed(&sign, at, to);
        let signed = CallbackRequest::friend_add(APP)
            .signed(&token_value, now())
            .query("Sign", &other);
        let outcome = verified_by(&token, &signed);
        if other.eq_ignore_ascii_case(&sign) {
            prop_assert!(matches!(outcome, Outcome::Delivered(_)));
        } else {
            prop_assert_eq!(outcome, Outcome::Refused(RejectionKind::SignMismatch));
        }
    }
}
