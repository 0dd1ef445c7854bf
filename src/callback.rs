use std::{
    fmt::{self, Debug},
    ops::Deref,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct};

use crate::{CallbackContext, Packet};

/// A callback that the layer has accepted: the packet of one webhook, and what the URL said.
///
/// The layer puts it into the extensions of the request. It dereferences to the packet. Clones share
/// the packet.
///
/// ```
/// use http::Request;
/// use tower_tencent_chat::{Callback, FriendAdd};
///
/// fn log<B>(request: &Request<B>) {
///     if let Some(callback) = request.extensions().get::<Callback<FriendAdd>>() {
///         for pair in &callback.pair_list {
///             println!("{} added {}", pair.from_account, pair.to_account);
///         }
///     }
/// }
/// # log(&Request::new(()));
/// ```
///
/// With the feature `axum` it is an extractor, and an optional one for a handler that serves several
/// webhooks. Such a handler should pass other requests to `acknowledge`, which reads their bodies and logs
/// lost events:
///
/// ```
/// use axum::{Router, extract::Request, response::{IntoResponse, Response}, routing::post};
/// use tower::ServiceBuilder;
/// use tower_tencent_chat::{
///     Callback, CallbackResponse, FriendAdd, FriendAddLayer, FriendDelete, acknowledge,
/// };
///
/// async fn friends_changed(
///     added: Option<Callback<FriendAdd>>,
///     deleted: Option<Callback<FriendDelete>>,
///     request: Request,
/// ) -> Response {
///     match (added, deleted) {
///         (Some(added), _) => println!("{} added", added.pair_list.len()),
///         (_, Some(deleted)) => println!("{} deleted", deleted.pair_list.len()),
///         _ => return acknowledge(request).await,
///     }
///     CallbackResponse::ok().into_response()
/// }
///
/// let friend_add = FriendAddLayer::new(1400000000);
/// let layers = ServiceBuilder::new()
///     .layer(friend_add.for_packet::<FriendDelete>())
///     .layer(friend_add);
/// let app: Router = Router::new().route("/callback", post(friends_changed).layer(layers));
/// ```
///
/// It can be written to a queue as JSON and read back: see its [`Serialize`] and
/// [`Deserialize`](#impl-Deserialize%3C'de%3E-for-Callback%3CP%3E) implementations. In a test,
/// `test_util::CallbackRequest::callback` makes one, with the feature `test-util`.
// The bound is here and not only where it is needed, so that the compiler says of a handler's argument that its
// `P` isn't a `Packet`, and not only that the handler isn't one.
pub struct Callback<P: Packet> {
    shared: Arc<(P, CallbackContext)>,
}

impl<P: Packet> Callback<P> {
    pub(crate) fn new(packet: P, context: CallbackContext) -> Self {
        Self {
            shared: Arc::new((packet, context)),
        }
    }

    /// What the URL said, such as the platform of the user's client.
    #[must_use]
    pub fn context(&self) -> &CallbackContext {
        &self.shared.1
    }

    /// Takes the packet out. It is cloned only if another clone of the callback still exists.
    ///
    /// ```
    /// use tower_tencent_chat::{Callback, FriendAdd, FriendPair};
    ///
    /// fn pairs(callback: Callback<FriendAdd>) -> Vec<FriendPair> {
    ///     callback.into_packet().pair_list
    /// }
    /// ```
    #[must_use]
    pub fn into_packet(self) -> P
    where
        P: Clone,
    {
        Arc::try_unwrap(self.shared).map_or_else(|shared| shared.0.clone(), |(packet, _)| packet)
    }
}

impl<P: Packet> Deref for Callback<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.shared.0
    }
}

impl<P: Packet> Clone for Callback<P> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<P: Packet + PartialEq> PartialEq for Callback<P> {
    fn eq(&self, other: &Self) -> bool {
        self.shared == other.shared
    }
}

/// Serializes as `{"context":{..},"packet":{..}}`, for a queue or a journal. Both have Tencent's names.
///
/// ```
/// use tower_tencent_chat::{Callback, FriendAdd, test_util::CallbackRequest};
///
/// let callback: Callback<FriendAdd> =
///     CallbackRequest::friend_add(1400000000).pair("alice", "bob").callback();
/// let queued = serde_json::to_string(&callback)?;
/// let read: Callback<FriendAdd> = serde_json::from_str(&queued)?;
/// assert_eq!(read, callback);
/// # Ok::<_, serde_json::Error>(())
/// ```
impl<P: Packet + Serialize> Serialize for Callback<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (packet, context) = &*self.shared;
        let mut callback = serializer.serialize_struct("Callback", 2)?;
        callback.serialize_field("context", context)?;
        callback.serialize_field("packet", packet)?;
        callback.end()
    }
}

/// Reads a callback back. Nothing is verified, so only trusted programs may write to the queue.
impl<'de, P: Packet> Deserialize<'de> for Callback<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(bound = "P: Packet")]
        struct Parts<P> {
            context: CallbackContext,
            packet: P,
        }

        let Parts { context, packet } = Parts::deserialize(deserializer)?;
        Ok(Self::new(packet, context))
    }
}

impl<P: Packet + Debug> Debug for Callback<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (packet, context) = &*self.shared;
        f.debug_struct("Callback")
            .field("packet", packet)
            .field("context", context)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FriendAdd;

    fn callback() -> Callback<FriendAdd> {
        let context = CallbackContext {
            sdk_app_id: 1400000000,
            client_ip: None,
            platform: None,
            request_id: None,
            request_time: None,
        };
        Callback::new(FriendAdd::new(vec![]), context)
    }

    #[test]
    fn the_last_clone_gives_its_packet_away() {
        let mut packet = FriendAdd::new(Vec::with_capacity(1));
        let data = packet.pair_list.as_ptr();
        packet.force_flag = true;
        let last = Callback::new(packet, callback().context().clone());
        let cloned = last.clone().into_packet();
        assert_ne!(cloned.pair_list.as_ptr(), data);
        assert_eq!(last.into_packet().pair_list.as_ptr(), data);
    }

    #[test]
    fn debug_shows_packet_and_context() {
        let debug = format!("{:?}", callback());
        assert!(
            debug.starts_with("Callback { packet: FriendAdd {"),
            "{debug}"
        );
        assert!(debug.contains("context: CallbackContext {"), "{debug}");
    }
}
