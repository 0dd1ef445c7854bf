//! Connections: how long they may take, and how they end.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum::Router;
use axum_server::{
    Handle, Server,
    accept::NoDelayAcceptor,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use tokio_util::sync::CancellationToken;

use crate::config::TlsFiles;

/// When the first head on a connection has to be there.
const FIRST_HEAD: Duration = Duration::from_secs(5);
/// When a later one has to be there. hyper counts from the answer before it, so this is also how long a connection
/// may be idle: longer than proxies keep theirs, nginx for 60 seconds, or they lose a callback to one that just ends.
const NEXT_HEAD: Duration = Duration::from_secs(75);
/// How long a client has to end what it has begun; a callback is answered long before.
const GRACE: Duration = Duration::from_secs(4);

/// Serves until the process is told to stop, and then what was accepted by then.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let handle = Handle::new();
    let server = server(listener)?.handle(handle.clone());
    tokio::spawn(async move {
        stop.cancelled().await;
        handle.graceful_shutdown(Some(GRACE));
    });
    // An answer is one small packet, which must not wait for others.
    let no_delay = NoDelayAcceptor::new();
    let service = router.into_make_service();
    match tls {
        None => server.acceptor(no_delay).serve(service).await,
        Some(tls) => {
            let tls = RustlsAcceptor::new(tls).acceptor(no_delay);
            server.acceptor(tls).serve(service).await
        }
    }
}

pub(crate) async fn tls(files: &TlsFiles) -> Result<RustlsConfig, String> {
    let config = RustlsConfig::from_pem_file(&files.cert, &files.key).await;
    config.map_err(|error| format!("TLS_CERT, TLS_KEY: {error}"))
}

fn server(listener: TcpListener) -> io::Result<Server<SocketAddr>> {
    let mut server = axum_server::from_tcp(listener)?
        .first_request_timeout(FIRST_HEAD)
        .accept_error_handler(log);
    server
        .http_builder()
        .http1()
        // Who has sent a whole callback may shut down that direction, or hang up: it counts all the same.
        .half_close(true)
        .header_read_timeout(NEXT_HEAD);
    Ok(server)
}

/// Whoever hangs up during the handshake has an address; without one, the app itself is short of something.
fn log(peer: Option<&SocketAddr>, error: &io::Error) {
    match peer {
        Some(peer) => tracing::debug!(%peer, "a connection was not accepted: {error}"),
        None => tracing::warn!("a connection was not accepted: {error}"),
    }
}
