use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{CallbackContext, Packet, Rejection, packet};

/// A webhook of any command, verified and not parsed: see
/// [`CallbackRouter::route_others`](crate::CallbackRouter::route_others).
///
/// The router puts it into the extensions of the request. Clones share the bytes. With the feature `axum`
/// it is an extractor.
#[derive(Clone)]
pub struct AnyCallback {
    body: Bytes,
    shared: Arc<(String, CallbackContext)>,
}

impl AnyCallback {
    pub(crate) fn new(command: String, context: CallbackContext, body: Bytes) -> Self {
        Self {
            body,
            shared: Arc::new((command, context)),
        }
    }

    /// The `CallbackCommand` of the URL.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.shared.0
    }

    /// The body as Chat has sent it. It is not known to be JSON.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What the URL said, such as the platform of the user's client.
    #[must_use]
    pub fn context(&self) -> &CallbackContext {
        &self.shared.1
    }

    /// Parses the body as a route for `P` would.
    ///
    /// ```
    /// use tower_tencent_chat::{AnyCallback, FriendDelete, Packet};
    ///
    /// fn count_deletions(callback: &AnyCallback) -> usize {
    ///     match callback.packet::<FriendDelete>() {
    ///         Ok(packet) => packet.pair_list.len(),
    ///         Err(_) => 0, // another webhook, or a body that isn't one
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CommandMismatch`](crate::RejectionKind::CommandMismatch) if the URL or the body has another command,
    /// and [`MalformedPacket`](crate::RejectionKind::MalformedPacket) if the body is not a packet of `P`.
    pub fn packet<P: Packet>(&self) -> Result<P, Rejection> {
        let packet = if self.command() == P::COMMAND {
            packet::parse(&self.body)
        } else {
            Err(Rejection::COMMAND)
        };
        packet.map_err(|rejection| rejection.of(P::COMMAND))
    }
}

impl fmt::Debug for AnyCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyCallback")
            .field("command", &self.command())
            .field("context", self.context())
            .finish_non_exhaustive()
    }
}
