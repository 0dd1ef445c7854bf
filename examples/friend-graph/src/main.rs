//! Keeps an app's copy of who is whose friend in step with Tencent Cloud Chat.
//!
//! Start it with `cargo run -p friend-graph`; its README says the rest.

mod api;
mod callback;
mod change;
mod config;
mod friend_delete;
mod metrics;
mod page;
mod server;
mod shutdown;
mod store;

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    net::TcpListener,
    process::ExitCode,
};

use axum::{Router, routing::get};
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;

use crate::{config::Config, metrics::Metrics, store::Store};

/// What the handlers share.
#[derive(Clone)]
struct App {
    store: Store,
    metrics: Metrics,
    /// What is being committed, whether or not its sender still waits.
    commits: TaskTracker,
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
    let store = tokio::select! {
        store = Store::open(&config.database_url) => store,
        () = stop.cancelled() => return Ok(()),
    };
    let app = App {
        store: store.map_err(|error| format!("DATABASE_URL: {error}"))?,
        metrics: Metrics::new()?,
        commits: TaskTracker::new(),
    };
    let router = Router::new()
        .route("/", get(page::page))
        .merge(api::router())
        .with_state(app.clone())
        .merge(callback::router(&app, config.friend_add));

    let addr = &config.addr;
    let listener = TcpListener::bind(addr)
        .map_err(|error| format!("ADDR: no listening on {addr:?}: {error}"))?;
    let tls = match &config.tls {
        Some(files) => Some(server::tls(files).await?),
        None => None,
    };
    if !config.signed {
        tracing::warn!("no CALLBACK_TOKEN is set: anybody who knows the app id can send callbacks");
    }
    let address = listener.local_addr()?;
    // The app is of use where nobody reads its output, too.
    let scheme = if tls.is_some() { "https" } else { "http" };
    let _ = writeln!(io::stdout(), "Listening on {scheme}://{address}/callback");
    server::serve(listener, tls, router, stop).await?;
    app.commits.close();
    app.commits.wait().await;
    app.store.close().await;
    Ok(())
}
