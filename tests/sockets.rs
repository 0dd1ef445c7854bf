//! Real servers on sockets, HTTP/1 and HTTP/2, without a framework and on axum.

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
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Channel, Either, Full, combinators::BoxBody};
use hyper::{body::Incoming, client, server};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tower::{Service, ServiceBuilder, service_fn};
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{
    Callback, CallbackResponse, CallbackRouter, FriendAdd, FriendAddLayer, Rejection, RequestBody,
    acknowledge, test_util::CallbackRequest,
};

use common::{
    APP_ID, OK, chat, fail,
    http1::{CHUNKED, Http1, NO_BODY, expecting, head, message},
    layer, signed, signed_layer, text,
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
        let arrived = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&arrived);
        let handler = async move |callback: Callback<FriendAdd>| {
            counter.fetch_add(callback.pair_list.len(), Relaxed);
            CallbackResponse::ok()
        };
        let app = Router::new()
            .route("/", post(handler).layer(layer))
            .fallback(acknowledge);
        let address = serve(around(app)).await;
        Self { address, arrived }
    }

    async fn connect(&self) -> Http1 {
        Http1::open(self.address).await
    }

    fn arrived(&self) -> usize {
        self.arrived.load(Relaxed)
    }
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
async fn a_rejection_on_http_1_0_is_read_to_its_end() {
    let app = App::start(signed_layer()).await;
    let body = [b' '; 60_000];
    let forged = signed().query("Sign", "0");
    for (connection_header, stays_open) in [("connection: keep-alive\r\n", true), ("", false)] {
        let headers = format!("content-length: {}\r\n{connection_header}", body.len());
        let mut connection = app.connect().await;
        let head = head(&forged, &headers).replace("HTTP/1.1", "HTTP/1.0");
        connection.send(head).await;
        connection.send(body).await;
        connection.is_answered(&fail(NOT_SIGNED)).await;
        if stays_open {
            connection.send(message(&signed())).await;
            connection.is_answered(OK).await;
        } else {
            connection.is_closed().await;
        }
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
    let response = Http::Two.connect_to(bare()).await.send(whole(chat())).await;
    assert_eq!(response.headers()["x-kind"], "missing_callback");
    assert!(!response.headers().contains_key("connection"));
}

#[tokio::test]
async fn six_thousand_pairs_of_the_longest_names_are_all_read() {
    let app = App::start(signed_layer()).await;
    let id = "x".repeat(32);
    let request = (0..6000).fold(signed(), |request, _| request.pair(&id, &id));
    let length = request.body().len();
    assert!(length > 900_000 && length < 1024 * 1024);
    let mut connection = app.connect().await;
    connection.send(message(&request)).await;
    connection.is_answered(OK).await;
    assert_eq!(app.arrived(), 6001);
}

type Body = BoxBody<Bytes, Infallible>;
type Answer = Response<Either<Full<Bytes>, RequestBody<Incoming>>>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Http {
    One,
    Two,
}

/// A connection to a server of its own, through which a client sends requests.
enum Client {
    One(client::conn::http1::SendRequest<Body>),
    Two(client::conn::http2::SendRequest<Body>),
}

/// Answers a callback, and sends any other request back as it came, its trailers included.
async fn handle(request: Request<RequestBody<Incoming>>) -> Result<Answer, Infallible> {
    if let Some(callback) = request.extensions().get::<Callback<FriendAdd>>() {
        let pair = &callback.pair_list[0];
        let answer = CallbackResponse::fail(format!("{} {}", pair.from_account, pair.to_account));
        return Ok(Response::<Full<Bytes>>::from(answer).map(Either::Left));
    }
    let (head, body) = request.into_parts();
    let mut response = Response::new(Either::Right(body));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert("x-method", head.method.as_str().parse().unwrap());
    let uri = head.uri.path_and_query().unwrap().as_str();
    headers.insert("x-uri", uri.parse().unwrap());
    headers.insert("trailer", HeaderValue::from_static("x-sum"));
    Ok(response)
}

impl Http {
    async fn connect(self) -> Client {
        let layer = layer().max_body_size(1000);
        let service = ServiceBuilder::new().layer(layer).service_fn(handle);
        self.connect_to(service).await
    }

    async fn connect_to<S, ResBody>(self, service: S) -> Client
    where
        S: Service<Request<Incoming>, Response = Response<ResBody>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        ResBody: http_body::Body<Data = Bytes, Error: Into<tower::BoxError>> + Send + 'static,
    {
        let service = TowerToHyperService::new(service);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let (stream, accepted) = (TokioIo::new(stream), TokioIo::new(accepted));
        match self {
            Self::One => {
                let server = server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(accepted, service));
                let (client, driver) = client::conn::http1::handshake(stream).await.unwrap();
                tokio::spawn(driver);
                Client::One(client)
            }
            Self::Two => {
                let executor = TokioExecutor::new();
                let server = server::conn::http2::Builder::new(executor.clone());
                tokio::spawn(server.serve_connection(accepted, service));
                let client = client::conn::http2::handshake(executor, stream).await;
                let (client, driver) = client.unwrap();
                tokio::spawn(driver);
                Client::Two(client)
            }
        }
    }
}

impl Client {
    async fn send(&mut self, mut request: Request<Body>) -> Response<Incoming> {
        match self {
            Self::One(client) => {
                let host = HeaderValue::from_static("localhost");
                request.headers_mut().insert("host", host);
                client.ready().await.unwrap();
                client.send_request(request).await.unwrap()
            }
            Self::Two(client) => {
                let uri = format!("http://localhost{}", request.uri());
                *request.uri_mut() = uri.parse().unwrap();
                *request.version_mut() = Version::HTTP_2;
                client.ready().await.unwrap();
                client.send_request(request).await.unwrap()
            }
        }
    }
}

/// A request whose body has the length that its headers announce.
fn whole(request: CallbackRequest) -> Request<Body> {
    request.build::<Full<Bytes>>().map(BodyExt::boxed)
}

/// The same in frames of one byte, their number not announced; over HTTP/1 that is chunked.
fn in_chunks(request: CallbackRequest) -> Request<Body> {
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    let data = request.body();
    tokio::spawn(async move {
        for at in 0..data.len() {
            sender.send_data(data.slice(at..=at)).await.unwrap();
        }
    });
    request.build::<Bytes>().map(|_| body.boxed())
}

#[tokio::test]
async fn a_callback_reaches_the_handler_and_a_refusal_its_sender_whole_or_in_chunks() {
    let forged = || chat().query("SdkAppid", "1");
    let large = || chat().pair("carol", &"x".repeat(1000));
    let empty = || CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, "");
    let wrong_app = "the SdkAppid parameter does not match this app";
    for http in [Http::One, Http::Two] {
        for (request, error_info) in [
            (whole(chat()), "alice bob"),
            (in_chunks(chat()), "alice bob"),
            (whole(forged()), wrong_app),
            (whole(large()), TOO_LARGE),
            (whole(empty()), MALFORMED),
            (in_chunks(empty()), MALFORMED),
        ] {
            let response = http.connect().await.send(request).await;
            assert_eq!(response.status(), StatusCode::OK, "{http:?}");
            assert_eq!(response.headers()["content-type"], "application/json");
            let expected = fail(error_info);
            let length = expected.len().to_string();
            assert_eq!(response.headers()["content-length"], *length, "{http:?}");
            assert_eq!(text(response).await, expected, "{http:?}");
        }
    }
}

#[tokio::test]
async fn an_http_2_connection_stays_open_whatever_was_left_unread() {
    let mut client = Http::Two.connect().await;
    for request in [chat().query("SdkAppid", "1"), chat()] {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        sender.send_data(vec![b' '; 1001].into()).await.unwrap();
        // Both are refused before the body ends.
        let response = client
            .send(request.build::<Bytes>().map(|_| body.boxed()))
            .await;
        assert!(!response.headers().contains_key("connection"));
        assert!(text(response).await.contains("FAIL"));
        drop(sender);
        let response = client.send(whole(chat())).await;
        assert_eq!(text(response).await, fail("alice bob"));
    }
}

#[tokio::test]
async fn other_requests_pass_with_body_and_trailers() {
    for http in [Http::One, Http::Two] {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(4);
        for data in ["one ", "two"] {
            sender.send_data(Bytes::from(data)).await.unwrap();
        }
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())]);
        sender.send(Frame::trailers(trailers)).await.unwrap();
        drop(sender);
        let uri = "/path?CallbackCommand=Sns%2EOther&SdkAppid=1";
        let request = Request::put(uri)
            .header("trailer", "x-sum")
            .header("te", "trailers")
            .body(body.boxed());

        let response = http.connect().await.send(request.unwrap()).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{http:?}");
        assert_eq!(response.headers()["x-method"], "PUT");
        assert_eq!(response.headers()["x-uri"], uri);
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["x-sum"], "7", "{http:?}");
        assert_eq!(body.to_bytes(), "one two", "{http:?}");
    }
}

#[tokio::test]
async fn a_body_of_known_length_passes_with_its_length() {
    for http in [Http::One, Http::Two] {
        let body = Full::from("known").boxed();
        let request = Request::post("/").body(body).unwrap();
        let response = http.connect().await.send(request).await;
        assert_eq!(response.headers()["content-length"], "5", "{http:?}");
        assert_eq!(text(response).await, "known", "{http:?}");
    }
}

#[tokio::test]
async fn a_router_is_a_server_whose_connections_are_used_again_and_again() {
    async fn friend_added(
        request: Request<RequestBody<Incoming>>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let callback = request.extensions().get::<Callback<FriendAdd>>().unwrap();
        let to = callback.pair_list[0].to_account.to_string();
        Ok(CallbackResponse::fail(to).into())
    }
    for http in [Http::One, Http::Two] {
        let router = CallbackRouter::new(APP_ID).route::<FriendAdd>(service_fn(friend_added));
        let mut client = http.connect_to(router).await;
        // A large body must not cost the connection, though nobody wants it.
        let other = |body: Vec<u8>| CallbackRequest::new("State.StateChange", APP_ID, body);
        let mut large = vec![b' '; 1024 * 1024];
        for _ in 0..3 {
            let malformed = CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, "null");
            for (request, expected) in [
                (other(std::mem::take(&mut large)), OK.to_owned()),
                (chat(), fail("bob")),
                (other(b"{}".into()), OK.to_owned()),
                (malformed, fail(MALFORMED)),
            ] {
                let response = client.send(whole(request)).await;
                assert_eq!(text(response).await, expected, "{http:?}");
            }
            let visit = Request::get("/").body(Full::default().boxed()).unwrap();
            let response = client.send(visit).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
        }
    }
}
