//! Serves what is to be put under load: see `load.sh`.
//!
//! `serve NAME` serves at the address `ADDR` of the environment; `request NAME PAIRS` prints the request
//! to send there, as a script for wrk. Without arguments, lists the names.

#[allow(dead_code, unused_imports, reason = "only the handlers are used")]
mod rows;

use std::{
    env,
    fmt::Write as _,
    io::{self, Write as _},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::IntoResponse,
    routing::post,
};
use tokio::net::TcpListener;
use tower_http::timeout::TimeoutLayer;

use self::rows::{
    axum::{Check, HANDLERS, handwritten_app, nothing},
    callback,
    handwritten::{App, FriendAdd, Parameters, handler},
    signed,
};

#[tokio::main]
async fn main() {
    // Cargo itself adds `--bench`.
    let arguments: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", name] => serve(app(name)).await,
        ["request", name, pairs] => {
            print_request(name, pairs.parse().expect("PAIRS is a number"));
        }
        _ => names().for_each(|name| println!("{name}")),
    }
}

fn names() -> impl Iterator<Item = String> {
    let handlers = HANDLERS.map(|(name, _)| name);
    let signed = handlers.map(|name| format!("{name}, signed"));
    ["nothing"]
        .into_iter()
        .chain(handlers)
        .map(str::to_owned)
        .chain(signed)
        .chain(["Query + Json, printing".to_owned()])
}

fn app(name: &str) -> Router {
    match name {
        "nothing" => return nothing(),
        "Query + Json, printing" => {
            return Router::new()
                .route("/", post(printing))
                .with_state(handwritten_app(Check::Unsigned));
        }
        _ => {}
    }
    let (name, check) = match name.strip_suffix(", signed") {
        Some(name) => (name, Check::Signed),
        None => (name, Check::Unsigned),
    };
    let handler = HANDLERS.into_iter().find(|(found, _)| *found == name);
    let (_, handler) = handler.expect("NAME is one of the names");
    handler(check)
}

/// The hand-written handler, printing what `examples/axum.rs` prints.
async fn printing(
    app: State<App>,
    parameters: Query<Parameters>,
    Json(packet): Json<FriendAdd>,
) -> impl IntoResponse {
    let mut lines = String::new();
    for pair in &packet.pair_list {
        let from = pair.from_account.escape_debug();
        let to = pair.to_account.escape_debug();
        let _ = writeln!(lines, "{from} added {to}");
    }
    let _ = io::stdout().write_all(lines.as_bytes());
    handler(app, parameters, Json(packet)).await
}

/// As `examples/axum.rs` does.
async fn serve(app: Router) {
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(2));
    let addr = env::var("ADDR").expect("ADDR is set");
    let listener = TcpListener::bind(addr).await.expect("ADDR is free");
    axum::serve(listener, app.layer(timeout))
        .await
        .expect("axum serves");
}

fn print_request(name: &str, pairs: usize) {
    let mut request = callback(pairs, 20);
    if name.ends_with("signed") {
        request = signed(request);
    }
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    let body = request.body();
    let body = str::from_utf8(&body).expect("JSON is UTF-8");
    println!("wrk.method = 'POST'");
    println!("wrk.path = wrk.path .. '?{query}'");
    println!("wrk.headers['Content-Type'] = 'application/json'");
    println!("wrk.body = '{body}'");
}
