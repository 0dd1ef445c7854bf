//! Tower's `Retry` behind the layer: a callback is sent again to a service that has failed.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use mounts::{check, handle, layer};
use tower::{
    ServiceBuilder, ServiceExt,
    retry::{Policy, RetryLayer},
};

type Answer = Result<Response<Full<Bytes>>, Infallible>;

/// Sends again what was answered with 503.
#[derive(Clone)]
struct Again;

impl<B: Clone> Policy<Request<B>, Response<Full<Bytes>>, Infallible> for Again {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Request<B>, answer: &mut Answer) -> Option<Self::Future> {
        let status = answer.as_ref().map(Response::status);
        let is_down = status == Ok(StatusCode::SERVICE_UNAVAILABLE);
        is_down.then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}

static IS_UP: AtomicBool = AtomicBool::new(false);

/// Fails every other time, after it has read the body.
async fn unsteady<B>(request: Request<B>) -> Answer
where
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let mut response = handle(request).await?;
    if !IS_UP.fetch_not(Ordering::SeqCst) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

#[tokio::test]
async fn behind_the_layer() {
    let kept = ServiceBuilder::new()
        .layer(layer().same_body())
        .layer(RetryLayer::new(Again))
        .service_fn(unsteady);
    check(async |request| {
        let Ok(response) = kept.clone().oneshot(request.map(Full::new)).await;
        let (head, body) = response.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    })
    .await;

    let changed = ServiceBuilder::new()
        .layer(layer())
        .layer(RetryLayer::new(Again))
        .service_fn(unsteady);
    check(async |request| {
        let Ok(response) = changed.clone().oneshot(request.map(Full::new)).await;
        let (head, body) = response.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    })
    .await;
}
