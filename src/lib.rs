//! Tower middleware.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod acknowledge;
#[cfg(feature = "axum")]
mod axum;
mod body;
mod callback;
mod command;
mod friend_add;
mod future;
mod layer;
mod oneshot;
mod packet;
mod platform;
mod query;
mod read;
mod rejection;
mod response;
mod route;
mod service;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub mod test_util;
mod token;
mod trace;
mod user_id;
mod verify;

#[cfg(feature = "axum")]
pub use self::axum::acknowledge;
pub use self::{
    acknowledge::Acknowledge,
    body::{RequestBody, ResponseBody},
    callback::{Callback, CallbackContext},
    friend_add::{ClientCmd, FriendAdd, FriendPair},
    future::ResponseFuture,
    layer::{CallbackLayer, FriendAddLayer},
    packet::Packet,
    platform::Platform,
    rejection::{Rejection, RejectionKind},
    response::CallbackResponse,
    route::{RouteLayer, RouteService},
    service::CallbackService,
    token::{InvalidToken, Token},
    user_id::UserId,
};
