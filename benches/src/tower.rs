//! The layer alone, over a service that does nothing.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde::{Deserialize, de::IgnoredAny};
use tower::{Layer, Service, ServiceBuilder};
use tower_tencent_chat::{CallbackRouter, FriendAdd, FriendAddLayer, Packet};

use crate::{APP, OTHER_WEBHOOK, Row, Work, callback, now, send, signed, token};

/// The rows of the layer alone.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::new("bare service", || work(bare(), OTHER_WEBHOOK)),
        Row::new("pass-through", || {
            work(layer().layer(bare()), OTHER_WEBHOOK)
        }),
        Row::new("pass-through, three layers", || {
            work(three(), OTHER_WEBHOOK)
        }),
        Row::new("bare service, no query", || work(bare(), "/")),
        Row::new("pass-through, no query", || {
            work(layer().layer(bare()), "/")
        }),
        Row::new("pass-through, no query, three layers", || {
            work(three(), "/")
        }),
        Row::new("rejection", || {
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
    for routes in [1, 60] {
        rows.push(Row::new(
            format!("router of {routes}, 3 pairs"),
            move || send::<_, Full<Bytes>>(router(routes), callback(3, 20).build()),
        ));
        rows.push(Row::new(
            format!("router of {routes}, acknowledged"),
            move || work(router(routes), OTHER_WEBHOOK),
        ));
        rows.push(Row::new(
            format!("router of {routes}, rejection"),
            move || {
                let request = callback(3, 20).query("SdkAppid", "1");
                send::<_, Full<Bytes>>(router(routes), request.build())
            },
        ));
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

type Router = CallbackRouter<Full<Bytes>, Full<Bytes>, Infallible>;

fn router(routes: usize) -> Router {
    let router = CallbackRouter::new(APP).route::<FriendAdd>(bare());
    match routes {
        1 => router,
        _ => others(router),
    }
}

/// Webhooks that no row sends.
#[derive(Deserialize)]
struct Another<const N: usize>(IgnoredAny);

macro_rules! others {
    ($($number:literal)+) => {
        impl<const N: usize> Packet for Another<N> {
            const COMMAND: &'static str = [$(concat!("Bench.Callback", $number)),+][N];
        }

        fn others(router: Router) -> Router {
            router$(.route::<Another<$number>>(bare()))+
        }
    };
}

others! {
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37
    38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58
}

fn bare() -> Bare {
    Bare
}

#[derive(Clone)]
struct Bare;

impl<B> Service<Request<B>> for Bare {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}
