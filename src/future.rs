use std::{
    fmt,
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    Callback, CallbackContext, Packet, Rejection, RequestBody, ResponseBody, oneshot::Oneshot,
    packet, read::ReadBody, trace, verify::Rules,
};

pin_project! {
    /// The response future of [`CallbackService`](crate::CallbackService).
    pub struct ResponseFuture<F, S, B, P>
    where
        S: Service<Request<RequestBody<B>>>,
    {
        #[pin]
        state: State<F, S, B, P>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, S, B, P>
    where
        S: Service<Request<RequestBody<B>>>,
    {
        PassThrough { #[pin] future: F },
        Read { #[pin] body: ReadBody<B>, delivery: Option<Delivery<S, P>> },
        Deliver { #[pin] future: Oneshot<S, Request<RequestBody<B>>> },
        Refuse { rejection: Option<Rejection>, context: Option<CallbackContext> },
    }
}

/// What waits for the body: where the callback goes, and what goes there with it.
struct Delivery<S, P> {
    service: S,
    /// Whether `service` may be holding what its `poll_ready` has reserved.
    reserved: bool,
    head: Parts,
    context: CallbackContext,
    packet: PhantomData<fn() -> P>,
}

impl<F, S, B, P> ResponseFuture<F, S, B, P>
where
    S: Service<Request<RequestBody<B>>>,
{
    pub(crate) fn pass_through(future: F) -> Self {
        Self {
            state: State::PassThrough { future },
        }
    }

    /// Verifies a request with the command of `P`, to be read and delivered to `service`.
    pub(crate) fn receive(request: Request<B>, rules: &Rules, service: S) -> Self
    where
        B: Body,
    {
        let state = match rules.verify(request.method(), request.uri()) {
            Err(rejection) => State::Refuse {
                rejection: Some(rejection),
                context: None,
            },
            Ok(context) => {
                let (head, body) = request.into_parts();
                let body = ReadBody::new(&head.headers, body, rules.max_body_size);
                let delivery = Delivery {
                    service,
                    reserved: true,
                    head,
                    context,
                    packet: PhantomData,
                };
                State::Read {
                    body,
                    delivery: Some(delivery),
                }
            }
        };
        Self { state }
    }
}

impl<S: Clone, P: Packet> Delivery<S, P> {
    /// Waiting for a body must not hold anything of the service's; a clone holds nothing.
    fn release(&mut self) {
        if mem::take(&mut self.reserved) {
            self.service = self.service.clone();
        }
    }

    /// What comes after the body.
    fn deliver<F, B>(mut self, read: Result<Bytes, Rejection>) -> State<F, S, B, P>
    where
        S: Service<Request<RequestBody<B>>>,
    {
        match read.and_then(|bytes| Ok((packet::parse(&bytes)?, bytes))) {
            Ok((packet, bytes)) => {
                let callback = Callback::<P>::new(packet, self.context);
                self.head.extensions.insert(callback);
                let request = Request::from_parts(self.head, RequestBody::read(bytes));
                State::Deliver {
                    future: Oneshot::new(self.service, request),
                }
            }
            Err(rejection) => State::Refuse {
                rejection: Some(rejection),
                context: Some(self.context),
            },
        }
    }
}

impl<F, S, B, P, InnerBody, ResBody, E> Future for ResponseFuture<F, S, B, P>
where
    F: Future<Output = Result<Response<InnerBody>, E>>,
    InnerBody: Into<ResponseBody<ResBody>>,
    S: Service<Request<RequestBody<B>>, Response = Response<ResBody>, Error = E> + Clone,
    B: Body,
    P: Packet,
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::PassThrough { future } => return future.poll(cx).map_ok(with_body),
                StateProj::Deliver { future } => return future.poll(cx).map_ok(with_body),
                StateProj::Refuse { rejection, context } => {
                    let rejection = rejection.take().expect("a refusal is sent once");
                    trace::refused(&rejection, P::COMMAND, context.as_ref());
                    return Poll::Ready(Ok(rejection.into_response().map(ResponseBody::refusal)));
                }
                StateProj::Read { body, delivery } => match body.poll(cx) {
                    Poll::Ready(read) => {
                        delivery.take().expect("a body is read once").deliver(read)
                    }
                    Poll::Pending => {
                        if let Some(delivery) = delivery {
                            delivery.release();
                        }
                        return Poll::Pending;
                    }
                },
            };
            state.set(next);
        }
    }
}

fn with_body<B: Into<C>, C>(response: Response<B>) -> Response<C> {
    response.map(B::into)
}

impl<F, S, B, P> fmt::Debug for ResponseFuture<F, S, B, P>
where
    S: Service<Request<RequestBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
