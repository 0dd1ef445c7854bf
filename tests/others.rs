//! Webhooks without a handler of their own: `acknowledge_others` and `route_others`.

mod common;

use std::convert::Infallible;

use axum::{Router, routing::post};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, block_on, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_tencent_chat::{
    Acknowledged, AnyCallback, Callback, CallbackRouter, FriendAdd, FriendDelete, Packet,
    Rejection, RejectionKind, RequestBody, test_util::CallbackRequest,
};
use tower_test::mock;

use common::{
    APP_ID, OK, TOKEN, chat, kind, layer, now,
    script::{Script, Step, data, trailers},
    text, token,
};

type Answer = Result<Response<Full<Bytes>>, Infallible>;

fn state_change() -> CallbackRequest {
    CallbackRequest::new("State.StateChange", APP_ID, "{}")
}

/// Answers with the body of a callback of friend-add or friend-delete.
async fn echo<B: Body<Error: std::fmt::Debug>>(request: Request<B>) -> Answer {
    let extensions = request.extensions();
    let is_callback = extensions.get::<Callback<FriendAdd>>().is_some()
        || extensions.get::<Callback<FriendDelete>>().is_some();
    assert!(is_callback, "{} has reached the handler", request.uri());
    let body = request.into_body().collect().await.unwrap();
    Ok(Response::new(body.to_bytes().into()))
}

async fn axum_echo(request: axum::extract::Request) -> Response<Full<Bytes>> {
    echo(request).await.unwrap_or_else(|never| match never {})
}

#[tokio::test]
async fn others_are_acknowledged_and_callbacks_of_outer_layers_are_not() {
    let layers = ServiceBuilder::new()
        .layer(layer().for_packet::<FriendDelete>())
        .layer(layer().acknowledge_others());
    let deleted = CallbackRequest::friend_delete(APP_ID).pair("alice", "bob");
    let on_axum = Router::new().route("/", post(axum_echo).layer(layers.clone()));
    let alone = layers.service(service_fn(echo));
    for (request, expected) in [
        (chat(), false),
        (deleted, false),
        (state_change(), true),
        (CallbackRequest::black_list_add(APP_ID), true),
    ] {
        let body = request.body();
        let to_axum = request.clone().build::<axum::body::Body>();
        let response = alone.clone().oneshot(request.build::<Full<Bytes>>()).await;
        for response in [
            on_axum.clone().oneshot(to_axum).await.unwrap(),
            response.unwrap().map(axum::body::Body::new),
        ] {
            let mark = response.extensions().get::<Acknowledged>();
            assert_eq!(mark.is_some(), expected);
            let expected = if expected { OK.as_bytes() } else { &body };
            assert_eq!(text(response).await.as_bytes(), expected);
        }
    }
}

#[test]
fn the_body_of_another_webhook_is_read_and_nothing_is_reserved() {
    let (inner, mut handle) = mock::pair::<Request<RequestBody<Script>>, Response<Full<Bytes>>>();
    let inner = ConcurrencyLimit::new(inner, 1);
    let mut service = layer().acknowledge_others().layer(inner);
    let steps = [data("{"), Step::Wait, data("}"), trailers()];
    let (body, probe) = Script::new(steps);
    let other = Request::post(state_change().uri()).body(body).unwrap();
    assert_ready_ok!(task::spawn(service.ready()).poll());
    let mut other = task::spawn(service.call(other));
    // Before it is polled, and while its body is awaited.
    for is_awaited in [false, true] {
        if is_awaited {
            assert_pending!(other.poll());
        }
        // Only a clone would notice.
        let mut service = service.clone();
        assert_ready_ok!(task::spawn(service.ready()).poll());
        let (body, _) = Script::new([data(chat().body())]);
        let callback = Request::post(chat().uri()).body(body).unwrap();
        let mut callback = task::spawn(service.call(callback));
        assert_pending!(callback.poll());
        let (request, respond) = assert_ready!(handle.poll_request()).unwrap();
        assert_eq!(request.uri(), &chat().uri());
        respond.send_response(Response::default());
        assert_ready_ok!(callback.poll());
    }
    probe.wake();
    let response = assert_ready_ok!(other.poll());
    assert!(response.extensions().get::<Acknowledged>().is_some());
    assert_eq!(probe.polls(), 5);
    assert_pending!(handle.poll_request());
}

/// Hands the callback out, for what is asserted of it.
async fn keep<B>(request: Request<B>) -> Answer {
    let callback = request.extensions().get::<AnyCallback>().unwrap();
    let mut response = Response::default();
    response.extensions_mut().insert(callback.clone());
    Ok(response)
}

fn router() -> CallbackRouter<Full<Bytes>, Full<Bytes>, Infallible> {
    CallbackRouter::new(APP_ID)
        .token(token(TOKEN))
        .clock(now)
        .max_body_size(100)
        .route_others(service_fn(keep))
}

#[test]
fn any_callback_is_parsed_as_the_webhook_of_its_url() {
    let body = r#"{"PairList":[],"secret":"secret"}"#;
    let request = CallbackRequest::new(FriendDelete::COMMAND, APP_ID, body);
    let request = request.signed(&token(TOKEN), now()).build();
    let response = block_on(router().oneshot(request)).unwrap();
    let deleted = response.extensions().get::<AnyCallback>().unwrap();
    assert_eq!(deleted.command(), FriendDelete::COMMAND);
    assert_eq!(deleted.body(), body);
    assert_eq!(deleted.context().request_time, Some(now()));
    assert!(
        deleted
            .packet::<FriendDelete>()
            .unwrap()
            .pair_list
            .is_empty()
    );
    // Whatever the body says.
    let rejection = deleted.packet::<FriendAdd>().unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::CommandMismatch);
    assert_eq!(rejection.command(), FriendAdd::COMMAND);

    let debug = format!("{deleted:?}");
    assert!(debug.starts_with(r#"AnyCallback { command: "Sns.CallbackFriendDelete", context: "#));
    assert!(
        !debug.contains("secret") && !debug.contains("115"),
        "{debug}"
    );
}

#[tokio::test]
async fn a_rejection_names_the_command_that_was_rejected() {
    let rejected =
        |request: CallbackRequest| request.signed(&token(TOKEN), now()).query("SdkAppid", "7");
    let large = CallbackRequest::new("State.StateChange", APP_ID, vec![b' '; 101]);
    let router = router().route::<FriendAdd>(service_fn(keep));
    for (request, expected) in [
        (rejected(chat()), FriendAdd::COMMAND),
        (rejected(state_change()), "State.StateChange"),
        (large.signed(&token(TOKEN), now()), "State.StateChange"),
    ] {
        let response = router.clone().oneshot(request.build()).await.unwrap();
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.command(), expected);
    }

    let request = state_change();
    let rejection = layer()
        .receive(&Method::POST, &request.uri(), &request.body())
        .unwrap_err();
    assert_eq!(rejection.kind(), RejectionKind::MissingCallback);
    assert_eq!(rejection.command(), FriendAdd::COMMAND);

    let added = post(async |_: Callback<FriendAdd>| ());
    let any = post(async |_: AnyCallback| ());
    for (handler, expected) in [(added, FriendAdd::COMMAND), (any, "State.StateChange")] {
        let app = Router::new().route("/", handler);
        let response = app
            .oneshot(state_change().build::<axum::body::Body>())
            .await
            .unwrap();
        assert_eq!(kind(&response), Some(RejectionKind::MissingCallback));
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.command(), expected);
    }
}
