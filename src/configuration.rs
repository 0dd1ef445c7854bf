//! What can be set on a layer or a router.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::Uri;

use crate::{
    token::Token,
    trace::{Line, Log},
};

/// The default of the largest body that is accepted, in bytes.
pub(crate) const MAX_BODY_SIZE: usize = 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Configuration {
    pub(crate) sdk_app_id: u64,
    pub(crate) tokens: Tokens,
    pub(crate) request_time_window: Duration,
    pub(crate) max_body_size: usize,
    pub(crate) clock: Arc<Clock>,
    log: Arc<Log>,
}

pub(crate) type Clock = dyn Fn() -> SystemTime + Send + Sync;

/// The tokens of which one has to have signed a callback.
#[derive(Clone)]
pub(crate) enum Tokens {
    /// If there are none, callbacks need not be signed.
    Fixed(Vec<Token>),
    /// If it gives none, no callback is accepted.
    From(Arc<dyn Fn() -> Arc<[Token]> + Send + Sync>),
}

impl Configuration {
    pub(crate) fn new(sdk_app_id: u64) -> Self {
        Self {
            sdk_app_id,
            tokens: Tokens::Fixed(Vec::new()),
            request_time_window: Duration::from_secs(60),
            max_body_size: MAX_BODY_SIZE,
            clock: Arc::new(SystemTime::now),
            log: Arc::default(),
        }
    }

    pub(crate) fn add_tokens(&mut self, added: impl IntoIterator<Item = Token>) {
        let added = added.into_iter().collect::<Vec<_>>();
        match &mut self.tokens {
            Tokens::Fixed(tokens) => tokens.extend(added),
            // Nothing in place of a function would accept callbacks that nobody has signed.
            Tokens::From(_) if added.is_empty() => {}
            Tokens::From(_) => self.tokens = Tokens::Fixed(added),
        }
    }

    /// A line of the log for a request with this command.
    pub(crate) fn line<'a>(&'a self, command: &'a str, uri: &'a Uri) -> Line<'a> {
        Line::new(&self.log, self.sdk_app_id, &*self.clock, command, uri)
    }
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration")
            .field("sdk_app_id", &self.sdk_app_id)
            .field("tokens", &self.tokens)
            .field("request_time_window", &self.request_time_window)
            .field("max_body_size", &self.max_body_size)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(tokens) => tokens.fmt(f),
            Self::From(_) => f.write_str("From(..)"),
        }
    }
}

/// The methods that set an option. A layer and a router have the same.
macro_rules! options {
    () => {
        /// Requires callbacks to be signed with this token. By default there is none, and `Sign` is
        /// ignored.
        ///
        /// Call it again to add another token. Then a callback may be signed with any of them, so the
        /// token can be changed in the console without losing a callback. After
        /// [`tokens_from`](Self::tokens_from), it replaces what was set there.
        pub fn token(self, token: $crate::Token) -> Self {
            self.tokens([token])
        }

        /// Adds several tokens: see [`token`](Self::token). If the iterator is empty, no token is added.
        /// Without any token, callbacks that aren't signed are accepted.
        ///
        /// ```
        /// use tower_tencent_chat::{FriendAddLayer, Token};
        ///
        /// let tokens = "old-token,new-token".split(',').map(Token::new);
        /// let layer = FriendAddLayer::new(1400000000).tokens(tokens.collect::<Result<Vec<_>, _>>()?);
        /// # Ok::<_, tower_tencent_chat::InvalidToken>(())
        /// ```
        pub fn tokens(mut self, tokens: impl IntoIterator<Item = $crate::Token>) -> Self {
            self.configuration_mut().add_tokens(tokens);
            self
        }

        /// Takes the tokens from a function, which is called for each callback. So they can change while
        /// the app runs.
        ///
        /// The function replaces all tokens that were set before. If it returns none, every callback is
        /// rejected, signed or not. It runs on the task of the request, so it must not block: let it clone
        /// an `Arc` that something else replaces.
        ///
        /// ```
        /// use std::sync::{Arc, RwLock};
        /// use tower_tencent_chat::{FriendAddLayer, Token};
        ///
        /// let tokens: Arc<RwLock<Arc<[Token]>>> = Arc::default();
        /// let current = Arc::clone(&tokens);
        /// let layer = FriendAddLayer::new(1400000000)
        ///     .tokens_from(move || Arc::clone(&current.read().unwrap()));
        ///
        /// // Later, when the secret has been read again:
        /// *tokens.write().unwrap() = Arc::from([Token::new("old-token")?, Token::new("new-token")?]);
        /// # Ok::<_, tower_tencent_chat::InvalidToken>(())
        /// ```
        pub fn tokens_from(
            mut self,
            source: impl Fn() -> ::std::sync::Arc<[$crate::Token]> + Send + Sync + 'static,
        ) -> Self {
            let source = ::std::sync::Arc::new(source);
            self.configuration_mut().tokens = $crate::configuration::Tokens::From(source);
            self
        }

        /// How far `RequestTime` may be from now, in the past or in the future, in whole seconds,
        /// inclusive. The default is 60 seconds, as Tencent asks for. It matters only if a
        /// [`token`](Self::token) is set.
        ///
        /// Anyone who sees a signed URL can send it again, with any body, until the window closes. Widen
        /// it only by as much as your clock may be off.
        pub fn request_time_window(mut self, window: ::std::time::Duration) -> Self {
            self.configuration_mut().request_time_window = window;
            self
        }

        /// The size of the largest body that is accepted, in bytes. The default is 1 MiB.
        ///
        /// A pair takes 155 bytes if its UserIDs are as long as they may be. So 1 MiB has room for the
        /// 3,000 friends that a user can have, in both directions.
        ///
        /// Of a rejected or acknowledged request, as many bytes are read and dropped before the answer. A
        /// proxy in front of the app must not let larger bodies through (`client_max_body_size` in nginx):
        /// it can't send them to their end, and may take the server out of rotation for that.
        pub fn max_body_size(mut self, bytes: usize) -> Self {
            self.configuration_mut().max_body_size = bytes;
            self
        }

        /// Sets the clock that `RequestTime` is compared with. The default is
        /// [`SystemTime::now`](std::time::SystemTime::now).
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
        pub fn clock(
            mut self,
            now: impl Fn() -> ::std::time::SystemTime + Send + Sync + 'static,
        ) -> Self {
            self.configuration_mut().clock = ::std::sync::Arc::new(now);
            self
        }

        fn configuration_mut(&mut self) -> &mut $crate::configuration::Configuration {
            ::std::sync::Arc::make_mut(&mut self.configuration)
        }
    };
}
pub(crate) use options;
