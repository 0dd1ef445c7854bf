//! Serves what is to be put under load: see `load.sh`.
//!
//! `serve NAME` serves at the address `ADDR` of the environment; `request NAME PAIRS` prints the request
//! to send there, as a script for wrk. Without arguments, lists the names.

use std::env;

use axum::{Router, serve::ListenerExt as _};
use benches::{app, apps, request, server::with_timeout};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", name] => serve(app(name).expect("NAME is one of the names")).await,
        ["request", name, pairs] => {
            print_request(name, pairs.parse().expect("PAIRS is a number"));
        }
        _ => apps().for_each(|name| println!("{name}")),
    }
}

async fn serve(app: Router) {
    let addr = env::var("ADDR").expect("ADDR is set");
    let listener = TcpListener::bind(addr).await.expect("ADDR is free");
    // Answers to pipelined callbacks would wait for each other's acknowledgement.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("it is a socket"));
    axum::serve(listener, with_timeout(app))
        .await
        .expect("axum serves");
}

fn print_request(name: &str, pairs: usize) {
    let request = request(name, pairs);
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    let body = request.body();
    let body = str::from_utf8(&body).expect("JSON is UTF-8");
    println!("wrk.method = 'POST'");
    println!("wrk.path = wrk.path .. '?{query}'");
    println!("wrk.headers['Content-Type'] = 'application/json'");
    println!("wrk.body = '{body}'");
}
