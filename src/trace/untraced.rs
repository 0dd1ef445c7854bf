//! Logs nothing: the feature `tracing` is off.

use std::{marker::PhantomData, time::SystemTime};

use http::{Extensions, Method, Uri};

use crate::Rejection;
#[cfg(feature = "axum")]
use crate::handed_on::HandedOn;

#[derive(Default)]
pub(crate) struct Log;

#[derive(Clone, Copy)]
pub(crate) struct Line<'a>(PhantomData<&'a Uri>);

impl<'a> Line<'a> {
    pub(crate) fn new(
        _: &'a Log,
        _: u64,
        _: &'a dyn Fn() -> SystemTime,
        _: &'a str,
        _: &'a Uri,
    ) -> Self {
        Self(PhantomData)
    }

    pub(crate) fn without_layer(_: &'a str, _: &'a Uri) -> Self {
        Self(PhantomData)
    }

    pub(crate) fn rejected(self, _: &Rejection, _: &Extensions) {}

    pub(crate) fn dropped(self, _: &Extensions) {}

    pub(crate) fn sign_is_ignored(self, _: &Extensions) {}

    pub(crate) fn acknowledged(self, _: &Extensions) {}

    pub(crate) fn not_a_webhook(self, _: &Method) {}

    #[cfg(feature = "axum")]
    pub(crate) fn other_handler(self, _: HandedOn) {}

    #[cfg(feature = "axum")]
    pub(crate) fn without_callback(self) {}

    #[cfg(feature = "axum")]
    pub(crate) fn other_webhook(self) {}
}
