use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, Uri};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{RequestBody, ResponseBody, acknowledge::AcknowledgeFuture, deliver::Deliver, future};
use crate::{
    AnyCallback, Callback, Packet,
    configuration::{Configuration, options},
    verify::query,
};

/// A service with a handler for each webhook of an app. It finds the handler by the `CallbackCommand`
/// of the URL, as other routers find one by the path.
///
/// A callback is verified, read and parsed as by [`CallbackLayer`](crate::CallbackLayer), and reaches
/// its handler with the [`Callback`](crate::Callback) in its extensions. Webhooks without a handler are
/// acknowledged as by [`Acknowledge`](crate::Acknowledge), unless [`route_others`](Self::route_others) or
/// [`fallback`](Self::fallback) is set.
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
    routes: Arc<HashMap<&'static str, Route<B, ResBody, E>>>,
    others: Option<Route<B, ResBody, E>>,
    fallback: Option<Fallback<B, ResBody, E>>,
}

type Route<B, ResBody, E> =
    Arc<dyn Fn(Request<B>, &Arc<Configuration>) -> Answer<ResBody, E> + Send + Sync>;
type Fallback<B, ResBody, E> = Arc<dyn Fn(Request<B>) -> Answer<ResBody, E> + Send + Sync>;
type Answer<ResBody, E> =
    Pin<Box<dyn Future<Output = Result<Response<ResponseBody<ResBody>>, E>> + Send>>;

impl<B, ResBody, E> CallbackRouter<B, ResBody, E> {
    /// A router for the callbacks of one app: see [`CallbackLayer::new`](crate::CallbackLayer::new).
    pub fn new(sdk_app_id: u64) -> Self {
        Self {
            configuration: Arc::new(Configuration::new(sdk_app_id)),
            routes: Arc::default(),
            others: None,
            fallback: None,
        }
    }

    options!();

    /// Sends the callbacks of one webhook to a service, such as axum's `post(handler)`. If the handler has a
    /// `State`, that is `post(handler).with_state(state)`.
    ///
    /// A rejected callback does not reach the service, nor layers around it. To respond to a rejected webhook
    /// before an event, put a layer around the router: see [Webhooks before an
    /// event](Packet#webhooks-before-an-event).
    ///
    /// # Panics
    ///
    /// If the webhook already has a route.
    #[track_caller]
    pub fn route<P: Packet>(
        mut self,
        service: impl Service<
            // The compiler shows this line for a handler with axum's `State`: `post(handler).with_state(state)`.
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
        let route = route_to::<Callback<P>, _, _, _, _>(service);
        let before = Arc::make_mut(&mut self.routes).insert(P::COMMAND, route);
        assert!(before.is_none(), "{} has a route already", P::COMMAND);
        self
    }

    /// Sends every webhook without a route to a service, verified and read as for a route, with an
    /// [`AnyCallback`] in its extensions. It is for an app that records or forwards all of them.
    ///
    /// A webhook is a request with a `CallbackCommand` here. Other requests, such as the console's check of
    /// the URL, are acknowledged, or go to the [`fallback`](Self::fallback).
    ///
    /// A webhook before an event gets here, too: see [Webhooks before an
    /// event](Packet#webhooks-before-an-event).
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use tower_tencent_chat::{AnyCallback, CallbackResponse, CallbackRouter};
    ///
    /// async fn record(callback: AnyCallback) -> CallbackResponse {
    ///     println!("{}: {} bytes", callback.command(), callback.body().len());
    ///     CallbackResponse::ok()
    /// }
    ///
    /// let callbacks = CallbackRouter::new(1400000000).route_others(post(record));
    /// let app: Router = Router::new().route_service("/callback", callbacks);
    /// ```
    pub fn route_others(
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
        self.others = Some(route_to::<AnyCallback, _, _, _, _>(service));
        self
    }

    /// Sends every request without a route to a service, in place of the acknowledgement. The request
    /// reaches it untouched. With [`route_others`](Self::route_others), it gets only requests without a
    /// `CallbackCommand`. Answer webhooks with the OK envelope there, too: Chat counts any other
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
}

impl<B, ResBody, E> CallbackRouter<B, ResBody, E> {
    fn find_route(&self, uri: &Uri) -> Option<&Route<B, ResBody, E>> {
        let mut commands = query::commands(uri)
            .filter(|command| !command.is_empty())
            .peekable();
        let others = self.others.as_ref().filter(|_| commands.peek().is_some());
        commands
            .find_map(|command| self.routes.get(&*command))
            .or(others)
    }
}

fn route_to<C, S, B, ResBody, E>(service: S) -> Route<B, ResBody, E>
where
    C: Deliver,
    S: Service<Request<RequestBody<B>>, Response = Response<ResBody>, Error = E, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body + Send + 'static,
    ResBody: 'static,
    E: 'static,
{
    Arc::new(move |request, configuration| {
        let service = service.clone();
        Box::pin(future::receive::<S, B, C>(request, configuration, service))
    })
}

impl<B: Body, ResBody, E> Service<Request<B>> for CallbackRouter<B, ResBody, E> {
    type Response = Response<ResponseBody<ResBody>>;
    type Error = E;
    type Future = RouterFuture<B, ResBody, E>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = if let Some(route) = self.find_route(request.uri()) {
            State::Answer {
                answer: route(request, &self.configuration),
            }
        } else if let Some(fallback) = &self.fallback {
            State::Answer {
                answer: fallback(request),
            }
        } else {
            State::Acknowledge {
                acknowledgement: AcknowledgeFuture::new(request, Some(&self.configuration)),
            }
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
            others: self.others.clone(),
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
