//! Real servers on sockets, HTTP/1 and HTTP/2, without a framework.

mod common;

use std::{convert::Infallible, net::Ipv4Addr};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Channel, Either, Full, combinators::BoxBody};
use hyper::{body::Incoming, client, server};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, service_fn};
use tower_tencent_chat::{
    Acknowledge, Callback, CallbackResponse, FriendAdd, FriendAddLayer, RequestBody,
    test_util::CallbackRequest,
};

use common::{APP_ID, OK, fail, text};

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
    headers.insert(
        "x-uri",
        head.uri.path_and_query().unwrap().as_str().parse().unwrap(),
    );
    headers.insert("trailer", HeaderValue::from_static("x-sum"));
    Ok(response)
}

impl Http {
    async fn connect(self) -> Client {
        let service = ServiceBuilder::new()
            .layer(FriendAddLayer::new(APP_ID).max_body_size(1000))
            .service_fn(handle);
        let service = TowerToHyperService::new(service);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
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

fn alice_adds_bob() -> CallbackRequest {
    CallbackRequest::friend_add(APP_ID).pair("alice", "bob")
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

async fn assert_answers(http: Http, request: Request<Body>, expected: &str) {
    let response = http.connect().await.send(request).await;
    assert_eq!(response.status(), StatusCode::OK, "{http:?}");
    assert_eq!(response.headers()["content-type"], "application/json");
    let length = expected.len().to_string();
    assert_eq!(response.headers()["content-length"], *length, "{http:?}");
    assert_eq!(text(response).await, expected, "{http:?}");
}

#[tokio::test]
async fn a_callback_reaches_the_handler_whole_or_in_chunks() {
    for http in [Http::One, Http::Two] {
        assert_answers(http, whole(alice_adds_bob()), &fail("alice bob")).await;
        assert_answers(http, in_chunks(alice_adds_bob()), &fail("alice bob")).await;
    }
}

#[tokio::test]
async fn a_refusal_is_answered_with_an_envelope_of_known_length() {
    let forged = || alice_adds_bob().query("SdkAppid", "1");
    let large = || alice_adds_bob().pair("carol", &"x".repeat(1000));
    let empty = || CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, "");
    for http in [Http::One, Http::Two] {
        for (request, error_info) in [
            (whole(forged()), "the SdkAppid parameter is not this app's"),
            (whole(large()), "the body is too large"),
            (whole(empty()), "the body is not a packet of this webhook"),
            (
                in_chunks(empty()),
                "the body is not a packet of this webhook",
            ),
        ] {
            assert_answers(http, request, &fail(error_info)).await;
        }
    }
}

#[tokio::test]
async fn a_body_that_passes_the_limit_is_refused_before_it_ends() {
    for http in [Http::One, Http::Two] {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
        sender.send_data(vec![b' '; 1001].into()).await.unwrap();
        let request = alice_adds_bob().build::<Bytes>().map(|_| body.boxed());
        assert_answers(http, request, &fail("the body is too large")).await;
        drop(sender);
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    for http in [Http::One, Http::Two] {
        let mut client = http.connect().await;
        for _ in 0..3 {
            let response = client.send(whole(alice_adds_bob())).await;
            assert_eq!(text(response).await, fail("alice bob"), "{http:?}");
            let malformed = CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, "null");
            let response = client.send(whole(malformed)).await;
            let expected = fail("the body is not a packet of this webhook");
            assert_eq!(text(response).await, expected, "{http:?}");
            let response = client
                .send(whole(alice_adds_bob().query("ClientIP", "")))
                .await;
            assert_eq!(text(response).await, fail("alice bob"), "{http:?}");
        }
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
        let request = Request::put("/path?CallbackCommand=Sns%2EOther&SdkAppid=1")
            .header("trailer", "x-sum")
            .header("te", "trailers")
            .body(body.boxed())
            .unwrap();

        let response = http.connect().await.send(request).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{http:?}");
        let headers = response.headers();
        assert_eq!(headers["x-method"], "PUT");
        assert_eq!(
            headers["x-uri"],
            "/path?CallbackCommand=Sns%2EOther&SdkAppid=1"
        );
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
async fn a_routed_service_and_acknowledge_make_a_server() {
    async fn friend_added(
        request: Request<RequestBody<Incoming>>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let callback = request.extensions().get::<Callback<FriendAdd>>().unwrap();
        let to = callback.pair_list[0].to_account.to_string();
        Ok(CallbackResponse::fail(to).into())
    }
    let callbacks = ServiceBuilder::new()
        .layer(FriendAddLayer::new(APP_ID).route_to(service_fn(friend_added)))
        .service(Acknowledge::new());

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let server = server::conn::http1::Builder::new();
    let service = TowerToHyperService::new(callbacks);
    tokio::spawn(server.serve_connection(TokioIo::new(accepted), service));
    let (client, driver) = client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(driver);
    let mut client = Client::One(client);

    // On one connection, which a large body must not cost, though nobody wants it.
    let other = CallbackRequest::new("State.StateChange", APP_ID, vec![b' '; 1024 * 1024]);
    let response = client.send(whole(other)).await;
    assert_eq!(text(response).await, OK);
    let response = client.send(whole(alice_adds_bob())).await;
    assert_eq!(text(response).await, fail("bob"));
    let other = CallbackRequest::new("State.StateChange", APP_ID, "{}");
    let response = client.send(whole(other)).await;
    assert_eq!(text(response).await, OK);
    let visit = Request::get("/").body(Full::default().boxed()).unwrap();
    let response = client.send(visit).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}
