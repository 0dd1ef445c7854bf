//! The feature `tracing`: which callbacks are logged, how often, and what never is.

mod common;

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use axum::{Router, routing::post};
use bytes::Bytes;
use http::{
    Request, Response,
    header::{CONNECTION, CONTENT_LENGTH},
};
use http_body_util::Full;
use serde::{Deserialize, Deserializer};
use tokio_test::{assert_pending, assert_ready, block_on, task};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_tencent_chat::{
    Acknowledge, AnyCallback, Callback, CallbackLayer, CallbackResponse, CallbackRouter, FriendAdd,
    FriendAddLayer, Packet, Rejection, acknowledge, test_util::CallbackRequest,
};
use tower_test::mock;

use common::{
    APP_ID, TIME, TOKEN, at, chat, layer, log, now,
    script::{Script, Step, data},
    signed, signed_layer, token,
    vectors::{Verdict, rejected},
};

/// What every line of a layer for friend-add ends with, and of a router.
const FIELDS: &str = r#" sdk_app_id=1400000000 command="Sns.CallbackFriendAdd""#;

/// The lines that are logged meanwhile.
fn logged(during: impl FnOnce()) -> Vec<String> {
    log::logged(during).lines().map(str::to_owned).collect()
}

/// The one line that is logged while the layer answers.
fn line_of<P: Packet>(layer: &CallbackLayer<P>, request: Request<Script>) -> String {
    let lines = logged(|| send(layer, request));
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    line.clone()
}

fn send<P: Packet>(layer: &CallbackLayer<P>, request: Request<Script>) {
    block_on(layer.layer(service_fn(accept)).oneshot(request)).unwrap();
}

async fn accept<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(CallbackResponse::ok().into())
}

async fn never<B>(_: Request<B>) -> Result<Response<()>, Infallible> {
    std::future::pending().await
}

fn with_body(request: &CallbackRequest, body: &str) -> Request<Script> {
    scripted(request, [data(body)])
}

fn whole(request: &CallbackRequest) -> Request<Script> {
    scripted(request, [data(request.body())])
}

fn scripted(request: &CallbackRequest, steps: impl IntoIterator<Item = Step>) -> Request<Script> {
    let head = request.clone().build::<Bytes>();
    head.map(|_| Script::new(steps).0)
}

fn post_to(app: &Router, request: CallbackRequest) -> Vec<String> {
    logged(|| {
        let request = request.build::<axum::body::Body>();
        block_on(app.clone().oneshot(request)).unwrap();
    })
}

#[test]
fn each_rejection_is_one_line() {
    for vector in rejected() {
        let Verdict::Reject { kind, error_info } = &vector.verdict else {
            unreachable!("it is rejected")
        };
        let what = match (vector.is_rejected_by_url(), &vector.app.tokens[..]) {
            (true, _) => "callback rejected",
            (false, []) => "callback lost",
            (false, _) => "verified callback lost",
        };
        let app_id = vector.app.sdk_app_id;
        let start = format!(
            " WARN tower_tencent_chat: {what}: {error_info} sdk_app_id={app_id} \
             command=\"Sns.CallbackFriendAdd\" "
        );
        let line = line_of(&vector.layer::<FriendAdd>(), vector.build().0);
        assert!(line.starts_with(&start), "{}: {line}", vector.name);
        assert!(line.contains(&format!(" kind=\"{kind}\"")), "{line}");
    }
}

/// The details have tests beside the functions that find them.
#[test]
fn a_line_ends_with_what_helps_to_find_the_cause() {
    let other_app = signed().query("SdkAppid", "7");
    let late = chat().signed(&token(TOKEN), at(TIME - 301));
    for (request, body, detail) in [
        (other_app, "", "SdkAppid is 7"),
        (late, "", "RequestTime is 301 s behind"),
        (signed(), "", "Eof error at line 1 column 0"),
    ] {
        let line = line_of(&signed_layer(), with_body(&request, body));
        assert!(
            line.contains(&format!("{FIELDS} client_ip=127.0.0.1 kind=")),
            "{line}"
        );
        assert!(line.ends_with(&format!(" detail={detail}")), "{line}");
    }
}

#[test]
fn a_rejection_by_the_url_is_a_warning_once_a_minute() {
    let clock = Arc::new(AtomicU64::new(TIME));
    let seconds = Arc::clone(&clock);
    let layer = layer()
        .token(token(TOKEN))
        .clock(move || at(seconds.load(Relaxed)));
    let forged = || with_body(&chat().signed(&token("guessed"), now()), "");
    let other_app = || with_body(&signed().query("SdkAppid", "7"), "");
    // Neither clones nor layers made of it are a way around the limit.
    let clone = layer.for_packet::<Unrouted>().for_packet();
    for (layer, request, after, level, held_back) in [
        (&layer, forged(), 0, " WARN", None),
        (&clone, forged(), 0, "DEBUG", None),
        (&layer, forged(), 59, "DEBUG", None),
        (&layer, other_app(), 59, " WARN", None),
        (&layer, forged(), 60, " WARN", Some(2)),
        (&layer, forged(), 61, "DEBUG", None),
        (&layer, other_app(), 61, "DEBUG", None),
        (&layer, forged(), 200, " WARN", Some(1)),
        (&layer, forged(), 400, " WARN", None),
        // The clock is set back: by a minute it waits, by more it doesn't.
        (&layer, forged(), 340, "DEBUG", None),
        (&layer, forged(), 339, " WARN", Some(1)),
    ] {
        clock.store(TIME + after, Relaxed);
        let line = line_of(layer, request);
        assert!(line.starts_with(level), "{after}: {line}");
        let count = held_back.map(|count| format!(" held_back={count} "));
        match count {
            Some(count) => assert!(line.contains(&count), "{after}: {line}"),
            None => assert!(!line.contains("held_back"), "{after}: {line}"),
        }
    }
}

#[test]
fn what_a_second_layer_rejects_is_a_warning_each_time() {
    let another_app = "the SdkAppid parameter does not match this app sdk_app_id=7";
    let too_large = "the body is too large sdk_app_id=1400000000";
    for (inner, expected) in [
        (FriendAddLayer::new(7), another_app),
        (layer().max_body_size(9), too_large),
    ] {
        let stack = signed_layer().layer(inner.layer(service_fn(accept)));
        for _ in 0..2 {
            let lines = logged(|| drop(block_on(stack.clone().oneshot(whole(&signed()))).unwrap()));
            let expected = format!(" WARN tower_tencent_chat: verified callback lost: {expected}");
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].starts_with(&expected), "{lines:?}");
            assert!(!lines[0].contains("held_back"), "{lines:?}");
        }
    }
}

#[test]
fn without_a_token_no_line_says_verified_and_all_are_limited() {
    let layer = layer();
    for level in [" WARN", "DEBUG"] {
        let rejected = line_of(&layer, with_body(&chat(), "null"));
        let stalled = scripted(&chat(), [data("{"), Step::Wait]);
        let dropped = logged(|| drop(layer.layer(service_fn(never)).call(stalled)));
        let dropped = dropped.join("\n");
        // Each has a limit of its own.
        for (line, what) in [(rejected, "the body is not"), (dropped, "dropped before")] {
            let expected = format!("{level} tower_tencent_chat: callback lost: {what}");
            assert!(line.starts_with(&expected), "{line}");
        }
    }
}

#[test]
fn a_signature_that_nobody_checks_is_a_warning_once_a_minute() {
    let layer = layer().clock(now);
    let router = CallbackRouter::new(APP_ID).clock(now);
    let router = router.route::<FriendAdd>(service_fn(accept));
    let line = |level| {
        format!(
            "{level} tower_tencent_chat: a signed callback was accepted without a check: \
             authentication is switched on in the console, but no token is set{FIELDS} \
             client_ip=127.0.0.1"
        )
    };
    for level in [" WARN", "DEBUG"] {
        assert_eq!(line_of(&layer, whole(&signed())), line(level));
        let lines = logged(|| drop(block_on(router.clone().oneshot(whole(&signed()))).unwrap()));
        assert_eq!(lines, [line(level)]);
    }
    assert_eq!(logged(|| send(&layer, whole(&chat()))), [""; 0]);
    let rejected = line_of(&layer, whole(&signed().query("SdkAppid", "7")));
    assert!(rejected.contains("callback rejected"), "{rejected}");
}

#[test]
fn a_future_that_is_dropped_before_delivery_is_a_warning() {
    let busy = ConcurrencyLimit::new(service_fn(accept), 0);
    let router = CallbackRouter::new(APP_ID).token(token(TOKEN)).clock(now);
    let router = router.route::<FriendAdd>(service_fn(accept));
    let stalled = || {
        scripted(
            &signed().query("RequestId", "8f14"),
            [data("{"), Step::Wait],
        )
    };
    let line = |id: &str| {
        format!(
            " WARN tower_tencent_chat: verified callback lost: dropped before it was handed on: a \
             time-out, a client that disconnected, a panic, or a service that failed before it was \
             ready{FIELDS}{id} client_ip=127.0.0.1"
        )
    };
    let id = r#" request_id="8f14""#;

    // In mid-body, polled and not; then while its handler isn't ready.
    for polls in [0, 1] {
        let lines = logged(|| {
            let mut future = task::spawn(signed_layer().layer(busy.clone()).call(stalled()));
            (0..polls).for_each(|_| assert_pending!(future.poll()));
        });
        assert_eq!(lines, [line(id)]);
    }
    let lines = logged(|| {
        let future = signed_layer().layer(busy.clone()).call(whole(&signed()));
        assert_pending!(task::spawn(future).poll());
    });
    assert_eq!(lines, [line("")]);

    // Through the router it is the same.
    let lines = logged(|| assert_pending!(task::spawn(router.clone().call(stalled())).poll()));
    assert_eq!(lines, [line(id)]);
}

#[test]
fn a_service_that_fails_after_the_body_is_one_warning() {
    let (service, mut handle) = mock::pair::<_, Response<()>>();
    handle.send_error("out of order");
    let lines = logged(|| {
        let mut future = task::spawn(signed_layer().layer(service).call(whole(&signed())));
        assert_ready!(future.poll()).unwrap_err();
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    let start = " WARN tower_tencent_chat: verified callback lost: dropped";
    assert!(lines[0].starts_with(start), "{lines:?}");
}

#[test]
fn a_packet_that_panics_is_logged_as_lost() {
    struct Panics;

    impl<'de> Deserialize<'de> for Panics {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("a bug in a user's type")
        }
    }

    impl Packet for Panics {
        const COMMAND: &'static str = "Panics";
    }

    let request = CallbackRequest::new("Panics", APP_ID, "{}").signed(&token(TOKEN), now());
    let layer = signed_layer().for_packet::<Panics>();
    let lines = logged(|| {
        let answer = AssertUnwindSafe(|| send(&layer, whole(&request)));
        assert!(catch_unwind(answer).is_err());
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains(" verified callback lost: dropped"),
        "{lines:?}"
    );
}

/// Once a callback has been handed on, its handler knows; a rejection has been logged already.
#[test]
fn a_future_that_is_dropped_later_is_not_logged() {
    let layer = signed_layer().max_body_size(1000);
    let rest = [Step::Wait, data("rest")];
    let forged = scripted(&signed().query("Sign", ""), rest.clone());
    let too_large = [data([b' '; 1000]), data(" ")].into_iter().chain(rest);
    for (request, expected) in [
        (whole(&signed()), None),
        (forged, Some("callback rejected: the Sign parameter")),
        (
            scripted(&signed(), too_large),
            Some("verified callback lost: the body is too large"),
        ),
    ] {
        let lines = logged(|| {
            let mut future = task::spawn(layer.layer(service_fn(never)).call(request));
            assert_pending!(future.poll());
        });
        assert_eq!(lines.len(), expected.iter().count(), "{lines:?}");
        assert!(
            lines.iter().all(|line| line.contains(expected.unwrap())),
            "{lines:?}"
        );
    }
}

#[derive(Deserialize)]
struct Unrouted {}

impl Packet for Unrouted {
    const COMMAND: &'static str = "Unrouted";
}

#[test]
fn a_verified_callback_without_a_handler_is_a_warning() {
    let only = "it was only acknowledged, though a layer has handed it on; is there a handler behind \
                the layer?";
    let command = r#"command="Sns.CallbackFriendAdd" client_ip=127.0.0.1"#;
    let app = |layer| Router::new().route("/", post(acknowledge).layer(layer));
    let signed_app = app(signed_layer());
    let line = format!(" WARN tower_tencent_chat: verified callback lost: {only} {command}");
    for _ in 0..2 {
        assert_eq!(post_to(&signed_app, signed()), [&*line]);
    }
    let app = app(layer());
    for level in [" WARN", "DEBUG"] {
        let line = format!("{level} tower_tencent_chat: callback lost: {only} {command}");
        assert_eq!(post_to(&app, chat()), [line]);
    }
}

#[test]
fn a_verified_callback_for_another_handler_is_a_warning_each_time() {
    let only = "a layer has handed it on, but its handler takes another callback";
    let line =
        format!(r#" WARN tower_tencent_chat: verified callback lost: {only} command="Unrouted""#);
    let handler = post(async |_: Callback<Unrouted>| ()).layer(signed_layer());
    let app = Router::new().route("/", handler);
    for _ in 0..2 {
        let mut request = signed().build::<axum::body::Body>();
        request.headers_mut().insert(CONTENT_LENGTH, 2.into());
        let mut response = None;
        let lines = logged(|| response = block_on(app.clone().oneshot(request)).ok());
        assert_eq!(lines, [&*line]);
        // The layer has read the body.
        assert_eq!(response.unwrap().headers().get(CONNECTION), None);
    }

    let any = post(async |_: Option<Callback<FriendAdd>>, _: AnyCallback| ());
    let router = CallbackRouter::new(APP_ID).route_others(any);
    let app = Router::new().route_service("/", router);
    assert_eq!(post_to(&app, chat()), [""; 0]);
}

/// One test for all lines without a layer: they share limits that go by the machine's clock.
#[test]
fn a_handler_without_a_layer_is_a_warning_once_a_minute() {
    async fn handler(_: Callback<Unrouted>) -> CallbackResponse {
        unreachable!("there is no callback")
    }
    async fn optional(callback: Option<Callback<Unrouted>>) -> CallbackResponse {
        assert!(callback.is_none());
        CallbackResponse::ok()
    }
    async fn result(callback: Result<Callback<Unrouted>, Rejection>) -> CallbackResponse {
        callback.map_or_else(Into::into, |_| CallbackResponse::ok())
    }

    let no_layer = "callback lost: its handler was called, but no layer; is the layer around this \
                    route? command=\"Unrouted\"";
    let other_webhook = "a request without this callback came to its handler; is the handler's \
                         route called by other webhooks, too? command=\"Unrouted\"";
    let no_parameters = "a POST without any of Tencent's parameters; does a proxy drop the query?";
    let own = || CallbackRequest::new(Unrouted::COMMAND, APP_ID, "{}");
    let other = || CallbackRequest::new("Other", APP_ID, "{}");
    let visit = |app: &Router, method: &str| {
        let request = Request::builder().method(method).uri("/");
        let request = request.body(axum::body::Body::empty()).unwrap();
        logged(|| drop(block_on(app.clone().oneshot(request)).unwrap()))
    };
    let app = Router::new().fallback(handler);

    // Whoever takes a `Result` decides what is lost, so this doesn't use up the limits.
    let takes_result = Router::new().route("/", post(result));
    for request in [own(), other()] {
        assert_eq!(post_to(&takes_result, request), [""; 0]);
    }
    assert_eq!(visit(&takes_result, "POST"), [""; 0]);
    for level in [" WARN", "DEBUG"] {
        let line = |what: &str| [format!("{level} tower_tencent_chat: {what}")];
        assert_eq!(post_to(&app, own()), line(no_layer));
        assert_eq!(post_to(&app, other()), line(other_webhook));
        let with_command = format!("{no_parameters} command=\"Unrouted\"");
        assert_eq!(visit(&app, "POST"), line(&with_command));
    }
    assert_eq!(visit(&app, "GET"), [""; 0]);
    let takes_option = Router::new().route("/", post(optional));
    let line = format!("DEBUG tower_tencent_chat: {no_layer} client_ip=127.0.0.1");
    assert_eq!(post_to(&takes_option, own()), [line]);
    assert_eq!(post_to(&takes_option, other()), [""; 0]);

    let acknowledges = Router::new().fallback(acknowledge);
    let line = format!("DEBUG tower_tencent_chat: {no_parameters}");
    assert_eq!(visit(&acknowledges, "POST"), [line]);
    assert_eq!(visit(&acknowledges, "GET"), [""; 0]);
}

#[test]
fn a_router_logs_a_post_without_parameters_once_a_minute() {
    type Body = Full<Bytes>;
    let router = CallbackRouter::<Body, Body, Infallible>::new(APP_ID).clock(now);
    for level in [" WARN", "DEBUG"] {
        let request = Request::post("/callback").body(Body::default()).unwrap();
        let lines = logged(|| drop(block_on(router.clone().oneshot(request)).unwrap()));
        let expected = format!(
            "{level} tower_tencent_chat: a POST without any of Tencent's parameters; does a proxy drop \
             the query? sdk_app_id=1400000000"
        );
        assert_eq!(lines, [expected]);
    }
}

#[test]
fn what_is_accepted_or_passes_through_is_not_logged() {
    let visit = Request::get("/").body(Script::new([]).0).unwrap();
    let other = whole(&CallbackRequest::new(Unrouted::COMMAND, APP_ID, "{}"));
    for request in [whole(&signed()), visit, other] {
        assert_eq!(logged(|| send(&signed_layer(), request)), [""; 0]);
    }
}

/// So that a misspelt command or a forgotten route can be found.
#[test]
fn an_acknowledgement_is_logged_at_debug() {
    let router = CallbackRouter::new(APP_ID).route::<Unrouted>(service_fn(accept));
    for (command, recorded) in [
        ("NotRouted", "NotRouted".to_owned()),
        ("a\nb", r"a\nb".to_owned()),
        (&"x".repeat(65), "x".repeat(64)),
    ] {
        let request = || CallbackRequest::new(command, APP_ID, "{}").query("RequestId", "8f14");
        let line = |app: &str| {
            [format!(
                "DEBUG tower_tencent_chat: acknowledged: it has no handler{app} \
                 command=\"{recorded}\" request_id=\"8f14\" client_ip=127.0.0.1"
            )]
        };
        let whole = || whole(&request());
        let lines = logged(|| drop(block_on(router.clone().oneshot(whole())).unwrap()));
        assert_eq!(lines, line(" sdk_app_id=1400000000"));
        let service = Acknowledge::<Bytes>::new();
        let lines = logged(|| drop(block_on(service.oneshot(whole())).unwrap()));
        assert_eq!(lines, line(""));
    }
}

#[test]
fn a_line_is_no_longer_than_the_sender_may_make_it() {
    for (len, recorded) in [(64, 64), (65, 64), (1000, 64)] {
        let request = signed()
            .query("RequestId", &"é".repeat(len))
            .query("OptPlatform", &"long".repeat(len));
        for request in [request.clone(), request.query("Sign", "")] {
            let line = line_of(&signed_layer(), with_body(&request, "{"));
            let id = format!(" request_id=\"{}\" ", "é".repeat(recorded));
            assert!(line.contains(&id), "{line}");
            assert!(!line.contains("long"), "{line}");
        }
    }
}

#[test]
fn nobody_forges_a_line_through_a_parameter() {
    const FORGED: &str =
        "x\r\n WARN forged: \u{1b}[31mred\u{1b}[0m \u{2028}\u{85}\u{7}\" kind=Fine";
    let request = || {
        signed()
            .query("RequestId", FORGED)
            .query("OptPlatform", FORGED)
            .query("own", FORGED)
    };
    let command = serde_json::json!({"CallbackCommand": FORGED}).to_string();
    for (request, body) in [
        (request(), FORGED),
        (request(), &command),
        (request().query("ClientIP", FORGED), FORGED),
        (request().query("SdkAppid", FORGED), ""),
        (request().query("Sign", FORGED), ""),
        (request().query("RequestTime", FORGED), ""),
        (request().query("contenttype", FORGED), ""),
    ] {
        let line = line_of(&signed_layer(), with_body(&request, body));
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{2028}', '\u{85}']), "{line:?}");
        let unescaped = line.replace(r#"\""#, "");
        assert!(!unescaped.contains("\" kind=Fine"), "{line}");
    }
}
