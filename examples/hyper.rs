//! Plain hyper, HTTP/1 and HTTP/2, without a framework: prints who has added whom.
//!
//! Start it with `cargo run --example hyper`, and call it, as Chat would, with
//! `cargo run --example simulate -- http://127.0.0.1:3000/callback`.
//!
//! The environment sets it up: `ADDR` (default `127.0.0.1:3000`), `SDK_APP_ID` (default `1400000000`)
//! and `CALLBACK_TOKEN` (default none; several are separated by commas).

use std::{
    convert::Infallible,
    env,
    error::Error,
    io::{self, IsTerminal, Write},
    pin::pin,
    process::ExitCode,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tower::{ServiceBuilder, service_fn};
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{
    Acknowledge, Callback, CallbackResponse, FriendAdd, FriendAddLayer, RequestBody, Token,
};

/// How long Chat waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);

async fn friend_added(
    request: Request<RequestBody<Incoming>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let Some(callback) = request.extensions().get::<Callback<FriendAdd>>() else {
        return Ok(CallbackResponse::fail("no callback came with the request").into());
    };
    let mut out = io::stdout().lock();
    for pair in &callback.pair_list {
        // Escaped: a line break in an id would forge a line.
        let from = pair.from_account.escape_debug();
        let to = pair.to_account.escape_debug();
        // The callback is no failure where nobody reads the output any more.
        let _ = writeln!(out, "{from} added {to}");
    }
    Ok(CallbackResponse::ok().into())
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

    // Webhooks are taken on every path: there is no router, and Chat only calls the one it is told.
    let timeout_layer = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT);
    let callbacks = ServiceBuilder::new()
        .layer(timeout_layer)
        .layer(friend_add_layer()?.route_to(service_fn(friend_added)))
        .service(Acknowledge::new());

    let mut stop = pin!(stop_signal()?);
    let url = format!("http://{}/callback", listener.local_addr()?);
    let _ = writeln!(io::stdout(), "Listening on {url}");

    let server = Builder::new(TokioExecutor::new());
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => TokioIo::new(stream),
                Err(error) => {
                    tracing::warn!("a connection was not accepted: {error}");
                    // Out of file descriptors, say: some connections have to end first.
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let service = TowerToHyperService::new(callbacks.clone());
        let connection = server.serve_connection(stream, service).into_owned();
        tokio::spawn(connections.watch(connection));
    }
    drop(listener);
    // Requests have ended by then, but a client may never finish the head of one.
    let _ = timeout(TIMEOUT * 2, connections.shutdown()).await;
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
