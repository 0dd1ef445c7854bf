use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::State, routing::post};
use tokio::{net::TcpSocket, sync::oneshot, task::JoinHandle};
use tower_tencent_chat::{
    Callback, CallbackResponse, CallbackRouter, FriendAdd, FriendAddLayer, Token,
};

use crate::APP_ID;

/// How often a handler got each callback, by `From_Account`.
pub(crate) type Seen = Arc<Mutex<BTreeMap<String, usize>>>;

async fn friend_added(State(seen): State<Seen>, callback: Callback<FriendAdd>) -> CallbackResponse {
    let from = callback.pair_list[0].from_account.to_string();
    *seen.lock().unwrap().entry(from).or_default() += 1;
    CallbackResponse::ok()
}

pub(crate) fn token() -> Token {
    Token::new("xxxxyyyy").unwrap()
}

/// The app that a replica runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum App {
    /// A router, as in `examples/axum.rs`.
    Router,
    /// A layer around a handler.
    Layer,
    /// README's first program.
    Readme,
}

impl App {
    fn service(self, seen: Seen) -> Router {
        let handler = post(friend_added).with_state(seen);
        match self {
            Self::Router => {
                let callbacks = CallbackRouter::new(APP_ID).token(token());
                let callbacks = callbacks.route::<FriendAdd>(handler);
                Router::new().route_service("/callback", callbacks)
            }
            Self::Layer => {
                let layer = FriendAddLayer::new(APP_ID).token(token());
                Router::new().route("/callback", handler.layer(layer))
            }
            Self::Readme => {
                let layer = FriendAddLayer::new(APP_ID).acknowledge_others();
                Router::new().route("/callback", handler.layer(layer))
            }
        }
    }
}

/// A server that keeps its port while it is stopped.
pub(crate) struct Replica {
    app: App,
    seen: Seen,
    port: TcpSocket,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Replica {
    pub(crate) fn start(app: App, seen: &Seen) -> Self {
        let mut replica = Self {
            app,
            seen: Arc::clone(seen),
            port: socket("127.0.0.1:0".parse().unwrap()),
            running: None,
        };
        replica.run();
        replica
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.local_addr().unwrap()
    }

    pub(crate) fn run(&mut self) {
        let listener = socket(self.address()).listen(1024).unwrap();
        let service = self.app.service(Arc::clone(&self.seen));
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(async {
            axum::serve(listener, service)
                .with_graceful_shutdown(async { stopped.await.unwrap_or_default() })
                .await
                .unwrap();
        });
        self.running = Some((stop, server));
    }

    /// Stops listening, and returns once all open requests are answered.
    pub(crate) async fn stop(&mut self) {
        let (stop, server) = self.running.take().unwrap();
        stop.send(()).unwrap();
        server.await.unwrap();
    }
}

/// Binds a socket. Several sockets can have one address, as long as at most one of them listens.
fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}
