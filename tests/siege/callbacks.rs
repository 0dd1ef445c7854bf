//! Callbacks, signed and forged.

use tower_tencent_chat::test_util::CallbackRequest;

use crate::common::{APP_ID, TOKEN, now, token};

/// The longest that `http::Uri` takes.
const LONGEST_URI: usize = 65_534;

fn unsigned(id: &str) -> CallbackRequest {
    CallbackRequest::friend_add(APP_ID).pair(id, "bob")
}

pub(crate) fn signed(id: &str) -> CallbackRequest {
    unsigned(id).signed(&token(TOKEN), now())
}

pub(crate) fn forged(id: &str) -> CallbackRequest {
    unsigned(id).signed(&token("guessed"), now())
}

/// A callback whose URL is as long as it may be.
pub(crate) fn as_long_as_can_be(callback: CallbackRequest) -> CallbackRequest {
    let padding = LONGEST_URI - callback.uri().to_string().len() - "&padding=".len();
    callback.query("padding", &"x".repeat(padding))
}
