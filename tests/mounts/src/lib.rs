//! What every mount is asked, and what it has to answer.
//!
//! The layer takes callbacks that are signed with [`token`]. Behind it is [`handle`], or something of the
//! framework's own that answers by [`answer`]: a header of its answers says what it has seen.

use std::{
    convert::Infallible,
    error::Error,
    fmt::Debug,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tower::Service;
use tower_tencent_chat::{
    Callback, CallbackResponse, CallbackRouter, FriendAdd, FriendAddLayer, Token,
    test_util::CallbackRequest,
};

/// The app of every mount.
pub const APP_ID: u64 = 1400000000;

/// The header in which the inner service says what it has seen.
pub const SEEN: &str = "x-seen";

const OK: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;
const FORGED: &str =
    r#"{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":"the Sign parameter does not match"}"#;

/// What Chat signs with.
#[must_use]
pub fn token() -> Token {
    Token::new("xxxxyyyy").expect("it is a token")
}

/// The layer of every mount.
pub fn layer() -> FriendAddLayer {
    FriendAddLayer::new(APP_ID).token(token())
}

/// The router of every mount, without a route.
pub fn router<B, ResBody, E>() -> CallbackRouter<B, ResBody, E> {
    CallbackRouter::new(APP_ID).token(token())
}

/// `alice` adds `bob`, signed now.
pub fn callback() -> CallbackRequest {
    alice_adds_bob().signed(&token(), SystemTime::now())
}

fn alice_adds_bob() -> CallbackRequest {
    let callback = CallbackRequest::friend_add(APP_ID);
    callback.path("/callback").pair("alice", "bob")
}

/// Acknowledges a callback, and sends anything else back.
pub fn answer(
    callback: Option<&Callback<FriendAdd>>,
    method: &Method,
    path_and_query: &str,
    body: &Bytes,
) -> Response<Bytes> {
    let text = String::from_utf8_lossy(body);
    let (mut response, seen) = match callback {
        Some(callback) => {
            let pair = &callback.pair_list[0];
            let seen = format!("{} added {}: {text}", pair.from_account, pair.to_account);
            (CallbackResponse::ok().into(), seen)
        }
        None => {
            let seen = format!("{method} {path_and_query} {text}");
            (Response::new(body.clone()), seen)
        }
    };
    let seen = seen.parse().expect("it is a header's value");
    response.headers_mut().insert(SEEN, seen);
    response
}

/// The inner service of most mounts.
///
/// # Errors
///
/// Never.
pub async fn handle<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible>
where
    B: Body<Error: Debug>,
{
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .expect("the body can be read")
        .to_bytes();
    let url = head.uri.path_and_query().map_or("", |url| url.as_str());
    let response = answer(head.extensions.get(), &head.method, url, &body);
    Ok(response.map(Full::new))
}

/// Asks for everything, in turn: a callback, a forged one, another webhook and a foreign request.
pub async fn check(mut send: impl AsyncFnMut(Request<Bytes>) -> Response<Bytes>) {
    let mut send = async |request| {
        let answered = timeout(Duration::from_secs(30), send(request)).await;
        answered.expect("an answer comes in time")
    };

    let request = callback();
    let body = request.body();
    let seen = format!("alice added bob: {}", String::from_utf8_lossy(&body));
    assert_answer(&send(request.build()).await, OK, Some(&seen));

    let guessed = Token::new("guessed").expect("it is a token");
    let request = alice_adds_bob().signed(&guessed, SystemTime::now());
    let response = send(request.build()).await;
    assert_answer(&response, FORGED, None);
    assert_eq!(response.headers()["content-type"], "application/json");

    let webhook = CallbackRequest::friend_delete(APP_ID)
        .path("/callback")
        .pair("alice", "bob");
    let foreign = Request::put("/callback?page=2").body("hello".into());
    for request in [webhook.build::<Bytes>(), foreign.expect("it is a request")] {
        let (method, url) = (request.method(), request.uri());
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let seen = format!("{method} {url} {body}");
        assert_answer(&send(request).await, &body, Some(&seen));
    }
}

fn assert_answer(response: &Response<Bytes>, body: &str, seen: Option<&str>) {
    assert_eq!(response.status(), StatusCode::OK, "{response:?}");
    assert_eq!(response.body(), body);
    let header = response.headers().get(SEEN);
    assert_eq!(
        header.map(|seen| seen.to_str().expect("it is a text")),
        seen
    );
}

/// Asks a server for everything, on a new connection each time.
pub async fn check_at(address: SocketAddr) {
    check(async |request| {
        let io = TcpStream::connect(address)
            .await
            .expect("the server listens");
        send(io, request).await
    })
    .await;
}

/// Sends a request over HTTP/1, and reads the answer.
pub async fn send<Io>(io: Io, mut request: Request<Bytes>) -> Response<Bytes>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let localhost = "localhost".parse().expect("it is a header's value");
    request.headers_mut().insert("host", localhost);
    let (mut sender, connection) = http1::handshake(TokioIo::new(io))
        .await
        .expect("it is open");
    tokio::spawn(connection);
    let response = sender
        .send_request(request.map(Full::new))
        .await
        .expect("there is an answer");
    let (head, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .expect("the answer can be read")
        .to_bytes();
    Response::from_parts(head, body)
}

/// A port of this machine to serve at.
pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    (listener, address)
}

/// Serves with hyper, over HTTP/1 and HTTP/2, and lets connections be upgraded.
pub async fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<
            Request<Incoming>,
            Response = Response<B>,
            Error: Into<Box<dyn Error + Send + Sync>>,
            Future: Send,
        > + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                auto::Builder::new(TokioExecutor::new())
                    .serve_connection_with_upgrades(TokioIo::new(stream), service)
                    .await
            });
        }
    });
    address
}
