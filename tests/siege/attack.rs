//! What clients do.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::HeaderValue;
use tower_tencent_chat::test_util::CallbackRequest;

use crate::{
    LIMIT, SPACES,
    app::UNREAD,
    callbacks::{as_long_as_can_be, forged, signed},
    common::{
        OK, fail,
        http1::{CHUNKED, Http1, NO_BODY, expecting, head, message},
    },
    http2::{Http2, flood, in_one, open_ended},
};

const CHUNKED_LATER: &str = "transfer-encoding: chunked\r\nexpect: 100-continue\r\n";
const TERABYTE_LATER: &str = "content-length: 1000000000000\r\nexpect: 100-continue\r\n";

const NOT_SIGNED: &str = "the Sign parameter does not match";
const TOO_LARGE: &str = "the body is too large";

/// What a client does with its connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attack {
    Whole,
    Chunked,
    Pipeline,
    LongQuery,
    Trickle,
    Reset,
    PastLimit,
    Terabyte,
    Forged,
    Behind,
    StreamReset,
    StreamFlood,
}

impl Attack {
    pub(crate) const ALL: [Self; 12] = [
        Self::Whole,
        Self::Chunked,
        Self::Pipeline,
        Self::LongQuery,
        Self::Trickle,
        Self::Reset,
        Self::PastLimit,
        Self::Terabyte,
        Self::Forged,
        Self::Behind,
        Self::StreamReset,
        Self::StreamFlood,
    ];
    /// Valid callbacks in a round of all of them.
    pub(crate) const VALID: usize = 11;

    /// The callbacks that were answered OK.
    pub(crate) async fn run(self, app: SocketAddr, id: String) -> Vec<String> {
        match self {
            Self::Whole => whole(app, id).await,
            Self::Chunked => chunked(app, id).await,
            Self::Pipeline => pipeline(app, id).await,
            Self::LongQuery => long_query(app, id).await,
            Self::Trickle => trickle(app, id).await,
            Self::Reset => reset(app, id).await,
            Self::PastLimit => past_limit(app, id).await,
            Self::Terabyte => refused_unread(app, signed(&id), TERABYTE_LATER, TOO_LARGE).await,
            Self::Forged => refused_unread(app, forged(&id), CHUNKED_LATER, NOT_SIGNED).await,
            Self::Behind => behind(app, id).await,
            Self::StreamReset => stream_reset(app, id).await,
            Self::StreamFlood => stream_flood(app, id).await,
        }
    }
}

async fn whole(app: SocketAddr, id: String) -> Vec<String> {
    let mut client = Http1::open(app).await;
    client.send(message(&signed(&id))).await;
    client.is_answered(OK).await;
    vec![id]
}

/// As long as a body may be.
async fn chunked(app: SocketAddr, id: String) -> Vec<String> {
    let mut client = Http1::open(app).await;
    let callback = signed(&id);
    client.send(head(&callback, CHUNKED)).await;
    let body = callback.body();
    for data in SPACES[body.len()..].chunks(LIMIT / 16).chain([&*body]) {
        client.send_chunk(data).await;
    }
    client.send_chunk(b"").await;
    client.is_answered(OK).await;
    vec![id]
}

/// Everything is sent before anything is answered.
async fn pipeline(app: SocketAddr, id: String) -> Vec<String> {
    let mut client = Http1::open(app).await;
    let ids = ["first", "second", "third"].map(|which| format!("{id} {which}"));
    let mut messages = ids.each_ref().map(|id| message(&signed(id)));
    messages[1].insert_str(0, &head(&forged(&id), NO_BODY));
    client.send(messages.concat()).await;
    for envelope in [OK, &fail(NOT_SIGNED), OK, OK] {
        client.is_answered(envelope).await;
    }
    ids.into()
}

/// A byte more than the layer can ever see is refused by hyper.
async fn long_query(app: SocketAddr, id: String) -> Vec<String> {
    let mut client = Http1::open(app).await;
    let refused = head(&as_long_as_can_be(forged(&id)), NO_BODY);
    let too_long = refused.replace(" HTTP/", "x HTTP/");
    client.send(refused).await;
    client.is_answered(&fail(NOT_SIGNED)).await;
    let accepted = message(&as_long_as_can_be(signed(&id)));
    client.send(accepted).await;
    client.is_answered(OK).await;
    client.send(too_long).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 414 "), "{head}");
    vec![id]
}

/// Sends all of a body but its last byte, then leaves.
async fn trickle(app: SocketAddr, id: String) -> Vec<String> {
    let callback = signed(&id);
    let body = callback.body();
    let mut client = Http1::open(app).await;
    client.send(head(&callback, &expecting(body.len()))).await;
    client.is_told_to_continue().await;
    for byte in body[..body.len() - 1].chunks(1) {
        client.send(byte).await;
    }
    vec![]
}

async fn reset(app: SocketAddr, id: String) -> Vec<String> {
    let mut client = Http1::open(app).await;
    client.send(head(&signed(&id), &expecting(LIMIT))).await;
    client.is_told_to_continue().await;
    client.send(&SPACES[..LIMIT / 2]).await;
    client.stream.get_ref().set_zero_linger().unwrap();
    vec![]
}

/// The body goes past the limit by a byte, then once more while it is dropped, and never ends.
async fn past_limit(app: SocketAddr, id: String) -> Vec<String> {
    let mut client = Http1::open(app).await;
    client.send(head(&signed(&id), CHUNKED)).await;
    for _ in 0..2 {
        client.send_chunk(&SPACES).await;
        client.send_chunk(b" ").await;
    }
    client.is_answered(&fail(TOO_LARGE)).await;
    vec![]
}

/// None of the body is sent, nor asked for: that would be answered `100 Continue` first.
async fn refused_unread(
    app: SocketAddr,
    callback: CallbackRequest,
    length: &str,
    error_info: &str,
) -> Vec<String> {
    let mut client = Http1::open(app).await;
    client.send(head(&callback, length)).await;
    client.is_answered(&fail(error_info)).await;
    client.is_closed().await;
    vec![]
}

/// Good callbacks behind rejected ones, as a proxy that keeps its connections sends them: a connection is used
/// again unless it was said to close.
async fn behind(app: SocketAddr, id: String) -> Vec<String> {
    let ids = ["first", "second", "third"].map(|which| format!("{id} {which}"));
    let mut client = Http1::open(app).await;
    for (number, id) in ids.iter().enumerate() {
        let (callback, length, body, error_info) = match number {
            0 => (forged(id), "content-length: 2\r\n", "{}", NOT_SIGNED),
            1 => (forged(id), CHUNKED, "2\r\n{}\r\n0\r\n\r\n", NOT_SIGNED),
            _ => (signed(id), "content-length: 1000000\r\n", "", TOO_LARGE),
        };
        client.send(head(&callback, length)).await;
        client.send(body).await;
        if client.is_answered(&fail(error_info)).await {
            client = Http1::open(app).await;
        }
        client.send(message(&signed(id))).await;
        client.is_answered(OK).await;
    }
    ids.into()
}

/// One stream is reset in mid-body, between two callbacks on other streams.
async fn stream_reset(app: SocketAddr, id: String) -> Vec<String> {
    let mut client = Http2::open(app).await;
    let ids = ["before", "after"].map(|when| format!("{id} {when}"));
    let (mut sender, request) = open_ended(&signed("stalled"));
    let stalled = client.send(request);
    sender.send_data(Bytes::from_static(b"{")).await.unwrap();
    client.is_answered(in_one(&ids[0]), OK).await;
    sender.abort(io::Error::other("gone"));
    stalled.await.unwrap_err();
    client.is_answered(in_one(&ids[1]), OK).await;
    client.close().await;
    ids.into()
}

/// Streams whose bodies hardly end: a forged one, and one that is only too long.
async fn stream_flood(app: SocketAddr, id: String) -> Vec<String> {
    let mut client = Http2::open(app).await;
    let mut unread = flood(&forged(&id));
    unread
        .headers_mut()
        .insert(UNREAD, HeaderValue::from_static("1"));
    client.is_answered(unread, &fail(NOT_SIGNED)).await;
    client
        .is_answered(flood(&signed(&id)), &fail(TOO_LARGE))
        .await;
    client.close().await;
    vec![]
}
