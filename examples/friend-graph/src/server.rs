//! Connections, and when to stop.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use axum::Router;
use axum_server::{Handle, accept::NoDelayAcceptor};
use tokio::signal;
use tokio_util::sync::CancellationToken;

use crate::times::{FIRST_HEAD, GRACE, NEXT_HEAD};

/// Serves until the process is told to stop, and then what was accepted by then.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let handle = Handle::new();
    let mut server = axum_server::from_tcp(listener)?
        .handle(handle.clone())
        // An answer is one small packet, which must not wait for others.
        .acceptor(NoDelayAcceptor::new())
        // As Chat does. An idle connection of HTTP/2 would never be cut off.
        .http1_only()
        .first_request_timeout(FIRST_HEAD)
        .accept_error_handler(log);
    let http = server.http_builder();
    // Who has sent a whole callback may shut down that direction, or hang up: it counts all the same.
    http.http1().half_close(true).header_read_timeout(NEXT_HEAD);
    tokio::spawn(async move {
        stop.cancelled().await;
        handle.graceful_shutdown(Some(GRACE));
    });
    server.serve(router.into_make_service()).await
}

/// Logs an error of `accept`. If there is no address, the app itself has run out of something, such as files.
fn log(peer: Option<&SocketAddr>, error: &io::Error) {
    match peer {
        Some(peer) => tracing::debug!(%peer, "a connection was not accepted: {error}"),
        None => tracing::warn!("a connection was not accepted: {error}"),
    }
}

/// Cancelled by Ctrl-C, or by what a service manager sends.
pub(crate) fn stop_signal() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    #[cfg(unix)]
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        #[cfg(unix)]
        let terminate = terminate.recv();
        #[cfg(not(unix))]
        let terminate = std::future::pending::<()>();
        tokio::select! {
            _ = signal::ctrl_c() => {}
            _ = terminate => {}
        }
        stopped.cancel();
    });
    Ok(stop)
}
