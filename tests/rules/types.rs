//! What the types promise to the compiler, for packets, bodies and services that promise nothing.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    fmt::Debug,
    future::{Ready, ready},
    hash::Hash,
    marker::PhantomData,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_tencent_chat::{
    AccountPair, Acknowledge, Acknowledged, AnyCallback, BlackListAdd, BlackListDelete, Callback,
    CallbackContext, CallbackLayer, CallbackResponse, CallbackRouter, CallbackService, ClientCmd,
    FriendAdd, FriendAddService, FriendDelete, FriendPair, InvalidToken, Packet, Platform,
    Rejection, RejectionKind, RequestBody, ResponseBody, Token, UserId,
    acknowledge_others::AcknowledgeOthersLayer, same_body::SameBodyLayer,
    test_util::CallbackRequest,
};

use crate::{
    PACKET, REQUIRED,
    common::{
        APP_ID, OK, chat, layer,
        script::{Broken, Script, Step, data},
        text,
    },
};

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
type Router<B> = CallbackRouter<B, Full<Bytes>, Infallible>;
type RouterFuture<B> = <Router<B> as Service<Request<B>>>::Future;
type Whole = Full<Bytes>;

fn send<T: Send>() {}
fn send_sync<T: Send + Sync>() {}
fn copy<T: Copy>() {}
fn clone<T: Clone>() {}
fn debug<T: Debug>() {}
fn error<T: std::error::Error + Clone + Send + Sync + 'static>() {}
fn value<T: Clone + Debug + Eq + Send + Sync>() {}
fn hash<T: Hash>() {}

/// A tuple is what all of its parts are.
#[test]
fn the_public_types_promise_what_they_did() {
    send_sync::<(CallbackLayer<Rc<str>>, SameBodyLayer<Rc<str>>)>();
    send_sync::<(CallbackService<(), Rc<str>>, Router<axum::body::Body>)>();
    send_sync::<(AcknowledgeOthersLayer<Rc<str>>, Acknowledge<Rc<str>>)>();
    send_sync::<(Callback<Plain>, AnyCallback, CallbackRequest, Acknowledged)>();
    send_sync::<(Token, RequestBody<Whole>, ResponseBody<Whole>)>();
    send::<Future<Inner, axum::body::Body, Plain>>();
    send::<RouterFuture<axum::body::Body>>();

    clone::<(CallbackLayer<Rc<str>>, AcknowledgeOthersLayer<Rc<str>>)>();
    clone::<CallbackService<Inner, Plain>>();
    clone::<CallbackRouter<Inner, Inner, Inner>>();
    clone::<(Callback<Plain>, AnyCallback, Token, CallbackRequest)>();
    clone::<(Acknowledge<Inner>, RequestBody<Whole>, Acknowledged)>();
    clone::<ResponseBody<Whole>>();

    debug::<(CallbackLayer<Plain>, CallbackService<(), Plain>)>();
    debug::<(CallbackRouter<Inner, Inner, Inner>, Acknowledge<Inner>)>();
    debug::<(Callback<FriendAdd>, AnyCallback, Token, CallbackRequest)>();
    debug::<(RequestBody<Inner>, ResponseBody<Inner>, Acknowledged)>();
    debug::<(RouterFuture<Whole>, Future<Inner, Whole, Plain>)>();

    value::<(FriendAdd, FriendDelete, BlackListAdd, BlackListDelete)>();
    value::<(FriendPair, AccountPair, ClientCmd, Platform, UserId)>();
    value::<(CallbackContext, CallbackResponse, RejectionKind)>();
    hash::<(ClientCmd, Platform, UserId, RejectionKind)>();
    copy::<RejectionKind>();
    error::<Rejection>();
    error::<InvalidToken>();
}

#[test]
fn what_displays_as_a_text_pads_as_one() {
    assert_eq!(format!("{:>11}|", ClientCmd::FriendAdd), " friend_add|");
    assert_eq!(format!("{:<4}|", Platform::Web), "Web |");
    assert_eq!(
        format!("{:^15}|", RejectionKind::SignMismatch),
        " sign_mismatch |"
    );
    assert_eq!(format!("{:.3}|", UserId::from("alice")), "ali|");
}

#[test]
fn user_ids_are_ordered_as_texts() {
    let long = "b".repeat(33);
    let mut texts = ["b", "B", "a", "", "A", "é", "alice", &long];
    let mut ids = texts.map(UserId::from);
    texts.sort();
    ids.sort();
    assert_eq!(ids, texts.map(UserId::from));
}

#[test]
fn a_layer_layers_every_service_and_gives_it_back() {
    struct NoService(u8);
    let mut service: FriendAddService<NoService> = layer().layer(NoService(1));
    assert_eq!(service.get_ref().0, 1);
    service.get_mut().0 = 2;
    assert_eq!(service.into_inner().0, 2);
}

#[tokio::test]
async fn a_layer_that_keeps_the_bodies_stacks_inside_one_that_does_not() {
    let inner = layer().for_packet::<FriendDelete>().same_body();
    let service = layer().layer(inner.layer(Inner(PhantomData)));
    let response = service.oneshot(chat().build::<Whole>()).await.unwrap();
    assert_eq!(text(response).await, OK);
}

#[tokio::test]
async fn a_body_gives_back_what_is_inside() {
    let missing = crate::common::fail("the SdkAppid parameter is missing");
    for (query, body, answered) in [
        (REQUIRED, PACKET, "answer"),
        ("", "any", "answer"),
        ("CallbackCommand=Sns.CallbackFriendAdd", "any", &missing),
    ] {
        let inner = service_fn(|request: Request<RequestBody<Whole>>| {
            let sent = request.into_body().into_inner().into_inner();
            assert_eq!(sent.unwrap(), body);
            ready(Ok::<_, Infallible>(Response::new(Whole::from("answer"))))
        });
        let request = Request::post(format!("/?{query}")).body(Whole::from(body));
        let response = layer().layer(inner).oneshot(request.unwrap()).await;
        let response = response.unwrap().into_body().into_inner().into_inner();
        assert_eq!(response.unwrap(), answered);
    }
}

#[test]
fn a_response_body_is_empty_by_default() {
    let body = ResponseBody::<Full<Bytes>>::default();
    assert!(http_body::Body::is_end_stream(&body));
}

#[test]
fn debug_shows_the_rules_and_no_token() {
    let layer = layer().token(Token::new("xxxxyyyy").unwrap());
    let router: Router<Full<Bytes>> = CallbackRouter::new(APP_ID)
        .token(Token::new("xxxxyyyy").unwrap())
        .route::<FriendAdd>(service_fn(async |_: Request<RequestBody<Full<Bytes>>>| {
            Ok(CallbackResponse::ok().into())
        }));
    assert!(format!("{router:?}").contains("Sns.CallbackFriendAdd"));
    for shown in [
        format!("{layer:?}"),
        format!("{:?}", layer.layer("inner")),
        format!("{:?}", layer.clone().same_body()),
        format!("{router:?}"),
    ] {
        assert!(shown.contains("sdk_app_id: 1400000000"), "{shown}");
        assert!(shown.contains("tokens: [Token(..)]"), "{shown}");
        assert!(shown.contains("request_time_window: 60s"), "{shown}");
        assert!(shown.contains("max_body_size: 1048576"), "{shown}");
        assert!(!shown.contains("xxxxyyyy"), "{shown}");
    }
    assert_eq!(format!("{:?}", chat()), "CallbackRequest { .. }");
    let acknowledge = Acknowledge::<Vec<u8>>::default();
    assert_eq!(format!("{acknowledge:?}"), "Acknowledge");
}

/// Neither the body, its error, the service, its error nor its future is `Send` or `'static`.
#[tokio::test]
async fn services_and_bodies_need_be_neither_send_nor_static() {
    let local = String::from("a local error");
    let local = &*local;
    let seen = Rc::new(RefCell::new(Vec::new()));
    for (query, step) in [(REQUIRED, data(PACKET)), ("", Step::Fail)] {
        let held = Rc::clone(&seen);
        let (body, _) = Script::new([step]);
        let body = body.map_err(move |Broken| (held.borrow().len(), local).1);
        let request = Request::post(format!("/?{query}")).body(body).unwrap();
        let inner = service_fn(|request: Request<RequestBody<_>>| {
            let callback = request.extensions().get::<Callback<FriendAdd>>();
            seen.borrow_mut().push(callback.is_some());
            let shared = Rc::clone(&seen);
            ready(match shared.borrow().len() {
                0 => Ok(Response::new(request.into_body())),
                _ => Err(local),
            })
        });
        let error = layer().layer(inner).oneshot(request).await.map(drop);
        assert_eq!(error.unwrap_err(), local);
    }
    assert_eq!(*seen.borrow(), [true, false]);
}
