//! On axum, without a server.

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, header},
};
use bytes::Bytes;
use http::Request;

use crate::{
    Check, OTHER_WEBHOOK, Row, Work,
    apps::{HANDLERS, nothing},
    callback, send, signed,
};

/// The rows of the handlers on axum.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = vec![Row::new("nothing", || {
        work(nothing(), callback(3, 20).build())
    })];
    for (name, handler) in HANDLERS.into_iter().skip(1) {
        rows.push(Row::new(format!("{name}, pass-through"), move || {
            let request = Request::post(OTHER_WEBHOOK).body(Bytes::from_static(b"{}"));
            let request = request.expect("the URL is valid");
            work(handler(Check::Unsigned), request)
        }));
    }
    for pairs in [3, 1000] {
        for (name, handler) in HANDLERS {
            rows.push(Row::new(format!("{name}, {pairs} pairs"), move || {
                work(handler(Check::Unsigned), callback(pairs, 20).build())
            }));
        }
        for (name, handler) in HANDLERS {
            let name = format!("{name}, {pairs} pairs, signed");
            rows.push(Row::new(name, move || {
                work(handler(Check::Signed), signed(callback(pairs, 20)).build())
            }));
        }
    }
    rows
}

/// With the headers that `Json` asks for, and any server passes on.
fn work(app: Router, mut request: Request<Bytes>) -> Work {
    let length = request.body().len().into();
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    send::<_, Body>(app.into_service(), request)
}
