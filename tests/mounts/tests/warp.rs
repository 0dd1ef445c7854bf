//! warp, whose filters are inside, by `warp::service`.

use mounts::{answer, check_at, layer, router, serve};
use tower::ServiceBuilder;
use tower_tencent_chat::{Callback, FriendAdd};
use warp::{Filter, Reply};

fn filter() -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
    warp::path!("callback")
        .and(warp::ext::optional())
        .and(warp::method())
        .and(warp::query::raw())
        .and(warp::body::bytes())
        .map(
            |callback: Option<Callback<FriendAdd>>, method, query: String, body| {
                let url = format!("/callback?{query}");
                answer(callback.as_ref(), &method, &url, &body)
            },
        )
}

#[tokio::test]
async fn around_a_filter() {
    let service = ServiceBuilder::new()
        .layer(layer())
        .service(warp::service(filter()));
    check_at(serve(service).await).await;
}

#[tokio::test]
async fn a_router_of_webhooks() {
    let service = router()
        .route::<FriendAdd>(warp::service(filter()))
        .fallback(warp::service(filter()));
    check_at(serve(service).await).await;
}
