//! The layer and the router in every framework that takes a Tower service, with real servers.

mod actix;
mod axum;
mod axum_server;
mod grpc;
mod gzip;
mod hyper;
mod lambda;
mod poem;
mod tower_http;
mod warp;
