//! An axum app that prints who has added and who has deleted whom.
//!
//! `cargo run --example axum` starts it and prints a `curl` line that delivers a callback. In a second
//! shell, `cargo run -p simulate -- http://127.0.0.1:3000/callback` plays Chat; its `--help` says what
//! else it can send. `ADDR` sets the address, and `CALLBACK_TOKEN` the token, or several, separated by
//! commas.
//!
//! `axum::serve` leaves two things to the proxy in front of it. It drops the request of a sender that
//! closes its half of the connection before the answer, and a request whose head never ends holds its
//! connection for ever. A proxy such as nginx sends whole requests and waits for the answer. Without
//! one, set what `examples/hyper.rs` sets: the crate `axum-server` does so for an axum app.

use std::{
    env,
    error::Error,
    io::{self, Write},
    process,
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::post};
use tokio::{net::TcpListener, signal, time::sleep};
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{
    Callback, CallbackResponse, CallbackRouter, FriendAdd, FriendDelete, Token,
};

/// Your SDKAppID, as Tencent's console shows it.
const SDK_APP_ID: u64 = 1400000000;

/// How long Chat waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);

async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
    for pair in &callback.pair_list {
        print(&pair.from_account, "added", &pair.to_account);
    }
    CallbackResponse::ok()
}

async fn friend_deleted(callback: Callback<FriendDelete>) -> CallbackResponse {
    for pair in &callback.pair_list {
        print(&pair.from_account, "deleted", &pair.to_account);
    }
    CallbackResponse::ok()
}

/// Escapes the UserIDs, since a line break in one would forge a line. `println!` would panic, and lose the
/// callback, if nobody reads the output any more.
fn print(from: &str, did: &str, to: &str) {
    let (from, to) = (from.escape_debug(), to.escape_debug());
    let _ = writeln!(io::stdout(), "{from} {did} {to}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();

    let tokens = env::var_os("CALLBACK_TOKEN").unwrap_or_default();
    let tokens = tokens.to_str().ok_or("CALLBACK_TOKEN is not UTF-8")?;
    let is_signed = !tokens.is_empty();
    let tokens = tokens.split(',').filter(|_| is_signed).map(Token::new);

    // Acknowledges the app's other webhooks, which come to the same URL.
    let callbacks = CallbackRouter::new(SDK_APP_ID)
        .tokens(tokens.collect::<Result<Vec<_>, _>>()?)
        .route::<FriendAdd>(post(friend_added))
        .route::<FriendDelete>(post(friend_deleted));
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT);
    let app = Router::new()
        .route_service("/callback", callbacks)
        .layer(timeout);

    let stop = stop_signal()?;
    let addr = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(addr).await?;
    let url = format!("http://{}/callback", listener.local_addr()?);
    println!("Listening on {url}");
    if !is_signed {
        tracing::warn!("no CALLBACK_TOKEN is set: anybody who knows the app id can send callbacks");
        let query = format!("SdkAppid={SDK_APP_ID}&CallbackCommand=Sns.CallbackFriendAdd");
        let pair = r#"{"From_Account":"alice","To_Account":"bob"}"#;
        let body = format!(r#"{{"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[{pair}]}}"#);
        println!("curl '{url}?{query}' -d '{body}'");
    }
    axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await?;
    Ok(())
}

/// Ctrl-C, or SIGTERM, which asks a service to stop; caught from the call on.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        let terminate = terminate.recv();
        #[cfg(not(unix))]
        let terminate = std::future::pending::<()>();
        tokio::select! {
            _ = signal::ctrl_c() => {}
            _ = terminate => {}
        }
        // Callbacks are answered by then, but a client may never end what it has begun.
        tokio::spawn(async {
            sleep(TIMEOUT * 2).await;
            process::exit(0)
        });
    })
}
