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

use axum::{Router, http::StatusCode};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, runtime};
use tower_http::timeout::TimeoutLayer;

use crate::{app, request};

/// The rows of servers: the name of each, the app, and how many pairs it is sent.
pub fn rows() -> impl Iterator<Item = (String, &'static str, usize)> {
    const APPS: &[&str] = &["nothing", "Query + Json", "layer", "router"];
    const SIGNED: &[&str] = &["Query + Json, signed", "layer, signed"];
    // "nothing" does not read the body, and a large one that is left ends the connection.
    let rows = [(3, APPS), (3, SIGNED), (1000, &APPS[1..])];
    rows.into_iter().flat_map(|(pairs, apps)| {
        let row = move |app: &&'static str| (format!("server: {app}, {pairs} pairs"), *app, pairs);
        apps.iter().map(row)
    })
}

/// As `examples/axum.rs` has it.
pub fn with_timeout(app: Router) -> Router {
    let timeout = Duration::from_secs(2);
    app.layer(TimeoutLayer::with_status_code(
        StatusCode::REQUEST_TIMEOUT,
        timeout,
    ))
}

/// Serves so many requests, one after the other, over one connection.
///
/// # Panics
///
/// If there is no such app, or if a request is not answered with OK.
pub fn serve(name: &str, pairs: usize, times: u32) {
    let app = with_timeout(app(name).expect("an app has that name"));
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
        { sent }
            .write_all(&http1(name, pairs))
            .expect("the client reads");

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
fn http1(name: &str, pairs: usize) -> Vec<u8> {
    let callback = request(name, pairs);
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
