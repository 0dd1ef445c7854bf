//! Reads a body into memory, up to a limit.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::rejection::{Rejection, rejection};

pin_project! {
    /// A future of the bytes of a whole body. Trailers are dropped: Chat sends none.
    pub(crate) struct ReadBody<B> {
        #[pin]
        body: B,
        announced: u64,
        limit: usize,
        buffer: Buffer,
    }
}

impl<B: Body> ReadBody<B> {
    pub(crate) fn new(headers: &HeaderMap, body: B, limit: usize) -> Self {
        let announced = content_length(headers).max(body.size_hint().lower());
        Self {
            body,
            announced,
            limit,
            buffer: Buffer::default(),
        }
    }
}

impl<B: Body> Future for ReadBody<B> {
    type Output = Result<Bytes, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let too_large = rejection!(BodyTooLarge, "the body is too large");
        // The announced size can refuse a body, but is not trusted to accept one.
        if *this.announced > *this.limit as u64 {
            return Poll::Ready(Err(too_large));
        }
        Poll::Ready(loop {
            match ready!(this.body.as_mut().poll_frame(cx)) {
                None => break Ok(mem::take(this.buffer).into_bytes()),
                Some(Err(_)) => break Err(rejection!(BodyUnreadable, "the body can't be read")),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    if data.remaining() > *this.limit - this.buffer.len() {
                        break Err(too_large);
                    }
                    this.buffer.push(data, *this.limit);
                }
            }
        })
    }
}

fn content_length(headers: &HeaderMap) -> u64 {
    let value = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    value.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// What has been read. The usual body comes as one frame, which is taken as it is.
enum Buffer {
    Frame(Bytes),
    Copy(Vec<u8>),
}

impl Default for Buffer {
    fn default() -> Self {
        Self::Frame(Bytes::new())
    }
}

impl Buffer {
    fn len(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.len(),
            Self::Copy(copy) => copy.len(),
        }
    }

    /// Frames are copied rather than kept: a frame of one byte can hold on to a buffer of many.
    fn push(&mut self, mut data: impl Buf, limit: usize) {
        let mut copy = match mem::take(self) {
            Self::Frame(frame) if frame.is_empty() => {
                *self = Self::Frame(data.copy_to_bytes(data.remaining()));
                return;
            }
            Self::Frame(frame) => frame.to_vec(),
            Self::Copy(copy) => copy,
        };
        let needed = copy.len() + data.remaining();
        if needed > copy.capacity() {
            // Doubling would go past the limit, by up to the limit.
            let capacity = (2 * copy.capacity()).clamp(needed, limit);
            copy.reserve_exact(capacity - copy.len());
        }
        copy.put(data);
        *self = Self::Copy(copy);
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Frame(frame) => frame,
            Self::Copy(copy) => copy.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_frame_is_not_copied() {
        let frame = Bytes::from(vec![b'x'; 100]);
        let mut buffer = Buffer::default();
        buffer.push(Bytes::new(), 100);
        buffer.push(frame.clone(), 100);
        assert_eq!(buffer.into_bytes().as_ptr(), frame.as_ptr());
    }

    #[test]
    fn many_frames_double_the_capacity_up_to_the_limit() {
        let mut buffer = Buffer::default();
        for count in 1..=1000_usize {
            buffer.push(Bytes::from_static(b"x"), 1000);
            assert_eq!(buffer.len(), count);
            if let Buffer::Copy(copy) = &buffer {
                assert_eq!(copy.capacity(), count.next_power_of_two().min(1000));
            }
        }
        assert_eq!(buffer.into_bytes(), [b'x'; 1000][..]);
    }

    #[test]
    fn only_a_number_is_a_content_length() {
        for (value, expected) in [("0", 0), ("1048577", 1048577), ("x", 0), ("", 0), ("-1", 0)] {
            let headers = HeaderMap::from_iter([(CONTENT_LENGTH, value.parse().unwrap())]);
            assert_eq!(content_length(&headers), expected, "{value}");
        }
        assert_eq!(content_length(&HeaderMap::new()), 0);
    }
}
