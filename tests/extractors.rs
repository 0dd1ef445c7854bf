//! The crate's pieces as axum's extractors and responses.

mod common;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use http::{Request, StatusCode};
use tower::ServiceExt;
use tower_tencent_chat::{
    Callback, CallbackLayer, CallbackResponse, CallbackRouter, FriendAdd, FriendDelete, Packet,
    test_util::CallbackRequest,
};

use common::{APP_ID, OK, fail, layer, text};

fn chat() -> CallbackRequest {
    common::chat().path("/callback")
}

#[tokio::test]
async fn axums_limit_is_not_held_against_a_body_that_was_read() {
    async fn length(_: Option<Callback<FriendAdd>>, body: Bytes) -> String {
        body.len().to_string()
    }
    let large = common::FRIEND_ADD.to_owned() + &" ".repeat(3 << 20);
    let raised = layer().max_body_size(8 << 20);
    let routed = CallbackRouter::new(APP_ID)
        .max_body_size(8 << 20)
        .route::<FriendAdd>(post(length));
    for app in [
        Router::new().route("/", post(length).layer(raised.clone())),
        Router::new()
            .route("/", post(length))
            .layer(raised.same_body()),
        Router::new().route_service("/", routed),
    ] {
        let request = CallbackRequest::new(FriendAdd::COMMAND, APP_ID, large.clone());
        let request = request.build::<axum::body::Body>();
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(text(response).await, large.len().to_string());
    }
    // What passes through hasn't been read, so for that it stays.
    let app = Router::new().route("/", post(length).layer(layer().max_body_size(8 << 20)));
    let request = Request::post("/").body(axum::body::Body::from(large));
    let response = app.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_handler_takes_callback_state_and_body() {
    async fn received<P: Packet>(
        State(state): State<Arc<str>>,
        // An extractor leaves it for the next.
        first: Option<Callback<P>>,
        callback: Callback<P>,
        again: Callback<P>,
        body: Bytes,
    ) -> Result<CallbackResponse, CallbackResponse> {
        assert!(std::ptr::eq(&*callback, &*again));
        assert!(first.is_some());
        Err(CallbackResponse::fail(format!("{state} {}", body.len())))
    }
    fn app<P: Packet>() -> Router {
        Router::new()
            .route("/callback", post(received::<P>))
            .layer(CallbackLayer::<P>::new(APP_ID))
            .with_state(Arc::from("state"))
    }
    let send = async |app: Router| {
        let response = app
            .oneshot(chat().build::<axum::body::Body>())
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/json");
        text(response).await
    };
    let expected = format!("state {}", chat().body().len());
    assert_eq!(send(app::<FriendAdd>()).await, fail(&expected));
    let expected = "the request has no callback for this handler";
    assert_eq!(send(app::<FriendDelete>()).await, fail(expected));
    let bare = Router::new().route("/callback", post(received::<FriendAdd>));
    let expected = "the request has no callback for this handler";
    let bare = bare.with_state(Arc::from("state"));
    assert_eq!(send(bare).await, fail(expected));
}

#[tokio::test]
async fn the_envelope_is_a_response_alone_and_in_company() {
    let failed = || CallbackResponse::fail("no \"database\"");
    let quoted = fail(r#"no \"database\""#);
    let accepted = (StatusCode::ACCEPTED, CallbackResponse::ok());
    for (response, status, body) in [
        (CallbackResponse::ok().into_response(), StatusCode::OK, OK),
        (failed().into_response(), StatusCode::OK, &*quoted),
        (accepted.into_response(), StatusCode::ACCEPTED, OK),
    ] {
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(text(response).await, body);
    }
    let app: Router = Router::new().route("/", get(async || CallbackResponse::ok()));
    let request = Request::get("/").body(axum::body::Body::empty()).unwrap();
    assert_eq!(text(app.oneshot(request).await.unwrap()).await, OK);
}
