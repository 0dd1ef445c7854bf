//! A client that writes HTTP/1 by hand.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};
use tower_tencent_chat::test_util::CallbackRequest;

/// Far longer than any answer takes.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) const NO_BODY: &str = "content-length: 0\r\n";
pub(crate) const CHUNKED: &str = "transfer-encoding: chunked\r\n";

/// The head of a request, with these headers.
pub(crate) fn head(callback: &CallbackRequest, headers: &str) -> String {
    let uri = callback.uri();
    format!("POST {uri} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

/// Announces a body that is sent once the app asks for it.
pub(crate) fn expecting(length: usize) -> String {
    format!("content-length: {length}\r\nexpect: 100-continue\r\n")
}

pub(crate) fn message(callback: &CallbackRequest) -> String {
    let body = String::from_utf8(callback.body().into()).unwrap();
    let length = format!("content-length: {}\r\n", body.len());
    head(callback, &length) + &body
}

/// A client of one connection.
pub(crate) struct Http1 {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Http1 {
    pub(crate) async fn open(app: SocketAddr) -> Self {
        let stream = TcpStream::connect(app).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn send_chunk(&mut self, data: &[u8]) {
        self.send(format!("{:x}\r\n", data.len())).await;
        self.send(data).await;
        self.send("\r\n").await;
    }

    pub(crate) async fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = timeout(DEADLINE, self.stream.read_line(&mut head)).await;
            let read = read.expect("an answer comes").unwrap();
            assert_ne!(read, 0, "closed after {head:?}");
        }
        head
    }

    /// Whether the connection is said to close.
    pub(crate) async fn is_answered(&mut self, envelope: &str) -> bool {
        let head = self.head().await;
        let status = head.split(' ').nth(1);
        assert_eq!(status, Some("200"), "{head}");
        let length = envelope.len();
        for header in [
            "content-type: application/json",
            &format!("content-length: {length}"),
        ] {
            assert!(head.contains(&format!("\r\n{header}\r\n")), "{head}");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), envelope);
        head.contains("\r\nconnection: close\r\n")
    }

    pub(crate) async fn is_closed(&mut self) {
        assert_eq!(
            self.stream.read_u8().await.unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}
