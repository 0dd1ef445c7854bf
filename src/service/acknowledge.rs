use std::{
    convert::Infallible,
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{early_response::EarlyResponse, read::DataFrames};
use crate::{
    CallbackResponse, trace,
    verify::{MAX_BODY_SIZE, query},
};

/// A service that answers OK to every webhook that no layer before it has taken. Chat calls one URL
/// for all the webhooks that an app has switched on, and counts an answer like 404 as a failure.
///
/// A request with any of Tencent's parameters gets the OK envelope, even if it has no
/// `CallbackCommand`: the console's verify button sends such a request. Nothing else is checked. The body
/// is read and dropped, up to 1 MiB, so that the connection can be used again. A request with none of the
/// parameters isn't a webhook and gets 404.
///
/// To a webhook before an event, OK means that the event is allowed: give such a webhook a handler. See
/// [Webhooks before an event](crate::Packet#webhooks-before-an-event).
///
/// The body of the responses can be any type that is `From<Bytes>`, such as axum's `Body`.
///
/// With the feature `tracing`, a callback is logged as lost if it comes here although there is a
/// [`CallbackLayer`](crate::CallbackLayer) for it.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, StatusCode};
/// use http_body_util::Full;
/// use tower::ServiceExt;
/// use tower_tencent_chat::Acknowledge;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = Acknowledge::<Full<Bytes>>::new();
/// let body = Full::<Bytes>::default();
///
/// let webhook = Request::post("/?CallbackCommand=State.StateChange").body(body.clone()).unwrap();
/// let response = service.clone().oneshot(webhook).await.unwrap();
/// assert_eq!(response.status(), StatusCode::OK);
///
/// let visitor = Request::get("/favicon.ico").body(body).unwrap();
/// let response = service.oneshot(visitor).await.unwrap();
/// assert_eq!(response.status(), StatusCode::NOT_FOUND);
/// # }
/// ```
pub struct Acknowledge<B> {
    body: PhantomData<fn() -> B>,
}

impl<B> Acknowledge<B> {
    /// Makes the service. It has no options.
    #[must_use]
    pub fn new() -> Self {
        Self { body: PhantomData }
    }
}

impl<B: From<Bytes>, ReqBody: Body> Service<Request<ReqBody>> for Acknowledge<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = AcknowledgeFuture<ReqBody, B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        AcknowledgeFuture::new(request, MAX_BODY_SIZE)
    }
}

pin_project! {
    /// The response future of [`Acknowledge`].
    pub struct AcknowledgeFuture<ReqBody, B> {
        #[pin]
        request_body: DataFrames<ReqBody>,
        response: EarlyResponse,
        body: PhantomData<fn() -> B>,
    }
}

impl<ReqBody: Body, B> AcknowledgeFuture<ReqBody, B> {
    /// At most `limit` bytes of the body are read.
    pub(super) fn new(request: Request<ReqBody>, limit: usize) -> Self {
        let is_webhook = query::is_from_tencent(request.uri());
        if is_webhook {
            trace::acknowledged(request.uri(), request.extensions());
        } else {
            trace::not_a_webhook(request.method());
        }
        let (head, body) = request.into_parts();
        let request_body = DataFrames::new(body);
        Self {
            response: EarlyResponse::new(answer(is_webhook), &head, &request_body, limit),
            request_body,
            body: PhantomData,
        }
    }
}

impl<ReqBody: Body, B: From<Bytes>> Future for AcknowledgeFuture<ReqBody, B> {
    type Output = Result<Response<B>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.response.poll(this.request_body, cx));
        Poll::Ready(Ok(response.map(B::from)))
    }
}

fn answer(is_webhook: bool) -> Response<Bytes> {
    if is_webhook {
        return CallbackResponse::ok().into();
    }
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

impl<ReqBody, B> fmt::Debug for AcknowledgeFuture<ReqBody, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcknowledgeFuture").finish_non_exhaustive()
    }
}

impl<B> Default for Acknowledge<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Clone for Acknowledge<B> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<B> fmt::Debug for Acknowledge<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acknowledge")
    }
}
