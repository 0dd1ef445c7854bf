use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tempfile::TempDir;
use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// The name of PostgreSQL's socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// A network between the app and PostgreSQL, which can fail without anybody being told.
pub(crate) struct Proxy {
    directory: TempDir,
    connected: watch::Sender<bool>,
    lose_after_commit: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn start(upstream: &Path) -> Self {
        let directory = TempDir::new().unwrap();
        let listener = UnixListener::bind(directory.path().join(SOCKET)).unwrap();
        let proxy = Self {
            directory,
            connected: watch::Sender::new(true),
            lose_after_commit: Arc::default(),
        };
        let (connected, lose) = (proxy.connected.clone(), proxy.lose_after_commit.clone());
        tokio::spawn(relay(listener, upstream.join(SOCKET), connected, lose));
        proxy
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

    /// Whether a connection is lost as soon as it has brought the answer to an INSERT.
    pub(crate) fn lose_connections_after_commit(&self, lose: bool) {
        self.lose_after_commit.store(lose, Relaxed);
    }
}

async fn relay(
    listener: UnixListener,
    upstream: PathBuf,
    connected: watch::Sender<bool>,
    lose: Arc<AtomicBool>,
) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = UnixStream::connect(&upstream).await;
        let mut connected = connected.subscribe();
        let lose = Arc::clone(&lose);
        tokio::spawn(async move {
            let (mut from_client, to_client) = client.into_split();
            let (from_server, mut to_server) = server.unwrap().into_split();
            if *connected.borrow_and_update() {
                tokio::select! {
                    _ = io::copy(&mut from_client, &mut to_server) => return,
                    // The last word of the server is there to be read, as on a real network.
                    _ = answers(from_server, to_client, &lose) => {}
                    _ = connected.changed() => {}
                }
            }
            // Neither side is told.
            std::future::pending::<()>().await;
        });
    }
}

async fn answers(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    lose: &AtomicBool,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = server.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        client.write_all(&buffer[..length]).await?;
        let committed = buffer[..length]
            .windows(9)
            .any(|bytes| bytes == b"INSERT 0 ");
        if committed && lose.load(Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}
