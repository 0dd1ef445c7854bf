//! What every file of tests needs.
// Every test binary has its own copy, and needs a part of it.
#![allow(dead_code)]

pub(crate) mod http1;
pub(crate) mod log;
pub(crate) mod script;
pub(crate) mod vectors;

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tower_tencent_chat::{
    FriendAddLayer, Rejection, RejectionKind, Token, test_util::CallbackRequest,
};

use script::{Probe, Script, Step, data};

pub(crate) const APP_ID: u64 = 1400000000;

/// The known answer of Tencent's pages.
pub(crate) const TOKEN: &str = "xxxxyyyy";
pub(crate) const TIME: u64 = 1669872112;
pub(crate) const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";

pub(crate) const OK: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;

/// What Tencent sends.
pub(crate) const FRIEND_ADD: &str = include_str!("../samples/friend-add.json");
pub(crate) const FRIEND_DELETE: &str = include_str!("../samples/friend-delete.json");
pub(crate) const BLACK_LIST_ADD: &str = include_str!("../samples/black-list-add.json");

pub(crate) fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) fn now() -> SystemTime {
    at(TIME)
}

pub(crate) fn layer() -> FriendAddLayer {
    FriendAddLayer::new(APP_ID)
}

/// A layer that wants a signature, at the time of the known answer.
pub(crate) fn signed_layer() -> FriendAddLayer {
    layer().token(token(TOKEN)).clock(now)
}

/// Alice adds Bob.
pub(crate) fn chat() -> CallbackRequest {
    CallbackRequest::friend_add(APP_ID).pair("alice", "bob")
}

pub(crate) fn signed() -> CallbackRequest {
    chat().signed(&token(TOKEN), now())
}

/// A callback whose body stops half-way until it is woken.
pub(crate) fn stalled() -> (Request<Script>, Probe) {
    let body = chat().body();
    let (first, second) = body.split_at(20);
    let (body, probe) = Script::new([data(first), Step::Wait, data(second)]);
    (Request::post(chat().uri()).body(body).unwrap(), probe)
}

/// The envelope of a rejection.
pub(crate) fn fail(error_info: &str) -> String {
    format!(r#"{{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":"{error_info}"}}"#)
}

/// The rule that a rejected request broke.
pub(crate) fn kind<B>(response: &Response<B>) -> Option<RejectionKind> {
    response.extensions().get().map(Rejection::kind)
}

/// The whole body of a response.
pub(crate) async fn text<B: Body<Error: Debug>>(response: Response<B>) -> String {
    let body = response.into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().into()).unwrap()
}

/// Counts its clones.
#[derive(Default)]
pub(crate) struct Counted(pub(crate) Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Relaxed);
        Self(Arc::clone(&self.0))
    }
}
