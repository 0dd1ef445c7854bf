//! Tower middleware.
#![cfg_attr(docsrs, feature(doc_cfg))]

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
mod service;
mod token;
mod trace;
mod user_id;
mod verify;

pub use self::{
    body::{RequestBody, ResponseBody},
    callback::{Callback, CallbackContext},
    friend_add::{ClientCmd, FriendAdd, FriendPair},
    future::ResponseFuture,
    layer::{CallbackLayer, FriendAddLayer},
    packet::Packet,
    platform::Platform,
    rejection::{Rejection, RejectionKind},
    response::CallbackResponse,
    service::CallbackService,
    token::{InvalidToken, Token},
    user_id::UserId,
};
