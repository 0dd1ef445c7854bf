use std::{
    fmt::{self, Debug},
    net::IpAddr,
    ops::Deref,
    sync::Arc,
    time::SystemTime,
};

use crate::Platform;

/// A verified callback: the packet of one webhook, and what the URL said.
///
/// The layer puts it into the extensions of the request. It dereferences to the packet; a clone
/// shares it.
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
/// With the feature `axum` it is an extractor, and an optional one where a handler serves several
/// webhooks:
///
/// ```
/// use axum::{Router, routing::post};
/// use tower::ServiceBuilder;
/// use tower_tencent_chat::{
///     Callback, CallbackResponse, FriendAdd, FriendAddLayer, FriendPair, Packet,
/// };
///
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "PascalCase")]
/// struct FriendDelete {
///     pair_list: Vec<FriendPair>,
/// }
///
/// impl Packet for FriendDelete {
///     const COMMAND: &'static str = "Sns.CallbackFriendDelete";
/// }
///
/// async fn webhooks(
///     added: Option<Callback<FriendAdd>>,
///     deleted: Option<Callback<FriendDelete>>,
/// ) -> CallbackResponse {
///     println!("{} added, {} deleted", added.is_some(), deleted.is_some());
///     CallbackResponse::ok()
/// }
///
/// let friend_add = FriendAddLayer::new(1400000000);
/// let layers = ServiceBuilder::new()
///     .layer(friend_add.for_packet::<FriendDelete>())
///     .layer(friend_add);
/// let app: Router = Router::new().route("/callback", post(webhooks).layer(layers));
/// ```
pub struct Callback<P> {
    shared: Arc<(P, CallbackContext)>,
}

impl<P> Callback<P> {
    pub(crate) fn new(packet: P, context: CallbackContext) -> Self {
        Self {
            shared: Arc::new((packet, context)),
        }
    }

    /// What the URL said.
    #[must_use]
    pub fn context(&self) -> &CallbackContext {
        &self.shared.1
    }
}

impl<P> Deref for Callback<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.shared.0
    }
}

impl<P> Clone for Callback<P> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<P: Debug> Debug for Callback<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (packet, context) = &*self.shared;
        f.debug_struct("Callback")
            .field("packet", packet)
            .field("context", context)
            .finish()
    }
}

/// What the URL of a callback said.
///
/// With a [`Token`](crate::Token) set, only `sdk_app_id` and `request_time` have been checked:
/// Tencent's signature does not cover the rest.
///
/// Source: "Request parameters" on Tencent's page "After a Friend Is Added".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallbackContext {
    /// `SdkAppid`: the app, always the layer's own.
    pub sdk_app_id: u64,
    /// `ClientIP`: the address of the user's client; `None` where it is absent or not an address.
    pub client_ip: Option<IpAddr>,
    /// `OptPlatform`: the platform of the user's client; absent for some webhooks.
    pub platform: Option<Platform>,
    /// `RequestId` or `RequestID`: an opaque name for the request, undocumented; the first where
    /// there are several.
    pub request_id: Option<String>,
    /// `RequestTime`, in whole seconds; `Some` only where the signature was checked.
    pub request_time: Option<SystemTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NotClone;

    fn callback<P>(packet: P) -> Callback<P> {
        let context = CallbackContext {
            sdk_app_id: 1400000000,
            client_ip: None,
            platform: None,
            request_id: None,
            request_time: None,
        };
        Callback::new(packet, context)
    }

    #[test]
    fn clones_share_the_packet() {
        let callback = callback(NotClone);
        assert!(std::ptr::eq(&*callback, &*callback.clone()));
        assert_eq!(callback.clone().context(), callback.context());
    }

    #[test]
    fn debug_shows_packet_and_context() {
        let debug = format!("{:?}", callback("packet"));
        assert!(debug.starts_with(r#"Callback { packet: "packet", context: CallbackContext {"#));
    }
}
