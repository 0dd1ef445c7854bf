//! A function for AWS Lambda: what runs there is a process of its own.

use mounts::{handle, layer};
use tower::ServiceBuilder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let service = ServiceBuilder::new().layer(layer()).service_fn(handle);
    lambda_http::run(service).await
}
