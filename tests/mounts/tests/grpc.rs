//! tonic: gRPC and callbacks on one port.

use std::net::SocketAddr;

use axum::{body::Body, routing::any};
use mounts::{check_at, handle, layer, listen};
use tonic::{
    service::Routes,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
    server::{HealthReporter, health_reporter},
};

/// gRPC's own service of health beside a route for callbacks.
fn routes() -> (HealthReporter, axum::Router) {
    let (reporter, health) = health_reporter();
    let callbacks = any(async |request| handle::<Body>(request).await.unwrap());
    let routes = Routes::new(health).into_axum_router();
    (reporter, routes.route("/callback", callbacks))
}

/// A call, and a stream that is still open when its second message comes.
async fn check_grpc(address: SocketAddr, reporter: HealthReporter) {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = HealthClient::new(endpoint.connect().await.unwrap());
    let everything = HealthCheckRequest {
        service: String::new(),
    };
    let health = client.check(everything.clone()).await.unwrap();
    assert_eq!(health.into_inner().status, ServingStatus::Serving as i32);

    let mut stream = client.watch(everything).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.status, ServingStatus::Serving as i32);
    reporter
        .set_service_status("", ServingStatus::NotServing)
        .await;
    let second = stream.message().await.unwrap().unwrap();
    assert_eq!(second.status, ServingStatus::NotServing as i32);

    let unknown = HealthCheckRequest {
        service: "unknown".to_owned(),
    };
    let error = client.check(unknown).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn on_tonics_routes_as_a_router_of_axum() {
    let (reporter, routes) = routes();
    let (listener, address) = listen().await;
    let app = routes.layer(layer());
    tokio::spawn(async { axum::serve(listener, app).await });
    check_at(address).await;
    check_grpc(address, reporter).await;
}

#[tokio::test]
async fn on_tonics_server() {
    let (reporter, routes) = routes();
    let (listener, address) = listen().await;
    let server = Server::builder()
        .accept_http1(true)
        .layer(layer())
        .add_routes(routes.into())
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(server);
    check_at(address).await;
    check_grpc(address, reporter).await;
}
