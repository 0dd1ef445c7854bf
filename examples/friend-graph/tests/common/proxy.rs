use std::path::Path;

use tempfile::TempDir;
use tokio::{
    io,
    net::{UnixListener, UnixStream},
    sync::watch,
};

/// The name of PostgreSQL's socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// A network between the app and PostgreSQL, which can fail without anybody being told.
pub(crate) struct Proxy {
    directory: TempDir,
    connected: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) fn start(upstream: &Path) -> Self {
        let directory = TempDir::new().unwrap();
        let listener = UnixListener::bind(directory.path().join(SOCKET)).unwrap();
        let connected = watch::Sender::new(true);
        tokio::spawn(relay(listener, upstream.join(SOCKET), connected.clone()));
        Self {
            directory,
            connected,
        }
    }

    /// The folder of its socket.
    pub(crate) fn socket(&self) -> &Path {
        self.directory.path()
    }

    /// From now on nothing arrives. Connections of before the cut stay open and dead for ever.
    pub(crate) fn cut(&self) {
        self.connected.send_replace(false);
    }

    /// New connections get through again.
    pub(crate) fn mend(&self) {
        self.connected.send_replace(true);
    }
}

async fn relay(listener: UnixListener, upstream: impl AsRef<Path>, connected: watch::Sender<bool>) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut connected = connected.subscribe();
        let server = UnixStream::connect(upstream.as_ref()).await;
        tokio::spawn(async move {
            let mut server = server.unwrap();
            if *connected.borrow_and_update() {
                tokio::select! {
                    _ = io::copy_bidirectional(&mut client, &mut server) => return,
                    _ = connected.changed() => {}
                }
            }
            std::future::pending::<()>().await;
        });
    }
}
