//! What every file of tests needs.

use std::fmt::Debug;

use http::Response;
use http_body::Body;
use http_body_util::BodyExt;

pub(crate) const APP_ID: u64 = 1400000000;

pub(crate) const OK: &str = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;

/// The envelope of a refusal.
pub(crate) fn fail(error_info: &str) -> String {
    format!(r#"{{"ActionStatus":"FAIL","ErrorCode":1,"ErrorInfo":"{error_info}"}}"#)
}

/// The whole body of a response.
pub(crate) async fn text<B: Body<Error: Debug>>(response: Response<B>) -> String {
    let body = response.into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().into()).unwrap()
}
