//! Nothing that the crate prints has a token, a signature or a body in it: no `Debug`, no error, no
//! event, no `ErrorInfo`.

#[path = "../common/log.rs"]
mod log;
mod refused;
mod scanner;
#[allow(dead_code)]
#[path = "../rules/script.rs"]
mod script;

use std::{
    any::type_name,
    cell::RefCell,
    collections::BTreeSet,
    convert::Infallible,
    error::Error,
    fmt::{Debug, Write},
    future::pending,
    iter::successors,
    pin::pin,
    task::{Context, Waker},
    time::{Duration, SystemTime},
};

use axum::extract::FromRequestParts;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Channel, Full};
use tokio_test::block_on;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_tencent_chat::{
    Acknowledge, Callback, CallbackResponse, FriendAdd, FriendAddLayer, Rejection, RejectionKind,
    RequestBody, Token, test_util::CallbackRequest,
};

use refused::refused;
use scanner::leak;

const APP_ID: u64 = 1400000000;
const NOW: u64 = 1669872112;
const LATE: u64 = NOW + 61;
const LIMIT: usize = 1000;

const TOKEN: &str = "q7Zk3vXw9LmPf2RtYb8H";
const SPARE_TOKEN: &str = "Gd4sNj6uCx1TaVe5KoWq";
/// What the bodies are known by.
const BODY: &str = "mh5yuzbn8qidr3epsl7j";

type Refusable = Request<script::Script<'static>>;
type Answer = Result<Response<Full<Bytes>>, Infallible>;

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn signature() -> String {
    token(TOKEN).sign(NOW)
}

/// What comes as `Sign` from somebody who hasn't the token.
fn forgery() -> String {
    token("guessed").sign(NOW)
}

/// Puts the secret for `@`, and the right command for `!`.
fn json(template: &str) -> String {
    let command = r#""CallbackCommand":"Sns.CallbackFriendAdd""#;
    template.replace('!', command).replace('@', BODY)
}

fn packet() -> String {
    json(r#"{!,"PairList":[],"@":"@"}"#)
}

/// A signed callback with secrets wherever they don't matter.
fn callback() -> CallbackRequest {
    CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, packet())
        .path(&format!("/{BODY}"))
        .query("own", TOKEN)
        .query(SPARE_TOKEN, BODY)
        .query("ClientIP", TOKEN)
        .signed(&token(TOKEN), at(NOW))
}

fn forged() -> CallbackRequest {
    callback().query("Sign", &forgery())
}

fn another_webhook() -> CallbackRequest {
    callback().query("CallbackCommand", "State.StateChange")
}

fn unsigned_layer() -> FriendAddLayer {
    FriendAddLayer::new(APP_ID).max_body_size(LIMIT)
}

fn signed_layer() -> FriendAddLayer {
    let layer = unsigned_layer().clock(|| at(NOW));
    layer.token(token(TOKEN)).token(token(SPARE_TOKEN))
}

async fn acknowledge<B>(_: Request<RequestBody<B>>) -> Answer {
    Ok(CallbackResponse::ok().into())
}

async fn never_answer<B>(_: Request<RequestBody<B>>) -> Answer {
    pending().await
}

fn debug(value: &impl Debug) -> String {
    format!("{value:?}\n{value:#?}\n")
}

fn error<E: Error + 'static>(error: &E) -> String {
    let mut printed = debug(error);
    for cause in successors(Some(error as &dyn Error), |&cause| cause.source()) {
        writeln!(printed, "{cause} {cause:?}").unwrap();
    }
    printed
}

/// The names in a list of the source that begin with a capital.
fn names(source: &str, from: &str, to: &str) -> BTreeSet<String> {
    let list = source.split_once(from).unwrap().1.split_once(to).unwrap().0;
    let code = list.lines().filter(|line| !line.contains("///"));
    let names = code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric()));
    let names = names.filter(|name| name.starts_with(char::is_uppercase));
    names.map(str::to_owned).collect()
}

#[test]
fn every_kind_of_rejection_is_in_the_table() {
    let kinds = refused().into_iter().map(|(kind, _)| format!("{kind:?}"));
    let source = include_str!("../../src/rejection.rs");
    let expected = names(source, "pub enum RejectionKind {", "\n}");
    assert_eq!(kinds.collect::<BTreeSet<_>>(), expected);
}

/// Which rule a request breaks, and all that anybody is told of it.
fn answer(layer: &FriendAddLayer, request: Refusable) -> (Option<RejectionKind>, String) {
    let (mut kind, mut printed) = (None, String::new());
    let log = log::logged(|| {
        let service = layer.layer(service_fn(acknowledge));
        let response = block_on(service.oneshot(request)).unwrap();
        printed += &debug(&response);
        if let Some(rejection) = response.extensions().get::<Rejection>() {
            kind = Some(rejection.kind());
            printed += &(error(rejection) + &debug(&rejection.kind()));
        }
        let body = block_on(response.into_body().collect()).unwrap();
        printed += str::from_utf8(&body.to_bytes()).unwrap();
    });
    (kind, log + &printed)
}

#[test]
fn no_refusal_tells_a_secret() {
    for (kind, request) in refused() {
        let uri = request.uri().clone();
        let (broken, printed) = answer(&signed_layer(), request);
        assert_eq!(broken, Some(kind), "{uri}");
        for expected in [&format!("kind={kind:?}"), r#""ActionStatus":"FAIL""#] {
            assert!(printed.contains(expected), "{uri}: {printed}");
        }
        assert_eq!(leak(&printed), None, "{kind:?} {uri}: {printed}");
    }
}

#[test]
fn nor_do_the_same_requests_where_no_token_is_set() {
    for (kind, request) in refused() {
        let (broken, printed) = answer(&unsigned_layer(), request);
        assert!(broken.is_none_or(|broken| broken == kind), "{printed}");
        assert_eq!(leak(&printed), None, "{kind:?}: {printed}");
    }
}

/// A type's name, and how a value of it is printed.
type Printed = (&'static str, String);

fn shown<T: Debug>(value: &T) -> Printed {
    let path = type_name::<T>().split('<').next().unwrap();
    (path.rsplit("::").next().unwrap(), debug(value))
}

fn shown_error<E: Error + 'static>(value: &E) -> Printed {
    (shown(value).0, error(value))
}

/// What the inner service gets, and the body of what it answers.
fn handed_on(request: CallbackRequest) -> Vec<Printed> {
    let seen = RefCell::new(Vec::new());
    let inner = service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
        let mut seen = seen.borrow_mut();
        seen.push(shown(request.body()));
        if let Some(callback) = request.extensions().get::<Callback<FriendAdd>>() {
            seen.extend([shown(callback), shown(callback.context())]);
        }
        Answer::Ok(Response::new(BODY.into()))
    });
    let response = block_on(signed_layer().layer(inner).oneshot(whole(request)));
    let answered = shown(response.unwrap().body());
    [seen.take(), vec![answered]].concat()
}

/// A future before and after it is polled.
fn polled<F: Future + Debug>(future: F, is_pending: bool) -> [Printed; 2] {
    let mut future = pin!(future);
    let before = shown(&*future);
    let mut context = Context::from_waker(Waker::noop());
    let poll = future.as_mut().poll(&mut context);
    assert_eq!(poll.is_pending(), is_pending);
    [before, shown(&*future)]
}

/// Passing through, delivering and refusing, reading, and waiting for a service to be ready.
fn futures() -> Vec<Printed> {
    let layer = signed_layer();
    let silent = || layer.layer(service_fn(never_answer));
    let busy = ConcurrencyLimit::new(service_fn(never_answer), 0);
    let route = layer.clone().route_to(busy.clone());
    let route = || route.layer(busy.clone());
    let (mut sender, upload) = Channel::<Bytes>::new(1);
    let half = Bytes::from(packet()).split_to(80);
    sender.try_send(Frame::data(half)).unwrap();
    let reading = whole(callback()).map(|_| upload);
    [
        polled(silent().call(whole(another_webhook())), true),
        polled(silent().call(whole(callback())), true),
        polled(silent().call(whole(forged())), false),
        polled(layer.layer(service_fn(never_answer)).call(reading), true),
        polled(layer.layer(busy.clone()).call(whole(callback())), true),
        polled(route().call(whole(another_webhook())), true),
        polled(route().call(whole(callback())), true),
    ]
    .concat()
}

fn whole(request: CallbackRequest) -> Request<Full<Bytes>> {
    let mut request = request.build();
    let headers = request.headers_mut();
    headers.insert("own", HeaderValue::from_static(TOKEN));
    request
}

/// What an axum handler answers where no callback has come.
fn not_extracted() -> Printed {
    let mut head = whole(callback()).into_parts().0;
    let extracted = Callback::<FriendAdd>::from_request_parts(&mut head, &());
    shown(&block_on(extracted).unwrap_err())
}

fn printed() -> Vec<Printed> {
    let layer = signed_layer();
    let inner = service_fn(acknowledge::<Full<Bytes>>);
    let route = layer.clone().route_to(inner);
    let no_token = |text: &str| shown_error(&Token::new(text).unwrap_err());
    let with_a_pair = CallbackRequest::friend_add(APP_ID).pair(BODY, TOKEN);
    let mut printed = vec![
        shown(&layer),
        shown(&layer.layer(inner)),
        shown(&route),
        shown(&route.layer(inner)),
        shown(&token(TOKEN)),
        no_token(&format!("{TOKEN}\n")),
        no_token(&TOKEN.repeat(7)),
        shown(&CallbackResponse::ok()),
        shown(&Acknowledge::new()),
        shown(&callback()),
        shown(&with_a_pair.signed(&token(TOKEN), at(NOW))),
        not_extracted(),
    ];
    printed.extend(handed_on(callback()));
    printed.extend(handed_on(another_webhook()));
    printed.extend(futures());
    printed
}

#[test]
fn no_debug_and_no_error_shows_a_secret() {
    for (name, printed) in printed() {
        assert_eq!(leak(&printed), None, "{name}: {printed}");
    }
}

#[test]
fn every_public_type_has_been_shown() {
    const NO_TYPES: &str = "Packet FriendAddLayer";
    const SHOWN_OF_EACH_REFUSAL: &str = "Rejection RejectionKind";
    const THERE_TO_BE_PRINTED: &str = "ClientCmd FriendAdd FriendPair Platform UserId";

    let others = [NO_TYPES, SHOWN_OF_EACH_REFUSAL, THERE_TO_BE_PRINTED].join(" ");
    let mut wanted = names(include_str!("../../src/lib.rs"), "pub use self::{", "};");
    wanted.insert("CallbackRequest".to_owned());
    wanted.retain(|name| others.split(' ').all(|other| other != name));
    let shown = printed().into_iter().map(|(name, _)| name.to_owned());
    assert_eq!(shown.collect::<BTreeSet<_>>(), wanted);
}
