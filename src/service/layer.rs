use std::{fmt, marker::PhantomData, sync::Arc};

use http::{Method, Uri};
use tower_layer::Layer;

use super::{
    CallbackService, acknowledge_others::AcknowledgeOthersLayer, same_body::SameBodyLayer,
};
use crate::{
    Callback, FriendAdd, Packet, Rejection,
    configuration::{Configuration, options},
    packet,
    verify::{Verified, query},
};

/// The layer that receives "After a Friend Is Added", `Sns.CallbackFriendAdd`.
///
/// `FriendAddLayer::new(1400000000)` is the whole set-up. If authentication is switched on in the
/// console, add the [`token`](CallbackLayer::token).
pub type FriendAddLayer = CallbackLayer<FriendAdd>;

/// A [`Layer`] that receives one webhook of Tencent Cloud Chat: requests with the `CallbackCommand`
/// of `P`.
///
/// The [crate's documentation](crate#what-the-layer-does) lists the rules. The inner service has to be
/// `Clone`; if yours isn't, Tower's `Buffer` makes it so.
///
/// A rejection has `ErrorCode` 1. Chat ignores that for a webhook after an event, but for one before an
/// event it forbids the event: see [Webhooks before an event](Packet#webhooks-before-an-event).
///
/// ```
/// use std::time::Duration;
/// use tower_tencent_chat::{FriendAddLayer, Token};
///
/// let layer = FriendAddLayer::new(1400000000)
///     .token(Token::new("xxxxyyyy")?)
///     .request_time_window(Duration::from_secs(30))
///     .max_body_size(256 * 1024);
/// # Ok::<_, tower_tencent_chat::InvalidToken>(())
/// ```
#[must_use]
pub struct CallbackLayer<P> {
    configuration: Arc<Configuration>,
    packet: PhantomData<fn() -> P>,
}

impl<P: Packet> CallbackLayer<P> {
    /// A layer for the callbacks of one app, by the SDKAppID that Tencent's console shows.
    ///
    /// Set a [`token`](Self::token), too. Without one, only this id tells a callback from a forgery,
    /// and every client of the app knows it.
    pub fn new(sdk_app_id: u64) -> Self {
        Self::with(Arc::new(Configuration::new(sdk_app_id)))
    }

    options!();

    /// Applies the rules to a request without any I/O, for servers that aren't Tower services and for
    /// requests that come from a file or a queue.
    ///
    /// `body` is the whole body. A rejection is returned and not logged.
    ///
    /// ```
    /// use http::Method;
    /// use tower_tencent_chat::{CallbackResponse, FriendAddLayer, test_util::CallbackRequest};
    ///
    /// let layer = FriendAddLayer::new(1400000000);
    /// let request = CallbackRequest::friend_add(1400000000).pair("alice", "bob");
    /// let answer = match layer.receive(&Method::POST, &request.uri(), &request.body()) {
    ///     Ok(callback) => {
    ///         println!("{} added", callback.pair_list.len());
    ///         CallbackResponse::ok()
    ///     }
    ///     Err(rejection) => rejection.into(),
    /// };
    /// assert!(answer.is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// The [`Rejection`] that the layer would answer with. If the URL doesn't name this webhook, its kind is
    /// [`MissingCallback`](crate::RejectionKind::MissingCallback).
    pub fn receive(
        &self,
        method: &Method,
        uri: &Uri,
        body: &[u8],
    ) -> Result<Callback<P>, Rejection> {
        self.apply_rules(method, uri, body)
            .map_err(|rejection| rejection.of(P::COMMAND))
    }

    fn apply_rules(
        &self,
        method: &Method,
        uri: &Uri,
        body: &[u8],
    ) -> Result<Callback<P>, Rejection> {
        if !query::is_command(uri, P::COMMAND) {
            return Err(Rejection::NO_CALLBACK);
        }
        let Verified { context, .. } = self.configuration.verify(method, uri)?;
        if body.len() > self.configuration.max_body_size {
            return Err(Rejection::TOO_LARGE);
        }
        Ok(Callback::new(packet::parse(body)?, context))
    }

    /// A layer for another webhook of the same app, with everything that was set here.
    ///
    /// ```
    /// use tower_tencent_chat::{CallbackLayer, FriendAddLayer, Packet};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct StateChange {}
    ///
    /// impl Packet for StateChange {
    ///     const COMMAND: &'static str = "State.StateChange";
    /// }
    ///
    /// let friend_add = FriendAddLayer::new(1400000000).max_body_size(256 * 1024);
    /// let state_change = friend_add.for_packet::<StateChange>();
    /// ```
    pub fn for_packet<Q: Packet>(&self) -> CallbackLayer<Q> {
        CallbackLayer::with(Arc::clone(&self.configuration))
    }

    /// Keeps the types of both bodies: the inner service gets the type of body that the layer gets, and the
    /// response has the type of body of the inner service.
    ///
    /// Both types have to be `From<Bytes>`, as axum's `Body` and http-body-util's `Full<Bytes>` are. Use
    /// it where a layer must not change types: in `option_layer`, around axum's `from_fn`, or around a
    /// service that takes only one type of body.
    ///
    /// ```
    /// use axum::{Router, body::Body, extract::Request, middleware::Next, response::Response, routing::post};
    /// use tower::ServiceBuilder;
    /// use tower_tencent_chat::{Callback, CallbackResponse, FriendAdd, FriendAddLayer};
    ///
    /// async fn friend_added(_: Callback<FriendAdd>) -> CallbackResponse {
    ///     CallbackResponse::ok()
    /// }
    ///
    /// async fn log(request: Request<Body>, next: Next) -> Response {
    ///     next.run(request).await
    /// }
    ///
    /// let layers = ServiceBuilder::new()
    ///     .layer(FriendAddLayer::new(1400000000).same_body())
    ///     .layer(axum::middleware::from_fn(log));
    /// let app: Router = Router::new().route("/callback", post(friend_added).layer(layers));
    /// ```
    pub fn same_body(self) -> SameBodyLayer<P> {
        SameBodyLayer::new(self)
    }

    /// Lets only callbacks through to the inner service: those of this layer and of layers around it. Every
    /// other request gets the response of [`Acknowledge`](crate::Acknowledge), after its body has been read.
    ///
    /// It is for a URL with one handler. Chat also sends `Alert.RequestOverLimit` and every webhook that is
    /// switched on to that URL. A handler that gets them leaves their bodies unread and responds with FAIL.
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use tower_tencent_chat::{Callback, CallbackResponse, FriendAdd, FriendAddLayer};
    ///
    /// async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
    ///     println!("{} added", callback.pair_list.len());
    ///     CallbackResponse::ok()
    /// }
    ///
    /// let layer = FriendAddLayer::new(1400000000).acknowledge_others();
    /// let app: Router = Router::new().route("/callback", post(friend_added).layer(layer));
    /// ```
    ///
    /// In a stack of layers, call it on the innermost layer, which is the last one in a `ServiceBuilder`.
    pub fn acknowledge_others(self) -> AcknowledgeOthersLayer<P> {
        AcknowledgeOthersLayer::new(self)
    }

    pub(super) fn configuration(&self) -> &Arc<Configuration> {
        &self.configuration
    }

    fn with(configuration: Arc<Configuration>) -> Self {
        Self {
            configuration,
            packet: PhantomData,
        }
    }
}

impl<S, P: Packet> Layer<S> for CallbackLayer<P> {
    type Service = CallbackService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        CallbackService::new(inner, Arc::clone(&self.configuration))
    }
}

impl<P> Clone for CallbackLayer<P> {
    fn clone(&self) -> Self {
        Self {
            configuration: Arc::clone(&self.configuration),
            packet: PhantomData,
        }
    }
}

impl<P> fmt::Debug for CallbackLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackLayer")
            .field("configuration", &self.configuration)
            .finish()
    }
}
