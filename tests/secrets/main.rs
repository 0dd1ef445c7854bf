//! Nothing that the crate prints has a token, a signature or a body in it: no `Debug`, no error, no
//! event, no `ErrorInfo`.

#[path = "../common/mod.rs"]
mod common;
mod scanner;

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
    sync::Arc,
    task::{Context, Waker},
};

use axum::extract::FromRequestParts;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio_test::block_on;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_tencent_chat::{
    Acknowledge, Acknowledged, AnyCallback, Callback, CallbackResponse, CallbackRouter, FriendAdd,
    FriendAddLayer, Rejection,
    RejectionKind::{self, *},
    RequestBody, Token,
    test_util::CallbackRequest,
};

use common::{
    APP_ID, log, now,
    script::{Script, Step, data},
    text, token,
    vectors::{Vector, rejected},
};
use scanner::{NOW, leak};

const TOKEN: &str = "q7Zk3vXw9LmPf2RtYb8H";
const SPARE_TOKEN: &str = "Gd4sNj6uCx1TaVe5KoWq";
/// What the bodies are known by.
const BODY: &str = "mh5yuzbn8qidr3epsl7j";

type Answer = Result<Response<Full<Bytes>>, Infallible>;

/// What comes as `Sign` from somebody who hasn't the token.
fn forgery() -> String {
    token("guessed").sign(NOW)
}

fn packet() -> String {
    format!(r#"{{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[],"{BODY}":"{BODY}"}}"#)
}

/// A signed callback with secrets wherever they don't matter.
fn callback() -> CallbackRequest {
    CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, packet())
        .path(&format!("/{BODY}"))
        .query("own", TOKEN)
        .query(SPARE_TOKEN, BODY)
        .query("ClientIP", TOKEN)
        .signed(&token(TOKEN), now())
}

fn forged() -> CallbackRequest {
    callback().query("Sign", &forgery())
}

fn another_webhook() -> CallbackRequest {
    callback().query("CallbackCommand", "State.StateChange")
}

/// The size of the largest body that is read.
const LIMIT: usize = 1000;

fn signed_layer() -> FriendAddLayer {
    let layer = FriendAddLayer::new(APP_ID).clock(now);
    let tokens = [TOKEN, SPARE_TOKEN].map(token);
    layer.tokens(tokens).max_body_size(LIMIT)
}

fn router() -> CallbackRouter<Full<Bytes>, Full<Bytes>, Infallible> {
    let router = CallbackRouter::new(APP_ID).clock(now);
    let router = router.tokens([TOKEN, SPARE_TOKEN].map(token));
    router.route::<FriendAdd>(service_fn(never_answer))
}

async fn acknowledge<B>(_: Request<RequestBody<B>>) -> Answer {
    Ok(CallbackResponse::ok().into())
}

async fn never_answer<B>(_: Request<B>) -> Answer {
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

/// Which rule a request breaks, and all that anybody is told of it.
fn answer(layer: &FriendAddLayer, request: Request<Script>) -> (Option<RejectionKind>, String) {
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
        printed += std::str::from_utf8(&body.to_bytes()).unwrap();
    });
    (kind, log + &printed)
}

/// A vector's request, with secrets in its headers and in parameters of its own.
fn with_secrets_around(vector: &Vector) -> Request<Script> {
    let mut request = vector.build().0;
    let headers = request.headers_mut();
    headers.insert("own", HeaderValue::from_static(TOKEN));
    headers.insert(BODY, HeaderValue::from_static(SPARE_TOKEN));
    let uri = format!("{}&own={TOKEN}&{SPARE_TOKEN}={BODY}", request.uri());
    *request.uri_mut() = uri.parse().unwrap();
    request
}

/// Parameters that are secrets.
fn in_the_url() -> Vec<(RejectionKind, Request<Script>)> {
    let mut table = Vec::new();
    for secret in [TOKEN, SPARE_TOKEN, BODY, &forgery()] {
        // If a request is verified it is handed on as it came, so it is here alone.
        let callback = callback().query("OptPlatform", secret);
        for (kind, name) in [
            (SdkAppIdMismatch, "SdkAppid"),
            (UnsupportedContentType, "contenttype"),
            (SignMismatch, "RequestTime"),
            (SignMismatch, "Sign"),
        ] {
            let head = callback.clone().query(name, secret).build::<Bytes>();
            table.push((kind, head.map(|_| Script::new([data(packet())]).0)));
        }
    }
    table
}

/// Bodies with the secret wherever serde_json could repeat it from.
fn in_the_body() -> Vec<(RejectionKind, Request<Script>)> {
    let s = format!("\"{BODY}\"");
    let own = r#""CallbackCommand":"Sns.CallbackFriendAdd""#;
    let malformed = [
        format!(r#"{{"CallbackCommand":{s},"PairList":"#),
        format!(r#"{{"CallbackCommand":[{s}],"PairList":[]}}"#),
        format!(r#"{{"CallbackCommand":null,{s}:{s}}}"#),
        format!("{{{s}:{s}}}"),
        format!("[{s}]"),
        BODY.to_owned(),
        format!(r#"{{{own},"PairList":{s}}}"#),
        format!(r#"{{{own},"PairList":[{s}]}}"#),
        format!(r#"{{{own},"PairList":[{{"From_Account":{s}}}]}}"#),
        format!(r#"{{{own},"PairList":[{{"From_Account":[{s}],"To_Account":""}}]}}"#),
        format!(r#"{{{own},"PairList":[],"PairList":[{s}]}}"#),
        format!(r#"{{{own},"PairList":[],"CallbackCommand":{s}}}"#),
        format!(r#"{{{own},"PairList":[],{s}}}"#),
        format!(r#"{{{own},"PairList":[]}}{BODY}"#),
    ];
    let malformed = malformed.map(|body| (MalformedPacket, vec![data(body)]));
    let other = format!(r#"{{"CallbackCommand":{s},"PairList":[{s}]}}"#);
    let large = BODY.repeat(LIMIT / BODY.len() + 1);
    let not_utf_8 = [BODY.as_bytes(), b"\xff"].concat();
    let bodies = malformed.into_iter().chain([
        (CommandMismatch, vec![data(other)]),
        (BodyTooLarge, vec![data(large)]),
        (MalformedPacket, vec![data(not_utf_8)]),
        (BodyUnreadable, vec![data(packet()), Step::Fail]),
    ]);
    let request = |(kind, steps): (_, Vec<Step>)| {
        let head = callback().build::<Bytes>();
        (kind, head.map(|_| Script::new(steps).0))
    };
    bodies.map(request).collect()
}

#[test]
fn no_rejection_shows_a_secret() {
    let vectors = rejected().map(|vector| {
        let kind = vector.kind().unwrap().to_owned();
        (kind, vector.layer(), with_secrets_around(&vector))
    });
    let tables = [in_the_url(), in_the_body()].into_iter().flatten();
    let requests = tables.map(|(kind, request)| (kind.to_string(), signed_layer(), request));
    for (kind, layer, request) in vectors.chain(requests) {
        let uri = request.uri().clone();
        let (broken, printed) = answer(&layer, request);
        assert_eq!(broken.map(RejectionKind::as_str), Some(&*kind), "{uri}");
        for expected in [&format!("kind=\"{kind}\""), r#""ActionStatus":"FAIL""#] {
            assert!(printed.contains(expected), "{uri}: {printed}");
        }
        assert_eq!(leak(&printed), None, "{kind} {uri}: {printed}");
        assert!(
            !printed.contains("Broken"),
            "the body's own error: {printed}"
        );
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

/// What `route_others` hands on.
fn any_callback() -> Printed {
    let inner = service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
        let callback = request.extensions().get::<AnyCallback>().unwrap();
        Answer::Ok(Response::new(shown(callback).1.into()))
    });
    let router = router().route_others(inner);
    let response = block_on(router.oneshot(whole(another_webhook()))).unwrap();
    ("AnyCallback", block_on(text(response)))
}

/// What is in the extensions of an acknowledgement.
fn acknowledged() -> Printed {
    let service = Acknowledge::<Bytes>::new();
    let response = block_on(service.oneshot(whole(another_webhook()))).unwrap();
    shown(response.extensions().get::<Acknowledged>().unwrap())
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

/// Passing through, delivering and rejecting, reading, and waiting for a service to be ready.
fn futures() -> Vec<Printed> {
    let layer = signed_layer();
    let silent = || layer.layer(service_fn(never_answer));
    let same_body = || {
        let inner = service_fn(never_answer::<Full<Bytes>>);
        layer.clone().same_body().layer(inner)
    };
    let others = layer.clone().acknowledge_others();
    let mut others = others.layer(service_fn(never_answer)).into_inner();
    let busy = ConcurrencyLimit::new(service_fn(never_answer), 0);
    let (half, _) = Script::new([data(&packet()[..80]), Step::Wait]);
    let reading = whole(callback()).map(|_| half);
    [
        polled(silent().call(whole(another_webhook())), true),
        polled(silent().call(whole(callback())), true),
        polled(silent().call(whole(forged())), false),
        polled(layer.layer(service_fn(never_answer)).call(reading), true),
        polled(layer.layer(busy).call(whole(callback())), true),
        polled(same_body().call(whole(callback())), true),
        polled(router().call(whole(another_webhook())), false),
        polled(router().call(whole(callback())), true),
        polled(Acknowledge::<Bytes>::new().call(whole(callback())), false),
        polled(others.call(whole(another_webhook())), false),
    ]
    .concat()
}

fn whole(request: CallbackRequest) -> Request<Full<Bytes>> {
    let mut request = request.build();
    let headers = request.headers_mut();
    headers.insert("own", HeaderValue::from_static(TOKEN));
    request
}

/// What an axum handler answers if no callback has come.
fn not_extracted() -> Printed {
    let mut head = whole(callback()).into_parts().0;
    let extracted = Callback::<FriendAdd>::from_request_parts(&mut head, &());
    shown(&block_on(extracted).unwrap_err())
}

fn printed() -> Vec<Printed> {
    let layer = signed_layer();
    let inner = service_fn(acknowledge::<Full<Bytes>>);
    let no_token = |text: &str| shown_error(&Token::new(text).unwrap_err());
    let with_a_pair = CallbackRequest::friend_add(APP_ID).pair(BODY, TOKEN);
    let same_body = layer.clone().same_body();
    let others = layer.clone().acknowledge_others();
    let tokens = Arc::from([token(TOKEN)]);
    let mut printed = vec![
        shown(&layer),
        shown(&layer.layer(inner)),
        shown(&same_body),
        shown(&same_body.layer(inner)),
        shown(&others),
        shown(others.layer(inner).get_ref()),
        shown(&layer.clone().tokens_from(move || Arc::clone(&tokens))),
        shown(&router()),
        shown(&token(TOKEN)),
        no_token(&format!("{TOKEN}\n")),
        no_token(&format!("\u{feff}{TOKEN}")),
        no_token(&TOKEN.repeat(7)),
        shown(&CallbackResponse::ok()),
        shown(&Acknowledge::<Bytes>::new()),
        shown(&callback()),
        shown(&with_a_pair.signed(&token(TOKEN), now())),
        not_extracted(),
        any_callback(),
        acknowledged(),
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

/// The names of all public types.
fn public_types() -> BTreeSet<String> {
    let api = include_str!("../public-api.txt").lines();
    let types = api.filter_map(|line| {
        let item = line
            .trim_start_matches("#[non_exhaustive] ")
            .strip_prefix("pub ")?;
        item.strip_prefix("struct ").or(item.strip_prefix("enum "))
    });
    let paths = types.map(|item| item.split(['<', '(']).next().unwrap());
    paths
        .map(|path| path.rsplit("::").next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_public_type_has_been_shown() {
    const SHOWN_OF_EACH_REJECTION: &str = "RejectionKind";
    const THERE_TO_BE_PRINTED: &str = "AccountPair BlackListAdd BlackListDelete ClientCmd FriendAdd \
                                       FriendDelete FriendPair Platform UserId";

    let others = [SHOWN_OF_EACH_REJECTION, THERE_TO_BE_PRINTED].join(" ");
    let mut wanted = public_types();
    wanted.retain(|name| others.split_whitespace().all(|other| other != name));
    let shown = printed().into_iter().map(|(name, _)| name.to_owned());
    assert_eq!(shown.collect::<BTreeSet<_>>(), wanted);
}
