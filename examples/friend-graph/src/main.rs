//! Keeps an app's copy of who is whose friend in step with Tencent Cloud Chat.
//!
//! Start it with `cargo run -p friend-graph`; its README says the rest.

mod api;
mod callback;
mod change;
mod config;
mod files;
mod journal;
mod lost;
mod metrics;
mod page;
mod server;
mod store;
mod times;
mod writer;

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    net::TcpListener,
    process::ExitCode,
    sync::Arc,
};

use axum::Router;
use tokio::{
    runtime::Runtime,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{
    config::Config,
    files::OpenFile,
    journal::Journal,
    metrics::Metrics,
    store::{Failure, Store},
    writer::Writer,
};

/// What all tasks and handlers share.
struct App {
    store: Store,
    journal: Option<Journal>,
    metrics: Metrics,
    writer: Writer,
}

fn main() -> ExitCode {
    // Whatever a user wants to see of sqlx, it must not log the parameters of a URL.
    let hidden = "sqlx_postgres::options=off".parse();
    let filter = config::setting("RUST_LOG", config::LOG).ok();
    let filter = filter.and_then(|filter| EnvFilter::try_new(filter).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(config::LOG));
    tracing_subscriber::fmt()
        .with_env_filter(filter.add_directive(hidden.expect("a directive")))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // Standard error may be closed: nothing could be printed about that.
        .log_internal_errors(false)
        .init();
    let runtime = Runtime::new().expect("a runtime starts");
    let served = runtime.block_on(serve());
    // Everything is committed; the resolver may still look for a database.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let config = Config::from_env()?;
    let stop = server::stop_signal()?;
    let app = tokio::select! {
        app = App::start(&config, &stop) => app?,
        () = stop.cancelled() => return Ok(()),
    };
    let router = Router::new()
        .merge(api::router())
        .merge(page::router())
        .with_state(Arc::clone(&app))
        .merge(callback::router(&app, &config));
    let listener = listen(&config)?;
    server::serve(listener, router, stop).await?;
    app.stop().await;
    Ok(())
}

fn listen(config: &Config) -> Result<TcpListener, Box<dyn Error>> {
    let addr = &config.addr;
    let listener = TcpListener::bind(addr)
        .map_err(|error| format!("ADDR: no listening on {addr:?}: {error}"))?;
    if config.tokens.is_empty() {
        tracing::warn!("no CALLBACK_TOKEN is set: anybody who knows the app id can send callbacks");
    }
    let address = listener.local_addr()?;
    // The app is of use if nobody reads its output, too.
    let _ = writeln!(io::stdout(), "Listening on http://{address}/callback");
    Ok(listener)
}

impl App {
    async fn start(config: &Config, stop: &CancellationToken) -> Result<Arc<Self>, Box<dyn Error>> {
        let journal = match &config.journal {
            None => None,
            Some(file) => Some(
                Journal::open(file)
                    .await
                    .map_err(|failure| format!("JOURNAL: {}: {failure}", file.display()))?,
            ),
        };
        let store = open_store(&config.database_url, journal.as_ref()).await;
        let store = store.map_err(|failure| format!("DATABASE_URL: {failure}"))?;
        let (writer, jobs) = Writer::new();
        let app = Arc::new(Self {
            store,
            journal,
            metrics: Metrics::new(),
            writer,
        });
        app.start_writing(jobs, stop);
        tokio::spawn(Arc::clone(&app).watch_files());
        Ok(app)
    }

    fn files(&self) -> impl Iterator<Item = &OpenFile> {
        let journal = self.journal.as_ref().map(|journal| &journal.file);
        self.store.file.iter().chain(journal)
    }

    fn are_files_gone(&self) -> bool {
        self.files().any(OpenFile::is_gone)
    }

    /// Logs once of each file that isn't what the app writes to any more.
    async fn watch_files(self: Arc<Self>) {
        let mut files: Vec<_> = self.files().collect();
        loop {
            for file in files.extract_if(.., |file| file.is_gone()) {
                let path = file.path.display();
                tracing::error!("{path} was deleted or replaced while it was open: see README.md");
            }
            sleep(times::LOOK).await;
        }
    }

    async fn stop(&self) {
        self.writer.stop().await;
        // A database that is gone may never say goodbye.
        let _ = timeout(times::CLOSE, self.store.close()).await;
        if let Some(journal) = &self.journal {
            journal.close().await;
        }
    }
}

/// With a journal, the app starts even if the database is away; with callbacks in it, even if the database refuses.
async fn open_store(database_url: &str, journal: Option<&Journal>) -> Result<Store, Failure> {
    let store = Store::new(database_url)?;
    let time = match journal {
        Some(_) => times::START_WITH_JOURNAL,
        None => times::START,
    };
    match (store.prepare(Instant::now() + time).await, journal) {
        (Err(failure), Some(journal)) if journal.waiting() > 0 => {
            let waiting = journal.waiting();
            tracing::error!(waiting, "callbacks go to the journal: {failure}");
        }
        (Err(failure), Some(_)) if failure.is_outage() => {
            tracing::warn!("callbacks go to the journal: {failure}");
        }
        (prepared, _) => prepared?,
    }
    Ok(store)
}
