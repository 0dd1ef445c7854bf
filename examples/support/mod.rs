//! What the servers share that has nothing to do with callbacks, and their settings.

use std::{
    env,
    error::Error,
    io::{self, BufWriter, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use axum::Router;
use tokio::{net::TcpListener, time::sleep};
use tower_tencent_chat::{FriendAddLayer, Token, UserId};

/// How long Chat waits for an answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

/// Runs a server, with its log and its errors on the standard error.
pub(crate) async fn run(serve: impl Future<Output = Result<(), Box<dyn Error>>>) -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(tracing::Level::WARN)
        // Standard error may be closed: nothing could be printed about that.
        .log_internal_errors(false)
        .init();
    match serve.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Listens on `ADDR`, and prints the URL.
pub(crate) async fn listen() -> Result<TcpListener, Box<dyn Error>> {
    let addr = setting("ADDR", "127.0.0.1:3000")?;
    let listener = TcpListener::bind(&addr).await;
    let listener = listener.map_err(|error| format!("ADDR: no listening on {addr:?}: {error}"))?;
    let url = format!("http://{}/callback", listener.local_addr()?);
    let _ = writeln!(io::stdout(), "Listening on {url}");
    Ok(listener)
}

/// The layer for the app `SDK_APP_ID`, with the tokens of `CALLBACK_TOKEN`.
pub(crate) fn friend_add_layer() -> Result<FriendAddLayer, String> {
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

/// Serves an app until it is told to stop.
#[allow(dead_code, reason = "the hyper example serves by itself")]
pub(crate) async fn serve(app: Router) -> Result<(), Box<dyn Error>> {
    let (stop, give_up) = (stop_signal()?, stop_signal()?);
    let server = axum::serve(listen().await?, app).with_graceful_shutdown(stop);
    tokio::select! {
        served = server => served?,
        // Requests have ended by then, but a client may never finish the head of one.
        () = async { give_up.await; sleep(TIMEOUT * 2).await } => {}
    }
    Ok(())
}

/// Prints one line for each pair.
pub(crate) fn print<'a>(did: &str, pairs: impl IntoIterator<Item = (&'a UserId, &'a UserId)>) {
    // Standard output by itself is flushed at every line.
    let mut out = BufWriter::new(io::stdout().lock());
    for (from, to) in pairs {
        // Escaped: a line break in an id would forge a line.
        let (from, to) = (from.escape_debug(), to.escape_debug());
        // The callback is no failure where nobody reads the output any more.
        let _ = writeln!(out, "{from} {did} {to}");
    }
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
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
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
