//! axum, as its users write it.

use std::time::SystemTime;

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn, map_response},
    response::Response,
    routing::{any, post},
};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use mounts::{
    APP_ID, SEEN, answer, callback, check_at, handle, layer, listen, router, send, serve, token,
};
use tokio::net::TcpStream;
use tower::{Layer, ServiceBuilder, ServiceExt, make::Shared, util::option_layer};
use tower_http::trace::TraceLayer;
use tower_tencent_chat::{
    Callback, CallbackResponse, CallbackRouter, FriendAdd, RequestBody, test_util::CallbackRequest,
};

async fn handler(request: Request) -> Response<Full<Bytes>> {
    let Ok(response) = handle(request).await;
    response
}

async fn unchanged(request: Request, next: Next) -> Response {
    next.run(request).await
}

async fn check(app: Router) {
    let (listener, address) = listen().await;
    tokio::spawn(async { axum::serve(listener, app).await });
    check_at(address).await;
}

#[tokio::test]
async fn around_routes() {
    let routes = || Router::new().route("/callback", any(handler));
    check(routes().layer(layer())).await;
    check(routes().route_layer(layer())).await;
    check(Router::new().route("/callback", any(handler).layer(layer()))).await;
    let service = ServiceBuilder::new().layer(layer()).service(any(handler));
    check(Router::new().route_service("/callback", service)).await;
    check(Router::new().fallback_service(layer().layer(any(handler)))).await;
}

#[tokio::test]
async fn around_a_whole_router() {
    let router = || Router::new().route("/callback", any(handler));
    check_at(serve(layer().layer(router())).await).await;
    check(Router::new().fallback_service(layer().layer(router()))).await;

    // `axum::serve` takes no other response than axum's own.
    let app = layer().same_body().layer(router());
    let (listener, address) = listen().await;
    tokio::spawn(async { axum::serve(listener, Shared::new(app)).await });
    check_at(address).await;
}

#[tokio::test]
async fn a_router_of_webhooks_as_a_route() {
    let callbacks = router()
        .route::<FriendAdd>(any(handler))
        .fallback(any(handler));
    check(Router::new().route_service("/callback", callbacks)).await;
}

#[tokio::test]
async fn with_axums_middleware_inside() {
    let layers = ServiceBuilder::new()
        .layer(layer().same_body())
        .layer(from_fn(unchanged))
        .layer(TraceLayer::new_for_http());
    check(Router::new().route("/callback", any(handler).layer(layers.clone()))).await;
    check(Router::new().route("/callback", any(handler)).layer(layers)).await;
}

#[tokio::test]
async fn with_axums_middleware_outside() {
    let layers = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(from_fn(unchanged))
        .layer(layer());
    check(Router::new().route("/callback", any(handler)).layer(layers)).await;

    // Its function takes axum's own response, so that has to be what comes.
    let layers = ServiceBuilder::new()
        .layer(map_response(async |response: Response| response))
        .layer(layer().same_body());
    check(Router::new().route("/callback", any(handler)).layer(layers)).await;
}

#[tokio::test]
async fn with_a_function_of_axums_response() {
    let layers = ServiceBuilder::new()
        .map_response(|response: Response| response)
        .layer(layer().same_body())
        .map_response(|response: Response| response);
    check(Router::new().route("/callback", any(handler).layer(layers))).await;
}

#[tokio::test]
async fn switched_on_and_off() {
    let routes = || Router::new().route("/callback", any(handler));
    let on = || Some(layer().same_body());
    check(routes().layer(option_layer(on()))).await;
    check(routes().layer(ServiceBuilder::new().option_layer(on()))).await;

    let off = || on().filter(|_| false);
    for app in [
        routes().layer(option_layer(off())),
        routes().layer(ServiceBuilder::new().option_layer(off())),
    ] {
        let response = app.oneshot(callback().build::<Body>()).await.unwrap();
        let seen = response.headers()[SEEN].to_str().unwrap();
        assert!(seen.starts_with("POST /callback?"), "{seen}");
    }
}

#[tokio::test]
async fn a_body_that_was_read_is_not_held_against_axums_limit() {
    async fn size(body: Bytes) -> String {
        body.len().to_string()
    }
    let spaces = " ".repeat(3 * 1024 * 1024);
    let body = format!(r#"{{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}}{spaces}"#);
    let layer = layer().max_body_size(8 * 1024 * 1024);
    let app = Router::new().route("/callback", post(size).layer(layer));

    // What passes through is limited as it would be without the layer.
    let foreign = http::Request::post("/callback").body(Body::from(body.clone()));
    let response = app.clone().oneshot(foreign.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let (listener, address) = listen().await;
    tokio::spawn(async { axum::serve(listener, app).await });
    let request = CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, body.clone())
        .path("/callback")
        .signed(&token(), SystemTime::now());
    let io = TcpStream::connect(address).await.unwrap();
    let response = send(io, request.build()).await;
    assert_eq!(response.body(), &body.len().to_string());
}

#[tokio::test]
async fn a_service_whose_body_is_not_made_of_bytes() {
    /// A body of somebody's own.
    type Own = http_body_util::combinators::UnsyncBoxBody<Bytes, std::convert::Infallible>;

    async fn own(request: Request<RequestBody<Body>>) -> Result<http::Response<Own>, axum::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let url = head.uri.path_and_query().unwrap().as_str();
        let response: http::Response<Bytes> =
            answer(head.extensions.get(), &head.method, url, &body);
        Ok(response.map(|bytes| Full::new(bytes).boxed_unsync()))
    }
    let service = ServiceBuilder::new()
        .map_err(|error: axum::Error| panic!("{error}"))
        .layer(layer())
        .service_fn(own);
    check(Router::new().route_service("/callback", service)).await;
}

#[tokio::test]
async fn a_handler_with_a_state() {
    use axum::extract::State;

    async fn added(State(greeting): State<&'static str>, callback: Callback<FriendAdd>) -> String {
        format!("{greeting} {}", callback.pair_list[0].to_account)
    }
    let routed = CallbackRouter::new(APP_ID)
        .token(token())
        .route::<FriendAdd>(post(added).with_state("hello"));
    let layered = post(added).layer(layer());
    for app in [
        Router::new().route_service("/callback", routed),
        Router::new()
            .route("/callback", layered)
            .with_state("hello"),
    ] {
        let response = app.oneshot(callback().build::<Body>()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "hello bob");
    }
}

#[tokio::test]
async fn what_has_no_route_is_acknowledged() {
    let callbacks = router().route::<FriendAdd>(any(handler));
    let app = Router::new().route_service("/callback", callbacks);
    let webhook = CallbackRequest::friend_delete(APP_ID).path("/callback");
    let response = app.oneshot(webhook.build::<Body>()).await.unwrap();
    assert!(!response.headers().contains_key(SEEN));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let envelope: CallbackResponse = serde_json::from_slice(&body).unwrap();
    assert!(envelope.is_ok());
}
