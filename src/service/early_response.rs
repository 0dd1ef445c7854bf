use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{Response, Version, header::EXPECT, request::Parts};
use http_body::Body;

use super::read::DataFrames;
use crate::response::close_connection;

/// A response that no inner service has made. The rest of the request's body is read and dropped first.
///
/// A proxy that can't send a body to its end counts the server as failed, and takes it out of rotation:
/// with nginx's defaults, one such request is enough for ten seconds.
pub(super) struct EarlyResponse {
    response: Option<Response<Bytes>>,
    /// How much more of the body is read, in bytes. `None` if no more of it is.
    to_drop: Option<usize>,
    is_http_1: bool,
}

impl EarlyResponse {
    /// Reads at most `limit` bytes of the body. It reads nothing of a body that was announced as larger, or
    /// that its sender holds back until `100 Continue`. On HTTP/2 only the stream ends with the response.
    pub(super) fn new(
        response: Response<Bytes>,
        head: &Parts,
        announced: u64,
        limit: usize,
    ) -> Self {
        let is_http_1 = head.version < Version::HTTP_2;
        let is_read = is_http_1 && announced <= limit as u64 && !head.headers.contains_key(EXPECT);
        Self {
            response: Some(response),
            to_drop: is_read.then_some(limit),
            is_http_1,
        }
    }

    pub(super) fn poll<B: Body>(
        &mut self,
        mut body: Pin<&mut DataFrames<B>>,
        cx: &mut Context<'_>,
    ) -> Poll<Response<Bytes>> {
        while let Some(to_drop) = self.to_drop {
            self.to_drop = match ready!(body.as_mut().poll_next(cx)) {
                Some(Ok(data)) => to_drop.checked_sub(data.remaining()),
                Some(Err(_)) | None => None,
            };
        }
        let mut response = self.response.take().expect("a response is sent once");
        if self.is_http_1 && body.is_unread() {
            close_connection(&mut response);
        }
        Poll::Ready(response)
    }
}
