//! The layer in the places where people put layers, and its pieces as axum's extractors and responses.

mod common;

use std::{convert::Infallible, fmt::Debug, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    middleware::{from_fn, map_response},
    response::{IntoResponse, Response as AxumResponse},
    routing::{get, post},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Channel, Full, channel::Sender};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    limit::ConcurrencyLimitLayer,
    util::{BoxCloneSyncService, option_layer},
};
use tower_http::{limit::RequestBodyLimitLayer, timeout::TimeoutLayer, trace::TraceLayer};
use tower_tencent_chat::{
    Callback, CallbackLayer, CallbackResponse, CallbackRouter, FriendAdd, FriendDelete, Packet,
    Rejection, RejectionKind, test_util::CallbackRequest,
};

use common::{APP_ID, OK, fail, kind, layer, text};

const ECHO: &str = "no callback, but: ";
const MINUTE: Duration = Duration::from_secs(60);

fn chat() -> CallbackRequest {
    common::chat().path("/callback")
}

/// A callback whose body comes when the sender sends it.
fn uploading() -> (Sender<Bytes>, Request<Channel<Bytes>>) {
    let (sender, body) = Channel::new(1);
    (sender, chat().build::<Bytes>().map(|_| body))
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
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(Response::new([ECHO.as_bytes(), &body].concat().into()))
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
    let response = service.clone().oneshot(chat().build()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, OK);

    let request = chat().query("SdkAppid", "1400000001").build();
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(kind(&response), Some(RejectionKind::SdkAppIdMismatch));
    let expected = fail("the SdkAppid parameter does not match this app");
    assert_eq!(text(response).await, expected);

    for uri in ["/callback", "/callback?CallbackCommand=State.StateChange"] {
        let body = Bytes::from_static(b"{}").into();
        let request = Request::post(uri).body(body).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(kind(&response), None);
        assert_eq!(text(response).await, format!("{ECHO}{{}}"));
    }
}

async fn assert_mounted_on_axum(app: Router) {
    assert_mounted::<_, axum::body::Body, _>(app).await;
}

#[tokio::test]
async fn on_axum_in_every_way() {
    let route = || Router::new().route("/callback", post(axum_handle));
    assert_mounted_on_axum(route().layer(layer())).await;
    assert_mounted_on_axum(route().route_layer(layer())).await;
    let callback = post(axum_handle).layer(layer());
    assert_mounted_on_axum(Router::new().route("/callback", callback)).await;
    let service = layer().layer(post(axum_handle));
    assert_mounted_on_axum(Router::new().route_service("/callback", service.clone())).await;
    assert_mounted_on_axum(Router::new().fallback_service(service)).await;
    assert_mounted::<_, axum::body::Body, _>(layer().layer(route())).await;
    let nested = Router::new()
        .route("/", post(axum_handle))
        .layer(layer())
        .with_state("the state");
    assert_mounted_on_axum(Router::new().nest("/callback", nested)).await;
}

#[tokio::test]
async fn a_route_layer_takes_no_callbacks_on_unknown_paths() {
    let route = || Router::new().route("/callback", post(axum_handle));
    let forged = || chat().query("SdkAppid", "1").path("/unknown");
    for (app, expected) in [
        (route().layer(layer()), StatusCode::OK),
        (route().route_layer(layer()), StatusCode::NOT_FOUND),
    ] {
        let request = forged().build::<axum::body::Body>();
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected);
    }
}

#[tokio::test]
async fn on_axum_with_the_layers_that_people_have() {
    async fn logged(request: axum::extract::Request, next: axum::middleware::Next) -> AxumResponse {
        next.run(request).await
    }
    async fn unchanged(response: AxumResponse) -> AxumResponse {
        response
    }
    let route = || Router::new().route("/callback", post(axum_handle));
    let timeout = || TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, MINUTE);
    let layers = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(layer())
        .layer(RequestBodyLimitLayer::new(1024))
        .layer(timeout())
        .layer(ConcurrencyLimitLayer::new(1));
    assert_mounted_on_axum(route().layer(layers)).await;

    // Layers inside that name axum's own body.
    let layers = ServiceBuilder::new()
        .layer(map_response(unchanged))
        .layer(from_fn(logged))
        .layer(layer().same_body())
        .layer(from_fn(logged))
        .layer(TraceLayer::new_for_http())
        .layer(timeout());
    assert_mounted_on_axum(route().layer(layers)).await;

    for is_on in [true, false] {
        let same_body = || is_on.then(|| layer().same_body());
        let by_tower = route().layer(option_layer(same_body()));
        let builder = ServiceBuilder::new().option_layer(same_body());
        for app in [by_tower, route().layer(builder)] {
            if is_on {
                assert_mounted_on_axum(app).await;
            } else {
                let request = chat().build::<axum::body::Body>();
                let response = app.oneshot(request).await.unwrap();
                assert!(text(response).await.starts_with(ECHO));
            }
        }
    }
}

#[tokio::test]
async fn a_layered_router_is_served_and_its_answers_are_axums() {
    async fn count(response: AxumResponse) -> AxumResponse {
        let rejection = response.extensions().get::<Rejection>();
        let kind = rejection.map_or("none", |rejection| rejection.kind().as_str());
        ([("x-kind", kind)], response).into_response()
    }
    let route = Router::new().route("/callback", post(axum_handle));
    let counted = route
        .clone()
        .layer(
            ServiceBuilder::new()
                .map_response(IntoResponse::into_response)
                .layer(layer()),
        )
        .layer(map_response(count));
    let request = chat().query("SdkAppid", "1").build::<axum::body::Body>();
    let response = counted.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-kind"], "sdk_app_id_mismatch");

    let app = layer().same_body().layer(route);
    let mapped = ServiceBuilder::new()
        .map_response(|response: AxumResponse| response)
        .service(app.clone());
    assert_mounted::<_, axum::body::Body, _>(mapped).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    // That it compiles is the point: nobody calls.
    drop(axum::serve(listener, tower::make::Shared::new(app)));
}

#[tokio::test]
async fn without_a_framework_over_and_under_other_layers() {
    let timeout = || TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, MINUTE);
    let over = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(layer())
        .layer(RequestBodyLimitLayer::new(1024))
        .layer(timeout())
        .timeout(MINUTE)
        .layer(ConcurrencyLimitLayer::new(1))
        .service_fn(handle);
    assert_mounted::<_, Full<Bytes>, _>(over).await;
    let under = ServiceBuilder::new()
        .buffer(2)
        .timeout(MINUTE)
        .layer(BoxCloneSyncService::layer())
        .layer(timeout())
        .layer(RequestBodyLimitLayer::new(1024))
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(layer())
        .layer(BoxCloneSyncService::layer())
        .service_fn(handle);
    assert_mounted::<_, Full<Bytes>, _>(under).await;
}

#[tokio::test]
async fn axums_limit_is_not_held_against_a_body_that_was_read() {
    async fn length(_: Option<Callback<FriendAdd>>, body: Bytes) -> String {
        body.len().to_string()
    }
    let large = common::FRIEND_ADD.to_owned() + &" ".repeat(3 << 20);
    let raised = layer().max_body_size(8 << 20);
    let routed = CallbackRouter::new(APP_ID)
        .max_body_size(8 << 20)
        .route::<FriendAdd>(post(length));
    for app in [
        Router::new().route("/", post(length).layer(raised.clone())),
        Router::new()
            .route("/", post(length))
            .layer(raised.same_body()),
        Router::new().route_service("/", routed),
    ] {
        let request = CallbackRequest::new(FriendAdd::COMMAND, APP_ID, large.clone());
        let request = request.build::<axum::body::Body>();
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(text(response).await, large.len().to_string());
    }
    // What passes through hasn't been read, so for that it stays.
    let app = Router::new().route("/", post(length).layer(layer().max_body_size(8 << 20)));
    let request = Request::post("/").body(axum::body::Body::from(large));
    let response = app.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_timeout_around_the_layer_ends_a_body_that_never_comes() {
    let (_sender, request) = uploading();
    let none = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::ZERO);
    let service = ServiceBuilder::new().layer(none).layer(layer());
    let response = service.service_fn(handle).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(text(response).await, "");
}

#[tokio::test]
async fn a_layer_that_keeps_the_bodies_stacks_inside_one_that_does_not() {
    let service = ServiceBuilder::new()
        .layer(layer())
        .layer(layer().for_packet::<FriendDelete>().same_body())
        .service_fn(handle);
    let response = service.oneshot(chat().build::<Full<Bytes>>()).await;
    assert_eq!(text(response.unwrap()).await, OK);
}

#[tokio::test]
async fn a_handler_takes_callback_state_and_body() {
    async fn received<P: Packet>(
        State(state): State<Arc<str>>,
        // An extractor leaves it for the next.
        first: Option<Callback<P>>,
        callback: Callback<P>,
        again: Callback<P>,
        body: Bytes,
    ) -> Result<CallbackResponse, CallbackResponse> {
        assert!(std::ptr::eq(&*callback, &*again));
        assert!(first.is_some());
        Err(CallbackResponse::fail(format!("{state} {}", body.len())))
    }
    fn app<P: Packet>() -> Router {
        Router::new()
            .route("/callback", post(received::<P>))
            .layer(CallbackLayer::<P>::new(APP_ID))
            .with_state(Arc::from("state"))
    }
    let send = async |app: Router| {
        let response = app
            .oneshot(chat().build::<axum::body::Body>())
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/json");
        text(response).await
    };
    let expected = format!("state {}", chat().body().len());
    assert_eq!(send(app::<FriendAdd>()).await, fail(&expected));
    let expected = "the request has no callback for this handler";
    assert_eq!(send(app::<FriendDelete>()).await, fail(expected));
    let bare = Router::new().route("/callback", post(received::<FriendAdd>));
    let expected = "the request has no callback for this handler";
    let bare = bare.with_state(Arc::from("state"));
    assert_eq!(send(bare).await, fail(expected));
}

#[tokio::test]
async fn the_envelope_is_a_response_alone_and_in_company() {
    let failed = || CallbackResponse::fail("no \"database\"");
    let quoted = fail(r#"no \"database\""#);
    let accepted = (StatusCode::ACCEPTED, CallbackResponse::ok());
    for (response, status, body) in [
        (CallbackResponse::ok().into_response(), StatusCode::OK, OK),
        (failed().into_response(), StatusCode::OK, &*quoted),
        (accepted.into_response(), StatusCode::ACCEPTED, OK),
    ] {
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(text(response).await, body);
    }
    let app: Router = Router::new().route("/", get(async || CallbackResponse::ok()));
    let request = Request::get("/").body(axum::body::Body::empty()).unwrap();
    assert_eq!(text(app.oneshot(request).await.unwrap()).await, OK);
}
