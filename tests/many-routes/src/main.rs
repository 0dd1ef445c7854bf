//! An app with a handler for each of sixty webhooks, about as many as Chat has: it has to build as a
//! release, without a `recursion_limit` and in little memory, which `.ci/run` measures.

use axum::{
    Router,
    body::{Body, to_bytes},
    routing::post,
};
use serde::Deserialize;
use tower::ServiceExt;
use tower_tencent_chat::{
    Callback, CallbackResponse, CallbackRouter, Packet, test_util::CallbackRequest,
};

const APP_ID: u64 = 1400000000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Webhook<const N: usize> {
    event_time: u64,
}

impl<const N: usize> Packet for Webhook<N> {
    const COMMAND: &'static str = COMMANDS[N];
}

/// Answers with its own number.
async fn handle<const N: usize>(callback: Callback<Webhook<N>>) -> CallbackResponse {
    CallbackResponse::fail(format!("{N} at {}", callback.event_time))
}

macro_rules! webhooks {
    ($($number:literal)+) => {
        const COMMANDS: &[&str] = &[$(concat!("Test.Callback", $number)),+];

        fn app() -> Router {
            let callbacks = CallbackRouter::new(APP_ID)
                $(.route::<Webhook<$number>>(post(handle::<$number>)))+;
            Router::new().route_service("/callback", callbacks)
        }
    };
}

webhooks! {
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29
    30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let app = app();
    for (number, command) in COMMANDS.iter().enumerate() {
        let body = format!(r#"{{"CallbackCommand":"{command}","EventTime":{number}}}"#);
        let request = CallbackRequest::new(command, APP_ID, body).path("/callback");
        let response = app.clone().oneshot(request.build::<Body>()).await;
        let answer = to_bytes(response.expect("a router is infallible").into_body(), 1000).await;
        let expected = CallbackResponse::fail(format!("{number} at {number}"));
        let expected = axum::http::Response::<Body>::from(expected).into_body();
        let expected = to_bytes(expected, 1000).await;
        assert_eq!(answer.expect("it is short"), expected.expect("it is short"));
    }
    println!("each of {} routes has its own handler", COMMANDS.len());
}
