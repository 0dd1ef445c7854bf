//! The service without a framework, on hyper: prints who has added whom.
//!
//! `cargo run --example hyper` starts it, and `cargo run -p simulate -- http://127.0.0.1:3000/callback`
//! calls it as Chat would. `ADDR` sets the address, and `CALLBACK_TOKEN` the token, or several,
//! separated by commas.
//!
//! In a project of its own it needs `cargo add bytes http-body-util hyper tokio tracing-subscriber -F
//! tokio/full`, `cargo add hyper-util -F server-auto,server-graceful,service,tokio,http1`, `cargo add
//! tower@0.5 -F util` and `cargo add tower-http -F timeout`.
//!
//! It needs a proxy for TLS only: it answers a sender that closes its half of the connection
//! early, and ends a connection whose request never comes or never ends.

use std::{
    convert::Infallible,
    env,
    error::Error,
    io::{self, Write},
    pin::pin,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, signal, time};
use tower::{Layer, service_fn};
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{Callback, CallbackResponse, CallbackRouter, FriendAdd, Token};

/// How long Chat waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long a client has for the head of a request, and may keep a connection without sending one.
/// Longer than nginx keeps it, which is a minute, so that none is closed while a callback is coming.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

async fn friend_added<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(callback) = request.extensions().get::<Callback<FriendAdd>>() {
        for pair in &callback.pair_list {
            // Escaped, since a line break in a UserID would forge a line.
            let (from, to) = (
                pair.from_account.escape_debug(),
                pair.to_account.escape_debug(),
            );
            // `println!` would panic if nobody reads the output any more.
            let _ = writeln!(io::stdout(), "{from} added {to}");
        }
    }
    Ok(CallbackResponse::ok().into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();

    let tokens = env::var_os("CALLBACK_TOKEN").unwrap_or_default();
    let tokens = tokens.to_str().ok_or("CALLBACK_TOKEN is not UTF-8")?;
    let tokens = tokens.split(',').filter(|_| !tokens.is_empty());
    let tokens = tokens.map(Token::new).collect::<Result<Vec<_>, _>>()?;

    // There is no router of paths: it takes callbacks on every path, and Chat calls the one it is told.
    let callbacks = CallbackRouter::new(1400000000)
        .tokens(tokens)
        .route::<FriendAdd>(service_fn(friend_added));
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT);
    let service = TowerToHyperService::new(timeout.layer(callbacks));

    // To tell HTTP/2 from HTTP/1, which Chat speaks, it would wait for ever for a first byte.
    let mut server = Builder::new(TokioExecutor::new()).http1_only();
    server
        .http1()
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);

    let mut stop = pin!(stop_signal()?);
    let addr = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(addr).await?;
    println!("Listening on http://{}/callback", listener.local_addr()?);
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, say: some connections have to end first.
            time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // An answer is one packet: no reason to wait for more of it.
        let _ = stream.set_nodelay(true);
        let connection = server.serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(connections.watch(connection.into_owned()));
    }
    drop(listener);
    // Callbacks are answered by then, but a client may never end what it has begun.
    let _ = time::timeout(TIMEOUT * 2, connections.shutdown()).await;
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
    })
}
