//! How often the layer allocates, which doesn't depend on the machine.
//!
//! Futures are polled by hand: a runtime would allocate too.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    marker::PhantomData,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde::Deserialize;
use tower::{Layer, Service, ServiceBuilder};
use tower_tencent_chat::{
    Callback, CallbackLayer, FriendAdd, FriendAddLayer, Packet, Rejection, RejectionKind, Token,
    test_util::CallbackRequest,
};

const APP: u64 = 1400000000;
const SIGNED_AT: SystemTime = SystemTime::UNIX_EPOCH;

/// Answers without an allocation of its own, and keeps the callback of the last request.
struct Bare<ResBody = Full<Bytes>> {
    kept: Arc<Mutex<Option<Callback<FriendAdd>>>>,
    body: PhantomData<fn() -> ResBody>,
}

impl<ResBody> Bare<ResBody> {
    fn new() -> Self {
        Self {
            kept: Arc::default(),
            body: PhantomData,
        }
    }
}

impl<ResBody> Clone for Bare<ResBody> {
    fn clone(&self) -> Self {
        Self {
            kept: Arc::clone(&self.kept),
            body: PhantomData,
        }
    }
}

impl<B, ResBody: Default> Service<Request<B>> for Bare<ResBody> {
    type Response = Response<ResBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        *self.kept.lock().unwrap() = request.extensions().get().cloned();
        ready(Ok(Response::default()))
    }
}

/// A webhook that no test sends.
struct Other<const N: usize>;

impl<'de, const N: usize> Deserialize<'de> for Other<N> {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

impl<const N: usize> Packet for Other<N> {
    const COMMAND: &'static str = ["Sns.CallbackFriendImport", "Sns.CallbackBlackListAdd"][N];
}

fn bare() -> Bare {
    Bare::new()
}

fn layer() -> FriendAddLayer {
    FriendAddLayer::new(APP)
}

fn token() -> Token {
    Token::new("xxxxyyyy").unwrap()
}

fn signed_layer() -> FriendAddLayer {
    layer().token(token()).clock(|| SIGNED_AT)
}

/// A callback with ids of 20 bytes.
fn callback(pairs: usize) -> CallbackRequest {
    callback_with_ids(pairs, 20)
}

fn callback_with_ids(pairs: usize, id_len: usize) -> CallbackRequest {
    (0..pairs).fold(CallbackRequest::friend_add(APP), |callback, index| {
        let id = |name| format!("{name}{index:0width$}", width = id_len - 1);
        callback.pair(&id('a'), &id('b'))
    })
}

fn other_webhook(query: &str) -> Request<Full<Bytes>> {
    Request::post(format!("/{query}"))
        .body(Full::default())
        .unwrap()
}

/// What one request takes, from the service's readiness to the response.
fn cost<S, B>(mut service: S, request: Request<B>) -> (AllocationInfo, S::Response)
where
    S: Service<Request<B>, Error = Infallible>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut response = None;
    let info = measure(|| {
        assert!(service.poll_ready(&mut cx).is_ready());
        let Poll::Ready(Ok(ready)) = pin!(service.call(request)).poll(&mut cx) else {
            panic!("the response is ready at the first poll");
        };
        response = Some(ready);
    });
    (info, response.unwrap())
}

fn allocations<S, B>(service: S, request: Request<B>) -> u64
where
    S: Service<Request<B>, Error = Infallible>,
{
    cost(service, request).0.count_total
}

#[test]
fn the_bare_service_allocates_nothing() {
    assert_eq!(allocations(bare(), callback(3).build::<Full<Bytes>>()), 0);
}

#[test]
fn what_passes_through_allocates_nothing() {
    for query in [
        "",
        "?a=b&c",
        "?CallbackCommand=Sns.CallbackFriendDelete&ClientIP=192.0.2.178&OptPlatform=iOS\
         &RequestId=8f14e45f-ceea-467f-a0e6-1d1b1b1b1b01&SdkAppid=1400000000&contenttype=json",
        "?Callback%43ommand=Sns%2ECallbackFriendDelet%65&Client+IP=%31%39%32.0.2.178&%zz=+%",
    ] {
        assert_eq!(
            allocations(layer().layer(bare()), other_webhook(query)),
            0,
            "{query}"
        );
        let three = ServiceBuilder::new()
            .layer(layer())
            .layer(CallbackLayer::<Other<0>>::new(APP))
            .layer(CallbackLayer::<Other<1>>::new(APP))
            .service(bare());
        assert_eq!(allocations(three, other_webhook(query)), 0, "{query}");
    }
}

#[test]
fn a_refusal_before_the_body_allocates_5_times_at_most() {
    let signed = callback(3).signed(&token(), SIGNED_AT);
    for (request, kind) in [
        (
            signed.clone().query("SdkAppid", "1"),
            RejectionKind::SdkAppIdMismatch,
        ),
        (
            signed.clone().query("contenttype", "xml"),
            RejectionKind::UnsupportedContentType,
        ),
        (
            signed.signed(&token(), SIGNED_AT + Duration::from_secs(61)),
            RejectionKind::StaleRequestTime,
        ),
        (callback(3), RejectionKind::MissingParameter),
        (
            callback(3)
                .signed(&token(), SIGNED_AT)
                .query("Sign", &"0".repeat(64)),
            RejectionKind::SignMismatch,
        ),
    ] {
        let (info, response) = cost(signed_layer().layer(bare()), request.build::<Full<Bytes>>());
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind(), kind);
        assert!(info.count_total <= 5, "{kind:?}: {info:?}");
    }
}

/// Without the feature `axum`, whose limit is lifted by an extension, there are 6.
#[test]
fn a_callback_allocates_7_times_at_most() {
    let count = allocations(layer().layer(bare()), callback(3).build::<Full<Bytes>>());
    assert!(count <= 7, "{count}");
}

#[test]
fn a_signature_allocates_nothing() {
    let signed = callback(3).signed(&token(), SIGNED_AT);
    assert_eq!(
        allocations(signed_layer().layer(bare()), signed.build::<Full<Bytes>>()),
        allocations(layer().layer(bare()), callback(3).build::<Full<Bytes>>()),
    );
}

#[test]
fn more_pairs_allocate_only_for_the_vector() {
    // It starts with room for 4 and doubles up to 1,024; ids as long as Tencent allows need no room.
    const DOUBLINGS: u64 = 8;
    let three = allocations(layer().layer(bare()), callback(3).build::<Full<Bytes>>());
    for id_len in [20, 32] {
        let request = callback_with_ids(1000, id_len).build::<Full<Bytes>>();
        let thousand = allocations(layer().layer(bare()), request);
        assert!(thousand <= three + DOUBLINGS, "{thousand} at {id_len}");
    }
}

#[test]
fn a_kept_callback_does_not_keep_the_body() {
    let bare = Bare::<Full<Bytes>>::new();
    let mut service = layer().layer(bare.clone());
    let callback = callback(1);
    let info = measure(|| {
        // A read buffer, of which the body is a small part.
        let mut buffer = Vec::with_capacity(64 * 1024);
        buffer.extend_from_slice(&callback.body());
        let request = CallbackRequest::new("Sns.CallbackFriendAdd", APP, buffer);
        let (_, response) = cost(&mut service, request.build::<Full<Bytes>>());
        drop(response);
    });
    let kept = bare.kept.lock().unwrap().take().unwrap();
    assert_eq!(kept.pair_list.len(), 1);
    assert!(info.bytes_current < 1024, "{info:?}");
}
