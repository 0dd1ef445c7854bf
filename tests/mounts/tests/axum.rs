//! axum's own server.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn, map_response},
    response::Response,
    routing::any,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use mounts::{check_at, handle, layer, listen, router, serve};
use tower::{Layer, ServiceBuilder, make::Shared, util::option_layer};
use tower_http::trace::TraceLayer;
use tower_tencent_chat::{FriendAdd, RequestBody};

async fn handler(request: Request) -> Response<Full<Bytes>> {
    let Ok(response) = handle(request).await;
    response
}

fn routes() -> Router {
    Router::new().route("/callback", any(handler))
}

async fn check(app: Router) {
    let (listener, address) = listen().await;
    tokio::spawn(async { axum::serve(listener, app).await });
    check_at(address).await;
}

#[tokio::test]
async fn around_routes() {
    check(routes().layer(layer())).await;
    check(routes().route_layer(layer())).await;
    check(Router::new().route("/callback", any(handler).layer(layer()))).await;
    check(Router::new().route_service("/callback", layer().layer(any(handler)))).await;
    check(Router::new().fallback_service(layer().layer(any(handler)))).await;
}

#[tokio::test]
async fn around_a_whole_router() {
    check_at(serve(layer().layer(routes())).await).await;
    check(Router::new().fallback_service(layer().layer(routes()))).await;

    // `axum::serve` takes no other response than axum's own.
    let app = layer().same_body().layer(routes());
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
async fn with_middleware_on_both_sides() {
    async fn unchanged(request: Request, next: Next) -> Response {
        next.run(request).await
    }
    let layers = ServiceBuilder::new()
        .layer(map_response(async |response: Response| response))
        .layer(from_fn(unchanged))
        .layer(option_layer(Some(layer().same_body())))
        .layer(from_fn(unchanged))
        .layer(TraceLayer::new_for_http())
        .map_response(|response: Response| response);
    check(routes().layer(layers.clone())).await;
    check(Router::new().route("/callback", any(handler).layer(layers))).await;
}

#[tokio::test]
async fn a_service_whose_body_is_not_made_of_bytes() {
    async fn boxed(
        request: Request<RequestBody<Body>>,
    ) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
        Ok(handle(request).await?.map(BodyExt::boxed_unsync))
    }
    let service = ServiceBuilder::new().layer(layer()).service_fn(boxed);
    check(Router::new().route_service("/callback", service)).await;
}
