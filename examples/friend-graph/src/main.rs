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
mod shutdown;
mod store;

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use axum::{Router, routing::get};
use tokio::net::TcpListener;

use crate::{config::Config, metrics::Metrics, store::Store};

/// What the handlers share.
#[derive(Clone)]
struct App {
    store: Store,
    metrics: Metrics,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false)
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let config = Config::from_env()?;
    let store = Store::open(&config.database_url).await;
    let app = App {
        store: store.map_err(|error| format!("DATABASE_URL: {error}"))?,
        metrics: Metrics::new()?,
    };
    let router = Router::new()
        .route("/", get(page::page))
        .merge(api::router())
        .with_state(app.clone())
        .merge(callback::router(&app, config.friend_add));

    let listener = TcpListener::bind(&config.addr).await;
    let addr = &config.addr;
    let listener = listener.map_err(|error| format!("ADDR: no listening on {addr:?}: {error}"))?;
    let address = listener.local_addr()?;
    let _ = writeln!(io::stdout(), "Listening on http://{address}/callback");

    shutdown::serve(listener, router).await?;
    app.store.close().await;
    Ok(())
}
