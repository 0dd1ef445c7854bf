//! An axum app that prints who has added whom.
//!
//! Start it with `cargo run --example axum`, and call it, as Chat would, with
//! `cargo run --example simulate -- http://127.0.0.1:3000/callback`.
//!
//! The environment sets it up: `ADDR` (default `127.0.0.1:3000`), `SDK_APP_ID` (default `1400000000`)
//! and `CALLBACK_TOKEN` (default none; several are separated by commas).

mod support;

use std::{error::Error, process::ExitCode};

use axum::{Router, http::StatusCode, routing::post};
use tower::ServiceBuilder;
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{Callback, CallbackResponse, FriendAdd, acknowledge};

use support::{TIMEOUT, friend_add_layer, print};

async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
    let pairs = callback.pair_list.iter();
    print(
        "added",
        pairs.map(|pair| (&pair.from_account, &pair.to_account)),
    );
    CallbackResponse::ok()
}

#[tokio::main]
async fn main() -> ExitCode {
    support::run(serve()).await
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let callbacks = ServiceBuilder::new()
        .layer(friend_add_layer()?.route_to(post(friend_added)))
        .service(post(acknowledge));
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT);
    let app = Router::new()
        .route_service("/callback", callbacks)
        .layer(timeout);

    support::serve(app).await
}
