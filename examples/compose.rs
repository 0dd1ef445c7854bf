//! Three webhooks on the one URL that Chat calls, each with a handler of its own.
//!
//! Start it with `cargo run --example compose`, and call it, as Chat would, with
//! `cargo run --example simulate -- http://127.0.0.1:3000/callback`, and again with
//! `--command Sns.CallbackFriendDelete --body tests/samples/friend-delete.json`.
//!
//! The environment sets it up: `ADDR` (default `127.0.0.1:3000`), `SDK_APP_ID` (default `1400000000`)
//! and `CALLBACK_TOKEN` (default none; several are separated by commas).

use std::{
    env,
    error::Error,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::post};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{
    Callback, CallbackResponse, FriendAdd, FriendAddLayer, Packet, Token, UserId, acknowledge,
};

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
    for pair in &callback.pair_list {
        print(&pair.from_account, "added", &pair.to_account);
    }
    CallbackResponse::ok()
}

async fn friend_deleted(callback: Callback<FriendDelete>) -> CallbackResponse {
    for pair in &callback.pair_list {
        print(&pair.from, "deleted", &pair.to);
    }
    CallbackResponse::ok()
}

async fn blocked(callback: Callback<BlackListAdd>) -> CallbackResponse {
    for pair in &callback.pair_list {
        print(&pair.from, "blocked", &pair.to);
    }
    CallbackResponse::ok()
}

fn print(from: &UserId, did: &str, to: &UserId) {
    // Escaped: a line break in an id would forge a line.
    let (from, to) = (from.escape_debug(), to.escape_debug());
    // The callback is no failure where nobody reads the output any more.
    let _ = writeln!(io::stdout(), "{from} {did} {to}");
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = serve().await {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let addr = setting("ADDR", "127.0.0.1:3000")?;
    let listener = TcpListener::bind(&addr).await;
    let listener = listener.map_err(|error| format!("ADDR: no listening on {addr:?}: {error}"))?;

    let friend_add = friend_add_layer()?;
    // With the app id, the tokens and the limits of the first.
    let friend_delete = friend_add.for_packet::<FriendDelete>();
    let black_list_add = friend_add.for_packet::<BlackListAdd>();
    let callbacks = ServiceBuilder::new()
        .layer(friend_add.route_to(post(friend_added)))
        .layer(friend_delete.route_to(post(friend_deleted)))
        .layer(black_list_add.route_to(post(blocked)))
        .service(post(acknowledge));
    // Chat has gone by then.
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(2));
    let app = Router::new()
        .route_service("/callback", callbacks)
        .layer(timeout);

    let url = format!("http://{}/callback", listener.local_addr()?);
    let _ = writeln!(io::stdout(), "Listening on {url}");
    Ok(axum::serve(listener, app).await?)
}

fn friend_add_layer() -> Result<FriendAddLayer, String> {
    let sdk_app_id = setting("SDK_APP_ID", "1400000000")?.parse();
    let mut layer = FriendAddLayer::new(sdk_app_id.map_err(|_| "SDK_APP_ID: not a number")?);

    let tokens = setting("CALLBACK_TOKEN", "")?;
    if tokens.is_empty() {
        return Ok(layer);
    }
    for token in tokens.split(',') {
        let token = Token::new(token).map_err(|error| format!("CALLBACK_TOKEN: {error}"))?;
        layer = layer.token(token);
    }
    Ok(layer)
}

/// A variable of the environment; an empty one counts as not set.
fn setting(name: &str, default: &str) -> Result<String, String> {
    match env::var_os(name).unwrap_or_default().into_string() {
        Ok(value) if value.is_empty() => Ok(default.to_owned()),
        Ok(value) => Ok(value),
        Err(_) => Err(format!("{name}: not valid UTF-8")),
    }
}
