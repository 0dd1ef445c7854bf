//! Stopping without losing what was accepted.

use std::{io, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, signal, time::sleep};
use tokio_util::sync::CancellationToken;

/// How long a client has to end what it has begun; a callback is answered long before.
const GRACE: Duration = Duration::from_secs(4);

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

/// Serves until the process is told to stop, and then what was accepted by then.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let server = axum::serve(listener, router);
    let server = server.with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        served = server => served,
        // A client may never finish the head of its request.
        () = async { stop.cancelled().await; sleep(GRACE).await } => Ok(()),
    }
}
