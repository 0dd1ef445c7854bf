use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    marker::PhantomData,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use tower_service::Service;

use crate::{CallbackResponse, query};

/// A service that answers OK to every webhook that no layer before it has taken: Chat calls one URL
/// for all the webhooks that an app has switched on, and counts any other answer as a failure.
///
/// Requests without a `CallbackCommand` are no webhooks and get 404. Nothing else is looked at, since
/// the answer changes nothing.
///
/// The body of its responses is a [`Full<Bytes>`](Full); for another, such as axum's, name the type:
/// `Acknowledge::<Body>::default()`.
///
/// ```
/// use http::{Request, StatusCode};
/// use tower::ServiceExt;
/// use tower_tencent_chat::Acknowledge;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = Acknowledge::new();
///
/// let webhook = Request::post("/?CallbackCommand=State.StateChange").body(()).unwrap();
/// let response = service.clone().oneshot(webhook).await.unwrap();
/// assert_eq!(response.status(), StatusCode::OK);
///
/// let visitor = Request::get("/favicon.ico").body(()).unwrap();
/// let response = service.oneshot(visitor).await.unwrap();
/// assert_eq!(response.status(), StatusCode::NOT_FOUND);
/// # }
/// ```
pub struct Acknowledge<B = Full<Bytes>> {
    body: PhantomData<fn() -> B>,
}

impl Acknowledge {
    /// The service, with the usual body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<B: From<Bytes>, ReqBody> Service<Request<ReqBody>> for Acknowledge<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        ready(Ok(answer(request.uri()).map(B::from)))
    }
}

pub(crate) fn answer(uri: &Uri) -> Response<Bytes> {
    if query::is_webhook(uri) {
        return CallbackResponse::ok().into();
    }
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

impl<B> Default for Acknowledge<B> {
    fn default() -> Self {
        Self { body: PhantomData }
    }
}

impl<B> Clone for Acknowledge<B> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<B> fmt::Debug for Acknowledge<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acknowledge")
    }
}
