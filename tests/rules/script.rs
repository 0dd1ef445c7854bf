use std::{
    cell::Cell,
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// A body that is played from a script and counts how often it is polled; neither `Send` nor
/// `'static`, and of unknown size as long as nothing else is said.
pub(crate) struct Script<'a> {
    frames: VecDeque<Result<Frame<Bytes>, &'a str>>,
    size_hint: SizeHint,
    polled: Rc<Cell<usize>>,
}

impl<'a> Script<'a> {
    pub(crate) fn new() -> Self {
        Self {
            frames: VecDeque::new(),
            size_hint: SizeHint::new(),
            polled: Rc::default(),
        }
    }

    pub(crate) fn data(mut self, data: impl AsRef<[u8]>) -> Self {
        let frame = Frame::data(Bytes::copy_from_slice(data.as_ref()));
        self.frames.push_back(Ok(frame));
        self
    }

    pub(crate) fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        let mut trailers = HeaderMap::new();
        trailers.insert(name, value.parse().unwrap());
        self.frames.push_back(Ok(Frame::trailers(trailers)));
        self
    }

    pub(crate) fn error(mut self, error: &'a str) -> Self {
        self.frames.push_back(Err(error));
        self
    }

    pub(crate) fn size_hint(mut self, lower: u64, upper: Option<u64>) -> Self {
        self.size_hint.set_lower(lower);
        if let Some(upper) = upper {
            self.size_hint.set_upper(upper);
        }
        self
    }

    /// The count of polls; it can be told by it, too, whether the body still exists.
    pub(crate) fn polled(&self) -> Rc<Cell<usize>> {
        Rc::clone(&self.polled)
    }
}

impl<'a> Body for Script<'a> {
    type Data = Bytes;
    type Error = &'a str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'a str>>> {
        self.polled.set(self.polled.get() + 1);
        Poll::Ready(self.frames.pop_front())
    }

    fn size_hint(&self) -> SizeHint {
        self.size_hint
    }
}
