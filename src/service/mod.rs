//! Reads requests, and calls inner services.

pub(crate) mod acknowledge;
pub(crate) mod acknowledge_others;
mod body;
mod deliver;
mod early_response;
pub(crate) mod future;
mod layer;
mod read;
pub(crate) mod router;
pub(crate) mod same_body;

use std::{
    fmt,
    marker::PhantomData,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use self::future::{CallbackFuture, ResponseFuture};
pub use self::{
    acknowledge::{Acknowledge, Acknowledged},
    body::{RequestBody, ResponseBody},
    layer::{CallbackLayer, FriendAddLayer},
    router::CallbackRouter,
};
use crate::{FriendAdd, Packet, configuration::Configuration, verify::query};

/// The service that [`FriendAddLayer`] makes.
pub type FriendAddService<S> = CallbackService<S, FriendAdd>;

/// The service that [`CallbackLayer`] makes.
pub struct CallbackService<S, P> {
    inner: S,
    configuration: Arc<Configuration>,
    packet: PhantomData<fn() -> P>,
}

impl<S, P> CallbackService<S, P> {
    fn new(inner: S, configuration: Arc<Configuration>) -> Self {
        Self {
            inner,
            configuration,
            packet: PhantomData,
        }
    }

    /// The inner service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P, B, ResBody> Service<Request<B>> for CallbackService<S, P>
where
    S: Service<Request<RequestBody<B>>, Response = Response<ResBody>> + Clone,
    P: Packet,
    B: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !query::is_command(request.uri(), P::COMMAND) {
            let future = self.inner.call(request.map(RequestBody::original));
            return ResponseFuture::new(CallbackFuture::pass_through(future));
        }
        // The ready service goes with the callback, or is dropped with a rejection. The clone that stays here
        // has reserved nothing.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ResponseFuture::new(future::receive(request, &self.configuration, ready))
    }
}

impl<S: Clone, P> Clone for CallbackService<S, P> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.configuration))
    }
}

impl<S: fmt::Debug, P> fmt::Debug for CallbackService<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackService")
            .field("inner", &self.inner)
            .field("configuration", &self.configuration)
            .finish()
    }
}
