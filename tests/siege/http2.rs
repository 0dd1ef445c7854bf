//! A client that speaks HTTP/2.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Channel, Full, channel::Sender, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinHandle};
use tower_tencent_chat::test_util::CallbackRequest;

use crate::{SPACES, callbacks::signed, common::text};

type Body = BoxBody<Bytes, io::Error>;

pub(crate) fn open_ended(callback: &CallbackRequest) -> (Sender<Bytes, io::Error>, Request<Body>) {
    let (sender, body) = Channel::new(1);
    (sender, over_http2(callback, body.boxed()))
}

pub(crate) fn in_one(id: &str) -> Request<Body> {
    let callback = signed(id);
    let body = Full::from(callback.body()).map_err(|never| match never {});
    over_http2(&callback, body.boxed())
}

/// A body of 16 MiB, as far as it is taken.
pub(crate) fn flood(callback: &CallbackRequest) -> Request<Body> {
    let (mut sender, request) = open_ended(callback);
    tokio::spawn(async move {
        for _ in 0..64 {
            if sender.send_data(Bytes::from_static(&SPACES)).await.is_err() {
                break;
            }
        }
    });
    request
}

fn over_http2(callback: &CallbackRequest, body: Body) -> Request<Body> {
    let uri = format!("http://localhost{}", callback.uri());
    Request::post(uri).body(body).unwrap()
}

/// A client of one connection.
pub(crate) struct Http2 {
    requests: SendRequest<Body>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Http2 {
    pub(crate) async fn open(app: SocketAddr) -> Self {
        let stream = TokioIo::new(TcpStream::connect(app).await.unwrap());
        let handshake = http2::handshake(TokioExecutor::new(), stream).await;
        let (requests, connection) = handshake.unwrap();
        Self {
            requests,
            connection: tokio::spawn(connection),
        }
    }

    pub(crate) fn send(
        &mut self,
        request: Request<Body>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        self.requests.send_request(request)
    }

    pub(crate) async fn is_answered(&mut self, request: Request<Body>, envelope: &str) {
        let response = self.send(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(text(response).await, envelope);
    }

    pub(crate) async fn close(self) {
        drop(self.requests);
        self.connection.await.unwrap().unwrap();
    }
}
