use crate::{CallbackContext, Rejection};

/// Records a refusal; `context` is there where the request was verified, so that an event is lost.
///
/// Of what the sender chose little is recorded, and by its `Debug` form, which escapes line breaks.
#[cfg(feature = "tracing")]
pub(crate) fn refused(rejection: &Rejection, command: &str, context: Option<&CallbackContext>) {
    use tracing::field::debug;

    // For filters: the default is the path of this module, which is private.
    const TARGET: &str = "tower_tencent_chat";

    let kind = debug(rejection.kind());
    match context {
        None => {
            tracing::debug!(target: TARGET, command, kind, "callback refused: {rejection}");
        }
        Some(context) => tracing::warn!(
            target: TARGET,
            command,
            kind,
            request_id = context.request_id.as_deref().map(start).map(debug),
            client_ip = context.client_ip.map(debug),
            "verified callback lost: {rejection}"
        ),
    }
}

/// A text without what a sender has made it too long by.
#[cfg(feature = "tracing")]
fn start(text: &str) -> &str {
    let end = text.char_indices().nth(64);
    end.map_or(text, |(end, _)| &text[..end])
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn refused(_: &Rejection, _: &str, _: Option<&CallbackContext>) {}
