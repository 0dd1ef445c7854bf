//! hyper without a framework.

use std::convert::Infallible;

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, UPGRADE},
};
use http_body::Body;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use mounts::{check_at, handle, layer, router, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::{ServiceBuilder, service_fn};
use tower_tencent_chat::FriendAdd;

/// Sends back what comes on an upgraded connection.
async fn upgrade<B: Body<Error: std::fmt::Debug>>(
    mut request: Request<B>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if !request.headers().contains_key(UPGRADE) {
        return handle(request).await;
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async {
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
        tokio::io::copy(&mut read, &mut write).await
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("echo"));
    Ok(response)
}

#[tokio::test]
async fn an_upgrade_passes_through() {
    let layered = ServiceBuilder::new().layer(layer()).service_fn(upgrade);
    let routed = router()
        .route::<FriendAdd>(service_fn(upgrade))
        .fallback(service_fn(upgrade));
    for address in [serve(layered).await, serve(routed).await] {
        check_at(address).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = b"GET /echo HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
        stream.write_all(b"hello").await.unwrap();
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"hello");
    }
}
