//! The layer in the places where people put layers.

mod common;
#[path = "common/sns.rs"]
mod sns;

use std::{convert::Infallible, fmt::Debug, time::Duration};

use axum::{Router, response::IntoResponse, routing::post};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Channel, Full, channel::Sender};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{
    Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, util::BoxCloneSyncService,
};
use tower_http::{limit::RequestBodyLimitLayer, timeout::TimeoutLayer, trace::TraceLayer};
use tower_tencent_chat::{
    Callback, CallbackLayer, CallbackResponse, FriendAdd, FriendAddLayer, Rejection,
    test_util::CallbackRequest,
};

use common::{APP_ID, OK, fail, text};
use sns::{BLACK_LIST_ADD, BlackListAdd, FRIEND_ADD, FRIEND_DELETE, FriendDelete};

const ECHO: &str = "no callback, but: ";

fn alice_adds_bob() -> CallbackRequest {
    CallbackRequest::friend_add(APP_ID)
        .path("/callback")
        .pair("alice", "bob")
}

/// A callback whose body comes when the sender sends it.
fn uploading() -> (Sender<Bytes>, Request<Channel<Bytes>>) {
    let (sender, body) = Channel::new(1);
    let request = alice_adds_bob().build::<Bytes>();
    (sender, request.map(|_| body))
}

/// A handler without a framework: acknowledges a callback, and sends anything else back.
async fn handle<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible>
where
    B: Body<Error: Debug>,
{
    if let Some(callback) = request.extensions().get::<Callback<FriendAdd>>() {
        assert_eq!(callback.pair_list[0].from_account, "alice");
        assert_eq!(callback.pair_list[0].to_account, "bob");
        return Ok(CallbackResponse::ok().into());
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let echo = [
        ECHO.as_bytes(),
        head.method.as_str().as_bytes(),
        b" ",
        &body,
    ]
    .concat();
    Ok(Response::new(echo.into()))
}

/// The same for axum.
async fn axum_handle(request: axum::extract::Request) -> Response<Full<Bytes>> {
    handle(request).await.unwrap_or_else(|never| match never {})
}

/// Sends a callback, a forgery and something else to a service that has the layer.
async fn assert_mounted<S, ReqBody, ResBody>(service: S)
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error: Debug> + Clone,
    ReqBody: From<Bytes>,
    ResBody: Body<Error: Debug>,
{
    let request = alice_adds_bob().build();
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, OK);

    let request = alice_adds_bob().query("SdkAppid", "1400000001").build();
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.extensions().get::<Rejection>().is_some());
    let expected = fail("the SdkAppid parameter does not match this app");
    assert_eq!(text(response).await, expected);

    for uri in ["/callback", "/callback?CallbackCommand=State.StateChange"] {
        let body = Bytes::from_static(b"{}").into();
        let request = Request::post(uri).body(body).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.extensions().get::<Rejection>().is_none());
        assert_eq!(text(response).await, format!("{ECHO}POST {{}}"));
    }
}

#[tokio::test]
async fn on_axum_as_router_layer() {
    let app: Router = Router::new()
        .route("/callback", post(axum_handle))
        .layer(FriendAddLayer::new(APP_ID));
    assert_mounted::<_, axum::body::Body, _>(app).await;
}

#[tokio::test]
async fn on_axum_as_router_route_layer() {
    let app: Router = Router::new()
        .route("/callback", post(axum_handle))
        .route_layer(FriendAddLayer::new(APP_ID));
    assert_mounted::<_, axum::body::Body, _>(app).await;
}

#[tokio::test]
async fn on_axum_as_method_router_layer() {
    let app: Router = Router::new().route(
        "/callback",
        post(axum_handle).layer(FriendAddLayer::new(APP_ID)),
    );
    assert_mounted::<_, axum::body::Body, _>(app).await;
}

#[tokio::test]
async fn on_axum_around_nested_routers_with_state() {
    let nested = Router::new()
        .route("/", post(axum_handle))
        .layer(FriendAddLayer::new(APP_ID))
        .with_state("the state");
    let app: Router = Router::new().nest("/callback", nested);
    assert_mounted::<_, axum::body::Body, _>(app).await;
}

#[tokio::test]
async fn on_axum_in_a_service_builder_of_layers() {
    let layers = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(FriendAddLayer::new(APP_ID))
        .layer(RequestBodyLimitLayer::new(1024))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::from_secs(60),
        ))
        .layer(ConcurrencyLimitLayer::new(1));
    let app: Router = Router::new()
        .route("/callback", post(axum_handle))
        .layer(layers);
    assert_mounted::<_, axum::body::Body, _>(app).await;
}

#[tokio::test]
async fn under_trace_and_over_body_limit_timeout_and_concurrency_limit() {
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(FriendAddLayer::new(APP_ID))
        .layer(RequestBodyLimitLayer::new(1024))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::from_secs(60),
        ))
        .layer(ConcurrencyLimitLayer::new(1))
        .service_fn(handle);
    assert_mounted::<_, Full<Bytes>, _>(service).await;
}

#[tokio::test]
async fn under_body_limit_timeout_and_concurrency_limit() {
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::from_secs(60),
        ))
        .layer(RequestBodyLimitLayer::new(1024))
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(FriendAddLayer::new(APP_ID))
        .service_fn(handle);
    assert_mounted::<_, Full<Bytes>, _>(service).await;
}

#[tokio::test]
async fn under_and_over_the_timeout_of_tower_whose_error_is_boxed() {
    let under = ServiceBuilder::new()
        .timeout(Duration::from_secs(60))
        .layer(FriendAddLayer::new(APP_ID))
        .service_fn(handle);
    assert_mounted::<_, Full<Bytes>, _>(under).await;

    let over = ServiceBuilder::new()
        .layer(FriendAddLayer::new(APP_ID))
        .timeout(Duration::from_secs(60))
        .service_fn(handle);
    assert_mounted::<_, Full<Bytes>, _>(over).await;
}

#[tokio::test]
async fn boxed_as_a_service_that_is_clone_and_sync() {
    let service = ServiceBuilder::new()
        .layer(BoxCloneSyncService::layer())
        .layer(FriendAddLayer::new(APP_ID))
        .layer(BoxCloneSyncService::layer())
        .service_fn(handle);
    assert_mounted::<_, Full<Bytes>, _>(service).await;
}

#[tokio::test]
async fn behind_a_buffer() {
    let service = ServiceBuilder::new()
        .buffer(2)
        .layer(FriendAddLayer::new(APP_ID))
        .service_fn(handle);
    assert_mounted::<_, Full<Bytes>, _>(service).await;
}

#[tokio::test]
async fn a_timeout_around_the_layer_ends_a_body_that_never_comes() {
    let (_sender, request) = uploading();
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            Duration::ZERO,
        ))
        .layer(FriendAddLayer::new(APP_ID))
        .service_fn(handle);
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(text(response).await, "");
}

#[tokio::test]
async fn a_body_limit_around_the_layer_makes_the_body_unreadable() {
    let service = ServiceBuilder::new()
        .layer(RequestBodyLimitLayer::new(10))
        .layer(FriendAddLayer::new(APP_ID))
        .service_fn(handle);
    let (mut sender, request) = uploading();
    sender.send_data(alice_adds_bob().body()).await.unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(text(response).await, fail("the body can't be read"));
}

#[tokio::test]
async fn a_body_that_does_not_come_holds_no_permit_of_the_inner_service() {
    let mut service = ServiceBuilder::new()
        .layer(FriendAddLayer::new(APP_ID))
        .concurrency_limit(1)
        .service_fn(handle);
    let (mut sender, stalled) = uploading();
    let ready = service.ready().await.unwrap();
    let mut stalled = task::spawn(ready.call(stalled));
    assert_pending!(stalled.poll());

    let (mut second_sender, whole) = uploading();
    let body = alice_adds_bob().body();
    second_sender.send_data(body.clone()).await.unwrap();
    drop(second_sender);
    let mut ready = task::spawn(service.ready());
    let mut whole = task::spawn(assert_ready!(ready.poll()).unwrap().call(whole));
    assert_eq!(text(assert_ready!(whole.poll()).unwrap()).await, OK);
    drop(whole);

    sender.send_data(body).await.unwrap();
    drop(sender);
    assert!(stalled.is_woken());
    assert_eq!(text(assert_ready!(stalled.poll()).unwrap()).await, OK);
}

async fn received(
    added: Option<Callback<FriendAdd>>,
    deleted: Option<Callback<FriendDelete>>,
    listed: Option<Callback<BlackListAdd>>,
) -> impl IntoResponse {
    let mut pairs = Vec::new();
    for pair in added.iter().flat_map(|added| &added.pair_list) {
        pairs.push(format!("{}+{}", pair.from_account, pair.to_account));
    }
    for pair in deleted.iter().flat_map(|deleted| &deleted.pair_list) {
        pairs.push(format!("{}-{}", pair.from, pair.to));
    }
    for pair in listed.iter().flat_map(|listed| &listed.pair_list) {
        pairs.push(format!("{}!{}", pair.from, pair.to));
    }
    ([("x-pairs", pairs.join(" "))], CallbackResponse::ok())
}

#[tokio::test]
async fn three_callback_layers_on_one_url_with_the_rest_acknowledged() {
    let friend_add = FriendAddLayer::new(APP_ID);
    let friend_delete: CallbackLayer<FriendDelete> = friend_add.for_packet();
    let black_list_add = CallbackLayer::<BlackListAdd>::new(APP_ID);
    let app: Router = Router::new()
        .route("/callback", post(received))
        .layer(friend_add)
        .layer(friend_delete)
        .layer(black_list_add);

    for (command, body, pairs) in [
        ("Sns.CallbackFriendAdd", FRIEND_ADD, "id+id1 id+id2 id+id3"),
        (
            "Sns.CallbackFriendDelete",
            FRIEND_DELETE,
            "411172-425914 425914-411172",
        ),
        (
            "Sns.CallbackBlackListAdd",
            BLACK_LIST_ADD,
            "id!id1 id!id2 id!id3",
        ),
        ("State.StateChange", "{}", ""),
        ("Sns.CallbackBlackListDelete", "", ""),
    ] {
        let request = CallbackRequest::new(command, APP_ID, body).path("/callback");
        let request = request.build::<axum::body::Body>();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["x-pairs"], pairs, "{command}");
        assert_eq!(text(response).await, OK, "{command}");
    }
    for (command, body, error_info) in [
        (
            "Sns.CallbackFriendAdd",
            FRIEND_DELETE,
            "the CallbackCommand of the body differs from the URL's",
        ),
        (
            "Sns.CallbackFriendDelete",
            FRIEND_ADD,
            "the CallbackCommand of the body differs from the URL's",
        ),
        (
            "Sns.CallbackBlackListAdd",
            "null",
            "the body is not a packet of this webhook",
        ),
    ] {
        let request = CallbackRequest::new(command, APP_ID, body).path("/callback");
        let request = request.build::<axum::body::Body>();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(text(response).await, fail(error_info), "{command}");
    }
}

#[tokio::test]
async fn two_commands_of_two_layers_in_one_url_are_refused_by_either() {
    let app = || Router::new().route("/callback", post(received));
    let (add, delete) = (
        FriendAddLayer::new(APP_ID),
        CallbackLayer::<FriendDelete>::new(APP_ID),
    );
    let uri = "/callback?SdkAppid=1400000000&CallbackCommand=Sns.CallbackFriendAdd\
               &CallbackCommand=Sns.CallbackFriendDelete";
    for app in [
        app().layer(add.clone()).layer(delete.clone()),
        app().layer(delete).layer(add),
    ] {
        for body in [FRIEND_ADD, FRIEND_DELETE] {
            let body = axum::body::Body::from(body);
            let request = Request::post(uri).body(body).unwrap();
            let app: Router = app.clone();
            let response = app.oneshot(request);
            let expected = fail("the CallbackCommand parameter is given more than once");
            assert_eq!(text(response.await.unwrap()).await, expected);
        }
    }
}
