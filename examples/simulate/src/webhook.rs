//! What Chat says: the query and the body of each callback.

use std::fs;

use bytes::Bytes;
use clap::ValueEnum;
use reqwest::Url;
use tower_tencent_chat::{
    BlackListAdd, BlackListDelete, FriendAdd, FriendDelete, Packet, test_util::CallbackRequest,
};

use crate::{
    args::{self, Args},
    chat::with_query,
    signer::Signer,
};

/// A webhook that `--from` and `--to` are enough for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Event {
    FriendAdd,
    FriendDelete,
    BlackListAdd,
    BlackListDelete,
}

impl Event {
    pub(crate) fn command(self) -> &'static str {
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
    signer: Signer,
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
        let signer = Signer::new(&args.signature)?;
        if signer.token.is_none() && *console_check {
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
            signer,
        })
    }

    /// One of the callbacks, signed now.
    pub(crate) fn callback(&self, number: u64) -> CallbackRequest {
        let callback = self.content.callback(self.app_id, number);
        let callback = callback.query("OptPlatform", &self.platform);
        match &self.signer.token {
            Some(token) => callback.signed(token, self.signer.now()),
            None => callback,
        }
    }

    /// Adds the query of the callback to the URL.
    pub(crate) fn url(&self, url: &Url, callback: &CallbackRequest) -> Url {
        let uri = callback.uri();
        let query = uri.query().unwrap_or_default();
        match self.query {
            Query::Whole => with_query(url, query),
            Query::SignatureOnly => {
                let is_sent = |parameter: &&str| {
                    parameter.starts_with("Sign=") || parameter.starts_with("RequestTime=")
                };
                let parameters: Vec<_> = query.split('&').filter(is_sent).collect();
                with_query(url, &parameters.join("&"))
            }
            Query::None => {
                let mut url = url.clone();
                url.set_query(None);
                url
            }
        }
    }
}

impl Content {
    fn new(args: &args::Callback) -> Result<Self, String> {
        let event = args.event;
        if args.command.is_some() && args.body.is_none() {
            return Err("--command: needs --body".to_owned());
        }
        let command = args.command();
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
