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

use super::{RequestBody, ResponseBody, early_response::EarlyResponse, read::ReadBody};
use crate::{
    Callback, CallbackContext, Packet, Rejection, callback::HandedOn, packet, trace,
    verify::Configuration,
};

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
    // A callback goes from `Reading` to `Waiting` to `Called`. If it is rejected, it stays in `Reading` until
    // its body has been dropped. What is not a callback is `Called` at once.
    #[project = StateProj]
    enum State<S, B>
    where
        S: Service<Request<RequestBody<B>>>,
    {
        Reading { #[pin] body: ReadBody<B>, delivery: Option<Delivery<S>>, rejection: Option<EarlyResponse> },
        Waiting { service: S, request: Option<Request<RequestBody<B>>>, configuration: Arc<Configuration> },
        Called { #[pin] future: S::Future },
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
        let body = ReadBody::new(&head.headers, body, configuration.max_body_size);
        let (delivery, rejection) = match configuration.verify(&head.method, &head.uri) {
            Ok(context) => {
                let delivery = Delivery {
                    service,
                    reserved,
                    head,
                    context,
                    configuration: Arc::clone(configuration),
                };
                (Some(delivery), None)
            }
            Err(rejection) => {
                let rejection = rejection.of(P::COMMAND);
                trace::refused(configuration, &rejection, None);
                let response = reject(rejection, &head, &body, configuration);
                (None, Some(response))
            }
        };
        Self::new(State::Reading {
            body,
            delivery,
            rejection,
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
            Self::Called { .. } => None,
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

    /// Puts the packet and the bytes that it was read from into the request.
    fn deliver<B, P>(self, packet: P, bytes: Bytes) -> State<S, B>
    where
        S: Service<Request<RequestBody<B>>>,
        P: Packet,
    {
        let mut head = self.head;
        let is_verified = self.context.request_time.is_some();
        head.extensions.insert(HandedOn { is_verified });
        head.extensions.insert(Callback::new(packet, self.context));
        let mut request = Request::from_parts(head, RequestBody::bytes(bytes));
        lift_axums_limit(&mut request);
        State::Waiting {
            service: self.service,
            request: Some(request),
            configuration: self.configuration,
        }
    }

    fn reject<B: Body>(self, rejection: Rejection, body: &ReadBody<B>) -> EarlyResponse {
        let Self {
            head,
            context,
            configuration,
            ..
        } = self;
        trace::refused(&configuration, &rejection, Some(&context));
        reject(rejection, &head, body, &configuration)
    }
}

fn reject<B: Body>(
    rejection: Rejection,
    head: &Parts,
    body: &ReadBody<B>,
    configuration: &Configuration,
) -> EarlyResponse {
    let response = rejection.into_response();
    EarlyResponse::new(response, head, body.rest(), configuration.max_body_size)
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
                StateProj::Reading {
                    body,
                    rejection: Some(response),
                    ..
                } => {
                    let response = ready!(response.poll(body.rest_mut(), cx));
                    return Poll::Ready(Ok(response.map(ResponseBody::bytes)));
                }
                StateProj::Reading {
                    mut body,
                    delivery,
                    rejection,
                } => {
                    let Poll::Ready(read) = body.as_mut().poll(cx) else {
                        if let Some(delivery) = delivery {
                            delivery.release();
                        }
                        return Poll::Pending;
                    };
                    // If a user's `Deserialize` panics here, the delivery is still there to be logged as lost.
                    let packet = read.and_then(|bytes| Ok((packet::parse::<P>(&bytes)?, bytes)));
                    let delivery = delivery.take().expect("a body is read once");
                    match packet {
                        Ok((packet, bytes)) => delivery.deliver(packet, bytes),
                        Err(error) => {
                            *rejection = Some(delivery.reject(error.of(P::COMMAND), &body));
                            continue;
                        }
                    }
                }
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
