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

use crate::{Packet, RequestBody, ResponseBody, ResponseFuture, query, verify::Rules};

/// The service that [`CallbackLayer`](crate::CallbackLayer) makes.
pub struct CallbackService<S, P> {
    inner: S,
    rules: Arc<Rules>,
    packet: PhantomData<fn() -> P>,
}

impl<S, P> CallbackService<S, P> {
    pub(crate) fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self {
            inner,
            rules,
            packet: PhantomData,
        }
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
    type Future = ResponseFuture<S::Future, S, B, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !query::is_command(request.uri(), P::COMMAND) {
            return ResponseFuture::pass_through(
                self.inner.call(request.map(RequestBody::original)),
            );
        }
        // The one that is ready leaves, with the callback or dropped by a refusal, so that neither
        // keeps here what `poll_ready` has reserved.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ResponseFuture::receive(request, &self.rules, ready)
    }
}

impl<S: Clone, P> Clone for CallbackService<S, P> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.rules))
    }
}

impl<S: fmt::Debug, P> fmt::Debug for CallbackService<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackService")
            .field("inner", &self.inner)
            .field("rules", &self.rules)
            .finish()
    }
}
