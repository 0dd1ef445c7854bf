//! Logs which callbacks did not reach a handler, and the likely cause.
//!
//! Little of what the sender chose is recorded, and only in its `Debug` form, which escapes line breaks.

mod limit;

use std::{net::IpAddr, time::SystemTime};

use http::{Extensions, Method, Uri};
use tracing::field::{self, DebugValue, Value};

use self::limit::LineLimit;
use crate::{Rejection, RejectionKind, handed_on::HandedOn, verify::query};

/// What users filter by. The default would be the path of this module, which is private.
const TARGET: &str = "tower_tencent_chat";

/// The limits of the lines that any client can cause, for a layer or router and all that is made of it.
pub(crate) struct Log {
    rejected: [LineLimit; RejectionKind::ALL.len()],
    dropped: LineLimit,
    acknowledged: LineLimit,
    sign_is_ignored: LineLimit,
    not_a_webhook: LineLimit,
    #[cfg(feature = "axum")]
    other_handler: LineLimit,
    #[cfg(feature = "axum")]
    without_callback: LineLimit,
    #[cfg(feature = "axum")]
    other_webhook: LineLimit,
}

impl Log {
    const fn new() -> Self {
        Self {
            rejected: [const { LineLimit::new() }; RejectionKind::ALL.len()],
            dropped: LineLimit::new(),
            acknowledged: LineLimit::new(),
            sign_is_ignored: LineLimit::new(),
            not_a_webhook: LineLimit::new(),
            #[cfg(feature = "axum")]
            other_handler: LineLimit::new(),
            #[cfg(feature = "axum")]
            without_callback: LineLimit::new(),
            #[cfg(feature = "axum")]
            other_webhook: LineLimit::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

/// A line about one request, before it is known what happens to the request.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    log: &'a Log,
    sdk_app_id: Option<u64>,
    clock: &'a dyn Fn() -> SystemTime,
    command: &'a str,
    uri: &'a Uri,
}

/// Records a `WARN` with the number of those that were held back before it, or a `DEBUG` if this one is
/// held back.
macro_rules! record {
    ($line:ident, $passed:expr, $($fields_and_message:tt)+) => {
        match $passed {
            Some(held_back) => {
                let held_back = (held_back > 0).then_some(held_back);
                event!(warn, $line, held_back, $($fields_and_message)+);
            }
            None => event!(debug, $line, $($fields_and_message)+),
        }
    };
}

macro_rules! event {
    ($level:ident, $line:ident, $($fields_and_message:tt)+) => {
        tracing::$level!(
            target: TARGET,
            sdk_app_id = $line.sdk_app_id,
            command = $line.command(),
            request_id = $line.request_id(),
            client_ip = $line.client_ip(),
            $($fields_and_message)+
        )
    };
}

impl<'a> Line<'a> {
    pub(crate) fn new(
        log: &'a Log,
        sdk_app_id: u64,
        clock: &'a dyn Fn() -> SystemTime,
        command: &'a str,
        uri: &'a Uri,
    ) -> Self {
        Self {
            log,
            sdk_app_id: Some(sdk_app_id),
            clock,
            command,
            uri,
        }
    }

    /// Makes a line for a service or a handler that belongs to no layer.
    pub(crate) fn without_layer(command: &'a str, uri: &'a Uri) -> Self {
        static LOG: Log = Log::new();

        Self {
            log: &LOG,
            sdk_app_id: None,
            clock: &system_time,
            command,
            uri,
        }
    }

    /// A callback was rejected. If a layer has accepted its URL, an event is lost.
    pub(crate) fn rejected(self, rejection: &Rejection, extensions: &Extensions) {
        let mark = HandedOn::find(extensions);
        let what = mark.map_or("callback rejected", lost);
        let kind = rejection.kind();
        record!(
            self,
            self.pass(mark, &self.log.rejected[kind as usize]),
            kind = kind.as_str(),
            detail = rejection.detail().map(field::display),
            "{what}: {rejection}"
        );
    }

    /// The future of an accepted callback was dropped before its handler was called.
    pub(crate) fn dropped(self, extensions: &Extensions) {
        let mark = HandedOn::find(extensions);
        let what = mark.map_or("callback lost", lost);
        record!(
            self,
            self.pass(mark, &self.log.dropped),
            "{what}: dropped before it was handed on: a time-out, a client that disconnected, a panic, or \
             a service that failed before it was ready"
        );
    }

    /// A callback was accepted that is signed, and no token is set: Chat has one that the app lacks.
    pub(crate) fn sign_is_ignored(self, extensions: &Extensions) {
        // A layer around this one may have checked it.
        if HandedOn::find(extensions) == Some(HandedOn::Verified) {
            return;
        }
        record!(
            self,
            self.pass(None, &self.log.sign_is_ignored),
            "a signed callback was accepted without a check: authentication is switched on in the console, \
             but no token is set"
        );
    }

    /// A webhook was acknowledged.
    pub(crate) fn acknowledged(self, extensions: &Extensions) {
        let Some(mark) = HandedOn::find(extensions) else {
            event!(debug, self, "acknowledged: it has no handler");
            return;
        };
        let what = lost(mark);
        record!(
            self,
            self.pass(Some(mark), &self.log.acknowledged),
            "{what}: it was only acknowledged, though a layer has handed it on; is there a handler behind \
             the layer?"
        );
    }

    /// A request came that has none of Tencent's parameters.
    pub(crate) fn not_a_webhook(self, method: &Method) {
        if method == Method::POST {
            record!(
                self,
                self.pass(None, &self.log.not_a_webhook),
                "a POST without any of Tencent's parameters; does a proxy drop the query?"
            );
        }
    }

    /// A layer has handed a callback on to a handler that takes another.
    #[cfg(feature = "axum")]
    pub(crate) fn other_handler(self, mark: HandedOn) {
        let what = lost(mark);
        record!(
            self,
            self.pass(Some(mark), &self.log.other_handler),
            "{what}: a layer has handed it on, but its handler takes another callback"
        );
    }

    /// A handler was called without its callback, though the request is that callback.
    #[cfg(feature = "axum")]
    pub(crate) fn without_callback(self) {
        record!(
            self,
            self.pass(None, &self.log.without_callback),
            "callback lost: its handler was called, but no layer; is the layer around this route?"
        );
    }

    /// A handler was called for another webhook.
    #[cfg(feature = "axum")]
    pub(crate) fn other_webhook(self) {
        record!(
            self,
            self.pass(None, &self.log.other_webhook),
            "a request without this callback came to its handler; is the handler's route called by other \
             webhooks, too?"
        );
    }

    /// Every lost callback that was verified passes. Lines that any client can cause are limited.
    fn pass(self, mark: Option<HandedOn>, limit: &LineLimit) -> Option<u64> {
        if mark == Some(HandedOn::Verified) {
            return Some(0);
        }
        let since_epoch = (self.clock)().duration_since(SystemTime::UNIX_EPOCH);
        limit.pass(since_epoch.unwrap_or_default().as_secs())
    }

    fn command(self) -> Option<impl Value> {
        (!self.command.is_empty()).then(|| shortened(self.command))
    }

    fn request_id(self) -> Option<impl Value> {
        query::request_id(self.uri).as_deref().map(shortened)
    }

    fn client_ip(self) -> Option<impl Value> {
        let address: Option<IpAddr> = query::client_ip(self.uri)?.parse().ok();
        address.map(field::debug)
    }
}

fn lost(mark: HandedOn) -> &'static str {
    match mark {
        HandedOn::Verified => "verified callback lost",
        HandedOn::Unverified => "callback lost",
    }
}

/// `SystemTime::now` would panic on a target without a clock.
fn system_time() -> SystemTime {
    if cfg!(all(target_family = "wasm", target_os = "unknown")) {
        return SystemTime::UNIX_EPOCH;
    }
    SystemTime::now()
}

fn shortened(text: &str) -> DebugValue<String> {
    /// Tencent's are shorter. A longer one was made up, to fill the log.
    const MAX_CHARS: usize = 64;

    let end = text
        .char_indices()
        .nth(MAX_CHARS)
        .map_or(text.len(), |(end, _)| end);
    field::debug(text[..end].to_owned())
}
