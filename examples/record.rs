//! An axum app that records every webhook of the app as a line of JSON, to be read again by `examples/replay.rs`.
//!
//! `cargo run --example record >callbacks.jsonl` starts it. `CALLBACK_TOKEN` sets the token, or several, separated by
//! commas. The file holds UserIDs, messages and signatures: keep it as safe as a database.

use std::{
    env,
    error::Error,
    io::{self, Write},
};

use axum::{
    Router,
    http::{Method, Uri},
    routing::post,
};
use tokio::net::TcpListener;
use tower_tencent_chat::{AnyCallback, CallbackResponse, CallbackRouter, Token};

/// Your SDKAppID, as Tencent's console shows it.
const SDK_APP_ID: u64 = 1400000000;

async fn record(method: Method, uri: Uri, callback: AnyCallback) -> CallbackResponse {
    let body = String::from_utf8_lossy(callback.body());
    let (method, uri) = (method.as_str(), uri.to_string());
    let line = serde_json::json!({ "method": method, "uri": uri, "body": body });
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => CallbackResponse::ok(),
        Err(_) => CallbackResponse::fail("the webhook was not recorded"),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();

    let tokens = env::var("CALLBACK_TOKEN").unwrap_or_default();
    let tokens = tokens.split(',').filter(|token| !token.is_empty());
    let callbacks = CallbackRouter::new(SDK_APP_ID)
        .tokens(tokens.map(Token::new).collect::<Result<Vec<_>, _>>()?)
        .route_others(post(record));
    let app = Router::new().route_service("/callback", callbacks);

    let addr = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(addr).await?;
    eprintln!("Listening on http://{}/callback", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
