//! What has to hold of any input: each of the three functions without a receiver is a fuzz target, and
//! panics if it doesn't.
//!
//! The crate's own tests run these too, over the seeds, the vectors and generated requests.
#![allow(dead_code, reason = "a fuzz target needs a part of it")]

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt::Debug,
    future::{Ready, ready},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::CONTENT_LENGTH};
use http_body::{Body, Frame};
use serde::Serialize;
use tower_layer::Layer;
use tower_service::Service;
use tower_tencent_chat::{
    BlackListAdd, Callback, CallbackLayer, CallbackRouter, FriendAdd, Packet, Rejection, Token,
};

#[path = "json.rs"]
mod json;
#[path = "reference.rs"]
pub(crate) mod reference;

use self::reference::{Case, Outcome, Received, Settings, Step, Webhook};

/// The target `query`: a query string, with and without a token, and with two methods.
pub(crate) fn query(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else {
        return;
    };
    for tokens in [vec![], vec!["xxxxyyyy".to_owned()]] {
        for method in ["POST", "GET"] {
            let mut case = case(query, r#"{"PairList":[]}"#.into());
            case.settings.tokens.clone_from(&tokens);
            case.method = method.to_owned();
            check(&case);
        }
    }
}

/// The target `packet`: a body. What is received survives being written and read.
pub(crate) fn packet(data: &[u8]) {
    let receive = |body| {
        check(&case(
            "CallbackCommand=Sns.CallbackFriendAdd&SdkAppid=1400000000",
            body,
        ))
    };
    let Some(Outcome::Received(received)) = receive(Bytes::copy_from_slice(data)) else {
        return;
    };
    let packet: FriendAdd = serde_json::from_slice(data).expect("it was received");
    let written = serde_json::to_vec(&packet).expect("it serializes");
    assert_eq!(receive(written.into()), Some(Outcome::Received(received)));
}

/// The target `request`: a line of cuts, a line with the query, and the body. Each byte of the cuts is
/// `Pending`, trailers, an error, or the length of a frame. The first decides the limit and whether the
/// body is announced.
pub(crate) fn request(data: &[u8]) {
    let mut parts = data.splitn(3, |&byte| byte == b'\n');
    let (Some(cuts), Some(query), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let Ok(query) = std::str::from_utf8(query) else {
        return;
    };
    let mut rest = Bytes::copy_from_slice(body);
    let mut steps: Vec<Step> = cuts
        .iter()
        .map(|cut| match cut {
            b'.' => Step::Pending,
            b'!' => Step::Trailers,
            b'/' => Step::Break,
            &length => Step::Data(rest.split_to(usize::from(length).min(rest.len()))),
        })
        .collect();
    steps.push(Step::Data(rest));
    let first = usize::from(cuts.first().copied().unwrap_or_default());
    let mut case = case(query, Bytes::new());
    case.settings.tokens = vec!["xxxxyyyy".to_owned()];
    case.settings.max_body_size = 8 * first;
    case.content_length = (first % 2 == 0).then_some(body.len());
    case.body = steps;
    check(&case);
}

/// A request to an app without a token.
fn case(query: &str, body: Bytes) -> Case {
    Case {
        webhook: Webhook::FriendAdd,
        settings: Settings {
            sdk_app_id: 1400000000,
            tokens: Vec::new(),
            window_ms: 60_000,
            now_ms: 1_669_872_112_000,
            max_body_size: 1024 * 1024,
        },
        method: "POST".to_owned(),
        query: query.to_owned(),
        content_length: None,
        body: vec![Step::Data(body)],
    }
}

/// Sends a case through the layer and the router, and compares what comes of it with what the reference
/// says, which is returned; `None` if no URL looks like that.
pub(crate) fn check(case: &Case) -> Option<Outcome> {
    build(case)?;
    let expected = reference::judge(case);
    match case.webhook {
        Webhook::FriendAdd => check_each::<FriendAdd>(case, &expected),
        Webhook::BlackListAdd => check_each::<BlackListAdd>(case, &expected),
    }
    Some(expected)
}

fn check_each<P: Fields>(case: &Case, expected: &Outcome) {
    let settings = &case.settings;
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(settings.now_ms);
    let tokens = settings
        .tokens
        .iter()
        .map(|token| Token::new(token).expect("a valid token"));
    let layer = CallbackLayer::<P>::new(settings.sdk_app_id)
        .tokens(tokens.clone())
        .request_time_window(Duration::from_millis(settings.window_ms))
        .max_body_size(settings.max_body_size)
        .clock(move || now);
    check_one(case, expected, layer.layer(Inner::<P>::NEW));
    let router = CallbackRouter::new(settings.sdk_app_id)
        .tokens(tokens)
        .request_time_window(Duration::from_millis(settings.window_ms))
        .max_body_size(settings.max_body_size)
        .clock(move || now)
        .route::<P>(Inner::<P>::NEW)
        .fallback(Inner::<P>::NEW);
    check_one(case, expected, router);
}

fn check_one<S, B>(case: &Case, expected: &Outcome, mut service: S)
where
    S: Service<Request<Script>, Response = Response<B>, Error = Infallible>,
{
    let request = build(case).expect("a URL");
    let sent = head(&request);
    let Ok(response) = finish(pin!(service.call(request)), |future, cx| future.poll(cx));
    let Some(seen) = response.extensions().get::<Seen>() else {
        let rejection = response.extensions().get::<Rejection>();
        let kind = rejection.expect("a rejection").kind();
        assert_eq!(&Outcome::Rejected(kind), expected, "{case:?}");
        return;
    };
    let outcome = match seen.received.clone() {
        Some(received) => Outcome::Received(received),
        None => Outcome::PassesThrough,
    };
    assert_eq!(&outcome, expected, "{case:?}");
    assert_eq!(seen.head, sent);
    assert_eq!(seen.bytes, case.bytes());
    let is_untouched = *expected == Outcome::PassesThrough;
    assert_eq!(seen.is_broken, is_untouched && case.is_broken());
}

fn build(case: &Case) -> Option<Request<Script>> {
    let mut request = Request::builder()
        .method(&*case.method)
        .uri(format!("/callback?{}", case.query))
        .extension("kept")
        .header("cookie", "a=b")
        .header("cookie", "c=d");
    if let Some(length) = case.content_length {
        request = request.header(CONTENT_LENGTH, length);
    }
    request.body(Script(case.body.clone().into())).ok()
}

fn head<B>(request: &Request<B>) -> String {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let extension = request.extensions().get::<&str>();
    format!("{method} {uri} {headers:?} {extension:?}")
}

/// A callback is the same after it was written and read.
fn survives_a_queue<P: Fields>(callback: &Callback<P>) {
    let written = serde_json::to_vec(callback).expect("it serializes");
    let value = serde_json::to_value(callback).expect("it serializes");
    for read in [
        serde_json::from_slice(&written),
        serde_json::from_reader(&*written),
        serde_json::from_value(value),
    ] {
        let read: Callback<P> = read.expect("it was written");
        assert_eq!(read, *callback);
    }
}

/// The packets in the words of the reference.
trait Fields: Packet + Serialize + PartialEq + Debug {
    fn received(callback: &Callback<Self>) -> Received;
}

impl Fields for FriendAdd {
    fn received(callback: &Callback<Self>) -> Received {
        let pairs = callback.pair_list.iter().map(|pair| {
            let initiator = pair.initiator_account.clone().map(String::from);
            let [from, to] = [&pair.from_account, &pair.to_account].map(ToString::to_string);
            (from, to, initiator)
        });
        Received {
            pairs: pairs.collect(),
            client_cmd: callback.client_cmd.clone(),
            admin_account: callback.admin_account.clone().map(String::from),
            force_flag: callback.force_flag,
            context: context(callback),
        }
    }
}

impl Fields for BlackListAdd {
    fn received(callback: &Callback<Self>) -> Received {
        let pairs = callback.pair_list.iter().map(|pair| {
            let [from, to] = [&pair.from_account, &pair.to_account].map(ToString::to_string);
            (from, to, None)
        });
        Received {
            pairs: pairs.collect(),
            client_cmd: None,
            admin_account: None,
            force_flag: false,
            context: context(callback),
        }
    }
}

fn context<P: Packet>(callback: &Callback<P>) -> reference::Context {
    let context = callback.context();
    let request_time = context.request_time.map(|time| {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH);
        since_epoch.expect("a time after 1970").as_secs()
    });
    reference::Context {
        sdk_app_id: context.sdk_app_id,
        client_ip: context.client_ip,
        platform: context.platform.clone(),
        request_id: context.request_id.clone(),
        request_time,
    }
}

/// An inner service that answers with what it has seen.
struct Inner<P>(std::marker::PhantomData<fn() -> P>);

impl<P> Inner<P> {
    const NEW: Self = Self(std::marker::PhantomData);
}

impl<P> Clone for Inner<P> {
    fn clone(&self) -> Self {
        Self::NEW
    }
}

#[derive(Clone)]
struct Seen {
    head: String,
    received: Option<Received>,
    bytes: Vec<u8>,
    is_broken: bool,
}

impl<P: Fields, B: Body<Data = Bytes>> Service<Request<B>> for Inner<P> {
    type Response = Response<Script>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Script>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut seen = Seen {
            head: head(&request),
            received: request.extensions().get().map(|callback| {
                survives_a_queue::<P>(callback);
                P::received(callback)
            }),
            bytes: Vec::new(),
            is_broken: false,
        };
        let mut body = pin!(request.into_body());
        while let Some(frame) = finish(body.as_mut(), |body, cx| body.poll_frame(cx)) {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => seen.bytes.extend_from_slice(&data),
                Ok(Err(_)) => {}
                Err(_) => {
                    seen.is_broken = true;
                    break;
                }
            }
        }
        let mut response = Response::new(Script::from(Bytes::new()));
        response.extensions_mut().insert(seen);
        ready(Ok(response))
    }
}

/// Polls until it is ready. Only a body makes anything wait here, and never for long.
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

/// A body that does one step after the other.
struct Script(VecDeque<Step>);

#[derive(Debug)]
struct Broken;

impl From<Bytes> for Script {
    fn from(bytes: Bytes) -> Self {
        Self([Step::Data(bytes)].into())
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Poll::Ready(match self.0.pop_front() {
            None => None,
            Some(Step::Pending) => return Poll::Pending,
            Some(Step::Trailers) => Some(Ok(Frame::trailers(HeaderMap::new()))),
            Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Step::Break) => {
                self.0.clear();
                Some(Err(Broken))
            }
        })
    }
}
