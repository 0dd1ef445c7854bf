//! A whole server, hyper and axum on a socket, whose user instructions can be counted: what calls it is
//! a process of its own.

use std::{
    env,
    io::{self, Read, Write},
    net,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use axum::http::StatusCode;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, runtime};
use tower_http::timeout::TimeoutLayer;

use crate::{apps::app, callback};

const APPS: [&str; 4] = ["nothing", "Query + Json", "layer", "router"];
const PAIRS: usize = 3;

/// The rows of servers: the name of each, and the app.
pub fn rows() -> impl Iterator<Item = (String, &'static str)> {
    APPS.into_iter()
        .map(|app| (format!("server: {app}, {PAIRS} pairs"), app))
}

/// Serves so many requests, one after the other, over one connection.
///
/// # Panics
///
/// If there is no such app, or if a request is not answered with OK.
pub fn serve(name: &str, times: u32) {
    // As `examples/axum.rs` has it.
    let timeout = Duration::from_secs(2);
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout);
    let app = app(name).expect("an app has that name").layer(timeout);
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("the listener has an address");
        let mut client = Command::new(env::current_exe().expect("this program has a name"))
            .args(["send", &address.to_string(), &times.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .expect("the client starts");
        let sent = client.stdin.take().expect("it is piped");
        { sent }.write_all(&http1()).expect("the client reads");

        let (stream, _) = listener.accept().await.expect("the client connects");
        stream.set_nodelay(true).expect("it is a socket");
        Builder::new(TokioExecutor::new())
            .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(app))
            .await
            .expect("the client ends the connection");
        assert!(client.wait().expect("the client ends").success());
    });
}

/// A request as it is on the wire.
fn http1() -> Vec<u8> {
    let callback = callback(PAIRS, 20);
    let body = callback.body();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        callback.uri(),
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// The client: sends what comes from the standard input so many times.
///
/// # Panics
///
/// If a request is not answered with OK.
pub fn send(address: &str, times: u32) {
    let mut request = Vec::new();
    let read = io::stdin().read_to_end(&mut request);
    read.expect("the request comes from the server");
    let mut stream = net::TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("it is a socket");
    let mut buffer = [0; 4096];
    for _ in 0..times {
        // The server always goes to sleep first: it costs more, and chance must not decide.
        sleep(Duration::from_millis(3));
        stream.write_all(&request).expect("the server reads");
        // Small enough for one packet: what "nothing" answers has no body.
        let length = stream.read(&mut buffer).expect("the server answers");
        let answer = String::from_utf8_lossy(&buffer[..length]);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("FAIL"),
            "{answer}"
        );
    }
}
