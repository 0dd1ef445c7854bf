//! poem, by its `TowerCompatExt`.

use mounts::{check_at, handle, layer, listen, router};
use poem::{Route, Server, endpoint::TowerCompatExt, listener::TcpAcceptor};
use tower::{ServiceBuilder, service_fn};
use tower_tencent_chat::FriendAdd;

async fn check(app: Route) {
    let (listener, address) = listen().await;
    let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
    check_at(address).await;
}

#[tokio::test]
async fn around_a_service() {
    let service = ServiceBuilder::new().layer(layer()).service_fn(handle);
    check(Route::new().at("/callback", service.compat())).await;
}

#[tokio::test]
async fn a_router_of_webhooks() {
    let service = router()
        .route::<FriendAdd>(service_fn(handle))
        .fallback(service_fn(handle));
    check(Route::new().at("/callback", service.compat())).await;
}
