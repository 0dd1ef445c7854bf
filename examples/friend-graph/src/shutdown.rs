//! Stopping without losing what was accepted.

use std::{io, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, signal, time::sleep};

/// How long a client has to end what it has begun; a callback is answered long before.
const GRACE: Duration = Duration::from_secs(4);

/// Serves until the process is told to stop, and then what was accepted by then.
pub(crate) async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    let (stop, give_up) = (stop_signal()?, stop_signal()?);
    let server = axum::serve(listener, router).with_graceful_shutdown(stop);
    tokio::select! {
        served = server => served,
        // A client may never finish the head of its request.
        () = async { give_up.await; sleep(GRACE).await } => Ok(()),
    }
}

/// Ctrl-C, or what a service manager sends.
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
