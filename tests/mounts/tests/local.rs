//! A `LocalSet`, with what can't leave its thread in the service and in both bodies.

use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use mounts::{check_at, handle, layer, listen};
use tokio::task::{LocalSet, spawn_local};
use tower::{ServiceBuilder, service_fn};

/// A body that is neither `Send` nor `Sync`.
struct Local<B> {
    body: Pin<Box<B>>,
    _rc: Rc<()>,
}

impl<B> Local<B> {
    fn new(body: B) -> Self {
        Self {
            body: Box::pin(body),
            _rc: Rc::default(),
        }
    }
}

impl<B: Body> Body for Local<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }
}

#[tokio::test]
async fn with_an_rc_in_the_service_and_in_the_bodies() {
    let (listener, address) = listen().await;
    let local = LocalSet::new();
    local.spawn_local(async move {
        let state = Rc::new(());
        let inner = service_fn(move |request| {
            let state = Rc::clone(&state);
            async move {
                let Ok(response) = handle(request).await;
                drop(state);
                Ok::<Response<_>, Infallible>(response.map(Local::new))
            }
        });
        let service = ServiceBuilder::new()
            .map_request(|request: Request<_>| request.map(Local::new))
            .layer(layer())
            .service(inner);
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    local.run_until(check_at(address)).await;
}
