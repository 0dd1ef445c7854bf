use std::borrow::Cow;

use bytes::Bytes;
use http::Uri;

use crate::{AnyCallback, Callback, CallbackContext, Packet, Rejection, packet, verify::query};

/// A callback as its handler finds it in the extensions.
pub(crate) trait Deliver: Clone + Send + Sync + 'static {
    /// What is read from the body.
    type Packet;

    /// The command of a request that is delivered.
    fn command(uri: &Uri) -> Cow<'static, str>;

    fn parse(body: &Bytes) -> Result<Self::Packet, Rejection>;

    fn new(command: Cow<'static, str>, context: CallbackContext, packet: Self::Packet) -> Self;
}

impl<P: Packet> Deliver for Callback<P> {
    type Packet = P;

    fn command(_: &Uri) -> Cow<'static, str> {
        Cow::Borrowed(P::COMMAND)
    }

    fn parse(body: &Bytes) -> Result<P, Rejection> {
        packet::parse(body)
    }

    fn new(_: Cow<'static, str>, context: CallbackContext, packet: P) -> Self {
        Self::new(packet, context)
    }
}

impl Deliver for AnyCallback {
    type Packet = Bytes;

    fn command(uri: &Uri) -> Cow<'static, str> {
        let first = query::commands(uri).next().unwrap_or_default();
        Cow::Owned(first.into_owned())
    }

    fn parse(body: &Bytes) -> Result<Bytes, Rejection> {
        Ok(body.clone())
    }

    fn new(command: Cow<'static, str>, context: CallbackContext, body: Bytes) -> Self {
        Self::new(command.into_owned(), context, body)
    }
}
