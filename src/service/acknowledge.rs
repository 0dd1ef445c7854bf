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
    CallbackResponse,
    configuration::{Configuration, MAX_BODY_SIZE},
    trace::Line,
    verify::query,
};

/// A service that responds with OK to every webhook. Put it behind layers, for the webhooks that have none.
/// Chat calls one URL for all the webhooks that an app has switched on, and counts a response like 404 as a
/// failed webhook.
///
/// A request with any of Tencent's parameters is a webhook, even if it has no `CallbackCommand`: the console's
/// verify button sends such a request. Nothing else is checked. Other requests get 404. On HTTP/1, the body of
/// either is read and dropped before the response, up to 1 MiB.
///
/// OK allows the event of a webhook before an event. So give such a webhook a handler: see [Webhooks before an
/// event](crate::Packet#webhooks-before-an-event).
///
/// The body of the responses can be any type that is `From<Bytes>`, such as axum's `Body`.
///
/// With the feature `tracing`, a callback is logged as lost if a [`CallbackLayer`](crate::CallbackLayer) has
/// handed it on to this service.
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

/// In the extensions of every response that acknowledges a webhook without a handler: of [`Acknowledge`], of
/// a [`CallbackRouter`](crate::CallbackRouter), and of a layer with
/// [`acknowledge_others`](crate::CallbackLayer::acknowledge_others).
///
/// By it, an outer layer can tell acknowledged webhooks from callbacks that a handler has accepted:
///
/// ```
/// use http::Response;
/// use tower_tencent_chat::{Acknowledged, Rejection};
///
/// fn outcome<B>(response: &Response<B>) -> &'static str {
///     match response.extensions().get::<Rejection>() {
///         Some(rejection) => rejection.kind().as_str(),
///         None if response.extensions().get::<Acknowledged>().is_some() => "acknowledged",
///         None => "accepted",
///     }
/// }
/// # assert_eq!(outcome(&Response::new(())), "accepted");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Acknowledged;

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
        AcknowledgeFuture::new(request, None)
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
    /// Acknowledges for a layer or a router, if there is a configuration.
    pub(super) fn new(request: Request<ReqBody>, configuration: Option<&Configuration>) -> Self {
        let (head, body) = request.into_parts();
        let is_webhook = query::is_from_tencent(&head.uri);
        let command = query::commands(&head.uri).next().unwrap_or_default();
        let line = match configuration {
            Some(configuration) => configuration.line(&command, &head.uri),
            None => Line::without_layer(&command, &head.uri),
        };
        if is_webhook {
            line.acknowledged(&head.extensions);
        } else {
            line.not_a_webhook(&head.method);
        }
        let limit = configuration.map_or(MAX_BODY_SIZE, |set| set.max_body_size);
        let request_body = DataFrames::new(body);
        let announced = request_body.announced(&head.headers);
        Self {
            response: EarlyResponse::new(answer(is_webhook), &head, announced, limit),
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
        let mut response = Response::from(CallbackResponse::ok());
        response.extensions_mut().insert(Acknowledged);
        return response;
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
