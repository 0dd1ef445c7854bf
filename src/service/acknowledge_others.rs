//! The layer for a URL with one handler: other webhooks are acknowledged and don't reach it.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{CallbackLayer, CallbackService, ResponseBody, acknowledge::AcknowledgeFuture};
use crate::{Packet, configuration::Configuration, handed_on::HandedOn};

/// A [`CallbackLayer`] that acknowledges every request that isn't a callback: see
/// [`CallbackLayer::acknowledge_others`].
#[must_use]
pub struct AcknowledgeOthersLayer<P> {
    layer: CallbackLayer<P>,
}

impl<P> AcknowledgeOthersLayer<P> {
    pub(super) fn new(layer: CallbackLayer<P>) -> Self {
        Self { layer }
    }
}

impl<S, P: Packet> Layer<S> for AcknowledgeOthersLayer<P> {
    type Service = CallbackService<AcknowledgeOthers<S>, P>;

    fn layer(&self, inner: S) -> Self::Service {
        self.layer.layer(AcknowledgeOthers {
            inner,
            configuration: Arc::clone(self.layer.configuration()),
        })
    }
}

/// A service that calls the inner one for callbacks only, and answers other requests as
/// [`Acknowledge`](crate::Acknowledge) does. [`AcknowledgeOthersLayer`] puts it between the
/// [`CallbackService`] and the inner service.
#[derive(Clone, Debug)]
pub struct AcknowledgeOthers<S> {
    inner: S,
    configuration: Arc<Configuration>,
}

impl<S> AcknowledgeOthers<S> {
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

impl<S, B, ResBody> Service<Request<B>> for AcknowledgeOthers<S>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    B: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = AcknowledgeOthersFuture<S::Future, B, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = if HandedOn::find(request.extensions()).is_some() {
            State::Callback {
                future: self.inner.call(request),
            }
        } else {
            // The clone has not reserved what `poll_ready` has.
            let clone = self.inner.clone();
            drop(mem::replace(&mut self.inner, clone));
            State::Other {
                future: AcknowledgeFuture::new(request, Some(&self.configuration)),
            }
        };
        AcknowledgeOthersFuture { state }
    }
}

pin_project! {
    /// The response future of [`AcknowledgeOthers`].
    pub struct AcknowledgeOthersFuture<F, B, ResBody> {
        #[pin]
        state: State<F, B, ResBody>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B, ResBody> {
        Callback { #[pin] future: F },
        Other { #[pin] future: AcknowledgeFuture<B, ResponseBody<ResBody>> },
    }
}

impl<F, B, ResBody, E> Future for AcknowledgeOthersFuture<F, B, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Callback { future } => future
                .poll(cx)
                .map_ok(|response| response.map(ResponseBody::original)),
            StateProj::Other { future } => future.poll(cx).map_err(|never| match never {}),
        }
    }
}

impl<P> Clone for AcknowledgeOthersLayer<P> {
    fn clone(&self) -> Self {
        Self::new(self.layer.clone())
    }
}

impl<P> fmt::Debug for AcknowledgeOthersLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AcknowledgeOthersLayer")
            .field(&self.layer)
            .finish()
    }
}

impl<F, B, ResBody> fmt::Debug for AcknowledgeOthersFuture<F, B, ResBody> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcknowledgeOthersFuture")
            .finish_non_exhaustive()
    }
}
