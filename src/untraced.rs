//! Says nothing: the feature `tracing` is off.

use http::{Extensions, Method, Uri};

use crate::{CallbackContext, Rejection, verify::Configuration};

pub(crate) fn refused(_: &Configuration, _: &Rejection, _: Option<&CallbackContext>) {}

pub(crate) fn dropped(_: &Configuration, _: &str, _: &CallbackContext) {}

pub(crate) fn acknowledged(_: &Uri, _: &Extensions) {}

pub(crate) fn not_a_webhook(_: &Method) {}

#[cfg(feature = "axum")]
pub(crate) fn not_extracted(_: &Rejection) {}

#[cfg(feature = "axum")]
pub(crate) fn not_taken(_: &Uri, _: &str) {}

pub(crate) fn mount(_: &'static str) {}
