use std::{
    fmt,
    marker::PhantomData,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    RequestBody, ResponseBody,
    read::{ReadBody, close_connection},
};
use crate::{Callback, CallbackContext, Packet, Rejection, packet, trace, verify::Configuration};

pin_project! {
    /// The response future of [`CallbackService`](crate::CallbackService).
    pub struct ResponseFuture<S, B, P>
    where
        S: Service<Request<RequestBody<B>>>,
        P: Packet,
    {
        #[pin]
        state: State<S, B>,
        packet: PhantomData<fn() -> P>,
    }

    impl<S, B, P> PinnedDrop for ResponseFuture<S, B, P>
    where
        S: Service<Request<RequestBody<B>>>,
        P: Packet,
    {
        // An outer time-out or a sender that hangs up drops the future. Nobody else learns of it.
        fn drop(this: Pin<&mut Self>) {
            if let Some((context, configuration)) = this.state.undelivered::<P>() {
                trace::dropped(configuration, P::COMMAND, context);
            }
        }
    }
}

pin_project! {
    // A callback goes from `Reading` to `Waiting` to `Called`, or ends in `Refused`. What is not a callback
    // is `Called` at once.
    #[project = StateProj]
    enum State<S, B>
    where
        S: Service<Request<RequestBody<B>>>,
    {
        Reading { #[pin] body: ReadBody<B>, delivery: Option<Delivery<S>> },
        Waiting { service: S, request: Option<Request<RequestBody<B>>>, configuration: Arc<Configuration> },
        Called { #[pin] future: S::Future },
        Refused { response: Option<Response<Bytes>> },
    }
}

/// What is kept while the body is read: where the callback goes, and what goes there with it.
struct Delivery<S> {
    service: S,
    /// Whether `service` may be holding what its `poll_ready` has reserved.
    reserved: bool,
    head: Parts,
    context: CallbackContext,
    configuration: Arc<Configuration>,
}

impl<S, B, P> ResponseFuture<S, B, P>
where
    S: Service<Request<RequestBody<B>>>,
    P: Packet,
{
    /// Any other request.
    pub(super) fn pass_through(future: S::Future) -> Self {
        Self::new(State::Called { future })
    }

    /// Verifies a request with the command of `P`, to be read and delivered to `service`, which may hold
    /// what its `poll_ready` has `reserved`.
    pub(super) fn receive(
        request: Request<B>,
        configuration: &Arc<Configuration>,
        service: S,
        reserved: bool,
    ) -> Self
    where
        B: Body,
    {
        let (head, body) = request.into_parts();
        Self::new(match configuration.verify(&head.method, &head.uri) {
            Ok(context) => State::Reading {
                body: ReadBody::new(&head.headers, body, configuration.max_body_size),
                delivery: Some(Delivery {
                    service,
                    reserved,
                    head,
                    context,
                    configuration: Arc::clone(configuration),
                }),
            },
            Err(rejection) => {
                trace::refused(configuration, P::COMMAND, &rejection, None);
                State::refused(rejection, &head, !body.is_end_stream())
            }
        })
    }

    fn new(state: State<S, B>) -> Self {
        Self {
            state,
            packet: PhantomData,
        }
    }
}

impl<S, B> State<S, B>
where
    S: Service<Request<RequestBody<B>>>,
{
    fn refused(rejection: Rejection, head: &Parts, unread: bool) -> Self {
        let mut response = rejection.into_response();
        if unread {
            close_connection(&mut response, head.version);
        }
        Self::Refused {
            response: Some(response),
        }
    }

    /// The callback that was accepted and has not reached its service.
    fn undelivered<P: Packet>(&self) -> Option<(&CallbackContext, &Configuration)> {
        match self {
            Self::Reading { delivery, .. } => {
                let delivery = delivery.as_ref()?;
                Some((&delivery.context, &delivery.configuration))
            }
            Self::Waiting {
                request,
                configuration,
                ..
            } => {
                let callback = request.as_ref()?.extensions().get::<Callback<P>>()?;
                Some((callback.context(), configuration))
            }
            Self::Called { .. } | Self::Refused { .. } => None,
        }
    }
}

impl<S: Clone> Delivery<S> {
    /// Waiting for a body must not hold anything of the service. A fresh clone holds nothing.
    fn release(&mut self) {
        if mem::take(&mut self.reserved) {
            self.service = self.service.clone();
        }
    }

    /// What comes after the body.
    fn deliver<B, P>(self, read: Result<Bytes, Rejection>, unread: bool) -> State<S, B>
    where
        S: Service<Request<RequestBody<B>>>,
        P: Packet,
    {
        let Self {
            service,
            mut head,
            context,
            configuration,
            ..
        } = self;
        match read.and_then(|bytes| Ok((packet::parse::<P>(&bytes)?, bytes))) {
            Ok((packet, bytes)) => {
                trace::handed_on(&context, &mut head.extensions);
                head.extensions.insert(Callback::new(packet, context));
                let mut request = Request::from_parts(head, RequestBody::bytes(bytes));
                lift_axums_limit(&mut request);
                State::Waiting {
                    service,
                    request: Some(request),
                    configuration,
                }
            }
            Err(rejection) => {
                trace::refused(&configuration, P::COMMAND, &rejection, Some(&context));
                State::refused(rejection, &head, unread)
            }
        }
    }
}

/// The body has been read and is in memory, so axum's extractors must not answer 413 to it.
#[cfg(feature = "axum")]
fn lift_axums_limit<B>(request: &mut Request<B>) {
    axum_core::extract::DefaultBodyLimit::disable().apply(request);
}

#[cfg(not(feature = "axum"))]
fn lift_axums_limit<B>(_: &mut Request<B>) {}

impl<S, B, P, ResBody> Future for ResponseFuture<S, B, P>
where
    S: Service<Request<RequestBody<B>>, Response = Response<ResBody>> + Clone,
    B: Body,
    P: Packet,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Reading { mut body, delivery } => match body.as_mut().poll(cx) {
                    Poll::Ready(read) => {
                        let delivery = delivery.take().expect("a body is read once");
                        delivery.deliver::<B, P>(read, body.is_unread())
                    }
                    Poll::Pending => {
                        if let Some(delivery) = delivery {
                            delivery.release();
                        }
                        return Poll::Pending;
                    }
                },
                StateProj::Waiting {
                    service, request, ..
                } => {
                    ready!(service.poll_ready(cx))?;
                    let request = request.take().expect("a service is called once");
                    State::Called {
                        future: service.call(request),
                    }
                }
                StateProj::Called { future } => {
                    return future
                        .poll(cx)
                        .map_ok(|answer| answer.map(ResponseBody::original));
                }
                StateProj::Refused { response } => {
                    let response = response.take().expect("a refusal is sent once");
                    return Poll::Ready(Ok(response.map(ResponseBody::bytes)));
                }
            };
            state.set(next);
        }
    }
}

impl<S, B, P> fmt::Debug for ResponseFuture<S, B, P>
where
    S: Service<Request<RequestBody<B>>>,
    P: Packet,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
