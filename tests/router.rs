//! A handler for each webhook by `CallbackRouter`, and `Acknowledge` for what has none.

mod common;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
};

use axum::{Router, extract::State, routing::post};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::Full;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_tencent_chat::{
    Acknowledge, Acknowledged, AnyCallback, BlackListAdd, BlackListDelete, Callback,
    CallbackResponse, CallbackRouter, FriendAdd, FriendAddLayer, FriendDelete, Packet,
    RejectionKind, RequestBody, acknowledge, test_util::CallbackRequest,
};
use tower_test::mock;

use common::{
    APP_ID, BLACK_LIST_ADD, Counted, FRIEND_ADD, FRIEND_DELETE, OK, TOKEN, chat, fail, kind, now,
    script::{Script, Step, data, trailers},
    text, token,
};

type Body = Full<Bytes>;
type Inner = Request<RequestBody<Body>>;
type Answer = Result<Response<Body>, Infallible>;
type Handle = mock::Handle<Request<RequestBody<Script>>, Response<Body>>;

fn state_change() -> CallbackRequest {
    CallbackRequest::new("State.StateChange", APP_ID, "{}")
}

fn said(text: &str) -> Response<Body> {
    Response::new(text.to_owned().into())
}

/// Answers with the command of its packet.
async fn named<P: Packet, B>(request: Request<RequestBody<B>>) -> Answer {
    assert!(request.extensions().get::<Callback<P>>().is_some());
    Ok(said(P::COMMAND))
}

// The handlers that follow are what a user writes, with no type that a user would not write.

async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
    CallbackResponse::fail(format!("{} added", callback.pair_list.len()))
}

async fn friend_deleted(
    State(state): State<Arc<str>>,
    callback: Callback<FriendDelete>,
) -> CallbackResponse {
    let pair = &callback.pair_list[0];
    let (from, to) = (&pair.from_account, &pair.to_account);
    CallbackResponse::fail(format!("{state}: {from} deleted {to}"))
}

async fn friend_blocked(
    request: Request<RequestBody<axum::body::Body>>,
) -> Result<axum::response::Response, Infallible> {
    let callback = request.extensions().get::<Callback<BlackListAdd>>();
    let blocked = callback.unwrap().pair_list.len();
    Ok(CallbackResponse::fail(format!("{blocked} blocked")).into())
}

#[tokio::test]
async fn handlers_with_and_without_state_and_services_are_routes() {
    let state: Arc<str> = Arc::from("state");
    let callbacks = CallbackRouter::new(APP_ID)
        .route::<FriendAdd>(post(friend_added))
        .route::<FriendDelete>(post(friend_deleted).with_state(state))
        .route::<BlackListAdd>(service_fn(friend_blocked));
    let app: Router = Router::new().route_service("/callback", callbacks);
    for (command, body, expected) in [
        (FriendAdd::COMMAND, FRIEND_ADD, fail("3 added")),
        (
            FriendDelete::COMMAND,
            FRIEND_DELETE,
            fail("state: alice deleted bob"),
        ),
        (BlackListAdd::COMMAND, BLACK_LIST_ADD, fail("3 blocked")),
        (BlackListDelete::COMMAND, "{}", OK.to_owned()),
        ("State.StateChange", "", OK.to_owned()),
        (
            FriendAdd::COMMAND,
            FRIEND_DELETE,
            fail("the CallbackCommand of the body differs from the URL's"),
        ),
    ] {
        let request = CallbackRequest::new(command, APP_ID, body).path("/callback");
        let request = request.build::<axum::body::Body>();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{command}");
        assert_eq!(text(response).await, expected, "{command}");
    }
    let visit = Request::post("/callback").body(axum::body::Body::empty());
    let response = app.oneshot(visit.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[test]
#[should_panic(expected = "Sns.CallbackFriendAdd has a route already")]
fn a_webhook_has_one_route() {
    let _ = CallbackRouter::<Body, _, _>::new(APP_ID)
        .route::<FriendAdd>(service_fn(named::<FriendAdd, Body>))
        .route::<FriendDelete>(service_fn(named::<FriendDelete, Body>))
        .route::<FriendAdd>(service_fn(named::<FriendAdd, Body>));
}

#[tokio::test]
async fn a_router_may_be_configured_after_its_routes() {
    let router = CallbackRouter::new(APP_ID)
        .route::<FriendAdd>(service_fn(named::<FriendAdd, Body>))
        .tokens([token("another"), token("the-next-token")])
        .token(token(TOKEN))
        .clock(now);
    let (kept, limited) = (router.clone(), router.clone().max_body_size(0));
    let signed = |by| chat().signed(&token(by), now()).build();
    for (router, by, expected) in [
        (&router, TOKEN, None),
        (&kept, "the-next-token", None),
        (&kept, "guessed", Some(RejectionKind::SignMismatch)),
        (&limited, "another", Some(RejectionKind::BodyTooLarge)),
    ] {
        let response = router.clone().oneshot(signed(by)).await.unwrap();
        assert_eq!(kind(&response), expected);
    }
}

#[tokio::test]
async fn others_are_every_webhook_without_a_route() {
    async fn any(request: Inner) -> Answer {
        let any = request.extensions().get::<AnyCallback>().unwrap();
        assert!(request.extensions().get::<Callback<FriendAdd>>().is_none());
        Ok(said(&format!("any {}", any.command())))
    }
    let router = CallbackRouter::new(APP_ID)
        .route_others(service_fn(any))
        .route::<FriendAdd>(service_fn(named::<FriendAdd, Body>))
        .fallback(service_fn(async |_: Request<Body>| Ok(said("fallback"))));
    let other_app = CallbackRequest::new("State.StateChange", 7, "{}").uri();
    for (uri, expected) in [
        (chat().uri(), FriendAdd::COMMAND),
        (state_change().uri(), "any State.StateChange"),
        (
            other_app,
            &*fail("the SdkAppid parameter does not match this app"),
        ),
        (
            "/?SdkAppid=1400000000&CallbackCommand=".parse().unwrap(),
            "fallback",
        ),
        ("/?CallbackCommand".parse().unwrap(), "fallback"),
        ("/?SdkAppid=1400000000".parse().unwrap(), "fallback"),
    ] {
        let request = Request::post(&uri).body(Body::from(FRIEND_ADD)).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(text(response).await, expected, "{uri}");
    }
}

#[tokio::test]
async fn errors_pass_whatever_their_type() {
    let router = CallbackRouter::new(APP_ID)
        .route::<FriendAdd>(service_fn(async |_: Inner| {
            Err::<Response<Body>, _>("the route's error")
        }))
        .fallback(service_fn(async |_: Request<Body>| {
            Err::<Response<Body>, _>("the fallback's error")
        }));
    for (request, expected) in [
        (chat(), "the route's error"),
        (state_change(), "the fallback's error"),
    ] {
        let error = router.clone().oneshot(request.build()).await.unwrap_err();
        assert_eq!(error, expected);
    }
}

#[test]
fn a_route_and_a_fallback_that_are_not_ready_are_waited_for() {
    let (route, mut handle): (_, Handle) = mock::pair();
    let (fallback, mut rest) = mock::pair::<Request<Script>, Response<Body>>();
    let mut router = CallbackRouter::new(APP_ID)
        .route::<FriendAdd>(route)
        .fallback(fallback);
    // The mocks panic where they are called before they are ready.
    handle.allow(0);
    rest.allow(0);
    assert_ready_ok!(task::spawn(router.ready()).poll());
    let (body, _) = Script::new([data(chat().body())]);
    let callback = Request::post(chat().uri()).body(body).unwrap();
    let mut callback = task::spawn(router.call(callback));
    let other = Request::post(state_change().uri()).body(Script::new([]).0);
    let mut other = task::spawn(router.call(other.unwrap()));
    assert_pending!(callback.poll());
    assert_pending!(other.poll());
    assert_pending!(handle.poll_request());
    assert_pending!(rest.poll_request());

    handle.allow(1);
    assert!(callback.is_woken() && !other.is_woken());
    assert_pending!(callback.poll());
    let (_, respond) = assert_ready!(handle.poll_request()).unwrap();
    respond.send_response(said("the route's answer"));
    assert_ready_ok!(callback.poll());

    rest.allow(1);
    assert!(other.is_woken());
    assert_pending!(other.poll());
    let (_, respond) = assert_ready!(rest.poll_request()).unwrap();
    respond.send_response(said("the fallback's answer"));
    assert_ready_ok!(other.poll());
}

#[test]
fn a_route_is_cloned_for_its_own_callbacks_not_at_each_poll() {
    let counted = Counted::default();
    let clones = Arc::clone(&counted.0);
    let route = service_fn(move |_: Request<RequestBody<Script>>| {
        let _ = &counted;
        async { Ok::<_, Infallible>(said("the route's answer")) }
    });
    let mut router = CallbackRouter::new(APP_ID)
        .route::<FriendAdd>(route)
        .route::<FriendDelete>(service_fn(named::<FriendDelete, Script>))
        .clone();
    let body = Script::new([data(FRIEND_DELETE)]).0;
    let deleted = CallbackRequest::friend_delete(APP_ID).uri();
    let deleted = Request::post(deleted).body(body).unwrap();
    assert_ready_ok!(task::spawn(router.call(deleted)).poll());
    assert_eq!(clones.load(Relaxed), 0);
    let (body, probe) = Script::new([Step::Wait, data(chat().body()), Step::Wait]);
    let mut upload = task::spawn(router.call(Request::post(chat().uri()).body(body).unwrap()));
    for _ in 0..2 {
        assert_pending!(upload.poll());
        probe.wake();
    }
    assert_ready_ok!(upload.poll());
    // One to be called, and one that waits for the body with nothing reserved.
    assert_eq!(clones.load(Relaxed), 2);
}

#[tokio::test]
async fn a_layer_shares_its_configuration_until_it_is_set_anew() {
    let first = FriendAddLayer::new(APP_ID).max_body_size(200);
    let (clone, other) = (first.clone(), first.for_packet::<FriendDelete>());
    let first = first.max_body_size(0);
    let large = CallbackRequest::new(FriendDelete::COMMAND, APP_ID, " ".repeat(201));
    let inner = service_fn(named::<FriendAdd, Body>);
    let other = other.layer(service_fn(named::<FriendDelete, Body>));
    for (response, is_too_large) in [
        (first.layer(inner).oneshot(chat().build()).await, true),
        (clone.layer(inner).oneshot(chat().build()).await, false),
        (other.oneshot(large.build()).await, true),
    ] {
        let kind = kind(&response.unwrap());
        assert_eq!(kind, is_too_large.then_some(RejectionKind::BodyTooLarge));
    }
}

#[tokio::test]
async fn a_request_with_any_of_tencents_parameters_is_acknowledged() {
    let service = Acknowledge::<axum::body::Body>::default();
    let app = Router::new().fallback(acknowledge);
    let router = CallbackRouter::<Body, Body, Infallible>::new(APP_ID);
    for (uri, is_webhook) in [
        ("/?CallbackCommand=State.StateChange", true),
        ("/any/path?%43allback%43ommand=X&CallbackCommand", true),
        // The console's verify button.
        ("/?Sign=0&RequestTime=1", true),
        ("/?SdkAppid=1", true),
        ("/?contenttype=json", true),
        ("/?ClientIP=127.0.0.1", true),
        ("/?OptPlatform=Web", true),
        ("/?RequestID=1", true),
        ("/?own&RequestId", true),
        ("/", false),
        ("/CallbackCommand=X?", false),
        (
            "/?callbackcommand=X&CallbackCommands=X&a=CallbackCommand",
            false,
        ),
    ] {
        for method in ["POST", "GET"] {
            let request = || Request::builder().method(method).uri(uri);
            let plain = || request().body(Body::from("{}")).unwrap();
            let from_service = service.clone().oneshot(plain()).await.unwrap();
            let from_handler = app.clone().oneshot(plain().map(axum::body::Body::new));
            let from_router = router.clone().oneshot(plain()).await.unwrap();
            for response in [
                from_service,
                from_handler.await.unwrap(),
                from_router.map(axum::body::Body::new),
            ] {
                let mark = response.extensions().get::<Acknowledged>();
                assert_eq!(mark.is_some(), is_webhook, "{uri}");
                if is_webhook {
                    assert_eq!(response.status(), StatusCode::OK, "{uri}");
                    assert_eq!(response.headers()["content-type"], "application/json");
                    assert_eq!(text(response).await, OK, "{uri}");
                } else {
                    assert_eq!(response.status(), StatusCode::NOT_FOUND, "{uri}");
                    assert_eq!(text(response).await, "", "{uri}");
                }
            }
        }
    }
}

type Acknowledging = Pin<Box<dyn Future<Output = Response<()>>>>;

/// What `Acknowledge` and a router without routes make of a request.
fn acknowledging(request: &Request<Script>) -> [Acknowledging; 2] {
    let one = Acknowledge::<Body>::new().call(request.clone());
    let two = CallbackRouter::<_, Body, Infallible>::new(APP_ID).call(request.clone());
    [
        Box::pin(async { one.await.unwrap().map(drop) }),
        Box::pin(async { two.await.unwrap().map(drop) }),
    ]
}

#[test]
fn an_acknowledgement_comes_when_a_mebibyte_at_most_has_been_read() {
    let webhook = || Request::post(state_change().uri());
    let other = || Request::post("/");
    let waits = vec![data("{"), Step::Wait, data(""), data("}"), trailers()];
    let mebibyte = |last| vec![data(vec![b' '; 1023 * 1024]), data(vec![b' '; last])];
    for (head, steps, polls, closes) in [
        (webhook(), waits.clone(), 6, false),
        (webhook(), mebibyte(1024), 3, false),
        (
            webhook(),
            [mebibyte(1024), vec![data("end")]].concat(),
            3,
            true,
        ),
        (
            webhook().header("content-length", "1048577"),
            vec![],
            0,
            true,
        ),
        (other(), waits.clone(), 6, false),
        (other().version(Version::HTTP_2), waits, 0, false),
    ] {
        let (body, probe) = Script::new(steps);
        let request = head.body(body.says_end_of_stream(!closes)).unwrap();
        let mut polls_before = 0;
        for future in acknowledging(&request) {
            let mut future = task::spawn(future);
            let response = match future.poll() {
                Poll::Ready(response) => response,
                Poll::Pending => {
                    assert!(!future.is_woken());
                    probe.wake();
                    assert_ready!(future.poll())
                }
            };
            let is_webhook = request.uri().query().is_some();
            assert_eq!(response.status() == StatusCode::OK, is_webhook);
            assert_eq!(response.headers().contains_key("connection"), closes);
            assert_eq!(probe.polls() - polls_before, polls);
            polls_before = probe.polls();
        }
    }
}
