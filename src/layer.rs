use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tower_layer::Layer;

use crate::{CallbackService, FriendAdd, Packet, RouteLayer, Token, verify::Rules};

/// How large a body may be where nothing else is set, in bytes.
pub(crate) const MAX_BODY_SIZE: usize = 1024 * 1024;

/// The layer that receives "After a Friend Is Added", `Sns.CallbackFriendAdd`.
///
/// `FriendAddLayer::new(1400000000)` is the whole set-up. Where authentication is switched on in the
/// console, add the [`token`](CallbackLayer::token).
pub type FriendAddLayer = CallbackLayer<FriendAdd>;

/// A [`Layer`] that receives one webhook of Tencent Cloud Chat: requests with the `CallbackCommand`
/// of `P`.
///
/// The [crate's documentation](crate) says what it checks and what it answers. The inner service has
/// to be `Clone`; where one isn't, Tower's `Buffer` makes it so.
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
    rules: Arc<Rules>,
    packet: PhantomData<fn() -> P>,
}

impl<P: Packet> CallbackLayer<P> {
    /// Receives the callbacks of this app: Tencent's SDKAppID, as the console shows it.
    ///
    /// Without a [`token`](Self::token) this is all that tells a callback from a forgery, and the id
    /// is no secret: every client of the app knows it.
    pub fn new(sdk_app_id: u64) -> Self {
        let rules = Rules {
            sdk_app_id,
            tokens: Vec::new(),
            request_time_window: Duration::from_secs(60),
            max_body_size: MAX_BODY_SIZE,
            clock: Arc::new(SystemTime::now),
        };
        Self {
            rules: Arc::new(rules),
            packet: PhantomData,
        }
    }

    /// Requires callbacks to be signed with this token. Default: none, and `Sign` is not looked at.
    ///
    /// Called again it adds another: any one of them may have signed, so that a token can be changed
    /// in the console without losing a callback.
    pub fn token(mut self, token: Token) -> Self {
        self.rules_mut().tokens.push(token);
        self
    }

    /// How far `RequestTime` may be from now, past and future, in whole seconds, inclusive. Default: 60
    /// seconds, as Tencent asks for. Only looked at where a [`token`](Self::token) is set.
    ///
    /// Whoever sees a signed URL can send it again, with any body, as long as the window is open:
    /// widen it no further than your clock is wrong.
    pub fn request_time_window(mut self, window: Duration) -> Self {
        self.rules_mut().request_time_window = window;
        self
    }

    /// The size of the largest body that is read, in bytes, inclusive. Default: 1 MiB.
    ///
    /// A pair takes 155 bytes where UserIDs are as long as they may be, so 1 MiB has room for the
    /// 3,000 friends that a user can have, in both directions.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.rules_mut().max_body_size = bytes;
        self
    }

    /// What time it is. Default: [`SystemTime::now`].
    ///
    /// For tests, which send a request that was signed long ago:
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_tencent_chat::FriendAddLayer;
    ///
    /// let layer = FriendAddLayer::new(1400000000)
    ///     .clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1669872112));
    /// ```
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.rules_mut().clock = Arc::new(now);
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
        CallbackLayer {
            rules: Arc::clone(&self.rules),
            packet: PhantomData,
        }
    }

    /// A layer that delivers its callbacks to `service`, in place of the inner service. Refusals stay
    /// as they are, and every other request still reaches the inner service.
    ///
    /// The service is anything that takes the request and answers with the response body and the error
    /// of the inner service: an axum `post(handler)`, which takes its state by `with_state`, or a
    /// `service_fn`. A layer that changes the body, such as `TraceLayer`, goes around them all or around
    /// one of them, not between. The service is cloned for each callback, and made ready only once the
    /// callback has been verified and parsed.
    ///
    /// What the inner service can take does not matter: where it is at its limit, callbacks are delivered
    /// all the same, and other requests wait after `call` rather than in `poll_ready`.
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use tower::ServiceBuilder;
    /// use tower_tencent_chat::{
    ///     Callback, CallbackResponse, FriendAdd, FriendAddLayer, acknowledge,
    /// };
    ///
    /// async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
    ///     println!("{} pairs", callback.pair_list.len());
    ///     CallbackResponse::ok()
    /// }
    ///
    /// let callbacks = ServiceBuilder::new()
    ///     .layer(FriendAddLayer::new(1400000000).route_to(post(friend_added)))
    ///     .service(post(acknowledge));
    /// let app: Router = Router::new().route_service("/callback", callbacks);
    /// ```
    pub fn route_to<R>(self, service: R) -> RouteLayer<P, R> {
        RouteLayer::new(self.rules, service)
    }

    fn rules_mut(&mut self) -> &mut Rules {
        Arc::make_mut(&mut self.rules)
    }
}

impl<S, P> Layer<S> for CallbackLayer<P> {
    type Service = CallbackService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        CallbackService::new(inner, Arc::clone(&self.rules))
    }
}

impl<P> Clone for CallbackLayer<P> {
    fn clone(&self) -> Self {
        Self {
            rules: Arc::clone(&self.rules),
            packet: PhantomData,
        }
    }
}

impl<P> fmt::Debug for CallbackLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackLayer")
            .field("rules", &self.rules)
            .finish()
    }
}
