//! The layer alone, over a service that does nothing.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    marker::PhantomData,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde::{Deserialize, de::IgnoredAny};
use tower::{Layer, Service, ServiceBuilder};
use tower_tencent_chat::{CallbackLayer, FriendAddLayer, Packet, ResponseBody};

use super::{APP, OTHER_WEBHOOK, Row, Work, callback, now, send, signed, token};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::new("bare service", || work(bare(), OTHER_WEBHOOK)),
        Row::new("pass-through", || {
            work(layer().layer(bare()), OTHER_WEBHOOK)
        }),
        Row::new("pass-through, three layers", || {
            work(three(), OTHER_WEBHOOK)
        }),
        Row::new("pass-through, two routes", || work(routes(), OTHER_WEBHOOK)),
        Row::new("bare service, no query", || work(bare(), "/")),
        Row::new("pass-through, no query", || {
            work(layer().layer(bare()), "/")
        }),
        Row::new("pass-through, no query, three layers", || {
            work(three(), "/")
        }),
        Row::new("refusal", || {
            let request = signed(callback(3, 20)).query("Sign", &"0".repeat(64));
            send::<_, Full<Bytes>>(signed_layer().layer(bare()), request.build())
        }),
    ];
    for (pairs, id_len) in [(1, 20), (3, 20), (100, 20), (1000, 20), (6000, 20)] {
        rows.push(Row::new(format!("{pairs} pairs"), move || {
            let request = callback(pairs, id_len).build();
            send::<_, Full<Bytes>>(layer().layer(bare()), request)
        }));
        rows.push(Row::new(format!("{pairs} pairs, signed"), move || {
            let request = signed(callback(pairs, id_len)).build();
            send::<_, Full<Bytes>>(signed_layer().layer(bare()), request)
        }));
    }
    for (pairs, id_len) in [(3, 24), (3, 32), (1000, 24), (1000, 32)] {
        let name = format!("{pairs} pairs, ids of {id_len} bytes");
        rows.push(Row::new(name, move || {
            let request = callback(pairs, id_len).build();
            send::<_, Full<Bytes>>(layer().layer(bare()), request)
        }));
    }
    rows
}

fn work<S>(service: S, uri: &str) -> Work
where
    S: Service<Request<Full<Bytes>>> + 'static,
{
    let request = Request::post(uri).body(Bytes::from_static(b"{}"));
    send(service, request.expect("the URL is valid"))
}

fn layer() -> FriendAddLayer {
    FriendAddLayer::new(APP)
}

fn signed_layer() -> FriendAddLayer {
    layer().token(token()).clock(now)
}

fn three() -> impl Service<Request<Full<Bytes>>> {
    ServiceBuilder::new()
        .layer(layer())
        .layer(layer().for_packet::<Another<0>>())
        .layer(layer().for_packet::<Another<1>>())
        .service(bare())
}

fn routes() -> impl Service<Request<Full<Bytes>>> {
    ServiceBuilder::new()
        .layer(layer().route_to(Bare::<ResponseBody<_>>::new()))
        .layer(CallbackLayer::<Another<0>>::new(APP).route_to(bare()))
        .service(bare())
}

/// Webhooks that no row sends.
#[derive(Deserialize)]
struct Another<const N: usize>(IgnoredAny);

impl<const N: usize> Packet for Another<N> {
    const COMMAND: &'static str = ["Sns.CallbackBlackListAdd", "Sns.CallbackBlackListDelete"][N];
}

fn bare() -> Bare {
    Bare::new()
}

struct Bare<ResBody = Full<Bytes>>(PhantomData<fn() -> ResBody>);

impl<ResBody> Bare<ResBody> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

impl<ResBody> Clone for Bare<ResBody> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<B, ResBody: Default> Service<Request<B>> for Bare<ResBody> {
    type Response = Response<ResBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}
