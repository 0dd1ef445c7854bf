use std::{
    convert::Infallible,
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Full;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{CallbackResponse, layer::MAX_BODY_SIZE, query};

/// A service that answers OK to every webhook that no layer before it has taken: Chat calls one URL
/// for all the webhooks that an app has switched on, and counts any other answer as a failure.
///
/// Requests without a `CallbackCommand` are no webhooks and get 404. Nothing else is looked at, since
/// the answer changes nothing. The body is read and dropped, up to 1 MiB, so that the connection can
/// be used again.
///
/// The body of its responses is a [`Full<Bytes>`](Full); for another, such as axum's, name the type:
/// `Acknowledge::<Body>::default()`.
///
/// ```
/// use http::{Request, StatusCode};
/// use http_body_util::Empty;
/// use tower::ServiceExt;
/// use tower_tencent_chat::Acknowledge;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = Acknowledge::new();
///
/// let body = Empty::<&[u8]>::new();
///
/// let webhook = Request::post("/?CallbackCommand=State.StateChange").body(body).unwrap();
/// let response = service.clone().oneshot(webhook).await.unwrap();
/// assert_eq!(response.status(), StatusCode::OK);
///
/// let visitor = Request::get("/favicon.ico").body(body).unwrap();
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

impl<B: From<Bytes>, ReqBody: Body> Service<Request<ReqBody>> for Acknowledge<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = AcknowledgeFuture<ReqBody, B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let is_webhook = query::is_webhook(request.uri());
        AcknowledgeFuture {
            request_body: request.into_body(),
            // What is no webhook is answered at once.
            unread: if is_webhook { MAX_BODY_SIZE } else { 0 },
            is_webhook,
            response_body: PhantomData,
        }
    }
}

pin_project! {
    /// The response future of [`Acknowledge`]: reads the body before it answers, since HTTP/1 servers
    /// close a connection on which a body was left unread, and with it may lose the answer.
    pub struct AcknowledgeFuture<ReqBody, B> {
        #[pin]
        request_body: ReqBody,
        unread: usize,
        is_webhook: bool,
        response_body: PhantomData<fn() -> B>,
    }
}

impl<ReqBody: Body, B: From<Bytes>> Future for AcknowledgeFuture<ReqBody, B> {
    type Output = Result<Response<B>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        while *this.unread > 0 {
            *this.unread = match ready!(this.request_body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => this.unread.saturating_sub(data_len(&frame)),
                Some(Err(_)) | None => 0,
            };
        }
        Poll::Ready(Ok(answer(*this.is_webhook).map(B::from)))
    }
}

fn data_len<D: Buf>(frame: &Frame<D>) -> usize {
    frame.data_ref().map_or(0, Buf::remaining)
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
