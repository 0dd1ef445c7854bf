//! The app: axum with the layer, HTTP/1 and HTTP/2 on one port.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, runtime::Runtime};
use tower::util::MapRequestLayer;
use tower_tencent_chat::{Callback, CallbackResponse, FriendAdd};

use crate::{DEADLINE, LIMIT, common::signed_layer};

/// Marks a request whose body must not be read.
pub(crate) const UNREAD: &str = "x-unread";

/// What the app has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// How often the callback with each id was delivered.
    pub(crate) delivered: Mutex<BTreeMap<String, usize>>,
    pub(crate) connections: AtomicUsize,
    pub(crate) most_at_once: AtomicUsize,
    /// Of bodies that must not be read, what was read all the same.
    pub(crate) wasted: AtomicUsize,
}

pub(crate) struct App {
    runtime: Runtime,
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
}

impl App {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let seen = Arc::<Seen>::default();
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = runtime.block_on(bound).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, router(&seen), Arc::clone(&seen)));
        Self {
            runtime,
            address,
            seen,
        }
    }

    /// Tasks besides the one that accepts connections.
    fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks() - 1
    }

    pub(crate) fn wait_until_idle(&self) {
        let start = Instant::now();
        while self.tasks() > 0 {
            assert!(start.elapsed() < DEADLINE, "{} tasks left", self.tasks());
            thread::yield_now();
        }
    }
}

fn router(seen: &Arc<Seen>) -> Router {
    let layer = signed_layer().max_body_size(LIMIT);
    let (at_handler, at_body) = (Arc::clone(seen), Arc::clone(seen));
    let handler = async move |callback: Callback<FriendAdd>| {
        let id = callback.pair_list[0].from_account.to_string();
        *at_handler.delivered.lock().unwrap().entry(id).or_default() += 1;
        CallbackResponse::ok()
    };
    Router::new()
        .route("/", post(handler).layer(layer))
        .layer(MapRequestLayer::new(move |request| {
            watch(request, Arc::clone(&at_body))
        }))
}

/// Counts what is read of a body that must not be read.
fn watch(request: Request<Body>, seen: Arc<Seen>) -> Request<Body> {
    if !request.headers().contains_key(UNREAD) {
        return request;
    }
    request.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            seen.wasted.fetch_add(bytes, Relaxed);
            frame
        }))
    })
}

async fn serve(listener: TcpListener, router: Router, seen: Arc<Seen>) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    // What HTTP/2 buffers on its own of a body that nobody reads.
    server.http2().initial_stream_window_size(LIMIT as u32);
    let open = Arc::new(());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (server, open) = (server.clone(), Arc::clone(&open));
        seen.connections.fetch_add(1, Relaxed);
        let at_once = Arc::strong_count(&open) - 1;
        seen.most_at_once.fetch_max(at_once, Relaxed);
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            // An error is what most of these connections end in.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(open);
        });
    }
}
