//! HTTP by hand, for clients that are not as others.

use tokio::{io::AsyncWriteExt, net::TcpStream};
use tower_tencent_chat::test_util::CallbackRequest;

use super::App;

pub(crate) async fn connect(app: &App) -> TcpStream {
    TcpStream::connect(app.address()).await.unwrap()
}

/// Sends a whole callback, and leaves its answer to be read.
pub(crate) async fn send(app: &App, request: &CallbackRequest) -> TcpStream {
    let body = request.body();
    let mut client = connect(app).await;
    let mut bytes = head(request, body.len()).into_bytes();
    bytes.extend_from_slice(&body);
    client.write_all(&bytes).await.unwrap();
    client
}

pub(crate) fn head(request: &CallbackRequest, length: usize) -> String {
    let uri = request.clone().path("/callback").uri();
    format!("POST {uri} HTTP/1.1\r\nhost: app\r\ncontent-length: {length}\r\n\r\n")
}
