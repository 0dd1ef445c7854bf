//! Real servers on sockets, HTTP/1 and HTTP/2, on axum.

mod common;

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, middleware::map_response, routing::post};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::Channel;
use hyper::{
    client::{self, conn::http2::SendRequest},
    server,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{
    Callback, CallbackResponse, FriendAdd, FriendAddLayer, Rejection, acknowledge,
    test_util::CallbackRequest,
};

use common::{
    APP_ID, OK, chat, fail,
    http1::{CHUNKED, Http1, NO_BODY, expecting, head, message},
    signed, signed_layer, text,
};

const MALFORMED: &str = "the body is not a packet of this webhook";
const NOT_SIGNED: &str = "the Sign parameter does not match";
const TOO_LARGE: &str = "the body is too large";
const UNREADABLE: &str = "the body can't be read";

/// An app as users build it, and how many callbacks its handler got.
struct App {
    address: SocketAddr,
    arrived: Arc<AtomicUsize>,
}

impl App {
    async fn start(layer: FriendAddLayer) -> Self {
        Self::start_in(layer, |app| app).await
    }

    /// With more layers around the whole app.
    async fn start_in(layer: FriendAddLayer, around: impl FnOnce(Router) -> Router) -> Self {
        let arrived = Arc::default();
        let address = serve(around(routes(layer, &arrived))).await;
        Self { address, arrived }
    }

    async fn connect(&self) -> Http1 {
        Http1::open(self.address).await
    }

    fn arrived(&self) -> usize {
        self.arrived.load(Relaxed)
    }
}

fn routes(layer: FriendAddLayer, arrived: &Arc<AtomicUsize>) -> Router {
    let counter = Arc::clone(arrived);
    let handler = async move |_: Callback<FriendAdd>| {
        counter.fetch_add(1, Relaxed);
        CallbackResponse::ok()
    };
    Router::new()
        .route("/", post(handler).layer(layer))
        .fallback(acknowledge)
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn a_rejection_keeps_its_connection_open() {
    let app = App::start(signed_layer()).await;
    let forged = signed().query("Sign", "0");
    let sizes = [2, 300, 20_000, 60_000, 900_000, 1024 * 1024];
    let mut connection = app.connect().await;
    for size in sizes {
        let body = vec![b' '; size];
        let length = format!("content-length: {size}\r\n");
        connection.send(head(&forged, &length)).await;
        connection.send(&body).await;
        assert!(!connection.is_answered(&fail(NOT_SIGNED)).await, "{size}");
        connection.send(head(&forged, CHUNKED)).await;
        connection.send_chunk(&body).await;
        connection.send_chunk(b"").await;
        assert!(!connection.is_answered(&fail(NOT_SIGNED)).await, "{size}");
        connection.send(message(&signed())).await;
        connection.is_answered(OK).await;
    }
    assert_eq!(app.arrived(), sizes.len());
}

#[tokio::test]
async fn a_rejection_without_a_body_or_after_it_keeps_its_connection_open() {
    let app = App::start(signed_layer()).await;
    let mut connection = app.connect().await;
    let forged = signed().query("Sign", "0");
    connection.send(head(&forged, NO_BODY)).await;
    assert!(!connection.is_answered(&fail(NOT_SIGNED)).await);
    for body in ["null", "", "[]", "{}", r#"{"PairList":null}"#] {
        let length = format!("content-length: {}\r\n", body.len());
        connection.send(head(&signed(), &length) + body).await;
        assert!(!connection.is_answered(&fail(MALFORMED)).await);
    }
    let chunks = "2\r\n{}\r\n0\r\n\r\n";
    connection.send(head(&signed(), CHUNKED) + chunks).await;
    assert!(!connection.is_answered(&fail(MALFORMED)).await);
    assert_eq!(app.arrived(), 0);
}

#[tokio::test]
async fn a_post_that_is_no_webhook_keeps_its_connection_open() {
    let app = App::start(signed_layer()).await;
    let mut connection = app.connect().await;
    for size in [0, 2, 60_000] {
        let length = format!("content-length: {size}\r\n");
        let head = format!("POST /other HTTP/1.1\r\nhost: localhost\r\n{length}\r\n");
        connection.send(head).await;
        connection.send(vec![b' '; size]).await;
        let head = connection.head().await;
        assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
        assert!(!head.contains("\r\nconnection: close"), "{head}");
    }
}

#[tokio::test]
async fn a_body_that_is_held_back_or_too_large_is_not_read() {
    let app = App::start(signed_layer()).await;
    let forged = signed().query("Sign", "0");
    let other = CallbackRequest::new("State.StateChange", APP_ID, "").path("/other");
    let too_large = "content-length: 1048577\r\n";
    for (callback, headers, envelope) in [
        (&forged, &*expecting(2), fail(NOT_SIGNED)),
        (&forged, too_large, fail(NOT_SIGNED)),
        (&signed(), too_large, fail(TOO_LARGE)),
        (&signed(), &expecting(1048577), fail(TOO_LARGE)),
        (&other, &expecting(2), OK.to_owned()),
        (&other, too_large, OK.to_owned()),
    ] {
        let mut connection = app.connect().await;
        connection.send(head(callback, headers)).await;
        // Without `100 Continue`.
        assert!(connection.is_answered(&envelope).await, "{headers}");
        connection.is_closed().await;
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_read_up_to_the_limit() {
    let app = App::start(signed_layer().max_body_size(10_000)).await;
    let forged = signed().query("Sign", "0");
    // What is accepted is read up to the limit, and then dropped up to the limit.
    for (callback, error_info, limits) in [(forged, NOT_SIGNED, 1), (signed(), TOO_LARGE, 2)] {
        let mut connection = app.connect().await;
        connection.send(head(&callback, CHUNKED)).await;
        for _ in 0..limits {
            connection.send_chunk(&[b'x'; 10_000]).await;
            connection.send_chunk(b"x").await;
        }
        assert!(connection.is_answered(&fail(error_info)).await);
    }
}

#[tokio::test]
async fn a_rejection_whose_body_stalls_ends_at_the_time_out() {
    // The body never ends, so nothing depends on how long this is.
    let timeout = Duration::from_millis(50);
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout);
    let app = App::start_in(signed_layer(), |app| app.layer(timeout)).await;
    let mut connection = app.connect().await;
    let forged = head(&signed().query("Sign", "0"), "content-length: 10\r\n");
    connection.send(forged + "half ").await;
    let head = connection.head().await;
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
}

#[tokio::test]
async fn a_body_that_is_cut_off_by_its_sender_is_refused() {
    let app = App::start(signed_layer()).await;
    let body = chat().body();
    let longer = format!("content-length: {}\r\n", body.len() + 1);
    for (callback, error_info) in [
        (signed(), UNREADABLE),
        (signed().query("Sign", "0"), NOT_SIGNED),
    ] {
        let mut connection = app.connect().await;
        connection.send(head(&callback, &longer)).await;
        connection.send(&body).await;
        connection.stream.shutdown().await.unwrap();
        connection.is_answered(&fail(error_info)).await;
    }
    assert_eq!(app.arrived(), 0);
}

/// A handler without a layer.
fn bare() -> Router {
    let handler = async |_: Callback<FriendAdd>| CallbackResponse::ok();
    let kind = async |mut response: Response<axum::body::Body>| {
        let rejection = response.extensions().get::<Rejection>().unwrap();
        let kind = HeaderValue::from_static(rejection.kind().as_str());
        response.headers_mut().insert("x-kind", kind);
        response
    };
    Router::new()
        .route("/", post(handler))
        .layer(map_response(kind))
}

#[tokio::test]
async fn an_extractor_closes_a_connection_whose_request_has_a_body() {
    let app = serve(bare()).await;
    for (headers, closes) in [
        ("", false),
        (NO_BODY, false),
        ("content-length: 5\r\n", true),
        (CHUNKED, true),
    ] {
        let mut connection = Http1::open(app).await;
        connection.send(head(&chat(), headers)).await;
        let answer = connection.head().await;
        assert!(answer.contains("\r\nx-kind: missing_callback\r\n"));
        let close = answer.contains("\r\nconnection: close\r\n");
        assert_eq!(close, closes, "{headers}");
    }
    let mut request = chat().build::<axum::body::Body>();
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().insert("content-length", 5.into());
    let response = bare().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-kind"], "missing_callback");
    assert!(!response.headers().contains_key("connection"));
}

/// A client with a connection over HTTP/2 to a server of its own.
async fn over_http_2(app: Router) -> SendRequest<Channel<Bytes, Infallible>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let executor = TokioExecutor::new();
    let server = server::conn::http2::Builder::new(executor.clone());
    let service = TowerToHyperService::new(app);
    tokio::spawn(server.serve_connection(TokioIo::new(accepted), service));
    let client = client::conn::http2::handshake(executor, TokioIo::new(stream)).await;
    let (client, connection) = client.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn an_http_2_connection_stays_open_whatever_was_left_unread() {
    let arrived = Arc::default();
    let layer = signed_layer().max_body_size(1000);
    let mut client = over_http_2(routes(layer, &arrived)).await;
    let mut send = async |callback: &CallbackRequest, frames: Vec<Bytes>, ends: bool| {
        let (mut sender, body) = Channel::new(frames.len());
        for frame in frames {
            sender.try_send(Frame::data(frame)).unwrap();
        }
        let sender = (!ends).then_some(sender);
        let uri = format!("http://localhost{}", callback.uri());
        let request = Request::post(uri).body(body).unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("connection"));
        drop(sender);
        text(response).await
    };
    let in_bytes: Vec<_> = signed()
        .body()
        .chunks(1)
        .map(Bytes::copy_from_slice)
        .collect();
    for (callback, envelope) in [
        (signed().query("Sign", "0"), &*fail(NOT_SIGNED)),
        (signed(), &*fail(TOO_LARGE)),
        (
            CallbackRequest::new("State.StateChange", APP_ID, "").path("/other"),
            OK,
        ),
    ] {
        // It is answered before its body ends.
        let unread = vec![vec![b' '; 1001].into()];
        assert_eq!(send(&callback, unread, false).await, envelope);
        assert_eq!(send(&signed(), in_bytes.clone(), true).await, OK);
    }
    assert_eq!(arrived.load(Relaxed), 3);
}
