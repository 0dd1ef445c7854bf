use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{AcknowledgeFuture, RequestBody, ResponseBody, ResponseFuture};
use crate::{
    Packet, Token, trace,
    verify::{Configuration, query},
};

/// A service with a handler for each webhook of an app. It finds the handler by the `CallbackCommand`
/// of the URL, as other routers find one by the path.
///
/// A callback is verified, read and parsed as by [`CallbackLayer`](crate::CallbackLayer), and reaches
/// its handler with the [`Callback`](crate::Callback) in its extensions. A webhook without a handler is
/// acknowledged, as by [`Acknowledge`](crate::Acknowledge), unless there is a
/// [`fallback`](Self::fallback).
///
/// Finding a handler takes the same time for any number of routes. The router itself is always ready:
/// a handler is cloned for each of its callbacks, and made ready when the callback has been parsed.
///
/// ```
/// use axum::{Router, routing::post};
/// use tower_tencent_chat::{Callback, CallbackResponse, CallbackRouter, FriendAdd, FriendDelete};
///
/// async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
///     println!("{} added", callback.pair_list.len());
///     CallbackResponse::ok()
/// }
///
/// async fn friend_deleted(callback: Callback<FriendDelete>) -> CallbackResponse {
///     println!("{} deleted", callback.pair_list.len());
///     CallbackResponse::ok()
/// }
///
/// let callbacks = CallbackRouter::new(1400000000)
///     .route::<FriendAdd>(post(friend_added))
///     .route::<FriendDelete>(post(friend_deleted));
/// let app: Router = Router::new().route_service("/callback", callbacks);
/// ```
///
/// On axum, a handler gets its state by `post(handler).with_state(state)`. Elsewhere, a route is any
/// service that takes a request with a [`RequestBody`]. All routes have the same response body and the
/// same error.
#[must_use]
pub struct CallbackRouter<B, ResBody, E> {
    configuration: Arc<Configuration>,
    routes: Routes<B, ResBody, E>,
    fallback: Option<Fallback<B, ResBody, E>>,
}

type Routes<B, ResBody, E> = Arc<HashMap<&'static str, Arc<dyn Route<B, ResBody, E>>>>;
type Fallback<B, ResBody, E> = Arc<dyn Fn(Request<B>) -> Answer<ResBody, E> + Send + Sync>;
type Answer<ResBody, E> =
    Pin<Box<dyn Future<Output = Result<Response<ResponseBody<ResBody>>, E>> + Send>>;

impl<B, ResBody, E> CallbackRouter<B, ResBody, E> {
    /// A router for the callbacks of one app: see [`CallbackLayer::new`](crate::CallbackLayer::new).
    pub fn new(sdk_app_id: u64) -> Self {
        Self {
            configuration: Arc::new(Configuration::new(sdk_app_id)),
            routes: Arc::default(),
            fallback: None,
        }
    }

    /// Requires callbacks to be signed with this token: see
    /// [`CallbackLayer::token`](crate::CallbackLayer::token).
    pub fn token(self, token: Token) -> Self {
        self.tokens([token])
    }

    /// Adds several tokens: see [`CallbackLayer::tokens`](crate::CallbackLayer::tokens).
    pub fn tokens(mut self, tokens: impl IntoIterator<Item = Token>) -> Self {
        self.configuration_mut().tokens.extend(tokens);
        self
    }

    /// How far `RequestTime` may be from now: see
    /// [`CallbackLayer::request_time_window`](crate::CallbackLayer::request_time_window).
    pub fn request_time_window(mut self, window: Duration) -> Self {
        self.configuration_mut().request_time_window = window;
        self
    }

    /// The size of the largest body that is accepted, in bytes: see
    /// [`CallbackLayer::max_body_size`](crate::CallbackLayer::max_body_size). What is only acknowledged is
    /// read up to 1 MiB, and dropped.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.configuration_mut().max_body_size = bytes;
        self
    }

    /// Tells the time: see [`CallbackLayer::clock`](crate::CallbackLayer::clock).
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.configuration_mut().clock = Arc::new(now);
        self
    }

    /// Sends the callbacks of one webhook to a service, such as axum's `post(handler)`.
    ///
    /// # Panics
    ///
    /// If the webhook already has a route.
    #[track_caller]
    pub fn route<P: Packet>(
        mut self,
        service: impl Service<
            Request<RequestBody<B>>,
            Response = Response<ResBody>,
            Error = E,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static,
    ) -> Self
    where
        B: Body + Send + 'static,
        ResBody: 'static,
        E: 'static,
    {
        let route = Arc::new(To {
            service,
            packet: PhantomData::<fn() -> P>,
        });
        let before = Arc::make_mut(&mut self.routes).insert(P::COMMAND, route);
        assert!(before.is_none(), "{} has a route already", P::COMMAND);
        trace::mount(P::COMMAND);
        self
    }

    /// Sends every request without a route to a service, in place of the acknowledgement. The request
    /// reaches it untouched. Answer webhooks with the OK envelope there, too: Chat counts any other
    /// status as a failed webhook.
    pub fn fallback(
        mut self,
        service: impl Service<Request<B>, Response = Response<ResBody>, Error = E, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    ) -> Self
    where
        B: Send + 'static,
    {
        self.fallback = Some(Arc::new(move |request| {
            let mut service = service.clone();
            Box::pin(async move {
                poll_fn(|cx| service.poll_ready(cx)).await?;
                let response = service.call(request).await?;
                Ok(response.map(ResponseBody::original))
            })
        }));
        self
    }

    fn configuration_mut(&mut self) -> &mut Configuration {
        Arc::make_mut(&mut self.configuration)
    }
}

/// A service behind one webhook, without its type.
trait Route<B, ResBody, E>: Send + Sync {
    fn call(&self, request: Request<B>, configuration: &Arc<Configuration>) -> Answer<ResBody, E>;
}

struct To<P, S> {
    service: S,
    packet: PhantomData<fn() -> P>,
}

impl<P, S, B, ResBody, E> Route<B, ResBody, E> for To<P, S>
where
    P: Packet,
    S: Service<Request<RequestBody<B>>, Response = Response<ResBody>, Error = E, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body + Send + 'static,
{
    fn call(&self, request: Request<B>, configuration: &Arc<Configuration>) -> Answer<ResBody, E> {
        let service = self.service.clone();
        Box::pin(ResponseFuture::<S, B, P>::receive(
            request,
            configuration,
            service,
            false,
        ))
    }
}

impl<B: Body, ResBody, E> Service<Request<B>> for CallbackRouter<B, ResBody, E> {
    type Response = Response<ResponseBody<ResBody>>;
    type Error = E;
    type Future = RouterFuture<B, ResBody, E>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let route = query::commands(request.uri()).find_map(|command| self.routes.get(&*command));
        let state = match (route, &self.fallback) {
            (Some(route), _) => State::Answer {
                answer: route.call(request, &self.configuration),
            },
            (None, Some(fallback)) => State::Answer {
                answer: fallback(request),
            },
            (None, None) => State::Acknowledge {
                acknowledgement: AcknowledgeFuture::new(request, self.configuration.max_body_size),
            },
        };
        RouterFuture { state }
    }
}

pin_project! {
    /// The response future of [`CallbackRouter`].
    pub struct RouterFuture<B, ResBody, E> {
        #[pin]
        state: State<B, ResBody, E>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<B, ResBody, E> {
        Answer { answer: Answer<ResBody, E> },
        Acknowledge { #[pin] acknowledgement: AcknowledgeFuture<B, ResponseBody<ResBody>> },
    }
}

impl<B: Body, ResBody, E> Future for RouterFuture<B, ResBody, E> {
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Answer { answer } => answer.as_mut().poll(cx),
            StateProj::Acknowledge { acknowledgement } => {
                acknowledgement.poll(cx).map_err(|never| match never {})
            }
        }
    }
}

impl<B, ResBody, E> Clone for CallbackRouter<B, ResBody, E> {
    fn clone(&self) -> Self {
        Self {
            configuration: Arc::clone(&self.configuration),
            routes: Arc::clone(&self.routes),
            fallback: self.fallback.clone(),
        }
    }
}

impl<B, ResBody, E> fmt::Debug for CallbackRouter<B, ResBody, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackRouter")
            .field("configuration", &self.configuration)
            .field("routes", &self.routes.keys())
            .finish_non_exhaustive()
    }
}

impl<B, ResBody, E> fmt::Debug for RouterFuture<B, ResBody, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterFuture").finish_non_exhaustive()
    }
}
