use std::{
    borrow::Cow,
    fmt,
    marker::PhantomData,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, header::EXPECT, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    RequestBody, ResponseBody, deliver::Deliver, early_response::EarlyResponse, read::ReadBody,
};
use crate::{
    Callback, CallbackContext, Packet, Rejection, configuration::Configuration,
    handed_on::HandedOn, trace::Line,
};

pin_project! {
    /// The response future of [`CallbackService`](crate::CallbackService).
    pub struct ResponseFuture<S, B, P>
    where
        S: Service<Request<RequestBody<B>>>,
        P: Packet,
    {
        #[pin]
        future: CallbackFuture<S, B, Callback<P>>,
    }
}

impl<S, B, P> ResponseFuture<S, B, P>
where
    S: Service<Request<RequestBody<B>>>,
    P: Packet,
{
    pub(super) fn new(future: CallbackFuture<S, B, Callback<P>>) -> Self {
        Self { future }
    }
}

impl<S, B, P, ResBody> Future for ResponseFuture<S, B, P>
where
    S: Service<Request<RequestBody<B>>, Response = Response<ResBody>> + Clone,
    B: Body,
    P: Packet,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx)
    }
}

pin_project! {
    /// Reads a callback and delivers it to a service, with a `C` in its extensions.
    pub(super) struct CallbackFuture<S, B, C>
    where
        S: Service<Request<RequestBody<B>>>,
    {
        #[pin]
        state: State<S, B>,
        callback: PhantomData<fn() -> C>,
    }

    impl<S, B, C> PinnedDrop for CallbackFuture<S, B, C>
    where
        S: Service<Request<RequestBody<B>>>,
    {
        // An outer time-out, or a client that disconnects, drops the future. Nothing else logs that.
        fn drop(this: Pin<&mut Self>) {
            this.state.log_loss();
        }
    }
}

pin_project! {
    // A callback goes from `Reading` to `Waiting` to `Called`. If it is rejected, it stays in `Reading` until
    // its body has been dropped. A request that isn't a callback is `Called` at once.
    #[project = StateProj]
    enum State<S, B>
    where
        S: Service<Request<RequestBody<B>>>,
    {
        Reading { #[pin] body: ReadBody<B>, delivery: Option<Delivery<S>>, rejection: Option<EarlyResponse> },
        Waiting { service: S, request: Option<Request<RequestBody<B>>>, command: Cow<'static, str>, configuration: Arc<Configuration> },
        Called { #[pin] future: S::Future },
    }
}

/// The service that a callback is delivered to, and what is delivered with the body, while it is read.
struct Delivery<S> {
    service: S,
    /// Whether the `poll_ready` of `service` may have reserved something, such as a permit.
    reserved: bool,
    head: Parts,
    command: Cow<'static, str>,
    context: CallbackContext,
    configuration: Arc<Configuration>,
}

impl<S, B, C> CallbackFuture<S, B, C>
where
    S: Service<Request<RequestBody<B>>>,
{
    /// Forwards a request that is not a callback.
    pub(super) fn pass_through(future: S::Future) -> Self {
        Self::new(State::Called { future })
    }

    fn new(state: State<S, B>) -> Self {
        Self {
            state,
            callback: PhantomData,
        }
    }
}

/// Verifies a request with the command of `C`, to be read and delivered to `service`.
pub(super) fn receive<S, B, C>(
    request: Request<B>,
    configuration: &Arc<Configuration>,
    service: S,
) -> CallbackFuture<S, B, C>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body,
    C: Deliver,
{
    let (mut head, body) = request.into_parts();
    let body = ReadBody::new(&head.headers, body, configuration.max_body_size);
    let command = C::command(&head.uri);
    let line = configuration.line(&command, &head.uri);
    let (delivery, rejection) = match configuration.verify(&head.method, &head.uri) {
        Ok(verified) => {
            if verified.sign_is_ignored {
                line.sign_is_ignored(&head.extensions);
            }
            HandedOn::new(&verified.context).mark(&mut head.extensions);
            let delivery = Delivery {
                service,
                reserved: true,
                head,
                command,
                context: verified.context,
                configuration: Arc::clone(configuration),
            };
            (Some(delivery), None)
        }
        Err(rejection) => {
            line.rejected(&rejection, &head.extensions);
            let response = reject(rejection.of(command), &head, &body, configuration);
            (None, Some(response))
        }
    };
    CallbackFuture::new(State::Reading {
        body,
        delivery,
        rejection,
    })
}

impl<S, B> State<S, B>
where
    S: Service<Request<RequestBody<B>>>,
{
    /// Logs a callback that was accepted and has not reached its service.
    fn log_loss(&self) {
        match self {
            Self::Reading {
                delivery: Some(delivery),
                ..
            } => delivery.line().dropped(&delivery.head.extensions),
            Self::Waiting {
                request: Some(request),
                command,
                configuration,
                ..
            } => {
                let line = configuration.line(command, request.uri());
                line.dropped(request.extensions());
            }
            _ => {}
        }
    }
}

impl<S> Delivery<S> {
    /// Gives back what `poll_ready` has reserved, since a body may take long. A fresh clone has reserved nothing.
    fn release(&mut self)
    where
        S: Clone,
    {
        if mem::take(&mut self.reserved) {
            self.service = self.service.clone();
        }
    }

    /// Puts the packet and the bytes that it was read from into the request.
    fn deliver<B, C>(self, packet: C::Packet, bytes: Bytes) -> State<S, B>
    where
        S: Service<Request<RequestBody<B>>>,
        C: Deliver,
    {
        let Self {
            service,
            mut head,
            command,
            context,
            configuration,
            ..
        } = self;
        head.extensions
            .insert(C::new(command.clone(), context, packet));
        let length = bytes.len();
        let mut request = Request::from_parts(head, RequestBody::bytes(bytes));
        lift_axums_limit(&mut request, length);
        State::Waiting {
            service,
            request: Some(request),
            command,
            configuration,
        }
    }

    fn reject<B: Body>(mut self, rejection: Rejection, body: &ReadBody<B>) -> EarlyResponse {
        self.line().rejected(&rejection, &self.head.extensions);
        // The first poll of the body has sent `100 Continue`.
        self.head.headers.remove(EXPECT);
        let rejection = rejection.of(self.command);
        reject(rejection, &self.head, body, &self.configuration)
    }

    fn line(&self) -> Line<'_> {
        self.configuration.line(&self.command, &self.head.uri)
    }
}

fn reject<B: Body>(
    rejection: Rejection,
    head: &Parts,
    body: &ReadBody<B>,
    configuration: &Configuration,
) -> EarlyResponse {
    let response = rejection.response();
    EarlyResponse::new(
        response,
        head,
        body.announced(),
        configuration.max_body_size,
    )
}

/// The body has been read and is in memory, so axum's extractors must not answer 413 to it.
///
/// No limit that anyone sets is below 16 KiB. Leaving it alone for smaller bodies saves 775 instructions on
/// axum.
#[cfg(feature = "axum")]
fn lift_axums_limit<B>(request: &mut Request<B>, length: usize) {
    const SMALL: usize = 16 * 1024;

    if length > SMALL {
        axum_core::extract::DefaultBodyLimit::disable().apply(request);
    }
}

#[cfg(not(feature = "axum"))]
fn lift_axums_limit<B>(_: &mut Request<B>, _: usize) {}

impl<S, B, C, ResBody> Future for CallbackFuture<S, B, C>
where
    S: Service<Request<RequestBody<B>>, Response = Response<ResBody>> + Clone,
    B: Body,
    C: Deliver,
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
                    let response = ready!(response.poll(body.rest(), cx));
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
                    // A user's `Deserialize` may panic. Then `delivery` is still there, and is logged as lost.
                    let packet = read.and_then(|bytes| Ok((C::parse(&bytes)?, bytes)));
                    let delivery = delivery.take().expect("a body is read once");
                    match packet {
                        Ok((packet, bytes)) => delivery.deliver::<B, C>(packet, bytes),
                        Err(error) => {
                            *rejection = Some(delivery.reject(error, &body));
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
