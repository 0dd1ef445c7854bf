//! Every mistake that public handlers of these webhooks make, as a test that this crate doesn't. What they
//! log is in `tracing_feature.rs`: events go astray beside tests that run without a subscriber.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::{Router, routing::post};
use bytes::Bytes;
use http::{Request, Response, header::CONTENT_LENGTH};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_tencent_chat::{
    Callback, CallbackResponse, FriendAdd, FriendAddLayer, Platform, Rejection, RejectionKind,
    RequestBody, Token, acknowledge, test_util::CallbackRequest,
};

use crate::script::{Script, Step, data};

#[path = "common/script.rs"]
mod script;

const APP: u64 = 1400000000;
const NOW: u64 = 1669872112;
const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn token() -> Token {
    Token::new("xxxxyyyy").unwrap()
}

fn signed_layer() -> FriendAddLayer {
    FriendAddLayer::new(APP).token(token()).clock(|| at(NOW))
}

fn chat() -> CallbackRequest {
    CallbackRequest::friend_add(APP).pair("alice", "bob")
}

fn signed() -> CallbackRequest {
    chat().signed(&token(), at(NOW))
}

/// Sends a request through the layer: the callback that arrived, or why none did.
fn receive(
    layer: &FriendAddLayer,
    request: Request<Full<Bytes>>,
) -> Result<Callback<FriendAdd>, Rejection> {
    let arrived = Arc::new(Mutex::new(None));
    let store = Arc::clone(&arrived);
    let inner = tower::service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
        *store.lock().unwrap() = request.extensions().get::<Callback<FriendAdd>>().cloned();
        async { Ok::<_, Infallible>(Response::<Full<Bytes>>::from(CallbackResponse::ok())) }
    });
    let response = task::spawn(layer.layer(inner).oneshot(request)).poll();
    let response = assert_ready_ok!(response);
    match response.extensions().get::<Rejection>() {
        Some(rejection) => Err(rejection.clone()),
        None => Ok(arrived.lock().unwrap().take().expect("a callback")),
    }
}

fn refusal(layer: &FriendAddLayer, request: CallbackRequest) -> RejectionKind {
    receive(layer, request.build()).unwrap_err().kind()
}

/// An app as users build it, on a loopback socket, and the callbacks that its handler got.
struct App {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<Callback<FriendAdd>>>>,
}

impl App {
    async fn start(layer: FriendAddLayer) -> Self {
        let arrived = Arc::default();
        let handler = |arrived: Arc<Mutex<Vec<_>>>| {
            post(async move |callback: Callback<FriendAdd>| {
                arrived.lock().unwrap().push(callback);
                CallbackResponse::ok()
            })
        };
        let route = layer.route_to(handler(Arc::clone(&arrived)));
        let app = Router::new().route("/", post(acknowledge).layer(route));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { address, arrived }
    }

    /// Opens a connection and sends what is given.
    async fn send(&self, request: impl AsRef<[u8]>) -> TcpStream {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(request.as_ref()).await.unwrap();
        connection
    }

    fn arrived(&self) -> usize {
        self.arrived.lock().unwrap().len()
    }
}

/// The head of a request, with these headers.
fn head(request: &CallbackRequest, headers: &str) -> String {
    let uri = request.uri();
    format!("POST {uri} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

/// Reads one response with a `content-length`.
async fn answer(connection: &mut TcpStream) -> (String, String) {
    let mut text = Vec::new();
    loop {
        assert_ne!(connection.read_buf(&mut text).await.unwrap(), 0);
        let text = std::str::from_utf8(&text).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let (_, length) = head.split_once("content-length: ").expect("a length");
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() == length {
            return (head, body.to_owned());
        }
    }
}

async fn is_ok(connection: &mut TcpStream) {
    let (head, body) = answer(connection).await;
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    assert_eq!(
        body,
        r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#
    );
}

async fn is_refused(connection: &mut TcpStream, error_info: &str) {
    let (head, body) = answer(connection).await;
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let expected = format!(r#"{{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":"{error_info}"}}"#);
    assert_eq!(body, expected);
}

mod the_app_id {
    use super::*;

    #[test]
    fn is_checked_where_the_parameter_is_absent() {
        let request = Request::post("/?CallbackCommand=Sns.CallbackFriendAdd")
            .body(Full::from(chat().body()))
            .unwrap();
        let rejection = receive(&FriendAddLayer::new(APP), request).unwrap_err();
        assert_eq!(rejection.kind(), RejectionKind::MissingParameter);
    }

    #[test]
    fn is_not_taken_from_the_body() {
        for body in [
            "SdkAppid=1400000000",
            r#"{"SdkAppid":1400000000,"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#,
            r#"{"SdkAppid":"1400000000","CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#,
        ] {
            let layer = FriendAddLayer::new(APP);
            let url = "/?CallbackCommand=Sns.CallbackFriendAdd";
            let absent = Request::post(url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Full::from(body))
                .unwrap();
            let rejection = receive(&layer, absent).unwrap_err();
            assert_eq!(rejection.kind(), RejectionKind::MissingParameter);

            let other = CallbackRequest::new("Sns.CallbackFriendAdd", APP + 1, body);
            assert_eq!(refusal(&layer, other), RejectionKind::SdkAppIdMismatch);
        }
    }
}

mod the_signature {
    use super::*;

    #[test]
    fn of_64_characters_that_are_not_ascii_is_refused_without_a_panic() {
        for sign in [
            "é".repeat(64),
            "é".repeat(32),
            "界".repeat(64),
            format!("{}é", &SIGN[..63]),
            format!("{}é", &SIGN[..62]),
            "\u{0}".repeat(64),
            "\u{fffd}".repeat(64),
            "０".repeat(64),
        ] {
            let request = signed().query("Sign", &sign);
            let kind = refusal(&signed_layer(), request);
            assert_eq!(kind, RejectionKind::SignMismatch, "{sign}");
        }
        let invalid_utf8 = format!("{}&Sign={}", chat().uri(), "%FF".repeat(64));
        let request = Request::post(format!("{invalid_utf8}&RequestTime={NOW}"));
        let request = request.body(Full::default()).unwrap();
        let rejection = receive(&signed_layer(), request).unwrap_err();
        assert_eq!(rejection.kind(), RejectionKind::SignMismatch);
    }

    #[test]
    fn that_begins_right_or_is_empty_is_refused() {
        for sign in [
            "",
            &SIGN[..1],
            &SIGN[..32],
            &SIGN[..62],
            &format!("{SIGN}00"),
        ] {
            let request = signed().query("Sign", sign);
            assert_eq!(
                refusal(&signed_layer(), request),
                RejectionKind::SignMismatch
            );
        }
    }

    #[test]
    fn covers_a_time_that_is_digits_and_nothing_else() {
        // Each with the signature that whoever knows the token would make for the text.
        for time in [
            "+1669872112",
            "-1669872112",
            "1669872112junk",
            " 1669872112",
            "1669872112 ",
            "1669872112.0",
            "1_669_872_112",
            "0x63886e30",
            "1669872112\u{0}",
            "１６６９８７２１１２",
            "1e9",
            "",
        ] {
            let request = signed().query("RequestTime", time);
            assert_eq!(
                refusal(&signed_layer(), request),
                RejectionKind::StaleRequestTime,
                "{time}"
            );
        }
        let request = signed().query("RequestTime", "01669872112");
        assert_eq!(
            refusal(&signed_layer(), request),
            RejectionKind::SignMismatch
        );
    }

    #[test]
    fn for_a_time_at_the_edge_of_an_integer_is_stale_without_a_panic() {
        let clocks: [(&str, SystemTime); 3] = [
            ("now", at(NOW)),
            ("epoch", at(0)),
            ("before", SystemTime::UNIX_EPOCH - Duration::from_secs(NOW)),
        ];
        for (name, now) in clocks {
            let layer = FriendAddLayer::new(APP).token(token()).clock(move || now);
            for seconds in [
                i64::MAX as u64 - 1,
                i64::MAX as u64,
                i64::MAX as u64 + 1,
                u64::MAX - 1,
                u64::MAX,
                u64::from(u32::MAX),
                i32::MAX as u64,
            ] {
                let request = chat()
                    .query("RequestTime", &seconds.to_string())
                    .query("Sign", &token().sign(seconds));
                let kind = refusal(&layer, request);
                assert_eq!(kind, RejectionKind::StaleRequestTime, "{name} {seconds}");
            }
            for text in [
                "-9223372036854775808",
                "18446744073709551616",
                &"9".repeat(400),
            ] {
                let request = signed().query("RequestTime", text);
                let kind = refusal(&layer, request);
                assert_eq!(kind, RejectionKind::StaleRequestTime, "{name} {text}");
            }
        }
    }

    #[test]
    fn that_was_expected_is_not_told() {
        let wrong = signed().query("Sign", &SIGN.replace("1777", "0000"));
        let rejection = receive(&signed_layer(), wrong.build()).unwrap_err();
        assert_eq!(rejection.kind(), RejectionKind::SignMismatch);
        let told = format!("{rejection} {rejection:?}");
        // Not even a prefix.
        assert!(
            !told.contains(&SIGN[..8]) && !told.contains("xxxxyyyy"),
            "{told}"
        );
    }
}

mod the_body {
    use super::*;

    #[tokio::test]
    async fn is_not_waited_for_before_a_forgery_is_refused() {
        let app = App::start(signed_layer()).await;
        let forged = chat()
            .query("RequestTime", &NOW.to_string())
            .query("Sign", &"0".repeat(64));
        for headers in [
            "content-length: 1000000\r\n",
            "transfer-encoding: chunked\r\n",
        ] {
            let mut connection = app.send(head(&forged, headers)).await;
            is_refused(&mut connection, "the Sign parameter is not right").await;
        }
        assert_eq!(app.arrived(), 0);
    }

    #[tokio::test]
    async fn that_announces_a_terabyte_is_refused_before_it_comes() {
        let app = App::start(signed_layer()).await;
        let head = head(&signed(), "content-length: 1099511627776\r\n");
        let mut connection = app.send(head).await;
        is_refused(&mut connection, "the body is too large").await;
    }

    #[tokio::test]
    async fn without_an_end_is_refused_at_the_limit() {
        let app = App::start(signed_layer().max_body_size(10_000)).await;
        let head = head(&signed(), "transfer-encoding: chunked\r\n");
        let mut connection = app.send(head).await;
        let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
        for _ in 0..10 {
            connection.write_all(chunk.as_bytes()).await.unwrap();
        }
        // The end never comes.
        is_refused(&mut connection, "the body is too large").await;
    }

    #[tokio::test]
    async fn is_neither_cut_nor_refused_below_the_limit() {
        let app = App::start(signed_layer()).await;
        let id = "user-id-that-has-thirty-two-bytes";
        let request = (0..6000).fold(signed(), |request, _| request.pair(&id[..32], &id[..32]));
        let body = request.body();
        assert!(body.len() > 900_000 && body.len() < 1024 * 1024);
        let head = head(&request, &format!("content-length: {}\r\n", body.len()));
        let mut connection = app.send(head).await;
        connection.write_all(&body).await.unwrap();
        is_ok(&mut connection).await;
        assert_eq!(app.arrived.lock().unwrap()[0].pair_list.len(), 6001);
    }

    #[tokio::test]
    async fn may_be_chunked() {
        let app = App::start(signed_layer()).await;
        let mut text = head(&signed(), "transfer-encoding: chunked\r\n");
        for chunk in chat().body().chunks(7) {
            let chunk = std::str::from_utf8(chunk).unwrap();
            text += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
        }
        let mut connection = app.send(text + "0\r\n\r\n").await;
        is_ok(&mut connection).await;
        assert_eq!(app.arrived(), 1);
    }

    /// How many bytes are held at most while a callback waits for the rest of its body.
    fn bytes_held(body: Script, content_length: Option<&str>) -> u64 {
        let inner = tower::service_fn(|_: Request<RequestBody<Script>>| async {
            Ok::<_, Infallible>(Response::new(()))
        });
        let mut service = FriendAddLayer::new(APP).layer(inner);
        let mut request = Request::post(chat().uri()).body(body).unwrap();
        if let Some(length) = content_length {
            let length = length.parse().unwrap();
            request.headers_mut().insert(CONTENT_LENGTH, length);
        }
        let info = allocation_counter::measure(|| {
            let mut response = task::spawn(service.call(request));
            assert_pending!(response.poll());
        });
        info.bytes_max
    }

    #[test]
    fn has_nothing_reserved_on_the_word_of_its_sender() {
        let script = || Script::new([data("{"), data("}"), Step::Wait]).0;
        let unannounced = bytes_held(script(), None);
        assert!(unannounced < 8 * 1024, "{unannounced}");
        let megabyte = 1024 * 1024;
        for (body, content_length) in [
            (script(), Some("1048576")),
            (script().size_hint(megabyte, Some(megabyte)), None),
            (script().size_hint(megabyte, None), Some("1048576")),
        ] {
            assert_eq!(bytes_held(body, content_length), unannounced);
        }
    }

    #[test]
    fn is_not_asked_again_and_again_whether_it_is_at_its_end() {
        let packet = chat().body();
        let (body, probe) = Script::new([Step::Wait, data(&packet), Step::Wait]);
        let inner = tower::service_fn(|_: Request<RequestBody<Script>>| async {
            Ok::<_, Infallible>(Response::new(()))
        });
        let request = Request::post(chat().uri()).body(body).unwrap();
        let mut response = task::spawn(FriendAddLayer::new(APP).layer(inner).oneshot(request));
        for polls in [1, 3] {
            assert_pending!(response.poll());
            assert_eq!(probe.polls(), polls);
            assert!(!response.is_woken());
            probe.wake();
        }
        assert_ready_ok!(response.poll());
        assert_eq!(probe.polls(), 4);
    }

    #[test]
    fn that_fails_is_refused_even_where_a_whole_packet_had_come() {
        let (body, _) = Script::new([data(chat().body()), Step::Fail]);
        let inner = tower::service_fn(|_: Request<RequestBody<Script>>| async {
            Err::<Response<()>, _>("the inner service must not be called")
        });
        let request = Request::post(chat().uri()).body(body).unwrap();
        let response = task::spawn(FriendAddLayer::new(APP).layer(inner).oneshot(request)).poll();
        let response = assert_ready_ok!(response);
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind(), RejectionKind::BodyUnreadable);
    }

    #[tokio::test]
    async fn that_is_cut_off_by_its_sender_is_refused() {
        let app = App::start(signed_layer()).await;
        let body = chat().body();
        let head = head(
            &signed(),
            &format!("content-length: {}\r\n", body.len() + 1),
        );
        let mut connection = app.send(head).await;
        connection.write_all(&body).await.unwrap();
        connection.shutdown().await.unwrap();
        is_refused(&mut connection, "the body can't be read").await;
        assert_eq!(app.arrived(), 0);
    }

    #[tokio::test]
    async fn null_is_refused_and_never_reaches_the_handler() {
        let app = App::start(FriendAddLayer::new(APP)).await;
        for body in [
            "null",
            "",
            "[]",
            "0",
            "{}",
            "[null]",
            r#"{"PairList":null}"#,
        ] {
            let head = head(&chat(), &format!("content-length: {}\r\n", body.len()));
            let mut connection = app.send(head + body).await;
            is_refused(&mut connection, "the body is not a packet of this webhook").await;
        }
        assert_eq!(app.arrived(), 0);
    }
}

#[test]
fn a_second_command_does_not_route_by_one_and_check_the_other() {
    for query in [
        "CallbackCommand=Sns.CallbackFriendAdd&CallbackCommand=State.StateChange",
        "CallbackCommand=State.StateChange&CallbackCommand=Sns.CallbackFriendAdd",
        "CallbackCommand=Sns.CallbackFriendAdd&CallbackCommand=Sns.CallbackFriendAdd",
        "CallbackCommand=Sns.CallbackFriendAdd&CallbackCommand",
        "CallbackCommand=&%43allbackCommand=Sns%2eCallbackFriendAdd",
    ] {
        let url = format!("/?SdkAppid={APP}&{query}&Sign={SIGN}&RequestTime={NOW}");
        let request = Request::post(url).body(Full::from(chat().body())).unwrap();
        let rejection = receive(&signed_layer(), request).unwrap_err();
        assert_eq!(
            rejection.kind(),
            RejectionKind::DuplicateParameter,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_refusal_is_never_another_status_nor_an_empty_body() {
    let app = App::start(signed_layer().max_body_size(1000)).await;
    let length = |body: &Bytes| format!("content-length: {}\r\n", body.len());
    for (request, error_info) in [
        (
            chat().query("Sign", SIGN),
            "the RequestTime parameter is missing",
        ),
        (
            signed().query("SdkAppid", "1"),
            "the SdkAppid parameter is not this app's",
        ),
        (
            signed().query("contenttype", "xml"),
            "the contenttype parameter is not json",
        ),
        (
            signed().query("RequestTime", "1"),
            "the RequestTime parameter is too far from now",
        ),
        (
            signed().query("Sign", "1"),
            "the Sign parameter is not right",
        ),
        (
            CallbackRequest::new("Sns.CallbackFriendAdd", APP, vec![b' '; 1001])
                .signed(&token(), at(NOW)),
            "the body is too large",
        ),
        (
            CallbackRequest::new("Sns.CallbackFriendAdd", APP, "{").signed(&token(), at(NOW)),
            "the body is not a packet of this webhook",
        ),
        (
            CallbackRequest::new("Sns.CallbackFriendAdd", APP, r#"{"CallbackCommand":""}"#)
                .signed(&token(), at(NOW)),
            "the body's CallbackCommand is not the URL's",
        ),
    ] {
        let body = request.body();
        let mut connection = app.send(head(&request, &length(&body))).await;
        connection.write_all(&body).await.unwrap();
        is_refused(&mut connection, error_info).await;
    }
    for (head, error_info) in [
        (
            head(&signed(), "").replace("POST", "GET"),
            "the method is not POST",
        ),
        (
            head(&signed(), "").replace("&Sign", "&ClientIP&Sign"),
            "the ClientIP parameter is given more than once",
        ),
    ] {
        let mut connection = app.send(head).await;
        is_refused(&mut connection, error_info).await;
    }
    assert_eq!(app.arrived(), 0);
}

#[test]
fn all_pairs_are_read() {
    let request = signed().pair("bob", "alice").pair("carol", "dave");
    let callback = receive(&signed_layer(), request.build()).unwrap();
    let to: Vec<&str> = callback
        .pair_list
        .iter()
        .map(|pair| &*pair.to_account)
        .collect();
    assert_eq!(to, ["bob", "alice", "dave"]);
}

#[test]
fn no_platform_is_refused() {
    for (platform, expected) in [
        ("macOS", Platform::Mac),
        ("Mac", Platform::Mac),
        ("IOS", Platform::Ios),
        ("Unkown", Platform::Unknown),
        ("HarmonyOS", Platform::Other("HarmonyOS".into())),
        ("", Platform::Other(String::new())),
    ] {
        let request = signed().query("OptPlatform", platform);
        let callback = receive(&signed_layer(), request.build()).unwrap();
        assert_eq!(callback.context().platform, Some(expected));
    }
}

#[test]
fn the_inner_service_that_is_ready_is_the_one_that_is_called() {
    /// Panics where it is called without being ready; a clone is not ready.
    #[derive(Default)]
    struct Strict {
        ready: bool,
    }

    impl Clone for Strict {
        fn clone(&self) -> Self {
            Self::default()
        }
    }

    impl<B> Service<Request<B>> for Strict {
        type Response = Response<()>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<()>, Infallible>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            self.ready = true;
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<B>) -> Self::Future {
            assert!(std::mem::take(&mut self.ready), "called before it is ready");
            std::future::ready(Ok(Response::new(())))
        }
    }

    let visitor = || Request::get("/").body(Full::<Bytes>::default()).unwrap();
    let route = signed_layer().route_to(Strict::default());
    for request in [signed().build(), visitor(), chat().build()] {
        let service = signed_layer().layer(Strict::default());
        assert_ready_ok!(task::spawn(service.oneshot(request.clone())).poll());
        let service = route.layer(Strict::default());
        assert_ready_ok!(task::spawn(service.oneshot(request)).poll());
    }
}

#[tokio::test]
async fn the_layer_can_be_mounted_on_axum_in_every_way() {
    fn assert_shared<T: Clone + Send + Sync + 'static>(value: T) -> T {
        value
    }

    async fn handler(callback: Callback<FriendAdd>) -> CallbackResponse {
        assert_eq!(callback.pair_list[0].from_account, "alice");
        CallbackResponse::ok()
    }

    let layer = assert_shared(signed_layer());
    let route = assert_shared(layer.clone().route_to(post(handler)));
    for app in [
        Router::new().route("/", post(handler)).layer(layer.clone()),
        Router::new()
            .route("/", post(handler))
            .route_layer(layer.clone()),
        Router::new().route("/", post(handler).layer(layer.clone())),
        Router::new().fallback_service(layer.layer(post(handler))),
        Router::new().route("/", post(acknowledge).layer(route)),
    ] {
        let response = app
            .oneshot(signed().build::<axum::body::Body>())
            .await
            .unwrap();
        let body = axum::body::to_bytes(response.into_body(), 1000)
            .await
            .unwrap();
        assert_eq!(
            body,
            r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#
        );
    }
}
