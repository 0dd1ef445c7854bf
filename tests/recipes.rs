//! What docs/recipes.md promises, beyond that its snippets compile.

mod common;

use std::{sync::Arc, time::Duration};

use axum::{
    BoxError, Router,
    body::Body,
    error_handling::HandleErrorLayer,
    extract::State,
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::post,
};
use http::StatusCode;
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};
use tower::{
    ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer, load_shed::LoadShedLayer,
};
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{
    AnyCallback, Callback, CallbackResponse, CallbackRouter, FriendAdd, Packet, Rejection,
    RejectionKind, test_util::CallbackRequest,
};

use common::{APP_ID, OK, chat, fail, kind, layer, text};

const MINUTE: Duration = Duration::from_secs(60);
const WRONG_APP: &str = "the SdkAppid parameter does not match this app";

async fn accept(_: Callback<FriendAdd>) -> CallbackResponse {
    CallbackResponse::ok()
}

async fn send(app: &Router, request: CallbackRequest) -> Response {
    let request = request.build::<Body>();
    app.clone().oneshot(request).await.unwrap()
}

#[derive(Deserialize)]
struct BeforeSendMsg {}

impl Packet for BeforeSendMsg {
    const COMMAND: &'static str = "C2C.CallbackBeforeSendMsg";
}

#[tokio::test]
async fn only_rejected_webhooks_before_an_event_are_allowed() {
    const GROUP: &str = "Group.CallbackBeforeSendMsg";

    async fn forbid(_: Callback<BeforeSendMsg>) -> CallbackResponse {
        CallbackResponse::ok().with_error_code(1)
    }
    async fn forbid_others(_: AnyCallback) -> CallbackResponse {
        CallbackResponse::ok().with_error_code(1)
    }
    async fn allow_unverified(mut response: Response) -> Response {
        let rejection = response.extensions().get::<Rejection>();
        let before = [BeforeSendMsg::COMMAND, GROUP];
        if rejection.is_some_and(|rejection| before.contains(&rejection.command())) {
            *response.body_mut() = CallbackResponse::ok().into_response().into_body();
        }
        response
    }
    let callbacks = CallbackRouter::new(APP_ID)
        .route::<BeforeSendMsg>(post(forbid))
        .route::<FriendAdd>(post(accept))
        .route_others(post(forbid_others));
    let app = Router::new()
        .route_service("/", callbacks)
        .layer(map_response(allow_unverified));

    let forbidden = r#"{"ActionStatus":"OK","ErrorCode":1,"ErrorInfo":""}"#;
    let rejected = fail(WRONG_APP);
    let another = "State.StateChange";
    for (command, app_id, expected) in [
        (BeforeSendMsg::COMMAND, APP_ID, forbidden),
        (BeforeSendMsg::COMMAND, 1, OK),
        (GROUP, APP_ID, forbidden),
        (GROUP, 1, OK),
        (FriendAdd::COMMAND, 1, &rejected),
        (another, 1, &rejected),
    ] {
        let request = CallbackRequest::new(command, app_id, "{}");
        let response = send(&app, request).await;
        let expected_kind = (app_id == 1).then_some(RejectionKind::SdkAppIdMismatch);
        assert_eq!(kind(&response), expected_kind, "{command}");
        assert_eq!(text(response).await, expected, "{command}");
    }
}

#[tokio::test]
async fn the_stack_sheds_a_callback_that_gets_no_permit() {
    type Entered = (mpsc::Sender<()>, Arc<Semaphore>);

    async fn wait(
        State((entered, go_on)): State<Entered>,
        _: Callback<FriendAdd>,
    ) -> CallbackResponse {
        entered.send(()).await.unwrap();
        go_on.acquire().await.unwrap().forget();
        CallbackResponse::ok()
    }
    async fn overloaded(_: BoxError) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(overloaded))
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            MINUTE,
        ))
        .layer(layer().acknowledge_others());
    let (entered, mut has_entered) = mpsc::channel(1);
    let go_on = Arc::new(Semaphore::new(0));
    let app = Router::new()
        .route("/", post(wait).layer(layers))
        .with_state((entered, Arc::clone(&go_on)));

    let first = tokio::spawn({
        let app = app.clone();
        async move { send(&app, chat()).await }
    });
    has_entered.recv().await.unwrap();
    let second = tokio::time::timeout(MINUTE, send(&app, chat()))
        .await
        .unwrap();
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    go_on.add_permits(1);
    assert_eq!(text(first.await.unwrap()).await, OK);
}

#[test]
fn a_flattened_packet_keeps_its_fields_and_gets_more() {
    #[derive(Deserialize)]
    struct TimedFriendAdd {
        #[serde(flatten)]
        friend_add: FriendAdd,
        #[serde(rename = "EventTime")]
        event_time: Option<u64>,
    }

    impl Packet for TimedFriendAdd {
        const COMMAND: &'static str = FriendAdd::COMMAND;
    }

    for (event_time, more) in [(None, ""), (Some(1), r#","EventTime":1"#)] {
        let body = common::FRIEND_ADD.trim_end().strip_suffix('}').unwrap();
        let body = format!("{body}{more}}}");
        let request = CallbackRequest::new(FriendAdd::COMMAND, APP_ID, body);
        let callback = request.callback::<TimedFriendAdd>();
        assert_eq!(callback.event_time, event_time);
        let plain = CallbackRequest::new(FriendAdd::COMMAND, APP_ID, common::FRIEND_ADD);
        assert_eq!(callback.friend_add, *plain.callback::<FriendAdd>());
    }
}
