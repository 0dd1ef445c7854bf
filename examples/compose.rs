//! Two layers stacked around one axum handler; one is for a webhook whose packet is written here.
//!
//! `cargo run --example compose` starts it, and `cargo run -p simulate -- http://127.0.0.1:3000/callback`
//! calls it as Chat would. `ADDR` sets the address, and `CALLBACK_TOKEN` the token, or several,
//! separated by commas.

use std::{
    env,
    error::Error,
    io::{self, Write},
    process,
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::{net::TcpListener, signal, time::sleep};
use tower::ServiceBuilder;
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{
    Callback, CallbackResponse, FriendAdd, FriendAddLayer, Packet, Token, UserId, acknowledge,
};

/// How long Chat waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The packet of `C2C.CallbackAfterSendMsg`: a user has sent another a message. What isn't named here,
/// such as the message itself, is not read.
#[derive(serde::Deserialize)]
struct AfterSendMsg {
    #[serde(rename = "From_Account")]
    from_account: UserId,
    #[serde(rename = "To_Account")]
    to_account: UserId,
}

impl Packet for AfterSendMsg {
    const COMMAND: &'static str = "C2C.CallbackAfterSendMsg";
}

/// Takes every request of the URL; a layer has put the callback that it received into the request.
async fn callbacks(
    added: Option<Callback<FriendAdd>>,
    sent: Option<Callback<AfterSendMsg>>,
    request: Request,
) -> Response {
    if let Some(added) = added {
        for pair in &added.pair_list {
            print(&pair.from_account, "added", &pair.to_account);
        }
    } else if let Some(sent) = sent {
        print(&sent.from_account, "wrote to", &sent.to_account);
    } else {
        return acknowledge(request).await;
    }
    CallbackResponse::ok().into_response()
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
    let tokens = tokens.split(',').filter(|_| !tokens.is_empty());
    let tokens = tokens.map(Token::new).collect::<Result<Vec<_>, _>>()?;

    let friend_add = FriendAddLayer::new(1400000000).tokens(tokens);
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT);
    let layers = ServiceBuilder::new()
        .layer(timeout)
        .layer(friend_add.for_packet::<AfterSendMsg>())
        .layer(friend_add);
    let app = Router::new().route("/callback", post(callbacks).layer(layers));

    let stop = stop_signal()?;
    let addr = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(addr).await?;
    println!("Listening on http://{}/callback", listener.local_addr()?);
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
