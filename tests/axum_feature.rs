//! The `axum` feature: a callback is an extractor, the envelope a response.

mod common;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http::{Request, StatusCode};
use serde::Deserialize;
use tower::ServiceExt;
use tower_tencent_chat::{
    Callback, CallbackLayer, CallbackResponse, FriendAdd, FriendAddLayer, Packet,
    test_util::CallbackRequest,
};

use common::{APP_ID, OK, fail, text};

#[derive(Deserialize)]
struct StateChange {}

impl Packet for StateChange {
    const COMMAND: &'static str = "State.StateChange";
}

fn alice_adds_bob() -> Request<Body> {
    CallbackRequest::friend_add(APP_ID)
        .pair("alice", "bob")
        .build()
}

fn visit() -> Request<Body> {
    Request::post("/").body("no callback".into()).unwrap()
}

async fn send(app: Router, request: Request<Body>) -> String {
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    text(response).await
}

async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
    assert_eq!(callback.pair_list[0].to_account, "bob");
    assert_eq!(callback.context().sdk_app_id, APP_ID);
    CallbackResponse::ok()
}

#[tokio::test]
async fn a_handler_takes_the_callback_and_returns_the_envelope() {
    let app = Router::new()
        .route("/", post(friend_added))
        .layer(FriendAddLayer::new(APP_ID));
    assert_eq!(send(app, alice_adds_bob()).await, OK);
}

#[tokio::test]
async fn without_a_callback_the_extractor_answers_the_fail_envelope() {
    async fn should_not_be_called(_: Callback<FriendAdd>) -> CallbackResponse {
        panic!("the handler was called without a callback")
    }
    let layered = || {
        Router::new()
            .route("/", post(should_not_be_called))
            .layer(FriendAddLayer::new(APP_ID))
    };
    let bare = Router::new().route("/", post(should_not_be_called));
    for (app, request) in [(layered(), visit()), (bare, alice_adds_bob())] {
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(
            text(response).await,
            fail("no Sns.CallbackFriendAdd callback came with the request")
        );
    }
}

#[tokio::test]
async fn the_callback_of_another_webhook_is_not_this_one() {
    async fn should_not_be_called(_: Callback<StateChange>) -> CallbackResponse {
        panic!("the handler was called without a callback of its own")
    }
    let app = Router::new()
        .route("/", post(should_not_be_called))
        .layer(FriendAddLayer::new(APP_ID));
    assert_eq!(
        send(app, alice_adds_bob()).await,
        fail("no State.StateChange callback came with the request")
    );
}

#[tokio::test]
async fn a_handler_of_several_webhooks_takes_an_option_of_each() {
    async fn received(
        added: Option<Callback<FriendAdd>>,
        changed: Option<Callback<StateChange>>,
    ) -> String {
        format!("{} {}", added.is_some(), changed.is_some())
    }
    let app = Router::new()
        .route("/", post(received))
        .layer(FriendAddLayer::new(APP_ID))
        .layer(CallbackLayer::<StateChange>::new(APP_ID));
    let body = r#"{"CallbackCommand":"State.StateChange"}"#;
    let changed = CallbackRequest::new("State.StateChange", APP_ID, body).build();
    for (request, expected) in [
        (alice_adds_bob(), "true false"),
        (changed, "false true"),
        (visit(), "false false"),
    ] {
        assert_eq!(send(app.clone(), request).await, expected);
    }
}

#[tokio::test]
async fn state_and_body_are_there_to_be_taken_as_well() {
    async fn received(
        State(state): State<Arc<str>>,
        callback: Callback<FriendAdd>,
        body: Bytes,
    ) -> String {
        let packet: FriendAdd = serde_json::from_slice(&body).unwrap();
        assert_eq!(packet, *callback);
        format!("{state} {}", body.len())
    }
    let app = Router::new()
        .route("/", post(received))
        .layer(FriendAddLayer::new(APP_ID))
        .with_state(Arc::from("the state"));
    let length = CallbackRequest::friend_add(APP_ID)
        .pair("alice", "bob")
        .body()
        .len();
    assert_eq!(
        send(app, alice_adds_bob()).await,
        format!("the state {length}")
    );
}

async fn receive<P: Packet>(_: Callback<P>) -> String {
    P::COMMAND.to_owned()
}

#[tokio::test]
async fn one_generic_handler_serves_every_packet() {
    fn app<P: Packet>() -> Router {
        Router::new()
            .route("/", post(receive::<P>))
            .layer(CallbackLayer::<P>::new(APP_ID))
    }
    let body = r#"{"CallbackCommand":"State.StateChange"}"#;
    let changed = CallbackRequest::new("State.StateChange", APP_ID, body).build();
    assert_eq!(
        send(app::<FriendAdd>(), alice_adds_bob()).await,
        FriendAdd::COMMAND
    );
    assert_eq!(
        send(app::<StateChange>(), changed).await,
        StateChange::COMMAND
    );
}

#[tokio::test]
async fn the_envelope_is_a_response_alone_and_in_company() {
    let failed = || CallbackResponse::fail("no \"database\"");
    let results: [Result<CallbackResponse, CallbackResponse>; 2] =
        [Ok(CallbackResponse::ok()), Err(failed())];
    let [done, undone] = results;
    let quoted = fail(r#"no \"database\""#);
    let cases: [(Response, StatusCode, &str); 5] = [
        (CallbackResponse::ok().into_response(), StatusCode::OK, OK),
        (failed().into_response(), StatusCode::OK, &quoted),
        (done.into_response(), StatusCode::OK, OK),
        (undone.into_response(), StatusCode::OK, &quoted),
        (
            (StatusCode::ACCEPTED, CallbackResponse::ok()).into_response(),
            StatusCode::ACCEPTED,
            OK,
        ),
    ];
    for (response, status, body) in cases {
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(text(response).await, body);
    }
    let app = Router::new().route("/", get(async || CallbackResponse::ok()));
    let request = Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(send(app, request).await, OK);
}
