use std::{
    fmt,
    marker::PhantomData,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Packet, RequestBody, ResponseBody, ResponseFuture, oneshot::Oneshot, query, verify::Rules,
};

/// A [`Layer`] that delivers one webhook to a service of its own: see
/// [`CallbackLayer::route_to`](crate::CallbackLayer::route_to).
#[must_use]
pub struct RouteLayer<P, R> {
    rules: Arc<Rules>,
    route: R,
    packet: PhantomData<fn() -> P>,
}

/// The service that [`RouteLayer`] makes.
pub struct RouteService<S, P, R> {
    inner: S,
    route: R,
    rules: Arc<Rules>,
    packet: PhantomData<fn() -> P>,
}

impl<P, R> RouteLayer<P, R> {
    pub(crate) fn new(rules: Arc<Rules>, route: R) -> Self {
        Self {
            rules,
            route,
            packet: PhantomData,
        }
    }
}

impl<S, P, R: Clone> Layer<S> for RouteLayer<P, R> {
    type Service = RouteService<S, P, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { rules, route, .. } = self.clone();
        RouteService {
            inner,
            route,
            rules,
            packet: PhantomData,
        }
    }
}

/// The bodies of both services' responses agree: they are of one type, or the inner service is such a
/// service again, around one of that type.
impl<S, P, R, B, InnerBody, ResBody> Service<Request<B>> for RouteService<S, P, R>
where
    S: Service<Request<RequestBody<B>>, Response = Response<InnerBody>> + Clone,
    InnerBody: Into<ResponseBody<ResBody>>,
    R: Service<Request<RequestBody<B>>, Response = Response<ResBody>, Error = S::Error> + Clone,
    P: Packet,
    B: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<Oneshot<S, Request<RequestBody<B>>>, R, B, P>;

    /// Always ready: which of the two services has to be is known only by the request.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if query::is_command(request.uri(), P::COMMAND) {
            return ResponseFuture::receive(request, &self.rules, self.route.clone());
        }
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        ResponseFuture::pass_through(Oneshot::new(inner, request.map(RequestBody::original)))
    }
}

impl<P, R: Clone> Clone for RouteLayer<P, R> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.rules), self.route.clone())
    }
}

impl<S: Clone, P, R: Clone> Clone for RouteService<S, P, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            route: self.route.clone(),
            rules: Arc::clone(&self.rules),
            packet: PhantomData,
        }
    }
}

impl<P, R: fmt::Debug> fmt::Debug for RouteLayer<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteLayer")
            .field("rules", &self.rules)
            .field("route", &self.route)
            .finish()
    }
}

impl<S: fmt::Debug, P, R: fmt::Debug> fmt::Debug for RouteService<S, P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteService")
            .field("inner", &self.inner)
            .field("route", &self.route)
            .field("rules", &self.rules)
            .finish()
    }
}
