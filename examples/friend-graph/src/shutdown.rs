//! When to stop.

use std::io;

use tokio::signal;
use tokio_util::sync::CancellationToken;

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
