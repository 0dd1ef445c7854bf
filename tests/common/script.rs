//! A request body that plays a script and counts what is done to it.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    /// `Pending` once. Nothing but [`Probe::wake`] wakes the task.
    Wait,
    /// An error, and nothing after it.
    Fail,
}

pub(crate) fn data(bytes: impl AsRef<[u8]>) -> Step {
    Step::Data(Bytes::copy_from_slice(bytes.as_ref()))
}

pub(crate) fn trailers() -> Step {
    Step::Trailers(HeaderMap::from_iter([(
        http::header::ETAG,
        http::HeaderValue::from_static("end"),
    )]))
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Broken;

/// Panics if it is polled after its end or after its error.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    over: bool,
    size_hint: SizeHint,
    is_end_stream: bool,
    probe: Probe,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> (Self, Probe) {
        let probe = Probe::default();
        let script = Self {
            steps: steps.into_iter().collect(),
            over: false,
            size_hint: SizeHint::default(),
            is_end_stream: false,
            probe: probe.clone(),
        };
        (script, probe)
    }

    pub(crate) fn size_hint(mut self, lower: u64, upper: Option<u64>) -> Self {
        self.size_hint.set_lower(lower);
        if let Some(upper) = upper {
            self.size_hint.set_upper(upper);
        }
        self
    }

    /// What `is_end_stream` says, all the time; otherwise it never says that this is the end.
    pub(crate) fn says_end_of_stream(mut self, is_end_stream: bool) -> Self {
        self.is_end_stream = is_end_stream;
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.probe.state.polls.fetch_add(1, Ordering::SeqCst);
        assert!(!self.over, "polled after its end");
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Wait) => {
                *self.probe.state.waker.lock().unwrap() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Some(Step::Fail) => {
                self.over = true;
                Some(Err(Broken))
            }
            None => {
                self.over = true;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_end_stream
    }

    fn size_hint(&self) -> SizeHint {
        self.size_hint
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.probe.state.dropped.store(true, Ordering::SeqCst);
    }
}

/// What has been done to a [`Script`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Probe {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    polls: AtomicUsize,
    dropped: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Probe {
    /// How often `poll_frame` was called.
    pub(crate) fn polls(&self) -> usize {
        self.state.polls.load(Ordering::SeqCst)
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.state.dropped.load(Ordering::SeqCst)
    }

    /// Wakes whoever waits at a [`Step::Wait`].
    pub(crate) fn wake(&self) {
        let waker = self.state.waker.lock().unwrap().take();
        waker.expect("somebody waits for the body").wake();
    }
}
