//! Whole requests, mutated in whatever can vary, against a plain reference that shares no code with the
//! crate: the layer and the router pass on, refuse and deliver exactly what the reference says.
//!
//! `DIFFERENTIAL_MINUTES=10 cargo test --release --test differential` goes on for so long.

mod json;
mod reference;
mod requests;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    convert::Infallible,
    env,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_LENGTH};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Channel, Full};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseResult, TestRunner},
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_tencent_chat::{
    BlackListAdd, Callback, CallbackContext, CallbackLayer, CallbackRouter, FriendAdd, Packet,
    Rejection, Token,
};

use reference::{Context, Outcome, Received, Webhook};
use requests::{APP_ID, Case};

#[derive(Debug)]
struct Broken;

type Sent = Channel<Bytes, Broken>;

/// What the inner service saw; it answers with it, in the extensions of its response.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    head: String,
    frames: Vec<Bytes>,
    has_trailers: bool,
    is_broken: bool,
    received: Option<Received>,
}

/// The packets in the words of the reference.
trait Fields: Packet + Sized {
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
            context: context(callback.context()),
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
            context: context(callback.context()),
        }
    }
}

fn context(context: &CallbackContext) -> Context {
    let request_time = context.request_time.map(|time| {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        since_epoch.as_secs()
    });
    Context {
        sdk_app_id: context.sdk_app_id,
        client_ip: context.client_ip,
        platform: context.platform.clone(),
        request_id: context.request_id.clone(),
        request_time,
    }
}

async fn inner<P, B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible>
where
    P: Fields,
    B: Body<Data = Bytes, Error = Broken>,
{
    let mut seen = Seen {
        head: head(&request),
        frames: Vec::new(),
        has_trailers: false,
        is_broken: false,
        received: request.extensions().get().map(P::received),
    };
    let mut body = std::pin::pin!(request.into_body());
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => seen.frames.push(data),
            Ok(Err(_)) => seen.has_trailers = true,
            Err(Broken) => {
                seen.is_broken = true;
                break;
            }
        }
    }
    let mut response = Response::default();
    response.extensions_mut().insert(seen);
    Ok(response)
}

fn head<B>(request: &Request<B>) -> String {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let extension = request.extensions().get::<&str>();
    format!(
        "{method} {uri} {:?} {headers:?} {extension:?}",
        request.version()
    )
}

/// As it comes from a server, with all its frames there. `None` if no URL looks like that.
fn build(case: &Case) -> Option<Request<Sent>> {
    let mut request = Request::builder()
        .method(case.method)
        .uri(format!("/callback?{}", case.query))
        .extension("kept")
        .header("authorization", "Basic x")
        .header("cookie", "a=b")
        .header("cookie", "c=d")
        .header("expect", "100-continue")
        .header("transfer-encoding", "chunked");
    if let Some(length) = case.content_length {
        request = request.header(CONTENT_LENGTH, length);
    }
    let (mut sender, body) = Channel::new(case.frames.len() + 1);
    for frame in &case.frames {
        sender.try_send(Frame::data(frame.clone())).unwrap();
    }
    if case.has_trailers {
        let trailers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("0"))]);
        sender.try_send(Frame::trailers(trailers)).unwrap();
    }
    if case.is_broken {
        sender.abort(Broken);
    }
    request.body(body).ok()
}

/// What has come of a request: the answer, or what the inner service saw.
async fn outcome<S, B>(service: S, request: Request<Sent>) -> Result<Seen, Rejection>
where
    S: Service<Request<Sent>, Response = Response<B>, Error = Infallible>,
{
    let Ok(response) = service.oneshot(request).await;
    match response.extensions().get::<Seen>() {
        Some(seen) => Ok(seen.clone()),
        None => Err(response.extensions().get().cloned().expect("a refusal")),
    }
}

/// Sends a case to both the layer and the router of `P`.
async fn run<P: Fields>(case: &Case) -> Option<[Result<Seen, Rejection>; 2]> {
    let settings = &case.settings;
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(settings.now_ms);
    let tokens = settings
        .tokens
        .iter()
        .map(|token| Token::new(token).unwrap());
    let layer = CallbackLayer::<P>::new(APP_ID)
        .tokens(tokens.clone())
        .request_time_window(Duration::from_millis(settings.window_ms))
        .max_body_size(settings.max_body_size)
        .clock(move || now)
        .layer(service_fn(inner::<P, _>));
    let router = CallbackRouter::new(APP_ID)
        .tokens(tokens)
        .request_time_window(Duration::from_millis(settings.window_ms))
        .max_body_size(settings.max_body_size)
        .clock(move || now)
        .route::<P>(service_fn(inner::<P, _>))
        .fallback(service_fn(inner::<P, _>));
    Some([
        outcome(layer, build(case)?).await,
        outcome(router, build(case)?).await,
    ])
}

/// Compares what has come of a case with what the reference says, which is returned by name.
async fn compare(case: &Case) -> Result<Option<&'static str>, TestCaseError> {
    let outcomes = match case.webhook {
        Webhook::FriendAdd => run::<FriendAdd>(case).await,
        Webhook::BlackListAdd => run::<BlackListAdd>(case).await,
    };
    let Some(outcomes) = outcomes else {
        return Ok(None);
    };
    let expected = reference::judge(case);
    for actual in outcomes {
        match (&expected, actual) {
            (Outcome::PassesThrough, Ok(seen)) => {
                prop_assert_eq!(seen.received, None);
                prop_assert_eq!(seen.head, head(&build(case).unwrap()));
                prop_assert_eq!(&seen.frames, &case.frames);
                prop_assert_eq!(seen.has_trailers, case.has_trailers);
                prop_assert_eq!(seen.is_broken, case.is_broken);
            }
            (Outcome::Received(received), Ok(seen)) => {
                prop_assert_eq!(seen.received.as_ref(), Some(received));
                prop_assert_eq!(seen.head, head(&build(case).unwrap()));
                prop_assert_eq!(seen.frames.concat(), case.frames.concat());
                prop_assert!(!seen.is_broken);
            }
            (Outcome::Refused(kind), Err(rejection)) => prop_assert_eq!(rejection.kind(), *kind),
            (expected, actual) => prop_assert!(false, "{:?}, not {:?}", actual, expected),
        }
    }
    Ok(Some(expected.name()))
}

#[test]
fn the_crate_does_what_the_reference_says() {
    const CASES: u32 = 3000;

    let minutes = env::var("DIFFERENTIAL_MINUTES").map(|minutes| minutes.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(60 * minutes.unwrap_or(0_u64));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let seen = RefCell::new(BTreeMap::<_, u64>::new());
    loop {
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            max_shrink_time: 10_000,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&requests::a_case(), |case| -> TestCaseResult {
            if let Some(name) = runtime.block_on(compare(&case))? {
                *seen.borrow_mut().entry(name).or_default() += 1;
            }
            Ok(())
        });
        if let Err(failure) = outcome {
            panic!("{failure}");
        }
        if Instant::now() >= end {
            break;
        }
    }
    // Otherwise the mutations have come to miss a rule.
    println!("{:?}", seen.borrow());
    for name in Outcome::NAMES {
        assert!(seen.borrow().contains_key(name), "no case is {name}");
    }
}
