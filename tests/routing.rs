//! A service of its own for each webhook, and OK to the rest.

mod common;
#[path = "common/sns.rs"]
mod sns;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use axum::{Router, extract::State, routing::post};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Channel, Full};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_tencent_chat::{
    Acknowledge, Callback, CallbackLayer, CallbackResponse, FriendAdd, FriendAddLayer, Packet,
    Rejection, RejectionKind, RequestBody, Token, acknowledge, test_util::CallbackRequest,
};
use tower_test::mock;

use common::{APP_ID, OK, fail, text};
use sns::{BLACK_LIST_ADD, BlackListAdd, FRIEND_ADD, FRIEND_DELETE, FriendDelete, Pair};

type Body = Full<Bytes>;
type Inner = Request<RequestBody<Body>>;
type Answer = Result<Response<Body>, Infallible>;

fn alice_adds_bob() -> CallbackRequest {
    CallbackRequest::friend_add(APP_ID).pair("alice", "bob")
}

fn visit() -> Request<Body> {
    Request::get("/favicon.ico")
        .body("a visitor's".into())
        .unwrap()
}

fn said(text: &str) -> Response<Body> {
    Response::new(text.to_owned().into())
}

async fn should_not_be_called(_: Inner) -> Answer {
    panic!("the service was called with what was not for it")
}

// The handlers that follow are what a user writes, with no type that a user would not write.

async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
    assert!(!callback.pair_list.is_empty());
    CallbackResponse::fail("friend_added")
}

async fn friend_deleted(
    State(state): State<Arc<str>>,
    callback: Callback<FriendDelete>,
) -> CallbackResponse {
    let Pair { from, to } = &callback.pair_list[0];
    CallbackResponse::fail(format!("friend_deleted: {state}, {from} and {to}"))
}

async fn friend_blocked(callback: Callback<BlackListAdd>) -> CallbackResponse {
    assert_eq!(callback.pair_list.len(), 3);
    CallbackResponse::fail("friend_blocked")
}

async fn black_listed(
    request: axum::extract::Request<RequestBody<axum::body::Body>>,
) -> Result<axum::response::Response, Infallible> {
    let callback = request.extensions().get::<Callback<BlackListAdd>>();
    assert_eq!(callback.unwrap().pair_list.len(), 3);
    Ok(CallbackResponse::fail("black_listed").into())
}

#[tokio::test]
async fn axum_handlers_handlers_with_state_and_services_are_routed_to_on_one_url() {
    let state: Arc<str> = Arc::from("state");
    let friend_add = FriendAddLayer::new(APP_ID);
    let callbacks = ServiceBuilder::new()
        .layer(friend_add.clone().route_to(post(friend_added)))
        .layer(
            CallbackLayer::<FriendDelete>::new(APP_ID)
                .route_to(post(friend_deleted).with_state(state)),
        )
        .layer(
            friend_add
                .for_packet::<BlackListAdd>()
                .route_to(post(friend_blocked)),
        )
        .service(post(acknowledge));
    let app: Router = Router::new().route_service("/callback", callbacks);

    for (command, body, expected) in [
        ("Sns.CallbackFriendAdd", FRIEND_ADD, fail("friend_added")),
        (
            "Sns.CallbackFriendDelete",
            FRIEND_DELETE,
            fail("friend_deleted: state, 411172 and 425914"),
        ),
        (
            "Sns.CallbackBlackListAdd",
            BLACK_LIST_ADD,
            fail("friend_blocked"),
        ),
        ("Sns.CallbackBlackListDelete", "{}", OK.to_owned()),
        ("State.StateChange", "", OK.to_owned()),
        (
            "Sns.CallbackFriendAdd",
            FRIEND_DELETE,
            fail("the body's CallbackCommand is not the URL's"),
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

#[tokio::test]
async fn on_axum_a_plain_service_is_routed_to_as_well() {
    let callbacks = ServiceBuilder::new()
        .layer(CallbackLayer::<BlackListAdd>::new(APP_ID).route_to(service_fn(black_listed)))
        .layer(FriendAddLayer::new(APP_ID).route_to(post(friend_added)))
        .service(Acknowledge::<axum::body::Body>::default());
    let app: Router = Router::new().route_service("/", callbacks);
    for (command, body, expected) in [
        ("Sns.CallbackFriendAdd", FRIEND_ADD, fail("friend_added")),
        (
            "Sns.CallbackBlackListAdd",
            BLACK_LIST_ADD,
            fail("black_listed"),
        ),
        ("State.StateChange", "", OK.to_owned()),
    ] {
        let request = CallbackRequest::new(command, APP_ID, body).build::<axum::body::Body>();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(text(response).await, expected, "{command}");
    }
}

#[tokio::test]
async fn on_axum_a_routed_layer_is_a_layer_of_a_router() {
    let app: Router = Router::new()
        .route("/", post(acknowledge))
        .layer(FriendAddLayer::new(APP_ID).route_to(Router::new().fallback(friend_added)));
    let request = alice_adds_bob().build::<axum::body::Body>();
    let response = app.clone().oneshot(request).await.unwrap();
    assert_eq!(text(response).await, fail("friend_added"));
    let request = CallbackRequest::new("State.StateChange", APP_ID, "").build::<axum::body::Body>();
    assert_eq!(text(app.oneshot(request).await.unwrap()).await, OK);
}

#[tokio::test]
async fn without_a_framework_two_lines_receive_and_acknowledge() {
    async fn friend_added<B>(request: Request<B>) -> Answer {
        let callback = request.extensions().get::<Callback<FriendAdd>>();
        assert_eq!(callback.unwrap().pair_list[0].to_account, "bob");
        Ok(CallbackResponse::fail("friend_added").into())
    }
    let callbacks = ServiceBuilder::new()
        .layer(FriendAddLayer::new(APP_ID).route_to(service_fn(friend_added)))
        .service(Acknowledge::new());

    let request = alice_adds_bob().build::<Body>();
    let response = callbacks.clone().oneshot(request).await.unwrap();
    assert_eq!(text(response).await, fail("friend_added"));

    let other = CallbackRequest::new("State.StateChange", APP_ID, "").build::<Body>();
    let response = callbacks.clone().oneshot(other).await.unwrap();
    assert_eq!(text(response).await, OK);

    let response = callbacks.oneshot(visit()).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_refusal_is_the_one_that_the_layer_makes_without_a_route() {
    let token = Token::new("xxxxyyyy").unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1669872112);
    let layer = FriendAddLayer::new(APP_ID)
        .token(token.clone())
        .max_body_size(200)
        .clock(move || now);
    let plain = layer.layer(service_fn(should_not_be_called));
    let routed = layer
        .route_to(service_fn(should_not_be_called))
        .layer(service_fn(should_not_be_called));

    let signed = || alice_adds_bob().signed(&token, now);
    let signed_with = |body: &'static str| {
        CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, body).signed(&token, now)
    };
    let get = || {
        let mut request = signed().build::<Body>();
        *request.method_mut() = http::Method::GET;
        request
    };
    let doubled = || {
        let mut request = signed().build::<Body>();
        *request.uri_mut() = format!("{}&Sign=", request.uri()).parse().unwrap();
        request
    };
    let broken = || {
        let request = signed().build::<Body>();
        request.map(|_| Full::from("{"))
    };
    for (request, kind) in [
        (
            &get as &dyn Fn() -> Request<Body>,
            RejectionKind::MethodNotAllowed,
        ),
        (&doubled, RejectionKind::DuplicateParameter),
        (
            &|| alice_adds_bob().build(),
            RejectionKind::MissingParameter,
        ),
        (
            &|| signed().query("SdkAppid", "1").build(),
            RejectionKind::SdkAppIdMismatch,
        ),
        (
            &|| signed().query("contenttype", "xml").build(),
            RejectionKind::UnsupportedContentType,
        ),
        (
            &|| signed().query("RequestTime", "1").build(),
            RejectionKind::StaleRequestTime,
        ),
        (
            &|| signed().query("Sign", "1").build(),
            RejectionKind::SignMismatch,
        ),
        (
            &|| signed().pair("carol", &"x".repeat(200)).build(),
            RejectionKind::BodyTooLarge,
        ),
        (&broken, RejectionKind::MalformedPacket),
        (
            &|| signed_with(FRIEND_DELETE).build(),
            RejectionKind::CommandMismatch,
        ),
    ] {
        let without = plain.clone().oneshot(request()).await.unwrap();
        let with = routed.clone().oneshot(request()).await.unwrap();
        for response in [&without, &with] {
            let rejection = response.extensions().get::<Rejection>();
            assert_eq!(rejection.map(Rejection::kind), Some(kind));
        }
        assert_eq!(with.status(), without.status(), "{kind:?}");
        assert_eq!(with.headers(), without.headers(), "{kind:?}");
        assert_eq!(text(with).await, text(without).await, "{kind:?}");
    }
}

#[tokio::test]
async fn other_requests_reach_the_inner_service_untouched() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mark(&'static str);

    let inner = service_fn(async |request: Inner| {
        assert_eq!(request.method(), "PATCH");
        assert_eq!(request.uri(), "/path?CallbackCommand=Sns.Other&a=%20");
        assert_eq!(request.headers().len(), 1);
        assert_eq!(request.headers()["x-some"], "header");
        assert_eq!(request.extensions().len(), 1);
        assert_eq!(request.extensions().get(), Some(&Mark("request")));
        let body = request.into_body();
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(4));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "body");
        let mut response = said("the inner service's answer");
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response.extensions_mut().insert(Mark("response"));
        Ok::<_, Infallible>(response)
    });
    let service = FriendAddLayer::new(APP_ID)
        .route_to(service_fn(should_not_be_called))
        .layer(inner);
    let request = Request::patch("/path?CallbackCommand=Sns.Other&a=%20")
        .header("x-some", "header")
        .extension(Mark("request"))
        .body(Body::from("body"));
    let response = service.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert!(response.headers().is_empty());
    assert_eq!(response.extensions().len(), 1);
    assert_eq!(response.extensions().get(), Some(&Mark("response")));
    assert_eq!(text(response).await, "the inner service's answer");
}

#[tokio::test]
async fn a_routed_callback_comes_with_the_same_request_and_bytes() {
    let expected = alice_adds_bob();
    let route = service_fn(|request: Inner| {
        let expected = expected.clone();
        async move {
            assert_eq!(*request.uri(), expected.uri());
            assert_eq!(request.headers()["x-some"], "header");
            assert!(request.extensions().get::<Callback<FriendAdd>>().is_some());
            let body = request.into_body().collect().await.unwrap();
            assert_eq!(body.to_bytes(), expected.body());
            Ok(said("the route's answer"))
        }
    });
    let service = FriendAddLayer::new(APP_ID)
        .route_to(route)
        .layer(service_fn(should_not_be_called));
    let mut request = alice_adds_bob().build::<Body>();
    request
        .headers_mut()
        .insert("x-some", "header".parse().unwrap());
    let response = service.oneshot(request).await.unwrap();
    assert!(response.extensions().is_empty());
    assert_eq!(text(response).await, "the route's answer");
}

/// A service that must not be asked whether it is ready, and counts its clones.
struct ShouldNotBePolled {
    clones: Arc<AtomicUsize>,
}

impl Clone for ShouldNotBePolled {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        let clones = Arc::clone(&self.clones);
        Self { clones }
    }
}

impl<R> Service<R> for ShouldNotBePolled {
    type Response = Response<Body>;
    type Error = tower::BoxError;
    type Future = std::future::Ready<Result<Response<Body>, tower::BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), tower::BoxError>> {
        panic!("the service was asked whether it is ready")
    }

    fn call(&mut self, _: R) -> Self::Future {
        panic!("the service was called")
    }
}

#[tokio::test]
async fn an_inner_service_is_neither_asked_nor_called_for_a_routed_callback() {
    let clones = Arc::default();
    let inner = ShouldNotBePolled {
        clones: Arc::clone(&clones),
    };
    let route = service_fn(async |_: Inner| Ok(said("the route's answer")));
    let mut service = FriendAddLayer::new(APP_ID).route_to(route).layer(inner);
    for _ in 0..3 {
        let response = service.ready().await.unwrap();
        let response = response.call(alice_adds_bob().build()).await.unwrap();
        assert_eq!(text(response).await, "the route's answer");
    }
    assert_eq!(clones.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_refusal_asks_neither_service() {
    let clones = Arc::default();
    let route = ShouldNotBePolled {
        clones: Arc::clone(&clones),
    };
    let inner = route.clone();
    let service = FriendAddLayer::new(APP_ID).route_to(route).layer(inner);
    let forged = alice_adds_bob().query("SdkAppid", "1").build::<Body>();
    let malformed = CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, "null").build();
    for (request, kind) in [
        (forged, RejectionKind::SdkAppIdMismatch),
        (malformed, RejectionKind::MalformedPacket),
    ] {
        let response = service.clone().oneshot(request).await.unwrap();
        let rejection = response.extensions().get::<Rejection>();
        assert_eq!(rejection.map(Rejection::kind), Some(kind));
    }
}

#[tokio::test]
async fn the_routed_service_is_made_ready_only_after_the_callback_was_read() {
    let (route, mut handle) = mock::pair::<Request<RequestBody<Channel<Bytes>>>, Response<Body>>();
    let clones = Arc::default();
    let mut service = FriendAddLayer::new(APP_ID)
        .route_to(route)
        .layer(ShouldNotBePolled { clones });
    // A service that fails when it is asked tells when it is.
    handle.send_error("asked");

    let callback = || {
        let (sender, body) = Channel::<Bytes>::new(1);
        (sender, alice_adds_bob().build::<Bytes>().map(|_| body))
    };
    let (mut sender, request) = callback();
    let mut future = task::spawn(service.ready().await.unwrap().call(request));
    assert_pending!(future.poll());
    let body = alice_adds_bob().body();
    sender.send_data(body.slice(..9)).await.unwrap();
    assert_pending!(future.poll());
    sender.send_data(body.slice(9..)).await.unwrap();
    assert_pending!(future.poll());
    drop(sender);
    let error = assert_ready!(future.poll()).unwrap_err();
    assert_eq!(error.to_string(), "asked");

    // And one that isn't ready is waited for, once each, by every callback for itself.
    handle.allow(0);
    let mut futures = Vec::new();
    for _ in 0..2 {
        let (mut sender, request) = callback();
        sender.send_data(alice_adds_bob().body()).await.unwrap();
        drop(sender);
        let mut future = task::spawn(service.ready().await.unwrap().call(request));
        assert_pending!(future.poll());
        futures.push(future);
    }
    assert_pending!(handle.poll_request());
    handle.allow(2);
    for mut future in futures {
        assert!(future.is_woken());
        assert_pending!(future.poll());
        let (request, respond) = handle.next_request().await.unwrap();
        assert!(request.extensions().get::<Callback<FriendAdd>>().is_some());
        assert_pending!(handle.poll_request());
        respond.send_response(said("the route's answer"));
        assert!(future.is_woken());
        let response = assert_ready!(future.poll()).unwrap();
        assert_eq!(text(response).await, "the route's answer");
    }
}

#[tokio::test]
async fn an_error_of_the_routed_service_passes() {
    let route = service_fn(async |_: Inner| Err::<Response<Body>, _>("the route's error"));
    let inner = service_fn(async |_: Inner| Err::<Response<Body>, _>("the inner service's error"));
    let service = FriendAddLayer::new(APP_ID).route_to(route).layer(inner);
    for (request, expected) in [
        (alice_adds_bob().build(), "the route's error"),
        (visit(), "the inner service's error"),
    ] {
        let error = service.clone().oneshot(request).await.unwrap_err();
        assert_eq!(error, expected);
    }
}

#[tokio::test]
async fn a_routed_callback_consumes_no_permit_of_the_inner_service() {
    let (inner, mut handle) = mock::pair::<Inner, Response<Body>>();
    let route = service_fn(async |_: Inner| Ok(said("the route's answer")));
    let mut service = FriendAddLayer::new(APP_ID)
        .route_to(route)
        .layer(ConcurrencyLimit::new(inner, 1));

    let mut visit = task::spawn(service.ready().await.unwrap().call(self::visit()));
    assert_pending!(visit.poll());
    let (_, respond) = handle.next_request().await.unwrap();
    let mut second = task::spawn(service.ready().await.unwrap().call(self::visit()));
    assert_pending!(second.poll());
    assert_pending!(handle.poll_request());

    for _ in 0..2 {
        let callback = alice_adds_bob().build();
        let mut callback = task::spawn(service.ready().await.unwrap().call(callback));
        let response = assert_ready!(callback.poll()).unwrap();
        assert_eq!(text(response).await, "the route's answer");
    }

    respond.send_response(said("the inner service's answer"));
    let response = assert_ready!(visit.poll()).unwrap();
    assert_eq!(text(response).await, "the inner service's answer");
    drop(visit);
    assert!(second.is_woken());
    assert_pending!(second.poll());
    assert!(handle.next_request().await.is_some());
}

#[tokio::test]
async fn what_passes_through_waits_for_the_inner_service() {
    let (inner, mut handle) = mock::pair::<Inner, Response<Body>>();
    let clones = Arc::default();
    let route = ShouldNotBePolled { clones };
    let mut service = FriendAddLayer::new(APP_ID).route_to(route).layer(inner);

    handle.allow(0);
    let mut future = task::spawn(service.ready().await.unwrap().call(visit()));
    assert_pending!(future.poll());
    assert_pending!(handle.poll_request());
    handle.allow(1);
    assert!(future.is_woken());
    assert_pending!(future.poll());
    let (request, respond) = handle.next_request().await.unwrap();
    assert_eq!(request.uri(), "/favicon.ico");
    respond.send_response(said("the inner service's answer"));
    let response = assert_ready!(future.poll()).unwrap();
    assert_eq!(text(response).await, "the inner service's answer");

    handle.send_error("not today");
    let mut future = task::spawn(service.ready().await.unwrap().call(visit()));
    let error = assert_ready!(future.poll()).unwrap_err();
    assert_eq!(error.to_string(), "not today");
}

#[tokio::test]
async fn layers_for_other_packets_share_token_limit_window_and_clock() {
    let token = Token::new("xxxxyyyy").unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1669872112);
    let layer = FriendAddLayer::new(APP_ID)
        .token(token.clone())
        .max_body_size(FRIEND_DELETE.len())
        .request_time_window(Duration::from_secs(5))
        .clock(move || now)
        .for_packet::<FriendDelete>();
    let service = layer.layer(service_fn(async |request: Inner| {
        assert!(
            request
                .extensions()
                .get::<Callback<FriendDelete>>()
                .is_some()
        );
        Ok::<_, Infallible>(said("accepted"))
    }));
    let deleted =
        |body: String| CallbackRequest::new(FriendDelete::COMMAND, APP_ID, body.into_bytes());
    let whole = || deleted(FRIEND_DELETE.to_owned());
    let longer = || deleted(format!("{FRIEND_DELETE} "));
    let late = |seconds| now + Duration::from_secs(seconds);
    for (request, expected) in [
        (whole().signed(&token, now), None),
        (whole().signed(&token, late(5)), None),
        (
            whole().signed(&token, late(6)),
            Some(RejectionKind::StaleRequestTime),
        ),
        (whole(), Some(RejectionKind::MissingParameter)),
        (
            whole().signed(&token, now).query("SdkAppid", "1"),
            Some(RejectionKind::SdkAppIdMismatch),
        ),
        (
            longer().signed(&token, now),
            Some(RejectionKind::BodyTooLarge),
        ),
    ] {
        let response = service.clone().oneshot(request.build()).await.unwrap();
        let rejection = response.extensions().get::<Rejection>();
        assert_eq!(rejection.map(Rejection::kind), expected);
    }
}

#[tokio::test]
async fn what_is_set_on_a_layer_later_does_not_reach_those_made_from_it() {
    let first = FriendAddLayer::new(APP_ID);
    let second = first.for_packet::<FriendDelete>();
    let clone = first.clone();
    let first = first.max_body_size(0);
    let inner = service_fn(async |_: Inner| Ok::<_, Infallible>(said("accepted")));
    let request = || alice_adds_bob().build();
    let deleted = CallbackRequest::new(FriendDelete::COMMAND, APP_ID, FRIEND_DELETE).build();

    let refused = first.layer(inner).oneshot(request()).await.unwrap();
    assert_eq!(text(refused).await, fail("the body is too large"));
    let accepted = clone.layer(inner).oneshot(request()).await.unwrap();
    assert_eq!(text(accepted).await, "accepted");
    let accepted = second.layer(inner).oneshot(deleted).await.unwrap();
    assert_eq!(text(accepted).await, "accepted");
}

#[tokio::test]
async fn a_webhook_is_acknowledged_and_anything_else_is_not_found() {
    let service = Acknowledge::<axum::body::Body>::default();
    let app = Router::new().fallback(acknowledge);
    for (uri, is_webhook) in [
        ("/?CallbackCommand=State.StateChange", true),
        (
            "/any/path?SdkAppid=1&CallbackCommand=Sns.CallbackFriendAdd",
            true,
        ),
        ("/?%43allback%43ommand=X", true),
        ("/?CallbackCommand=", true),
        ("/?CallbackCommand", true),
        ("/?CallbackCommand=X&CallbackCommand=Y", true),
        ("/", false),
        ("/?", false),
        ("/CallbackCommand=X", false),
        ("/?callbackcommand=X", false),
        ("/?CallbackCommands=X", false),
        ("/?a=CallbackCommand", false),
    ] {
        for method in ["POST", "GET", "PUT"] {
            let request = || Request::builder().method(method).uri(uri);
            let from_service = service
                .clone()
                .oneshot(request().body(Body::default()).unwrap());
            let from_handler = app
                .clone()
                .oneshot(request().body(axum::body::Body::empty()).unwrap());
            for response in [from_service.await.unwrap(), from_handler.await.unwrap()] {
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
