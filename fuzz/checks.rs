//! What has to hold of any input: each function is a fuzz target, and panics where it doesn't.
//!
//! The crate's own tests run these too, over the seeds and over generated input.
#![allow(dead_code, reason = "everybody needs a part of it")]

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};
use serde_json::Value;
use tower_layer::Layer;
use tower_service::Service;
use tower_tencent_chat::{
    Callback, CallbackContext, ClientCmd, FriendAdd, FriendAddLayer, Packet, Rejection,
    RejectionKind, RequestBody, Token, UserId,
};

pub(crate) const APP: u64 = 1400000000;
pub(crate) const NOW: u64 = 1669872112;
const WINDOW: u64 = 60;
const TOKEN: &str = "xxxxyyyy";

pub(crate) fn token() -> Token {
    Token::new(TOKEN).expect("a valid token")
}

/// A layer that requires a signature, at the time of Tencent's example.
pub(crate) fn signed_layer() -> FriendAddLayer {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    FriendAddLayer::new(APP).token(token()).clock(move || now)
}

/// The target `query`: whether a request is the layer's own, and what is said of its URL, is what a
/// plain list of the decoded parameters says.
pub(crate) fn query(data: &[u8]) {
    let Some(uri) = std::str::from_utf8(data).ok().and_then(uri) else {
        return;
    };
    for (layer, signed) in [(signed_layer(), true), (FriendAddLayer::new(APP), false)] {
        for method in [Method::POST, Method::GET] {
            let expected = expected_of_url(&method, &uri, signed);
            let request = request_to(method, &uri, Pieces::whole(friend_add()));
            match (outcome(&layer, request), expected) {
                (Outcome::PassedThrough(_), None) => (),
                (Outcome::Refused(kind), Some(Err(expected))) => {
                    assert_eq!(kind, expected, "{uri}");
                }
                (Outcome::Delivered(delivered), Some(Ok(expected))) => {
                    expected.assert_is(delivered.callback.context());
                }
                (outcome, expected) => panic!("{uri}: {outcome:?}, expected {expected:?}"),
            }
        }
    }
}

/// The target `packet`: a body is a packet where its `serde_json::Value` is one, with the same
/// fields; and a packet survives being written and read.
pub(crate) fn packet(data: &[u8]) {
    let receive = |body: Bytes| {
        let request = request_to(Method::POST, &own_url(), Pieces::whole(body));
        match outcome(&FriendAddLayer::new(APP), request) {
            Outcome::PassedThrough(_) => panic!("a callback was not seen"),
            Outcome::Delivered(delivered) => Ok(delivered.callback),
            Outcome::Refused(kind) => Err(kind),
        }
    };

    let received = receive(Bytes::copy_from_slice(data));
    let value = serde_json::from_slice::<Value>(data);
    match &received {
        Ok(callback) => {
            if let Ok(value) = &value {
                assert_fields(callback, value);
            }
            let text = serde_json::to_vec(&**callback).expect("a packet serializes");
            let again = receive(text.into()).expect("what was written is a packet");
            assert_eq!(**callback, *again);
        }
        Err(RejectionKind::MalformedPacket | RejectionKind::CommandMismatch) => (),
        Err(kind) => panic!("{kind:?}"),
    }

    // Written anew there are no fields that come twice, and so the value knows all.
    if let Ok(value) = value {
        let received = receive(value.to_string().into());
        assert_eq!(received.as_ref().err().copied(), expected_of_packet(&value));
        if let Ok(callback) = received {
            assert_fields(&callback, &value);
        }
    }
}

/// The target `request`: how a body is cut into frames changes nothing. The input is a line of cuts,
/// a line with the URL, and the body.
pub(crate) fn request(data: &[u8]) {
    let mut parts = data.splitn(3, |&byte| byte == b'\n');
    let (Some(cuts), Some(url), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let Some(uri) = std::str::from_utf8(url).ok().and_then(uri) else {
        return;
    };
    let limit = cuts.first().map_or(0, |&byte| usize::from(byte) * 8);
    let layer = signed_layer().max_body_size(limit);

    let pieces = Pieces::cut(body, cuts);
    let most_polls = pieces.steps.len() + 1;
    let polls = Arc::clone(&pieces.polls);
    let in_pieces = outcome(&layer, request_to(Method::POST, &uri, pieces));
    let polls = *polls.lock().unwrap();
    assert!(polls <= most_polls, "{polls} polls");

    let whole = Pieces::whole(Bytes::copy_from_slice(body));
    let expected = outcome(&layer, request_to(Method::POST, &uri, whole));
    assert_eq!(in_pieces, expected);
    match &in_pieces {
        Outcome::PassedThrough(bytes) => assert_eq!(bytes, body),
        Outcome::Delivered(delivered) => assert_eq!(delivered.body, body),
        Outcome::Refused(RejectionKind::BodyTooLarge) => assert!(body.len() > limit),
        Outcome::Refused(RejectionKind::MalformedPacket | RejectionKind::CommandMismatch) => {
            assert!(body.len() <= limit);
        }
        Outcome::Refused(_) => assert_eq!(polls, 0, "a refusal by the URL reads nothing"),
    }
}

fn uri(query: &str) -> Option<Uri> {
    format!("/?{query}").parse().ok()
}

pub(crate) fn own_url() -> Uri {
    uri("CallbackCommand=Sns.CallbackFriendAdd&SdkAppid=1400000000").expect("a valid URL")
}

fn friend_add() -> Bytes {
    Bytes::from_static(br#"{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#)
}

fn request_to(method: Method, uri: &Uri, body: Pieces) -> Request<Pieces> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri.clone();
    if request.body().is_announced {
        let length = HeaderValue::from(request.body().rest);
        request.headers_mut().insert(CONTENT_LENGTH, length);
    }
    request
}

/// What the list of decoded parameters says: `None` where the request is not the layer's own.
fn expected_of_url(
    method: &Method,
    uri: &Uri,
    signed: bool,
) -> Option<Result<Parameters, RejectionKind>> {
    use RejectionKind::*;

    let list: Vec<(String, String)> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let all = |name: &str| {
        let with_name = list.iter().filter(|(present, _)| present == name);
        with_name.map(|(_, value)| &**value).collect::<Vec<_>>()
    };
    let first = |name: &str| all(name).first().map(|value| (*value).to_owned());

    if !all("CallbackCommand").contains(&FriendAdd::COMMAND) {
        return None;
    }
    let fault = || {
        if method != Method::POST {
            return Some(MethodNotAllowed);
        }
        if [
            "CallbackCommand",
            "SdkAppid",
            "contenttype",
            "ClientIP",
            "OptPlatform",
            "Sign",
            "RequestTime",
        ]
        .iter()
        .any(|name| all(name).len() > 1)
        {
            return Some(DuplicateParameter);
        }
        match first("SdkAppid") {
            None => return Some(MissingParameter),
            Some(id) if number(&id) != Some(APP) => return Some(SdkAppIdMismatch),
            Some(_) => (),
        }
        if first("contenttype").is_some_and(|value| !value.eq_ignore_ascii_case("json")) {
            return Some(UnsupportedContentType);
        }
        if !signed {
            return None;
        }
        let (Some(text), Some(sign)) = (first("RequestTime"), first("Sign")) else {
            return Some(MissingParameter);
        };
        // Any other text has another signature, which nobody finds by chance.
        let signed = number(&text).filter(|time| {
            text == time.to_string() && sign.to_ascii_lowercase() == token().sign(*time)
        });
        match signed {
            None => Some(SignMismatch),
            Some(time) if time.abs_diff(NOW) > WINDOW => Some(StaleRequestTime),
            Some(_) => None,
        }
    };
    Some(match fault() {
        Some(kind) => Err(kind),
        None => Ok(Parameters {
            client_ip: first("ClientIP"),
            platform: first("OptPlatform"),
            request_id: list
                .iter()
                .find(|(name, _)| name == "RequestId" || name == "RequestID")
                .map(|(_, value)| value.clone()),
            request_time: signed.then(|| first("RequestTime").expect("a time")),
        }),
    })
}

fn number(text: &str) -> Option<u64> {
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| text.parse().ok()).flatten()
}

/// What the URL of a callback says besides being right.
#[derive(Debug)]
struct Parameters {
    client_ip: Option<String>,
    platform: Option<String>,
    request_id: Option<String>,
    request_time: Option<String>,
}

impl Parameters {
    fn assert_is(&self, context: &CallbackContext) {
        assert_eq!(context.sdk_app_id, APP);
        let client_ip = self.client_ip.as_ref().and_then(|ip| ip.parse().ok());
        assert_eq!(context.client_ip, client_ip);
        let platform = self.platform.as_ref().map(|text| text.parse().unwrap());
        assert_eq!(context.platform, platform);
        assert_eq!(context.request_id.as_deref(), self.request_id.as_deref());
        let request_time = self.request_time.as_ref().map(|text| {
            SystemTime::UNIX_EPOCH + Duration::from_secs(text.parse().expect("a number"))
        });
        assert_eq!(context.request_time, request_time);
    }
}

/// What is wrong with a packet, as its value tells.
pub(crate) fn expected_of_packet(value: &Value) -> Option<RejectionKind> {
    let malformed = Some(RejectionKind::MalformedPacket);
    let Some(packet) = value.as_object() else {
        return malformed;
    };
    match packet.get("CallbackCommand").and_then(Value::as_str) {
        None => return malformed,
        Some(command) if command != FriendAdd::COMMAND => {
            return Some(RejectionKind::CommandMismatch);
        }
        Some(_) => (),
    }
    // `get` finds nothing in what is not an object.
    let is_pair = |pair: &Value| {
        let accounts = ["From_Account", "To_Account"].map(|name| pair.get(name));
        accounts
            .iter()
            .all(|account| account.is_some_and(Value::is_string))
    };
    let pairs = packet.get("PairList").and_then(Value::as_array);
    if pairs.is_some_and(|pairs| pairs.iter().all(is_pair)) {
        None
    } else {
        malformed
    }
}

/// Compares the fields of a packet with those of its value.
pub(crate) fn assert_fields(packet: &FriendAdd, value: &Value) {
    let account = |value: &Value| match value.as_str() {
        None | Some("") => None,
        Some(text) => Some(UserId::from(text)),
    };
    assert_eq!(value["CallbackCommand"], FriendAdd::COMMAND);
    let pairs = value["PairList"].as_array().expect("a list");
    assert_eq!(packet.pair_list.len(), pairs.len());
    for (pair, value) in packet.pair_list.iter().zip(pairs) {
        assert_eq!(value["From_Account"], *pair.from_account);
        assert_eq!(value["To_Account"], *pair.to_account);
        assert_eq!(pair.initiator_account, account(&value["Initiator_Account"]));
    }
    let client_cmd = value["ClientCmd"].as_str().map(|text| match text {
        "friend_add" | "FriendAdd" => ClientCmd::FriendAdd,
        "friend_response" | "FriendResponse" => ClientCmd::FriendResponse,
        other => ClientCmd::Other(other.to_owned()),
    });
    assert_eq!(packet.client_cmd, client_cmd);
    assert_eq!(packet.admin_account, account(&value["Admin_Account"]));
    let is_zero = match &value["ForceFlag"] {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => {
            text.is_empty() || text.eq_ignore_ascii_case("false") || text.parse::<f64>() == Ok(0.0)
        }
        Value::Array(_) | Value::Object(_) => false,
    };
    assert_eq!(packet.force_flag, !is_zero);
}

/// What becomes of a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It reached the inner service as it was, with these bytes as its body.
    PassedThrough(Bytes),
    Refused(RejectionKind),
    Delivered(Delivered),
}

#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) callback: Callback<FriendAdd>,
    pub(crate) body: Bytes,
}

impl PartialEq for Delivered {
    fn eq(&self, other: &Self) -> bool {
        *self.callback == *other.callback
            && self.callback.context() == other.callback.context()
            && self.body == other.body
    }
}

/// Drives a request through the layer to its end.
pub(crate) fn outcome(layer: &FriendAddLayer, request: Request<Pieces>) -> Outcome {
    let inner = Inner::default();
    let response = finish(
        pin!(layer.layer(inner.clone()).call(request)),
        |future, cx| future.poll(cx),
    );
    let Ok(response) = response;
    let received = inner.received.lock().unwrap().take();
    let rejection = response.extensions().get::<Rejection>();
    let Some(request) = received else {
        let rejection = rejection.expect("a response without the inner service is a refusal");
        assert_eq!(response.status(), 200);
        return Outcome::Refused(rejection.kind());
    };
    assert!(rejection.is_none());

    let (head, body) = request.into_parts();
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = finish(body.as_mut(), |body, cx| body.poll_frame(cx)) {
        if let Ok(data) = frame.expect("no script fails").into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    let body = Bytes::from(bytes);
    match head.extensions.get::<Callback<FriendAdd>>().cloned() {
        Some(callback) => Outcome::Delivered(Delivered { callback, body }),
        None => Outcome::PassedThrough(body),
    }
}

/// Polls until it is ready: only a body makes anything wait here, and never for long.
fn finish<T: ?Sized, R>(
    mut value: Pin<&mut T>,
    poll: impl Fn(Pin<&mut T>, &mut Context<'_>) -> Poll<R>,
) -> R {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = poll(value.as_mut(), &mut cx) {
            return result;
        }
    }
}

/// An inner service that keeps what it got.
#[derive(Clone, Default)]
struct Inner {
    received: Arc<Mutex<Option<Request<RequestBody<Pieces>>>>>,
}

impl Service<Request<RequestBody<Pieces>>> for Inner {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody<Pieces>>) -> Self::Future {
        let before = self.received.lock().unwrap().replace(request);
        assert!(before.is_none(), "called twice");
        ready(Ok(Response::new(())))
    }
}

/// A body in pieces.
pub(crate) struct Pieces {
    steps: VecDeque<Step>,
    rest: u64,
    is_announced: bool,
    polls: Arc<Mutex<usize>>,
}

#[derive(Clone)]
enum Step {
    Data(Bytes),
    Trailers,
    Pending,
}

impl Pieces {
    pub(crate) fn whole(body: Bytes) -> Self {
        Self {
            rest: body.len() as u64,
            steps: [Step::Data(body)].into(),
            is_announced: true,
            polls: Arc::default(),
        }
    }

    /// Cuts a body: each byte of `cuts` is `Pending`, trailers, an empty frame, or the length of a
    /// frame. The first decides too whether the body is announced.
    pub(crate) fn cut(body: &[u8], cuts: &[u8]) -> Self {
        let mut rest = Bytes::copy_from_slice(body);
        let mut steps: VecDeque<Step> = cuts
            .iter()
            .map(|cut| match cut {
                b'.' => Step::Pending,
                b'!' => Step::Trailers,
                b'0'..=b'9' => Step::Data(rest.split_to(usize::from(cut - b'0').min(rest.len()))),
                &length => Step::Data(rest.split_to(usize::from(length).min(rest.len()))),
            })
            .collect();
        if !rest.is_empty() {
            steps.push_back(Step::Data(rest));
        }
        Self {
            rest: body.len() as u64,
            steps,
            is_announced: cuts.first().is_some_and(|byte| byte % 2 == 0),
            polls: Arc::default(),
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        *self.polls.lock().unwrap() += 1;
        Poll::Ready(match self.steps.pop_front() {
            None => None,
            Some(Step::Pending) => return Poll::Pending,
            Some(Step::Trailers) => Some(Ok(Frame::trailers(HeaderMap::new()))),
            Some(Step::Data(data)) => {
                self.rest -= data.len() as u64;
                Some(Ok(Frame::data(data)))
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_announced {
            SizeHint::with_exact(self.rest)
        } else {
            SizeHint::default()
        }
    }
}
