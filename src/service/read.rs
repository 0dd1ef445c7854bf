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

use crate::Rejection;

pin_project! {
    /// A future of the bytes of a whole body.
    pub(super) struct ReadBody<B> {
        #[pin]
        frames: DataFrames<B>,
        announced: u64,
        limit: usize,
        buffer: Buffer,
    }
}

impl<B: Body> ReadBody<B> {
    pub(super) fn new(headers: &HeaderMap, body: B, limit: usize) -> Self {
        let frames = DataFrames::new(body);
        Self {
            announced: frames.announced(headers),
            frames,
            limit,
            buffer: Buffer::default(),
        }
    }

    /// How large the body is said to be, in bytes.
    pub(super) fn announced(&self) -> u64 {
        self.announced
    }

    /// What has not been read yet.
    pub(super) fn rest(self: Pin<&mut Self>) -> Pin<&mut DataFrames<B>> {
        self.project().frames
    }
}

impl<B: Body> Future for ReadBody<B> {
    type Output = Result<Bytes, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // The announced size can reject a body, but is not trusted to accept one.
        if *this.announced > *this.limit as u64 {
            return Poll::Ready(Err(Rejection::TOO_LARGE));
        }
        let read = loop {
            match ready!(this.frames.as_mut().poll_next(cx)) {
                None => break Ok(()),
                Some(Err(_)) => break Err(Rejection::UNREADABLE),
                Some(Ok(data)) if data.remaining() > *this.limit - this.buffer.len() => {
                    break Err(Rejection::TOO_LARGE);
                }
                Some(Ok(data)) => this.buffer.push(data, *this.limit),
            }
        };
        // Of a rejected body nothing is kept.
        let buffer = mem::take(this.buffer);
        Poll::Ready(read.map(|()| buffer.into_bytes()))
    }
}

pin_project! {
    /// The data of a body. Trailers are dropped: Chat sends none.
    pub(super) struct DataFrames<B> {
        #[pin]
        body: B,
        // Since the body was last pending.
        polled: u8,
        state: BodyState,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum BodyState {
    Open,
    Ended,
    Failed,
}

impl<B: Body> DataFrames<B> {
    /// After so many frames, others get their turn. A body that is always ready, with empty frames, would
    /// otherwise keep its thread for ever, and no time-out could fire. A body of 1 MiB takes 64 frames
    /// of HTTP/2's default size.
    const BUDGET: u8 = 128;

    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            polled: 0,
            state: BodyState::Open,
        }
    }

    /// `None` at the end, and after an error.
    pub(super) fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<B::Data, B::Error>>> {
        let mut this = self.project();
        if *this.state != BodyState::Open {
            return Poll::Ready(None);
        }
        loop {
            if *this.polled == Self::BUDGET {
                *this.polled = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let frame = match this.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => {
                    *this.state = BodyState::Failed;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    *this.state = BodyState::Ended;
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    *this.polled = 0;
                    return Poll::Pending;
                }
            };
            *this.polled += 1;
            if let Ok(data) = frame.into_data() {
                return Poll::Ready(Some(Ok(data)));
            }
        }
    }

    /// Whether more of the body may come.
    pub(super) fn is_unread(&self) -> bool {
        self.state != BodyState::Ended && !self.body.is_end_stream()
    }

    /// How large the body is said to be, in bytes.
    pub(super) fn announced(&self, headers: &HeaderMap) -> u64 {
        content_length(headers).max(self.body.size_hint().lower())
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
