//! How often the layer allocates and how much it holds, which doesn't depend on the machine.
//!
//! Futures are polled by hand: a runtime would allocate too.

mod common;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceBuilder};
use tower_tencent_chat::{
    BlackListAdd, Callback, CallbackRouter, FriendAdd, FriendDelete, RequestBody,
    test_util::CallbackRequest,
};

use common::{
    APP_ID, chat, kind, layer,
    script::{Script, Step, data},
    signed, signed_layer,
    vectors::{Vector, rejected},
};

/// Answers without an allocation of its own, and keeps the callback of the last request.
#[derive(Clone, Default)]
struct Bare {
    kept: Arc<Mutex<Option<Callback<FriendAdd>>>>,
}

impl<B> Service<Request<B>> for Bare {
    type Response = Response<Full<Bytes>>;
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

fn bare() -> Bare {
    Bare::default()
}

/// A callback with ids of this length.
fn callback(pairs: usize, id_len: usize) -> CallbackRequest {
    (0..pairs).fold(CallbackRequest::friend_add(APP_ID), |callback, index| {
        let id = |name| format!("{name}{index:0width$}", width = id_len - 1);
        callback.pair(&id('a'), &id('b'))
    })
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

fn whole(request: CallbackRequest) -> Request<Full<Bytes>> {
    request.build()
}

#[test]
fn what_passes_through_allocates_nothing() {
    for query in [
        "",
        "?a=b&c",
        "?CallbackCommand=State.StateChange&ClientIP=192.0.2.1&OptPlatform=iOS\
         &RequestId=request-1&SdkAppid=1400000000&contenttype=json",
        "?Callback%43ommand=Sns%2ECallbackFriendDelet&Client+IP=%31%39%32.0.2.1&%zz=+%",
    ] {
        let request = || Request::post(format!("/{query}")).body(Full::<Bytes>::default());
        assert_eq!(allocations(bare(), request().unwrap()), 0, "{query}");
        let one = layer().layer(bare());
        assert_eq!(allocations(one, request().unwrap()), 0, "{query}");
        let three = ServiceBuilder::new()
            .layer(layer())
            .layer(layer().for_packet::<FriendDelete>())
            .layer(layer().for_packet::<BlackListAdd>())
            .service(bare());
        assert_eq!(allocations(three, request().unwrap()), 0, "{query}");
    }
}

#[test]
fn a_rejection_before_the_body_allocates_5_times_at_most() {
    // What is escaped has to be decoded.
    let is_plain = |vector: &Vector| !vector.request.url.contains(['%', '+']);
    for vector in rejected().filter(|vector| vector.is_rejected_by_url() && is_plain(vector)) {
        let service = vector.layer::<FriendAdd>().layer(bare());
        let (info, response) = cost(service, vector.build().0);
        assert!(kind(&response).is_some());
        assert!(info.count_total <= 5, "{}: {info:?}", vector.name);
    }
}

#[test]
fn a_callback_allocates_5_times_at_most_signed_or_not() {
    let count = allocations(layer().layer(bare()), whole(callback(3, 20)));
    assert!(count <= 5, "{count}");
    let plain = allocations(layer().layer(bare()), whole(chat()));
    let signed = allocations(signed_layer().layer(bare()), whole(signed()));
    assert_eq!(signed, plain);
}

#[test]
fn a_router_allocates_once_more_whatever_the_number_of_routes() {
    let one = || CallbackRouter::new(APP_ID).route::<FriendAdd>(bare());
    let three = one()
        .route::<FriendDelete>(bare())
        .route::<BlackListAdd>(bare());
    let plain = allocations(layer().layer(bare()), whole(chat()));
    for router in [one(), three] {
        assert_eq!(allocations(router.clone(), whole(chat())), plain + 1);
        let other = || CallbackRequest::new("State.StateChange", APP_ID, "{}");
        // Two for the headers of the acknowledgement, two for `Acknowledged` in its extensions.
        assert_eq!(allocations(router.clone(), whole(other())), 4);
        let fallback = router.fallback(bare());
        assert_eq!(allocations(fallback, whole(other())), 1);
    }
}

#[test]
fn more_pairs_allocate_only_for_the_vector() {
    // It starts with room for 4 and doubles 8 times; ids as long as Tencent allows need no room. One more
    // is for axum's limit, which a body of over 16 KiB lifts.
    const DOUBLINGS: u64 = 8 + 1;
    let three = allocations(layer().layer(bare()), whole(callback(3, 20)));
    for id_len in [20, 32] {
        let thousand = allocations(layer().layer(bare()), whole(callback(1000, id_len)));
        assert!(thousand <= three + DOUBLINGS, "{thousand} at {id_len}");
    }
}

#[test]
fn a_kept_callback_does_not_keep_the_body() {
    let bare = bare();
    let mut service = layer().layer(bare.clone());
    let info = measure(|| {
        // A read buffer, of which the body is a small part.
        let mut buffer = Vec::with_capacity(64 * 1024);
        buffer.extend_from_slice(&chat().body());
        let request = CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, buffer);
        let (_, response) = cost(&mut service, whole(request));
        drop(response);
    });
    let kept = bare.kept.lock().unwrap().take().unwrap();
    assert_eq!(kept.pair_list.len(), 1);
    assert!(info.bytes_current < 1024, "{info:?}");
}

/// The smallest pair has 36 bytes of a body.
#[test]
fn the_smallest_pairs_keep_room_for_as_many_again() {
    const PAIR: u64 = 120;
    const PAIRS: u64 = (1024 * 1024 - 100) / 36;
    let pairs = [r#"{"From_Account":"","To_Account":""}"#; PAIRS as usize].join(",");
    let body = format!(r#"{{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[{pairs}]}}"#);
    assert!(body.len() <= 1024 * 1024);
    let request = CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, body);
    let bare = bare();
    let mut service = layer().layer(bare.clone());
    let request = whole(request);
    let info = measure(|| drop(cost(&mut service, request)));
    let kept = bare.kept.lock().unwrap().take().unwrap();
    assert_eq!(kept.pair_list.len() as u64, PAIRS);
    // The list has doubled, and while it did it stood beside its copy.
    let room = PAIR * PAIRS.next_power_of_two();
    assert!(info.bytes_max <= room + room / 2 + 64 * 1024, "{info:?}");
    assert!(info.bytes_current as u64 <= room + 1024, "{info:?}");
}

/// How many bytes are held at most while a callback waits for the rest of its body.
fn bytes_held(body: Script, content_length: Option<&str>) -> u64 {
    let mut service = layer().layer(tower::service_fn(|_: Request<RequestBody<Script>>| async {
        Ok::<_, Infallible>(Response::new(()))
    }));
    let mut request = Request::post(chat().uri()).body(body).unwrap();
    if let Some(length) = content_length {
        let headers = request.headers_mut();
        headers.insert("content-length", length.parse().unwrap());
    }
    let info = measure(|| {
        assert_pending!(task::spawn(service.call(request)).poll());
    });
    info.bytes_max
}

#[test]
fn nothing_is_reserved_on_the_word_of_the_sender() {
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

/// What is allocated before a body waits for more.
fn allocated(limit: usize, body: impl Iterator<Item = Step>) -> AllocationInfo {
    let (body, _) = Script::new(body.chain([Step::Wait]));
    let mut service = layer().max_body_size(limit).layer(bare());
    let request = Request::post(chat().uri()).body(body).unwrap();
    let mut future = task::spawn(service.call(request));
    measure(|| {
        // It wakes itself now and then.
        assert_pending!(future.poll());
        while future.is_woken() {
            assert_pending!(future.poll());
        }
    })
}

#[test]
fn many_frames_hold_twice_the_limit_at_most_and_nothing_past_it() {
    const LIMIT: usize = 256 * 1024;
    let frames = || std::iter::repeat_n(data([b' '; 1024]), LIMIT / 1024);
    let info = allocated(LIMIT, frames());
    assert!(info.bytes_max <= 3 * LIMIT as u64 / 2 + 4096, "{info:?}");
    assert!(info.bytes_current <= LIMIT as i64 + 4096, "{info:?}");
    let rejected = allocated(LIMIT, frames().chain([data(" ")]));
    assert!(rejected.bytes_current <= 4096, "{rejected:?}");
}
