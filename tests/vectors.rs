//! Each vector of `tests/vectors`, through everything that applies the rules.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_tencent_chat::{
    AnyCallback, BlackListAdd, BlackListDelete, Callback, CallbackContext, CallbackLayer,
    CallbackResponse, CallbackRouter, FriendAdd, FriendDelete, Packet, Rejection, RejectionKind,
};

use common::{
    fail,
    script::{Broken, Script},
    text,
    vectors::{App, Vector, Verdict, vectors},
};

/// The packet of a webhook for which this crate has no type.
#[derive(Deserialize, Serialize)]
#[serde(transparent)]
struct Other<const N: usize>(Value);

impl<const N: usize> Packet for Other<N> {
    const COMMAND: &'static str = [
        "Push.OfflinePush",
        "Push.AllMemberPush",
        "ContentCallback.ResultNotify",
        "State.StateChange",
        "C2C.CallbackBeforeSendMsg",
    ][N];
}

/// What the inner service saw; it answers with it, in the extensions of its response.
#[derive(Clone)]
struct Seen {
    head: String,
    /// `None` if it breaks off.
    body: Option<Bytes>,
    verdict: Verdict,
}

async fn inner<P, B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible>
where
    P: Packet + Serialize,
    B: Body<Data = Bytes, Error = Broken>,
{
    let head = head(&request);
    let callback = request.extensions().get::<Callback<P>>();
    let verdict = callback.map_or(Verdict::Pass {}, accept);
    let body = request.into_body().collect().await;
    let body = body.ok().map(|body| body.to_bytes());
    let mut response = Response::default();
    response.extensions_mut().insert(Seen {
        head,
        body,
        verdict,
    });
    Ok(response)
}

fn accept<P: Packet + Serialize>(callback: &Callback<P>) -> Verdict {
    accept_parts(&**callback, callback.context())
}

fn accept_parts<P: Packet + Serialize>(packet: &P, context: &CallbackContext) -> Verdict {
    let packet = serde_json::to_value(packet).unwrap();
    // A packet in the normal form is read as what it was.
    let again: P = serde_json::from_value(packet.clone()).unwrap();
    assert_eq!(serde_json::to_value(again).unwrap(), packet);
    Verdict::Accept {
        packet,
        context: serde_json::to_value(context).unwrap(),
    }
}

/// An inner service that gets every webhook, and parses the one of its packet.
async fn any_inner<P, B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible>
where
    P: Packet + Serialize,
    B: Body<Data = Bytes, Error = Broken>,
{
    let any = request.extensions().get::<AnyCallback>().cloned();
    let mut response = inner::<P, B>(request).await?;
    if let (Some(any), Some(seen)) = (any, response.extensions_mut().get_mut::<Seen>()) {
        assert_eq!(Some(any.body()), seen.body.as_ref());
        seen.verdict = match any.packet::<P>() {
            Ok(packet) => accept_parts(&packet, any.context()),
            Err(rejection) => verdict(&rejection),
        };
    }
    Ok(response)
}

fn head<B>(request: &Request<B>) -> String {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    format!("{method} {uri} {:?} {headers:?}", request.version())
}

/// What comes of a vector's request, in any way to cut its body into frames.
async fn judged<S, B>(service: S, vector: &Vector) -> Vec<Verdict>
where
    S: Service<Request<Script>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Error: std::fmt::Debug>,
{
    let mut verdicts = Vec::new();
    for size in [usize::MAX, 7, 1] {
        let Ok(response) = service
            .clone()
            .oneshot(vector.build_in_frames(size).0)
            .await;
        let name = &vector.name;
        if let Some(seen) = response.extensions().get::<Seen>() {
            assert_eq!(seen.head, head(&vector.build_in_frames(size).0), "{name}");
            let sent = (!vector.request.broken).then(|| vector.request.body());
            assert_eq!(seen.body.as_deref(), sent.as_deref(), "{name}");
            verdicts.push(seen.verdict.clone());
        } else {
            let rejection = response.extensions().get::<Rejection>().cloned();
            let rejection = rejection.unwrap_or_else(|| panic!("{name} is acknowledged"));
            assert_eq!(response.status(), 200, "{name}");
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(response.extensions().len(), 1, "{name}");
            let length = response.body().size_hint().exact();
            let envelope = text(response).await;
            assert_eq!(length, Some(envelope.len() as u64), "{name}");
            assert_eq!(envelope, fail(&rejection.to_string()));
            let parsed: CallbackResponse = serde_json::from_str(&envelope).unwrap();
            assert_eq!(parsed, rejection.clone().into());
            verdicts.push(verdict(&rejection));
        }
    }
    verdicts
}

fn verdict(rejection: &Rejection) -> Verdict {
    Verdict::Reject {
        kind: rejection.kind().to_string(),
        error_info: rejection.to_string(),
    }
}

type Router = CallbackRouter<Script, Full<Bytes>, Infallible>;

fn router(app: &App) -> Router {
    let now = app.now();
    let router = CallbackRouter::new(app.sdk_app_id)
        .tokens(app.tokens())
        .clock(move || now);
    let router = match app.window() {
        Some(window) => router.request_time_window(window),
        None => router,
    };
    match app.limit {
        Some(limit) => router.max_body_size(limit),
        None => router,
    }
}

/// What everything that applies the rules says of a vector.
async fn run<P: Packet + Serialize>(vector: &Vector) -> Vec<Verdict> {
    let layer = vector.layer::<Other<0>>().for_packet::<P>();
    let router = router(&vector.app);
    let routed = router
        .clone()
        .route::<P>(service_fn(inner::<P, _>))
        .fallback(service_fn(inner::<P, _>));
    let mut verdicts = vec![received(&layer, vector)];
    verdicts.push(judged(layer.layer(service_fn(inner::<P, _>)), vector).await);
    verdicts.push(judged(routed, vector).await);
    // Of other webhooks, it gets those that are right.
    if vector.verdict != (Verdict::Pass {}) {
        let others = router.route_others(service_fn(any_inner::<P, _>));
        verdicts.push(judged(others, vector).await);
    }
    verdicts.concat()
}

/// What the rules say without I/O, for a body that isn't announced and doesn't break off.
fn received<P: Packet + Serialize>(layer: &CallbackLayer<P>, vector: &Vector) -> Vec<Verdict> {
    let is_announced = |(name, _): &(String, String)| name == "content-length";
    let sent = &vector.request;
    if sent.broken || sent.headers.iter().any(is_announced) {
        return Vec::new();
    }
    let (head, _) = vector.build().0.into_parts();
    vec![match layer.receive(&head.method, &head.uri, &sent.body()) {
        Ok(callback) => accept(&callback),
        Err(rejection) if rejection.kind() == RejectionKind::MissingCallback => Verdict::Pass {},
        Err(rejection) => verdict(&rejection),
    }]
}

#[tokio::test]
async fn every_vector_is_judged_as_it_says() {
    let mut differences = String::new();
    for vector in vectors() {
        let verdicts = match &*vector.app.command {
            FriendAdd::COMMAND => run::<FriendAdd>(&vector).await,
            FriendDelete::COMMAND => run::<FriendDelete>(&vector).await,
            BlackListAdd::COMMAND => run::<BlackListAdd>(&vector).await,
            BlackListDelete::COMMAND => run::<BlackListDelete>(&vector).await,
            Other::<0>::COMMAND => run::<Other<0>>(&vector).await,
            Other::<1>::COMMAND => run::<Other<1>>(&vector).await,
            Other::<2>::COMMAND => run::<Other<2>>(&vector).await,
            Other::<3>::COMMAND => run::<Other<3>>(&vector).await,
            Other::<4>::COMMAND => run::<Other<4>>(&vector).await,
            command => panic!("{command}"),
        };
        if let Some(wrong) = verdicts.iter().find(|verdict| **verdict != vector.verdict) {
            differences += &format!("{}\n  {wrong:?}\n", vector.name);
        }
    }
    assert!(differences.is_empty(), "not as they say:\n{differences}");
}

#[test]
fn the_vectors_have_three_of_each_verdict_and_different_names() {
    let mut counts = BTreeMap::<_, usize>::new();
    let mut names = BTreeSet::new();
    for vector in vectors() {
        let verdict = match vector.verdict {
            Verdict::Accept { .. } => "accept".to_owned(),
            Verdict::Reject { kind, .. } => kind,
            Verdict::Pass {} => "pass".to_owned(),
        };
        *counts.entry(verdict).or_default() += 1;
        assert!(
            names.insert(vector.name.clone()),
            "{} is twice",
            vector.name
        );
        let others = ["observed", "choice", "RFC 8259", "RFC 9110", "URL Standard"];
        let is_page = vector.source.starts_with("1047/");
        assert!(
            is_page || others.contains(&&*vector.source),
            "{}",
            vector.source
        );
    }
    // No request is by itself without a callback that a handler wants.
    let kinds = RejectionKind::ALL
        .iter()
        .filter(|kind| **kind != RejectionKind::MissingCallback);
    let verdicts = kinds.map(|kind| kind.as_str()).chain(["accept", "pass"]);
    for verdict in verdicts {
        let count = counts.remove(verdict).unwrap_or_default();
        assert!(count >= 3, "{count} of {verdict}");
    }
    assert_eq!(counts, BTreeMap::new());
}
