//! Callbacks, signed and forged.

use std::time::SystemTime;

use tower_tencent_chat::{Token, test_util::CallbackRequest};

use crate::common::APP_ID;

/// The longest that `http::Uri` takes.
const LONGEST_URI: usize = 65_534;

/// What time it is, for clients and app.
pub(crate) const NOW: SystemTime = SystemTime::UNIX_EPOCH;

pub(crate) fn token(token: &str) -> Token {
    Token::new(token).unwrap()
}

pub(crate) fn unsigned(id: &str) -> CallbackRequest {
    CallbackRequest::friend_add(APP_ID).pair(id, "bob")
}

pub(crate) fn signed(id: &str) -> CallbackRequest {
    unsigned(id).signed(&token("xxxxyyyy"), NOW)
}

pub(crate) fn forged(id: &str) -> CallbackRequest {
    unsigned(id).signed(&token("guessed"), NOW)
}

/// A callback whose URL is as long as it may be.
pub(crate) fn as_long_as_can_be(callback: CallbackRequest) -> CallbackRequest {
    let padding = LONGEST_URI - callback.uri().to_string().len() - "&padding=".len();
    callback.query("padding", &"x".repeat(padding))
}
