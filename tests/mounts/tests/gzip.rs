//! Bodies that come compressed.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderValue, Request, Response, header::CONTENT_ENCODING};
use mounts::{APP_ID, check, handle, layer, send, serve, token};
use tokio::net::TcpStream;
use tower::ServiceBuilder;
use tower_http::decompression::RequestDecompressionLayer;
use tower_tencent_chat::{CallbackResponse, test_util::CallbackRequest};

fn gzip(mut request: Request<Bytes>) -> Request<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(request.body()).unwrap();
    *request.body_mut() = encoder.finish().unwrap().into();
    let gzip = HeaderValue::from_static("gzip");
    request.headers_mut().insert(CONTENT_ENCODING, gzip);
    request
}

/// Serves behind a layer that decompresses, and sends everything compressed.
async fn server() -> impl AsyncFn(Request<Bytes>) -> Response<Bytes> {
    let service = ServiceBuilder::new()
        .layer(RequestDecompressionLayer::new())
        .layer(layer())
        .service_fn(handle);
    let address = serve(service).await;
    async move |request| send(TcpStream::connect(address).await.unwrap(), request).await
}

#[tokio::test]
async fn is_read_behind_a_layer_that_decompresses() {
    let send = server().await;
    check(async |request| send(gzip(request)).await).await;
}

#[tokio::test]
async fn a_bomb_is_refused() {
    let send = server().await;
    let zeros = vec![b' '; 64 * 1024 * 1024];
    let bomb = CallbackRequest::new("Sns.CallbackFriendAdd", APP_ID, zeros)
        .signed(&token(), std::time::SystemTime::now());
    let bomb = gzip(bomb.build());
    assert!(bomb.body().len() < 1024 * 1024);
    let refusal: CallbackResponse = serde_json::from_slice(send(bomb).await.body()).unwrap();
    assert_eq!(refusal.error_info(), "the body is too large");
}
