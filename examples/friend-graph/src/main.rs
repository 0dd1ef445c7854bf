//! Keeps an app's copy of who is whose friend in step with Tencent Cloud Chat.
//!
//! Start it with `cargo run -p friend-graph`; its README says the rest.

mod api;
mod callback;
mod change;
mod config;
mod count;
mod journal;
mod lost;
mod metrics;
mod page;
mod server;
mod shutdown;
mod store;
mod writer;

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    net::TcpListener,
    path::Path,
    process::ExitCode,
    time::Duration,
};

use axum::Router;
use tokio::{
    runtime::Runtime,
    time::{Instant, timeout},
};
use tracing_subscriber::EnvFilter;

use crate::{
    config::Config,
    journal::Journal,
    metrics::Metrics,
    store::{Failure, Store},
    writer::Writer,
};

/// How long the database may take at the start, and how long if there is a journal to start with.
const START: Duration = Duration::from_secs(10);
const START_WITH_JOURNAL: Duration = Duration::from_secs(2);

/// How long it may take at the end.
const CLOSE: Duration = Duration::from_secs(2);

/// What the handlers share.
#[derive(Clone)]
struct App {
    store: Store,
    journal: Option<Journal>,
    writer: Writer,
    metrics: Metrics,
}

fn main() -> ExitCode {
    // Whatever a user wants to see of sqlx, it must not log the parameters of a URL.
    let hidden = "sqlx_postgres::options=off".parse();
    let filter = EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info,sqlx=error"));
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
    let stop = shutdown::stop_signal()?;
    let app = tokio::select! {
        app = App::start(&config) => app?,
        () = stop.cancelled() => return Ok(()),
    };
    let router = Router::new()
        .merge(api::router())
        .with_state(app.clone())
        .merge(page::router(&app.store))
        .merge(callback::router(&app, config.sdk_app_id, &config.tokens));
    let tls = match &config.tls {
        Some(files) => Some(server::tls(files).await?),
        None => None,
    };
    let listener = listen(&config)?;
    server::serve(listener, tls, router, stop).await?;
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
    let scheme = if config.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let address = listener.local_addr()?;
    // The app is of use if nobody reads its output, too.
    let _ = writeln!(io::stdout(), "Listening on {scheme}://{address}/callback");
    Ok(listener)
}

impl App {
    async fn start(config: &Config) -> Result<Self, Box<dyn Error>> {
        let journal = match &config.journal {
            Some(file) => Some(open_journal(file).await?),
            None => None,
        };
        let store = open_store(&config.database_url, journal.is_some()).await;
        let store = store.map_err(|error| format!("DATABASE_URL: {error}"))?;
        let metrics = Metrics::new()?;
        Ok(Self {
            writer: Writer::start(store.clone(), journal.clone(), metrics.clone()),
            store,
            journal,
            metrics,
        })
    }

    fn render_metrics(&self) -> prometheus::Result<String> {
        self.metrics.queued(self.writer.queued());
        self.metrics.connections(self.store.connections());
        if let Some(journal) = &self.journal {
            self.metrics.journal(journal);
        }
        self.metrics.render()
    }

    async fn stop(&self) {
        self.writer.stop().await;
        // A database that is gone may never say goodbye.
        let _ = timeout(CLOSE, self.store.close()).await;
        if let Some(journal) = &self.journal {
            journal.close().await;
        }
    }
}

async fn open_journal(file: &Path) -> Result<Journal, String> {
    let journal = Journal::open(file).await;
    journal.map_err(|error| format!("JOURNAL: {}: {error}", file.display()))
}

/// With a journal, the app starts even if the database is away.
async fn open_store(database_url: &str, has_journal: bool) -> Result<Store, Failure> {
    let store = Store::new(database_url)?;
    let time = if has_journal {
        START_WITH_JOURNAL
    } else {
        START
    };
    match store.prepare(Instant::now() + time).await {
        Err(failure) if has_journal && failure.is_outage() => {
            tracing::warn!("callbacks go to the journal: {failure}");
            Ok(store)
        }
        prepared => prepared.map(|()| store),
    }
}
