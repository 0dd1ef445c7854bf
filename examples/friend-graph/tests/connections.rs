//! Senders that don't end a connection as others do.

mod common;

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use common::{
    App, Database, add,
    socket::{connect, send},
};

const SENDERS: usize = 100;

#[tokio::test]
async fn a_sender_that_shuts_its_side_is_answered() {
    let database = Database::sqlite();
    let app = App::start(&database);
    let mut senders = JoinSet::new();
    for n in 0..SENDERS {
        let mut client = send(&app, &add([("alice", &*format!("{n}"))])).await;
        senders.spawn(async move {
            client.shutdown().await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains(r#""ActionStatus":"OK""#), "{n}: {answer:?}");
        });
    }
    senders.join_all().await;
    assert_eq!(database.friends().await.len(), SENDERS);
}

#[tokio::test]
async fn what_a_sender_sent_before_it_hung_up_is_stored() {
    let database = Database::sqlite();
    let app = App::start(&database);
    for n in 0..SENDERS {
        drop(send(&app, &add([("alice", &*format!("{n}"))])).await);
    }
    app.wait("not all callbacks are stored", async || {
        database.friends().await.len() == SENDERS
    })
    .await;
}

/// A client that sends the one, and then the other again and again.
async fn assert_is_cut_off(mut client: TcpStream, head: &str, then: &'static str) {
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut from_app, mut to_app) = client.into_split();
    let writer = tokio::spawn(async move {
        while to_app.write_all(then.as_bytes()).await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
    });
    let mut answer = Vec::new();
    let end = timeout(Duration::from_secs(20), from_app.read_to_end(&mut answer)).await;
    assert!(end.is_ok(), "{head:?} holds a connection");
    writer.abort();
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let database = Database::sqlite();
    let app = App::start(&database);
    let mut clients = JoinSet::new();
    for (head, then) in [
        ("", ""),
        // Not even the version of the protocol is known.
        ("P", ""),
        (
            "POST /callback?SdkAppid=1400000000 HTTP/1.1\r\nhost: app\r\n",
            "",
        ),
        ("POST /callback?SdkAppid=1400000000 HTTP/1.1\r\nx: ", "x"),
    ] {
        clients.spawn(assert_is_cut_off(connect(&app).await, head, then));
    }
    clients.join_all().await;
}

/// A connection of HTTP/2 could be idle for ever.
#[tokio::test]
async fn nothing_but_http_1_is_spoken() {
    let database = Database::sqlite();
    let app = App::start(&database);
    let mut client = connect(&app).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    client.write_all(preface).await.unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_url_does_not_matter() {
    let database = Database::sqlite();
    let app = App::start(&database);
    let request = add([("alice", "bob")]);
    let url = format!("{}{}", app.url, request.clone().path("/callback/").uri());
    let answer = reqwest::Client::new().post(url).body(request.body());
    let answer = answer.send().await.unwrap().text().await.unwrap();
    assert!(answer.contains(r#""ActionStatus":"OK""#), "{answer}");
}
