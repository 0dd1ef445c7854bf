//! The feature `tracing`: what is said of callbacks that don't reach a handler, how often, and what never.

mod common;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use axum::{
    Router,
    routing::{get, post},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde::Deserialize;
use tokio_test::{assert_pending, block_on, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_tencent_chat::{
    Acknowledge, Callback, CallbackLayer, CallbackResponse, CallbackRouter, FriendAdd,
    FriendAddLayer, Packet, RequestBody, acknowledge, test_util::CallbackRequest,
};

use common::{
    APP_ID, TIME, TOKEN, at, chat, layer, log, now,
    refused::{self, refused},
    script::{Script, Step, data},
    signed, signed_layer, token,
};

/// The lines that are logged meanwhile.
fn logged(during: impl FnOnce()) -> Vec<String> {
    log::logged(during).lines().map(str::to_owned).collect()
}

/// The one line that is logged while the layer answers.
fn line_of(layer: &FriendAddLayer, request: Request<Script>) -> String {
    let lines = logged(|| send(layer, request));
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    line.clone()
}

fn send(layer: &FriendAddLayer, request: Request<Script>) {
    let inner = service_fn(|_: Request<RequestBody<Script>>| async {
        Ok::<Response<Full<Bytes>>, Infallible>(CallbackResponse::ok().into())
    });
    block_on(layer.layer(inner).oneshot(request)).unwrap();
}

fn with_body(request: &CallbackRequest, body: &str) -> Request<Script> {
    let head = request.clone().build::<Bytes>();
    head.map(|_| Script::new([data(body)]).0)
}

fn post_to(app: Router, request: CallbackRequest) -> Vec<String> {
    logged(|| {
        block_on(app.oneshot(request.build::<axum::body::Body>())).unwrap();
    })
}

#[test]
fn each_refusal_is_one_line_with_what_helps_to_find_the_cause() {
    for row in refused() {
        let what = if row.by_url() {
            "callback refused"
        } else {
            "verified callback lost"
        };
        let (kind, error_info) = (row.kind, row.error_info);
        let detail = row.detail.map(|detail| format!(" detail={detail}"));
        let client_ip = if row.by_url() {
            ""
        } else {
            " client_ip=127.0.0.1"
        };
        let expected = format!(
            " WARN tower_tencent_chat: {what}: {error_info} command=\"Sns.CallbackFriendAdd\" \
             kind=\"{kind}\"{}{client_ip}",
            detail.unwrap_or_default()
        );
        assert_eq!(line_of(&refused::layer(), row.request().0), expected);
    }
}

#[test]
fn what_fails_verification_is_a_warning_once_a_minute_with_the_count_of_those_between() {
    let clock = Arc::new(AtomicU64::new(TIME));
    let seconds = Arc::clone(&clock);
    let layer = layer()
        .token(token(TOKEN))
        .clock(move || at(seconds.load(Relaxed)));
    let forged = || with_body(&chat().signed(&token("guessed"), now()), "");
    let other_app = || with_body(&signed().query("SdkAppid", "7"), "");
    // Neither clones nor layers made of it are a way around the limit.
    let clone = layer.for_packet::<WithoutHandler>().for_packet();
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
fn a_verified_callback_that_is_lost_is_a_warning_each_time() {
    let layer = signed_layer();
    for _ in 0..3 {
        let line = line_of(&layer, with_body(&signed(), "null"));
        assert!(line.starts_with(" WARN tower_tencent_chat: verified callback lost: "));
        assert!(!line.contains("held_back"), "{line}");
    }
}

#[test]
fn without_a_token_nothing_is_called_verified_and_all_is_limited() {
    let layer = layer();
    for level in [" WARN", "DEBUG"] {
        let line = line_of(&layer, with_body(&signed(), "null"));
        assert!(line.starts_with(level), "{line}");
        assert!(line.contains(": callback lost: the body"), "{line}");
        assert!(!line.contains("verified"), "{line}");
    }
}

async fn never(_: Request<RequestBody<Script>>) -> Result<Response<()>, Infallible> {
    std::future::pending().await
}

#[test]
fn a_future_that_is_dropped_before_its_handler_was_called_is_a_warning() {
    let busy = tower::limit::ConcurrencyLimit::new(
        service_fn(|_: Request<RequestBody<Script>>| async {
            Ok::<_, Infallible>(Response::new(()))
        }),
        0,
    );
    let whole = || with_body(&signed(), std::str::from_utf8(&chat().body()).unwrap());
    let stalled = || {
        let head = signed().query("RequestId", "8f14").build::<Bytes>();
        head.map(|_| Script::new([data("{"), Step::Wait]).0)
    };
    let dropped = " WARN tower_tencent_chat: verified callback lost: dropped before it was handed \
                   on: a time-out, a sender that hung up, or a service that failed before it was \
                   ready command=\"Sns.CallbackFriendAdd\"";
    let id = " request_id=\"8f14\"";
    let ip = " client_ip=127.0.0.1";

    // In mid-body, polled and not; then while its handler isn't ready.
    for polls in [0, 1] {
        let lines = logged(|| {
            let mut service = signed_layer().layer(busy.clone());
            let mut future = task::spawn(service.call(stalled()));
            (0..polls).for_each(|_| assert_pending!(future.poll()));
        });
        assert_eq!(lines, [format!("{dropped}{id}{ip}")]);
    }
    let lines = logged(|| {
        let mut future = task::spawn(signed_layer().layer(busy.clone()).call(whole()));
        assert_pending!(future.poll());
    });
    assert_eq!(lines, [format!("{dropped}{ip}")]);

    // Through the router it is the same.
    let lines = logged(|| {
        let router = CallbackRouter::new(APP_ID).token(token(TOKEN)).clock(now);
        let mut router =
            router.route::<FriendAdd>(service_fn(|_: Request<RequestBody<Script>>| async {
                Ok::<_, Infallible>(Response::new(()))
            }));
        assert_pending!(task::spawn(router.call(stalled())).poll());
    });
    assert_eq!(lines, [format!("{dropped}{id}{ip}")]);

    // Once it has been handed on, its handler knows; and a refusal has been told already.
    let lines = logged(|| {
        let mut future = task::spawn(signed_layer().layer(service_fn(never)).call(whole()));
        assert_pending!(future.poll());
    });
    assert_eq!(lines, [""; 0]);
    let lines = logged(|| {
        let forged = with_body(&signed().query("Sign", ""), "");
        drop(signed_layer().layer(busy.clone()).call(forged));
    });
    assert_eq!(lines.len(), 1, "{lines:?}");

    // Without a token nobody is verified, and anybody could hang up at will.
    let layer = layer();
    for level in [" WARN", "DEBUG"] {
        let lines = logged(|| drop(layer.layer(busy.clone()).call(stalled())));
        assert!(lines[0].starts_with(level), "{lines:?}");
        assert!(lines[0].contains(": callback lost: dropped"), "{lines:?}");
    }
}

// A packet of its own for each wrong mount, since which webhooks there are layers for is remembered.

macro_rules! packet {
    ($name:ident) => {
        #[derive(Deserialize)]
        struct $name {}

        impl Packet for $name {
            const COMMAND: &'static str = stringify!($name);
        }
    };
}

fn layer_for<P: Packet>() -> CallbackLayer<P> {
    signed_layer().for_packet()
}

fn callback_of<P: Packet>() -> CallbackRequest {
    let body = format!(r#"{{"CallbackCommand":"{}"}}"#, P::COMMAND);
    CallbackRequest::new(P::COMMAND, APP_ID, body).signed(&token(TOKEN), now())
}

packet!(WithoutHandler);
packet!(LayerBeforeRoute);
packet!(NamedOften);
packet!(OtherMethod);
packet!(WithoutLayer);
packet!(NotMounted);

const ONLY_ACKNOWLEDGED: &str = "it was only acknowledged, though there is a layer for it; is the \
                                 layer around this route and method, and a handler behind it?";

#[test]
fn a_verified_callback_that_is_only_acknowledged_is_a_warning_each_time() {
    let app = || Router::new().route("/", post(acknowledge).layer(layer_for::<WithoutHandler>()));
    for _ in 0..2 {
        assert_eq!(
            post_to(app(), callback_of::<WithoutHandler>()),
            [format!(
                " WARN tower_tencent_chat: verified callback lost: {ONLY_ACKNOWLEDGED} \
                 command=\"WithoutHandler\""
            )]
        );
    }
}

/// One test for both, which share a limit that goes by the machine's clock.
#[test]
fn a_webhook_that_is_named_a_thousand_times_is_one_line() {
    let _ = layer_for::<NamedOften>().layer(());
    let named = format!("/?{}", "CallbackCommand=NamedOften&".repeat(1000));
    let request = Request::post(named).body(Full::<Bytes>::default()).unwrap();
    let lines = logged(|| drop(block_on(Acknowledge::<Bytes>::new().oneshot(request)).unwrap()));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_layer_that_a_callback_gets_around_is_a_warning() {
    let before = Router::new()
        .layer(layer_for::<LayerBeforeRoute>())
        .route("/", post(acknowledge));
    let other = get(acknowledge)
        .layer(layer_for::<OtherMethod>())
        .post(acknowledge);
    let other = Router::new().route("/", other);
    for (app, request, line) in [
        (
            before,
            callback_of::<LayerBeforeRoute>(),
            format!(
                " WARN tower_tencent_chat: callback lost: {ONLY_ACKNOWLEDGED} \
                 command=\"LayerBeforeRoute\""
            ),
        ),
        (
            other,
            callback_of::<OtherMethod>(),
            format!(
                " WARN tower_tencent_chat: callback lost: {ONLY_ACKNOWLEDGED} \
                 command=\"OtherMethod\""
            ),
        ),
    ] {
        assert_eq!(post_to(app, request), [line]);
    }
}

#[test]
fn a_handler_without_a_layer_is_a_warning_and_an_optional_callback_is_none() {
    async fn handler(_: Callback<WithoutLayer>) -> CallbackResponse {
        unreachable!("there is no callback")
    }
    async fn optional(callback: Option<Callback<WithoutLayer>>) -> CallbackResponse {
        assert!(callback.is_none());
        CallbackResponse::ok()
    }
    let app = || Router::new().route("/", post(handler));
    let no_layer = "callback lost: its handler was called, but no layer; is the layer around this \
                    route?";
    let other_webhook = "a request without this callback came to its handler; is the handler's \
                         route called by other webhooks, too?";
    for level in [" WARN", "DEBUG"] {
        let line = |what| format!("{level} tower_tencent_chat: {what} command=\"WithoutLayer\"");
        let lines = post_to(app(), callback_of::<WithoutLayer>());
        assert_eq!(lines, [line(no_layer)]);
        let lines = post_to(app(), callback_of::<NotMounted>());
        assert_eq!(lines, [line(other_webhook)]);
    }
    let app = || Router::new().route("/", post(optional));
    let line = format!("DEBUG tower_tencent_chat: {no_layer} command=\"WithoutLayer\"");
    assert_eq!(post_to(app(), callback_of::<WithoutLayer>()), [line]);
    assert_eq!(post_to(app(), callback_of::<NotMounted>()), [""; 0]);
}

#[test]
fn a_post_without_tencents_parameters_is_a_warning() {
    let send = |request: Request<Full<Bytes>>| {
        logged(|| drop(block_on(Acknowledge::<Bytes>::new().oneshot(request)).unwrap()))
    };
    let get = Request::get("/favicon.ico").body(Full::default()).unwrap();
    assert_eq!(send(get), [""; 0]);
    for level in [" WARN", "DEBUG"] {
        let post = Request::post("/callback").body(Full::default()).unwrap();
        assert_eq!(
            send(post),
            [format!(
                "{level} tower_tencent_chat: a POST without any of Tencent's parameters; does a \
                 proxy drop the query?"
            )]
        );
    }

    async fn handler(_: Callback<WithoutLayer>) -> CallbackResponse {
        unreachable!("there is no callback")
    }
    let app = Router::new().route("/", post(handler));
    let without_query = Request::post("/").body(axum::body::Body::empty()).unwrap();
    let lines = logged(|| drop(block_on(app.oneshot(without_query)).unwrap()));
    let held_back = "DEBUG tower_tencent_chat: a POST without any of Tencent's parameters; does a \
                     proxy drop the query?";
    assert_eq!(lines, [held_back]);
}

#[test]
fn nothing_is_said_of_what_is_accepted_passes_through_or_has_no_layer() {
    let accepted = || with_body(&signed(), std::str::from_utf8(&chat().body()).unwrap());
    let visit = || Request::get("/").body(Script::new([]).0).unwrap();
    let other = || with_body(&callback_of::<NotMounted>(), "{}");
    for request in [accepted(), visit(), other()] {
        assert_eq!(logged(|| send(&signed_layer(), request)), [""; 0]);
    }
    assert_eq!(logged(|| drop(format!("{:?}", layer()))), [""; 0]);
}

/// So that a misspelt command or a forgotten route can be found.
#[test]
fn an_acknowledged_webhook_without_a_handler_is_told_at_debug() {
    let acknowledged =
        |request: CallbackRequest| post_to(Router::new().route("/", post(acknowledge)), request);
    let said = "DEBUG tower_tencent_chat: acknowledged: there is no handler for it";
    let command = |name: &str| CallbackRequest::new(name, APP_ID, "{}");
    for (request, line) in [
        (
            callback_of::<NotMounted>(),
            format!("{said} command=\"NotMounted\""),
        ),
        (command("a\nb"), format!("{said} command=\"a\\nb\"")),
        (
            command(&"x".repeat(65)),
            format!("{said} command=\"{}\"", "x".repeat(64)),
        ),
    ] {
        assert_eq!(acknowledged(request), [line]);
    }
}

#[test]
fn a_line_is_no_longer_than_the_sender_may_make_it() {
    for (len, recorded) in [(64, 64), (65, 64), (1000, 64)] {
        let request = signed()
            .query("RequestId", &"é".repeat(len))
            .query("OptPlatform", &"long".repeat(len));
        let line = line_of(&signed_layer(), with_body(&request, "{"));
        let id = format!(" request_id=\"{}\" ", "é".repeat(recorded));
        assert!(line.contains(&id), "{line}");
        assert!(!line.contains("long"), "{line}");
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
