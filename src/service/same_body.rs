//! The layer for stacks in which the types of bodies must not change.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{CallbackLayer, CallbackService, RequestBody, ResponseBody, future::ResponseFuture};
use crate::Packet;

/// A [`CallbackLayer`] that keeps the types of both bodies: see
/// [`CallbackLayer::same_body`].
#[must_use]
pub struct SameBodyLayer<P> {
    layer: CallbackLayer<P>,
}

impl<P> SameBodyLayer<P> {
    pub(super) fn new(layer: CallbackLayer<P>) -> Self {
        Self { layer }
    }
}

impl<S, P: Packet> Layer<S> for SameBodyLayer<P> {
    type Service = SameBody<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        SameBody {
            service: self.layer.layer(SameBodyInner { inner }),
        }
    }
}

/// The service that [`SameBodyLayer`] makes.
pub struct SameBody<S, P> {
    service: CallbackService<SameBodyInner<S>, P>,
}

impl<S, P, B, ResBody> Service<Request<B>> for SameBody<S, P>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    P: Packet,
    B: Body + From<Bytes>,
    ResBody: From<Bytes>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = SameBodyFuture<S, B, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        SameBodyFuture {
            future: self.service.call(request),
        }
    }
}

impl<S, P> SameBody<S, P> {
    /// The inner service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.service.get_ref().inner
    }

    /// The inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.service.get_mut().inner
    }

    /// Unwraps the inner service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.service.into_inner().inner
    }
}

/// Gives the inner service the type of body that came.
#[derive(Clone, Debug)]
struct SameBodyInner<S> {
    inner: S,
}

impl<S, B> Service<Request<RequestBody<B>>> for SameBodyInner<S>
where
    S: Service<Request<B>>,
    B: From<Bytes>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RequestBody<B>>) -> S::Future {
        self.inner.call(request.map(RequestBody::into_inner))
    }
}

pin_project! {
    /// The response future of [`SameBody`].
    pub struct SameBodyFuture<S, B, P>
    where
        S: Service<Request<B>>,
        B: From<Bytes>,
        P: Packet,
    {
        #[pin]
        future: ResponseFuture<SameBodyInner<S>, B, P>,
    }
}

impl<S, B, P, ResBody> Future for SameBodyFuture<S, B, P>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    B: Body + From<Bytes>,
    P: Packet,
    ResBody: From<Bytes>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.project().future.poll(cx);
        answer.map_ok(|response| response.map(ResponseBody::into_inner))
    }
}

impl<P> Clone for SameBodyLayer<P> {
    fn clone(&self) -> Self {
        Self::new(self.layer.clone())
    }
}

impl<P> fmt::Debug for SameBodyLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SameBodyLayer").field(&self.layer).finish()
    }
}

impl<S: Clone, P> Clone for SameBody<S, P> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
        }
    }
}

impl<S: fmt::Debug, P> fmt::Debug for SameBody<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SameBody").field(&self.service).finish()
    }
}

impl<S, B, P> fmt::Debug for SameBodyFuture<S, B, P>
where
    S: Service<Request<B>>,
    B: From<Bytes>,
    P: Packet,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SameBodyFuture").finish_non_exhaustive()
    }
}
