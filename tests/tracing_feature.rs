//! The `tracing` feature: one event for each refusal, which says nothing that it should not.

#[path = "common/log.rs"]
mod log;

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use tower::{Layer, ServiceExt, service_fn};
use tower_tencent_chat::{
    CallbackResponse, FriendAddLayer, RequestBody, Token, test_util::CallbackRequest,
};

const APP_ID: u64 = 1400000000;
const TOKEN: &str = "a-token-that-nobody-logs";
const LIMIT: usize = 200;
const BODY: &str = "a body that nobody logs";

type Body = http_body_util::combinators::BoxBody<Bytes, tower::BoxError>;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1669872112)
}

fn token() -> Token {
    Token::new(TOKEN).unwrap()
}

/// A signed callback without pairs.
fn callback() -> CallbackRequest {
    CallbackRequest::friend_add(APP_ID).signed(&token(), now())
}

/// A signed callback with another body.
fn callback_with(body: impl Into<Bytes>) -> CallbackRequest {
    CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, body).signed(&token(), now())
}

/// As [`CallbackRequest::build`], of a body that breaks after so many bytes.
fn build(request: CallbackRequest, breaks_after: usize) -> Request<Body> {
    let request = request.build::<Full<Bytes>>();
    request.map(|body| Limited::new(body, breaks_after).boxed())
}

/// What is logged while the request is answered.
fn logged(request: Request<Body>) -> Vec<String> {
    let inner = service_fn(|_: Request<RequestBody<Body>>| async {
        Ok::<Response<Full<Bytes>>, Infallible>(CallbackResponse::ok().into())
    });
    let layer = FriendAddLayer::new(APP_ID)
        .token(token())
        .max_body_size(LIMIT)
        .clock(now);
    let log = log::logged(|| {
        let response = tokio_test::block_on(layer.layer(inner).oneshot(request));
        assert_eq!(response.unwrap().status(), 200);
    });
    log.lines().map(str::to_owned).collect()
}

#[test]
fn what_fails_verification_is_one_event_at_debug() {
    let other_method = || {
        let mut request = build(callback(), LIMIT);
        *request.method_mut() = Method::PUT;
        request
    };
    let doubled = || {
        let mut request = build(callback(), LIMIT);
        *request.uri_mut() = format!("{}&Sign=x", request.uri()).parse().unwrap();
        request
    };
    let unsigned = CallbackRequest::friend_add(APP_ID);
    let forger = Token::new("another").unwrap();
    let late = now() + Duration::from_secs(61);
    for (request, kind, text) in [
        (other_method(), "MethodNotAllowed", "the method is not POST"),
        (
            build(unsigned, LIMIT),
            "MissingParameter",
            "the RequestTime parameter is missing",
        ),
        (
            doubled(),
            "DuplicateParameter",
            "the Sign parameter is given more than once",
        ),
        (
            build(callback().query("SdkAppid", "1"), LIMIT),
            "SdkAppIdMismatch",
            "the SdkAppid parameter is not this app's",
        ),
        (
            build(callback().query("contenttype", "xml"), LIMIT),
            "UnsupportedContentType",
            "the contenttype parameter is not json",
        ),
        (
            build(callback().signed(&token(), late), LIMIT),
            "StaleRequestTime",
            "the RequestTime parameter is too far from now",
        ),
        (
            build(callback().signed(&forger, now()), LIMIT),
            "SignMismatch",
            "the Sign parameter is not right",
        ),
    ] {
        let line = format!(
            "DEBUG tower_tencent_chat: callback refused: {text} \
             command=\"Sns.CallbackFriendAdd\" kind={kind}"
        );
        assert_eq!(logged(request), [line]);
    }
}

#[test]
fn an_authentic_callback_that_is_lost_is_one_event_at_warn() {
    let announced = || build(callback_with(vec![b' '; LIMIT + 1]), 2 * LIMIT);
    let found = || {
        let (mut sender, body) = http_body_util::Channel::<Bytes, tower::BoxError>::new(1);
        sender
            .try_send(http_body::Frame::data(vec![b' '; LIMIT + 1].into()))
            .unwrap();
        callback().build::<Bytes>().map(|_| body.boxed())
    };
    for (request, kind, text) in [
        (announced(), "BodyTooLarge", "the body is too large"),
        (found(), "BodyTooLarge", "the body is too large"),
        (
            build(callback(), 10),
            "BodyUnreadable",
            "the body can't be read",
        ),
        (
            build(callback_with(BODY), LIMIT),
            "MalformedPacket",
            "the body is not a packet of this webhook",
        ),
        (
            build(callback_with(r#"{"CallbackCommand":"Other"}"#), LIMIT),
            "CommandMismatch",
            "the body's CallbackCommand is not the URL's",
        ),
    ] {
        let line = format!(
            " WARN tower_tencent_chat: verified callback lost: {text} \
             command=\"Sns.CallbackFriendAdd\" kind={kind} client_ip=127.0.0.1"
        );
        assert_eq!(logged(request), [line]);
    }
}

#[test]
fn the_request_id_is_recorded_to_find_the_lost_event_by() {
    let request = callback_with(BODY).query("RequestId", "8f14e45f-ceea");
    let [line] = &logged(build(request, LIMIT))[..] else {
        panic!("one event for one refusal")
    };
    assert!(line.contains(r#" request_id="8f14e45f-ceea" "#), "{line}");
}

#[test]
fn a_line_is_no_longer_than_the_sender_may_make_it() {
    for (len, recorded) in [(64, 64), (65, 64), (1000, 64)] {
        let request = callback_with(BODY)
            .query("RequestId", &"é".repeat(len))
            .query("OptPlatform", &"long".repeat(len));
        let [line] = &logged(build(request, LIMIT))[..] else {
            panic!("one event for one refusal")
        };
        assert!(
            line.contains(&format!(" request_id=\"{}\" ", "é".repeat(recorded))),
            "{line}"
        );
        assert!(!line.contains("long"), "{line}");
    }
}

#[test]
fn nothing_is_said_of_what_is_accepted_or_passes_through() {
    let other = CallbackRequest::new("State.StateChange", APP_ID, BODY);
    let visit = Request::get("/").body(Full::from(BODY).map_err(Into::into).boxed());
    for request in [
        build(callback(), LIMIT),
        build(other, LIMIT),
        visit.unwrap(),
    ] {
        assert_eq!(logged(request), [""; 0]);
    }
}

#[test]
fn nobody_forges_a_line_through_a_parameter() {
    const FORGED: &str =
        "x\r\n WARN forged: \u{1b}[31mred\u{1b}[0m \u{2028}\u{85}\u{7}\" kind=Fine";
    let request = || {
        callback_with(BODY)
            .query("RequestId", FORGED)
            .query("OptPlatform", FORGED)
            .query("own", FORGED)
    };
    let command = serde_json::json!({"CallbackCommand": FORGED}).to_string();
    let doubled = format!("{}&ClientIP=", request().uri());
    let doubled = Request::post(doubled).body(Full::from(BODY).map_err(Into::into).boxed());
    for request in [
        build(request(), LIMIT),
        build(request(), 10),
        build(callback_with(command), LIMIT),
        build(request().query("ClientIP", FORGED), LIMIT),
        build(request().query("SdkAppid", FORGED), LIMIT),
        build(request().query("Sign", FORGED), LIMIT),
        build(request().query("RequestTime", FORGED), LIMIT),
        build(request().query("contenttype", FORGED), LIMIT),
        doubled.unwrap(),
    ] {
        let lines = logged(request);
        let [line] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{2028}', '\u{85}']), "{line:?}");
        assert!(
            !line.replace(r#"\""#, "").contains("\" kind=Fine"),
            "{line}"
        );
    }
}

#[test]
fn no_event_has_the_token_a_signature_or_the_body() {
    let forger = Token::new("another").unwrap();
    let expected = token().sign(1669872112);
    let given = forger.sign(1669872112);
    for request in [
        build(callback_with(BODY), LIMIT),
        build(callback_with(BODY), 10),
        build(callback_with(BODY.repeat(10)), 2 * LIMIT),
        build(callback_with(BODY).query("SdkAppid", "1"), LIMIT),
        build(callback_with(BODY).query("Sign", "xyz"), LIMIT),
        build(callback_with(BODY).signed(&forger, now()), LIMIT),
        build(
            callback_with(BODY).query("RequestTime", "1669872113"),
            LIMIT,
        ),
    ] {
        let lines = logged(request);
        assert_eq!(lines.len(), 1, "{lines:?}");
        for secret in [TOKEN, &expected[..8], &given[..8], "xyz", "nobody logs"] {
            assert!(!lines[0].contains(secret), "{lines:?}");
        }
    }
}
