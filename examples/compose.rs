//! Three webhooks on the one URL that Chat calls, each with a handler of its own.
//!
//! Start it with `cargo run --example compose`, and call it, as Chat would, with
//! `cargo run --example simulate -- http://127.0.0.1:3000/callback`, and again with
//! `--command Sns.CallbackFriendDelete --body tests/samples/friend-delete.json`.
//!
//! The environment sets it up: `ADDR` (default `127.0.0.1:3000`), `SDK_APP_ID` (default `1400000000`)
//! and `CALLBACK_TOKEN` (default none; several are separated by commas).

mod support;

use std::{error::Error, process::ExitCode};

use axum::{Router, http::StatusCode, routing::post};
use serde::Deserialize;
use tower::ServiceBuilder;
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{Callback, CallbackResponse, FriendAdd, Packet, UserId, acknowledge};

use support::{TIMEOUT, friend_add_layer, print};

#[derive(Deserialize)]
struct FriendDelete {
    #[serde(rename = "PairList")]
    pair_list: Vec<Pair>,
}

impl Packet for FriendDelete {
    const COMMAND: &'static str = "Sns.CallbackFriendDelete";
}

#[derive(Deserialize)]
struct BlackListAdd {
    #[serde(rename = "PairList")]
    pair_list: Vec<Pair>,
}

impl Packet for BlackListAdd {
    const COMMAND: &'static str = "Sns.CallbackBlackListAdd";
}

#[derive(Deserialize)]
struct Pair {
    #[serde(rename = "From_Account")]
    from: UserId,
    #[serde(rename = "To_Account")]
    to: UserId,
}

async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
    let pairs = callback.pair_list.iter();
    print(
        "added",
        pairs.map(|pair| (&pair.from_account, &pair.to_account)),
    );
    CallbackResponse::ok()
}

async fn friend_deleted(callback: Callback<FriendDelete>) -> CallbackResponse {
    let pairs = callback.pair_list.iter();
    print("deleted", pairs.map(|pair| (&pair.from, &pair.to)));
    CallbackResponse::ok()
}

async fn blocked(callback: Callback<BlackListAdd>) -> CallbackResponse {
    let pairs = callback.pair_list.iter();
    print("blocked", pairs.map(|pair| (&pair.from, &pair.to)));
    CallbackResponse::ok()
}

#[tokio::main]
async fn main() -> ExitCode {
    support::run(serve()).await
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let friend_add = friend_add_layer()?;
    // With the app id, the tokens and the limits of the first.
    let friend_delete = friend_add.for_packet::<FriendDelete>();
    let black_list_add = friend_add.for_packet::<BlackListAdd>();
    let callbacks = ServiceBuilder::new()
        .layer(friend_add.route_to(post(friend_added)))
        .layer(friend_delete.route_to(post(friend_deleted)))
        .layer(black_list_add.route_to(post(blocked)))
        .service(post(acknowledge));
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT);
    let app = Router::new()
        .route_service("/callback", callbacks)
        .layer(timeout);
    support::serve(app).await
}
