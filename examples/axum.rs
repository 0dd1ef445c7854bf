//! An axum app that prints who has added whom.
//!
//! Start it with `cargo run --example axum`, and call it, as Chat would, with
//! `cargo run --example simulate -- http://127.0.0.1:3000/callback`.
//!
//! The environment sets it up: `ADDR` (default `127.0.0.1:3000`), `SDK_APP_ID` (default `1400000000`)
//! and `CALLBACK_TOKEN` (default none; several are separated by commas).

use std::{
    env,
    error::Error,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::post};
use tokio::{net::TcpListener, time::sleep};
use tower::ServiceBuilder;
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{
    Callback, CallbackResponse, FriendAdd, FriendAddLayer, Token, acknowledge,
};

/// How long Chat waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);

async fn friend_added(callback: Callback<FriendAdd>) -> CallbackResponse {
    let mut out = io::stdout().lock();
    for pair in &callback.pair_list {
        // Escaped: a line break in an id would forge a line.
        let from = pair.from_account.escape_debug();
        let to = pair.to_account.escape_debug();
        // The callback is no failure where nobody reads the output any more.
        let _ = writeln!(out, "{from} added {to}");
    }
    CallbackResponse::ok()
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(tracing::Level::WARN)
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let addr = setting("ADDR", "127.0.0.1:3000")?;
    let listener = TcpListener::bind(&addr).await;
    let listener = listener.map_err(|error| format!("ADDR: no listening on {addr:?}: {error}"))?;

    let callbacks = ServiceBuilder::new()
        .layer(friend_add_layer()?.route_to(post(friend_added)))
        .service(post(acknowledge));
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT);
    let app = Router::new()
        .route_service("/callback", callbacks)
        .layer(timeout);

    let (stop, give_up) = (stop_signal()?, stop_signal()?);
    let url = format!("http://{}/callback", listener.local_addr()?);
    let _ = writeln!(io::stdout(), "Listening on {url}");

    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(stop) => served?,
        // Requests have ended by then, but a client may never finish the head of one.
        () = async { give_up.await; sleep(TIMEOUT * 2).await } => {}
    }
    Ok(())
}

fn friend_add_layer() -> Result<FriendAddLayer, String> {
    let sdk_app_id = setting("SDK_APP_ID", "1400000000")?.parse();
    let mut layer = FriendAddLayer::new(sdk_app_id.map_err(|_| "SDK_APP_ID: not a number")?);

    let tokens = setting("CALLBACK_TOKEN", "")?;
    if tokens.is_empty() {
        tracing::warn!("no CALLBACK_TOKEN is set: anybody who knows the app id can send callbacks");
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

/// Ctrl-C, or what asks a service to end; caught from the call on.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let (mut interrupt, mut terminate) = {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate())?;
        (signal(SignalKind::interrupt())?, terminate)
    };
    #[cfg(windows)]
    let (mut interrupt, mut terminate) = {
        use tokio::signal::windows::{ctrl_c, ctrl_shutdown};
        (ctrl_c()?, ctrl_shutdown()?)
    };
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
