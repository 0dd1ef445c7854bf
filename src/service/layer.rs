use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tower_layer::Layer;

use super::{CallbackService, SameBodyLayer, acknowledge_others::AcknowledgeOthersLayer};
use crate::{FriendAdd, Packet, Token, trace, verify::Configuration};

/// The layer that receives "After a Friend Is Added", `Sns.CallbackFriendAdd`.
///
/// `FriendAddLayer::new(1400000000)` is the whole set-up. If authentication is switched on in the
/// console, add the [`token`](CallbackLayer::token).
pub type FriendAddLayer = CallbackLayer<FriendAdd>;

/// A [`Layer`] that receives one webhook of Tencent Cloud Chat: requests with the `CallbackCommand`
/// of `P`.
///
/// The [crate's documentation](crate) says what it checks and what it answers. The inner service has
/// to be `Clone`; if yours isn't, Tower's `Buffer` makes it so.
///
/// A refusal has `ErrorCode` 1. Chat ignores that for a webhook after an event, but for one before an
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

    /// Requires callbacks to be signed with this token. By default there is none, and `Sign` is ignored.
    ///
    /// Call it again to add another token. Then a callback may be signed with any of them, so the token
    /// can be changed in the console without losing a callback.
    pub fn token(self, token: Token) -> Self {
        self.tokens([token])
    }

    /// Adds several tokens: see [`token`](Self::token). If the iterator is empty, no token is added, and
    /// a layer without any accepts callbacks that aren't signed.
    ///
    /// ```
    /// use tower_tencent_chat::{FriendAddLayer, Token};
    ///
    /// let tokens = "old-token,new-token".split(',').map(Token::new);
    /// let layer = FriendAddLayer::new(1400000000).tokens(tokens.collect::<Result<Vec<_>, _>>()?);
    /// # Ok::<_, tower_tencent_chat::InvalidToken>(())
    /// ```
    pub fn tokens(mut self, tokens: impl IntoIterator<Item = Token>) -> Self {
        self.configuration_mut().tokens.extend(tokens);
        self
    }

    /// How far `RequestTime` may be from now, in the past or in the future, in whole seconds, inclusive.
    /// The default is 60 seconds, as Tencent asks for. It matters only if a [`token`](Self::token) is
    /// set.
    ///
    /// Whoever sees a signed URL can send it again, with any body, as long as the window is open. Widen
    /// it only by as much as your clock may be off.
    pub fn request_time_window(mut self, window: Duration) -> Self {
        self.configuration_mut().request_time_window = window;
        self
    }

    /// The size of the largest body that is accepted, in bytes. The default is 1 MiB.
    ///
    /// A pair takes 155 bytes if its UserIDs are as long as they may be. So 1 MiB has room for the 3,000
    /// friends that a user can have, in both directions.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.configuration_mut().max_body_size = bytes;
        self
    }

    /// Tells the time. The default is [`SystemTime::now`].
    ///
    /// Set it in tests that send a request that was signed long ago, and on targets without a system
    /// clock, such as `wasm32-unknown-unknown`:
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_tencent_chat::FriendAddLayer;
    ///
    /// let layer = FriendAddLayer::new(1400000000)
    ///     .clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1669872112));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.configuration_mut().clock = Arc::new(now);
        self
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

    /// The same layer, but it keeps the types of both bodies: the inner service gets the type of body
    /// that came, and the response has the body of the inner service.
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

    /// The same layer, but only callbacks reach the inner service: those that this layer has handed on, and
    /// those that a layer around it has. Every other request is answered as by
    /// [`Acknowledge`](crate::Acknowledge), and its body is read.
    ///
    /// It is for a URL with one handler. Chat sends `Alert.RequestOverLimit` and every webhook that is
    /// switched on to that URL, too. A handler that gets them leaves their bodies unread and answers FAIL.
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
    /// In a stack of layers, the innermost has it: that is the last one in a `ServiceBuilder`.
    pub fn acknowledge_others(self) -> AcknowledgeOthersLayer<P> {
        AcknowledgeOthersLayer::new(self)
    }

    pub(super) fn max_body_size_in_bytes(&self) -> usize {
        self.configuration.max_body_size
    }

    fn with(configuration: Arc<Configuration>) -> Self {
        Self {
            configuration,
            packet: PhantomData,
        }
    }

    fn configuration_mut(&mut self) -> &mut Configuration {
        Arc::make_mut(&mut self.configuration)
    }
}

impl<S, P: Packet> Layer<S> for CallbackLayer<P> {
    type Service = CallbackService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        trace::mount(P::COMMAND);
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
