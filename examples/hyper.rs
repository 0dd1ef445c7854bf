//! Plain hyper, HTTP/1 and HTTP/2, without a framework: prints who has added whom.
//!
//! Start it with `cargo run --example hyper`, and call it, as Chat would, with
//! `cargo run --example simulate -- http://127.0.0.1:3000/callback`.
//!
//! The environment sets it up: `ADDR` (default `127.0.0.1:3000`), `SDK_APP_ID` (default `1400000000`)
//! and `CALLBACK_TOKEN` (default none; several are separated by commas).

mod support;

use std::{convert::Infallible, error::Error, pin::pin, process::ExitCode, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::time::{sleep, timeout};
use tower::{ServiceBuilder, service_fn};
use tower_http::timeout::TimeoutLayer;
use tower_tencent_chat::{Acknowledge, Callback, CallbackResponse, FriendAdd};

use support::{TIMEOUT, friend_add_layer, listen, print, stop_signal};

async fn friend_added<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Some(callback) = request.extensions().get::<Callback<FriendAdd>>() else {
        return Ok(CallbackResponse::fail("no callback came with the request").into());
    };
    let pairs = callback.pair_list.iter();
    print(
        "added",
        pairs.map(|pair| (&pair.from_account, &pair.to_account)),
    );
    Ok(CallbackResponse::ok().into())
}

#[tokio::main]
async fn main() -> ExitCode {
    support::run(serve()).await
}

async fn serve() -> Result<(), Box<dyn Error>> {
    // Webhooks are taken on every path: there is no router, and Chat only calls the one it is told.
    let timeout_layer = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT);
    let callbacks = ServiceBuilder::new()
        .layer(timeout_layer)
        .layer(friend_add_layer()?.route_to(service_fn(friend_added)))
        .service(Acknowledge::new());

    let mut stop = pin!(stop_signal()?);
    let listener = listen().await?;
    let server = Builder::new(TokioExecutor::new());
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => TokioIo::new(stream),
                Err(error) => {
                    tracing::warn!("a connection was not accepted: {error}");
                    // Out of file descriptors, say: some connections have to end first.
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let service = TowerToHyperService::new(callbacks.clone());
        let connection = server.serve_connection(stream, service).into_owned();
        tokio::spawn(connections.watch(connection));
    }
    drop(listener);
    // Requests have ended by then, but a client may never finish the head of one.
    let _ = timeout(TIMEOUT * 2, connections.shutdown()).await;
    Ok(())
}
