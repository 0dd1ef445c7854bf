//! What the types promise to the compiler, for packets, bodies and services that promise nothing.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    fmt::Debug,
    future::{Ready, ready},
    hash::Hash,
    marker::PhantomData,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde::Deserialize;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_tencent_chat::{
    Acknowledge, Callback, CallbackContext, CallbackLayer, CallbackResponse, CallbackService,
    ClientCmd, FriendAdd, FriendAddLayer, FriendPair, InvalidToken, Packet, Platform, Rejection,
    RejectionKind, RequestBody, ResponseBody, Token, UserId, test_util::CallbackRequest,
};

use crate::{PACKET, REQUIRED, common::APP_ID, post, script::Script};

/// A packet that can do no more than it must.
#[derive(Deserialize)]
struct Plain {}

impl Packet for Plain {
    const COMMAND: &'static str = "Plain";
}

/// A service that is neither `Debug` nor `Sync`.
#[derive(Clone)]
struct Inner(PhantomData<Cell<()>>);

impl<B> Service<Request<B>> for Inner {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(CallbackResponse::ok().into()))
    }
}

type Future<S, B, P> = <CallbackService<S, P> as Service<Request<B>>>::Future;

fn send<T: Send>() {}
fn send_sync<T: Send + Sync>() {}
fn copy<T: Copy>() {}
fn clone<T: Clone>() {}
fn debug<T: Debug>() {}
fn error<T: std::error::Error + Clone + Send + Sync + 'static>() {}
fn value<T: Clone + Debug + Eq + Send + Sync>() {}
fn hash<T: Hash>() {}

#[test]
fn a_layer_and_a_callback_are_send_and_sync_for_every_packet() {
    send_sync::<CallbackLayer<Plain>>();
    send_sync::<CallbackLayer<Rc<str>>>();
    send_sync::<CallbackService<(), Plain>>();
    send_sync::<CallbackService<(), Rc<str>>>();
    send_sync::<Callback<Plain>>();
    send_sync::<Token>();
    send_sync::<InvalidToken>();
    send_sync::<Rejection>();
    send_sync::<CallbackContext>();
    send_sync::<CallbackResponse>();
    send_sync::<CallbackRequest>();
    send_sync::<Acknowledge<Rc<str>>>();
    send_sync::<RequestBody<Full<Bytes>>>();
    send_sync::<ResponseBody<Full<Bytes>>>();
}

#[test]
fn a_future_is_send_where_its_service_and_body_are() {
    send::<Future<Inner, axum::body::Body, Plain>>();
    send_sync::<Future<Acknowledge<Full<Bytes>>, Full<Bytes>, Plain>>();
}

#[test]
fn everything_clones_that_is_cloned_by_servers_whatever_the_packet() {
    clone::<CallbackLayer<Rc<str>>>();
    clone::<CallbackLayer<Plain>>();
    clone::<CallbackService<Inner, Plain>>();
    clone::<Callback<Plain>>();
    clone::<Token>();
    clone::<Acknowledge<Inner>>();
    clone::<CallbackRequest>();
}

#[test]
fn everything_shows_itself_whatever_the_packet() {
    debug::<CallbackLayer<Plain>>();
    debug::<CallbackService<(), Plain>>();
    debug::<Callback<FriendAdd>>();
    debug::<Token>();
    debug::<Rejection>();
    debug::<Acknowledge<Inner>>();
    debug::<CallbackRequest>();
    debug::<RequestBody<Inner>>();
    debug::<ResponseBody<Inner>>();
    debug::<Future<Inner, Full<Bytes>, Plain>>();
}

#[test]
fn values_compare_and_errors_are_errors() {
    value::<FriendAdd>();
    value::<FriendPair>();
    value::<ClientCmd>();
    value::<Platform>();
    value::<UserId>();
    value::<CallbackContext>();
    value::<CallbackResponse>();
    value::<RejectionKind>();
    hash::<ClientCmd>();
    hash::<Platform>();
    hash::<UserId>();
    hash::<RejectionKind>();
    copy::<RejectionKind>();
    error::<Rejection>();
    error::<InvalidToken>();
}

#[test]
fn a_layer_layers_every_service() {
    struct NoService;
    let _: CallbackService<NoService, Plain> = CallbackLayer::new(APP_ID).layer(NoService);
}

#[test]
fn a_response_body_is_empty_by_default() {
    let body = ResponseBody::<Full<Bytes>>::default();
    assert!(http_body::Body::is_end_stream(&body));
}

#[test]
fn debug_shows_the_rules_and_no_token() {
    let layer = FriendAddLayer::new(APP_ID).token(Token::new("xxxxyyyy").unwrap());
    for shown in [format!("{layer:?}"), format!("{:?}", layer.layer("inner"))] {
        assert!(shown.contains("sdk_app_id: 1400000000"), "{shown}");
        assert!(shown.contains("tokens: [Token(..)]"), "{shown}");
        assert!(!shown.contains("xxxxyyyy"), "{shown}");
    }
}

#[test]
fn debug_of_a_request_of_chats_shows_nothing_of_it() {
    let request = CallbackRequest::friend_add(APP_ID);
    assert_eq!(format!("{request:?}"), "CallbackRequest { .. }");
}

#[test]
fn debug_of_what_is_empty_is_its_name() {
    assert_eq!(
        format!("{:?}", Acknowledge::<Full<Bytes>>::new()),
        "Acknowledge"
    );
    assert_eq!(
        format!("{:?}", Acknowledge::<Vec<u8>>::default()),
        "Acknowledge"
    );
}

#[test]
fn debug_of_a_future_and_of_bodies_shows_nothing_of_the_request() {
    let mut service = FriendAddLayer::new(APP_ID).layer(Inner(PhantomData));
    let future = service.call(post(REQUIRED));
    assert_eq!(format!("{future:?}"), "ResponseFuture { .. }");
    let acknowledged = Acknowledge::<Full<Bytes>>::new().call(post(""));
    assert_eq!(format!("{acknowledged:?}"), "AcknowledgeFuture { .. }");
    let passing = service.call(post("own=parameter"));
    assert_eq!(format!("{passing:?}"), "ResponseFuture { .. }");

    let future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = future.poll(&mut cx) else {
        panic!("nothing here waits")
    };
    assert_eq!(format!("{:?}", response.body()), "ResponseBody { .. }");
}

/// Writes down whether a callback came, and fails with an error from the caller's stack.
fn failing<'a>(
    error: &'a str,
    seen: Rc<RefCell<Vec<bool>>>,
) -> impl Service<Request<RequestBody<Script<'a>>>, Response = Response<Script<'a>>, Error = &'a str>
+ Clone {
    service_fn(move |request: Request<RequestBody<Script<'a>>>| {
        let callback = request.extensions().get::<Callback<FriendAdd>>();
        seen.borrow_mut().push(callback.is_some());
        ready(Err(error))
    })
}

/// Neither the body, its error, the service, its error nor its future is `Send` or `'static`.
#[tokio::test]
async fn services_and_bodies_need_be_neither_send_nor_static() {
    let local = String::from("a local error");
    let (local, seen) = (&*local, Rc::new(RefCell::new(Vec::new())));
    let inner = failing(local, Rc::clone(&seen));
    for query in [REQUIRED, ""] {
        let body = match query {
            "" => Script::new().error(local),
            _ => Script::new().data(PACKET),
        };
        let request = Request::post(format!("/?{query}")).body(body).unwrap();
        let service = FriendAddLayer::new(APP_ID).layer(inner.clone());
        assert_eq!(service.oneshot(request).await.unwrap_err(), local);
    }
    assert_eq!(*seen.borrow(), [true, false]);
}
