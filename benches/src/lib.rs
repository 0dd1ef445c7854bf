//! What is measured: rows, each of which runs one request, and servers on a socket.

mod apps;
mod axum;
mod json;
mod query_and_json;
pub mod server;
mod tower;

use std::{
    fmt,
    hint::black_box,
    pin::pin,
    task::{Context, Waker},
    time::{Duration, SystemTime},
};

use ::tower::Service;
use bytes::Bytes;
use http::Request;
use tower_tencent_chat::{Token, test_util::CallbackRequest};

pub use self::{axum::rows as axum, json::rows as json, tower::rows as tower};

const APP: u64 = 1400000000;
const TOKEN: &str = "xxxxyyyy";
const OTHER_WEBHOOK: &str = "/?CallbackCommand=Sns.CallbackFriendDelete&ClientIP=192.0.2.1\
    &OptPlatform=iOS&RequestId=8f14e45f-ceea-467f-a0e6-1d1b1b1b1b01&SdkAppid=1400000000\
    &contenttype=json";

#[derive(Clone, Copy)]
enum Check {
    Unsigned,
    Signed,
}

/// Runs one request.
pub type Work = Box<dyn FnMut()>;

/// One line of the table.
pub struct Row {
    name: String,
    set_up: Box<dyn Fn() -> Work + Send + Sync>,
}

impl Row {
    fn new(name: impl Into<String>, set_up: impl Fn() -> Work + Send + Sync + 'static) -> Self {
        Self {
            name: name.into(),
            set_up: Box::new(set_up),
        }
    }

    /// What is measured, ready to be run any number of times.
    #[must_use]
    pub fn set_up(&self) -> Work {
        (self.set_up)()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Row").field(&self.name).finish()
    }
}

/// Sends a copy of the request to the service each time.
fn send<S, B>(mut service: S, request: Request<Bytes>) -> Work
where
    S: Service<Request<B>> + 'static,
    B: From<Bytes>,
{
    Box::new(move || {
        let mut cx = Context::from_waker(Waker::noop());
        while service.poll_ready(&mut cx).is_pending() {}
        let mut response = pin!(service.call(request.clone().map(B::from)));
        while response.as_mut().poll(&mut cx).map(black_box).is_pending() {}
    })
}

fn callback(pairs: usize, id_len: usize) -> CallbackRequest {
    (0..pairs).fold(CallbackRequest::friend_add(APP), |callback, index| {
        let id = |name| format!("{name}{index:0width$}", width = id_len - 1);
        callback.pair(&id('a'), &id('b'))
    })
}

fn signed(callback: CallbackRequest) -> CallbackRequest {
    callback.signed(&token(), now())
}

fn token() -> Token {
    Token::new(TOKEN).expect("the token is valid")
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1669872112)
}
