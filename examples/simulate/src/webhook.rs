//! What Chat says: the query and the body of each callback.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use clap::ValueEnum;
use tower_tencent_chat::{
    BlackListAdd, BlackListDelete, FriendAdd, FriendDelete, Packet, Token,
    test_util::CallbackRequest,
};

use crate::args::{self, Args, Signature};

/// A webhook that `--from` and `--to` are enough for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Event {
    FriendAdd,
    FriendDelete,
    BlackListAdd,
    BlackListDelete,
}

impl Event {
    fn command(self) -> &'static str {
        match self {
            Self::FriendAdd => FriendAdd::COMMAND,
            Self::FriendDelete => FriendDelete::COMMAND,
            Self::BlackListAdd => BlackListAdd::COMMAND,
            Self::BlackListDelete => BlackListDelete::COMMAND,
        }
    }

    fn callback(
        self,
        app_id: u64,
        pairs: impl Iterator<Item = (String, String)>,
    ) -> CallbackRequest {
        let callback = match self {
            Self::FriendAdd => CallbackRequest::friend_add(app_id),
            Self::FriendDelete => CallbackRequest::friend_delete(app_id),
            Self::BlackListAdd => CallbackRequest::black_list_add(app_id),
            Self::BlackListDelete => CallbackRequest::black_list_delete(app_id),
        };
        pairs.fold(callback, |callback, (from, to)| callback.pair(&from, &to))
    }
}

/// What every callback of one run has in common.
pub(crate) struct Webhook {
    app_id: u64,
    platform: String,
    content: Content,
    query: Query,
    token: Option<Token>,
    clock_skew: i64,
}

enum Content {
    /// The same for every callback.
    Fixed { command: String, body: Bytes },
    /// With the number of the callback in place of each `{}`.
    Pairs {
        event: Event,
        from: String,
        to: Vec<String>,
    },
}

/// Which of Tencent's parameters are sent.
enum Query {
    Whole,
    SignatureOnly,
    None,
}

impl Webhook {
    pub(crate) fn new(args: &Args) -> Result<Self, String> {
        let args::Callback {
            app_id,
            platform,
            console_check,
            no_query,
            ..
        } = &args.callback;
        let Signature { token, clock_skew } = &args.signature;
        let tokens = token.as_deref().unwrap_or_default();
        let first = tokens.split(',').next().filter(|_| !tokens.is_empty());
        let token = first.map(Token::new).transpose();
        let token = token.map_err(|error| format!("--token: {error}"))?;
        if token.is_none() && *clock_skew != 0 {
            return Err("--clock-skew: only what --token signs has a time".to_owned());
        }
        if token.is_none() && *console_check {
            return Err(
                "--console-check: nothing but a signature is in it, so set --token".to_owned(),
            );
        }
        Ok(Self {
            app_id: *app_id,
            platform: platform.clone(),
            content: Content::new(&args.callback)?,
            query: match (console_check, no_query) {
                (true, _) => Query::SignatureOnly,
                (_, true) => Query::None,
                _ => Query::Whole,
            },
            token,
            clock_skew: *clock_skew,
        })
    }

    /// One of the callbacks, signed now.
    pub(crate) fn callback(&self, number: u64) -> CallbackRequest {
        let callback = self.content.callback(self.app_id, number);
        let callback = callback.query("OptPlatform", &self.platform);
        match &self.token {
            Some(token) => callback.signed(token, self.now()),
            None => callback,
        }
    }

    /// By the clock that is off.
    fn now(&self) -> SystemTime {
        let skew = Duration::from_secs(self.clock_skew.unsigned_abs());
        match self.clock_skew {
            ..0 => SystemTime::now() - skew,
            0.. => SystemTime::now() + skew,
        }
    }

    /// The app's own parameters, and after them Tencent's.
    pub(crate) fn query(&self, own: Option<&str>, callback: &CallbackRequest) -> String {
        let uri = callback.uri();
        let is_sent = |parameter: &&str| match self.query {
            Query::Whole => true,
            Query::SignatureOnly => {
                parameter.starts_with("Sign=") || parameter.starts_with("RequestTime=")
            }
            Query::None => false,
        };
        let own = own.filter(|query| !query.is_empty() && !matches!(self.query, Query::None));
        let tencents = uri.query().unwrap_or_default().split('&').filter(is_sent);
        own.into_iter()
            .chain(tencents)
            .collect::<Vec<_>>()
            .join("&")
    }
}

impl Content {
    fn new(args: &args::Callback) -> Result<Self, String> {
        let event = args.event;
        let command = args.command.as_deref().unwrap_or(event.command());
        let body = if args.console_check {
            Bytes::from_static(b"{}")
        } else if let Some(path) = &args.body {
            let body = fs::read(path);
            body.map_err(|error| format!("--body {}: {error}", path.display()))?
                .into()
        } else if let Some(pairs) = args.pairs {
            generated(event, pairs)
        } else {
            return Ok(Self::Pairs {
                event,
                from: args.from.clone(),
                to: args.to.clone(),
            });
        };
        Ok(Self::Fixed {
            command: command.to_owned(),
            body,
        })
    }

    fn callback(&self, app_id: u64, number: u64) -> CallbackRequest {
        match self {
            Self::Fixed { command, body } => CallbackRequest::new(command, app_id, body.clone()),
            Self::Pairs { event, from, to } => {
                let numbered = |user_id: &str| user_id.replace("{}", &number.to_string());
                let pairs = to.iter().map(|to| (numbered(from), numbered(to)));
                event.callback(app_id, pairs)
            }
        }
    }
}

/// A packet of so many pairs, with UserIDs as long as they may be.
fn generated(event: Event, pairs: u32) -> Bytes {
    let pairs = (0..pairs).map(|n| (format!("from{n:028}"), format!("to{n:030}")));
    event.callback(0, pairs).body()
}
