//! Says which callbacks did not reach a handler, and what the likely cause is.
//!
//! Little of what the sender chose is recorded, and only in its `Debug` form, which escapes line breaks.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use http::{Extensions, Method, Uri};
use tracing::field::debug;

use crate::{
    CallbackContext, Rejection,
    callback::HandedOn,
    limit::Limit,
    response::Detail,
    verify::{Configuration, query},
};

/// What users filter by. The default would be the path of this module, which is private.
const TARGET: &str = "tower_tencent_chat";

/// The commands that there are layers or routes for, each with the limit of its lines.
static MOUNTED: LazyLock<Mutex<HashMap<&str, Limit>>> = LazyLock::new(Mutex::default);

/// Records a `WARN` with the number of those that were held back before it, or a `DEBUG` if this one is
/// held back.
macro_rules! event {
    ($passed:expr, $($fields_and_message:tt)+) => {
        match $passed {
            Some(held_back) => {
                let held_back = (held_back > 0).then_some(held_back);
                tracing::warn!(target: TARGET, held_back, $($fields_and_message)+);
            }
            None => tracing::debug!(target: TARGET, $($fields_and_message)+),
        }
    };
}

/// A callback was refused. If its URL was accepted, there is a `context`, and an event is lost.
pub(crate) fn refused(
    configuration: &Configuration,
    rejection: &Rejection,
    context: Option<&CallbackContext>,
) {
    let kind = rejection.kind();
    let limit = configuration.limits.refused(rejection);
    let what = context.map_or("callback refused", |context| lost(is_verified(context)));
    event!(
        pass(context, limit, configuration),
        command = rejection.command(),
        kind = kind.as_str(),
        detail = rejection.detail().map(tracing::field::display),
        request_id = context.and_then(request_id),
        client_ip = context.and_then(client_ip),
        "{what}: {rejection}"
    );
}

/// A callback's future was dropped before its handler was called.
pub(crate) fn dropped(configuration: &Configuration, command: &str, context: &CallbackContext) {
    let limit = &configuration.limits.dropped;
    let what = lost(is_verified(context));
    event!(
        pass(Some(context), limit, configuration),
        command,
        request_id = request_id(context),
        client_ip = client_ip(context),
        "{what}: dropped before it was handed on: a time-out, a sender that hung up, or a service that \
         failed before it was ready"
    );
}

/// `Acknowledge` has answered a webhook.
pub(crate) fn acknowledged(uri: &Uri, extensions: &Extensions) {
    let is_verified = extensions
        .get::<HandedOn>()
        .is_some_and(|mark| mark.is_verified);
    // The first one is enough: a URL has room for thousands, and each would be a line.
    let first = query::commands(uri).find_map(|command| {
        let passed = match mounted().get(&*command)? {
            _ if is_verified => Some(0),
            limit => limit.pass(now()),
        };
        Some((command, passed))
    });
    let Some((command, passed)) = first else {
        // Only if somebody listens: most webhooks of an app come here.
        tracing::debug!(
            target: TARGET,
            command = query::commands(uri).next().as_deref().map(shortened),
            "acknowledged: there is no handler for it"
        );
        return;
    };
    let what = lost(is_verified);
    event!(
        passed,
        command = &*command,
        "{what}: it was only acknowledged, though there is a layer for it; is the layer around this \
         route and method, and a handler behind it?"
    );
}

/// A request came that has none of Tencent's parameters.
pub(crate) fn not_a_webhook(method: &Method) {
    static LIMIT: Limit = Limit::new();

    if method == Method::POST {
        event!(
            LIMIT.pass(now()),
            "a POST without any of Tencent's parameters; does a proxy drop the query?"
        );
    }
}

/// A handler asked for a callback that was not there.
#[cfg(feature = "axum")]
pub(crate) fn not_extracted(rejection: &Rejection) {
    static OTHER_WEBHOOK: Limit = Limit::new();

    match rejection.detail() {
        Some(Detail::NoParameters) => not_a_webhook(&Method::POST),
        Some(Detail::NoLayer) => without_layer(rejection.command()),
        Some(Detail::OtherWebhook) => event!(
            OTHER_WEBHOOK.pass(now()),
            command = rejection.command(),
            "a request without this callback came to its handler; is the handler's route called by \
             other webhooks, too?"
        ),
        _ => {}
    }
}

/// A handler was called without a callback that is optional to it. If the request was that callback, it is
/// lost.
#[cfg(feature = "axum")]
pub(crate) fn not_taken(uri: &Uri, command: &str) {
    if query::is_command(uri, command) {
        without_layer(command);
    }
}

#[cfg(feature = "axum")]
fn without_layer(command: &str) {
    static LIMIT: Limit = Limit::new();

    event!(
        LIMIT.pass(now()),
        command,
        "callback lost: its handler was called, but no layer; is the layer around this route?"
    );
}

/// Remembers that there is a layer or a route for a command.
pub(crate) fn mount(command: &'static str) {
    mounted().entry(command).or_default();
}

fn mounted() -> MutexGuard<'static, HashMap<&'static str, Limit>> {
    MOUNTED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_verified(context: &CallbackContext) -> bool {
    context.request_time.is_some()
}

fn lost(is_verified: bool) -> &'static str {
    if is_verified {
        "verified callback lost"
    } else {
        "callback lost"
    }
}

/// Every lost callback that was verified passes. What anybody can send is limited.
fn pass(
    context: Option<&CallbackContext>,
    limit: &Limit,
    configuration: &Configuration,
) -> Option<u64> {
    if context.is_some_and(is_verified) {
        return Some(0);
    }
    limit.pass(configuration.now())
}

/// The time if no layer's clock is at hand. `SystemTime::now` would panic on a target without a clock.
fn now() -> u64 {
    if cfg!(all(target_family = "wasm", target_os = "unknown")) {
        return 0;
    }
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.unwrap_or_default().as_secs()
}

fn request_id(context: &CallbackContext) -> Option<impl tracing::Value> {
    context.request_id.as_deref().map(shortened)
}

fn shortened(text: &str) -> impl tracing::Value {
    /// Tencent's are shorter. A longer one was made up, to fill the log.
    const MAX_CHARS: usize = 64;

    let end = text
        .char_indices()
        .nth(MAX_CHARS)
        .map_or(text.len(), |(end, _)| end);
    debug(&text[..end])
}

fn client_ip(context: &CallbackContext) -> Option<impl tracing::Value> {
    context.client_ip.map(debug)
}
