use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{Platform, query::Parameters};

/// What the URL of a callback said.
///
/// Only `sdk_app_id` has been checked and, if a [`Token`](crate::Token) is set, `request_time`.
/// Tencent's signature covers the time and nothing else here.
///
/// ```
/// use tower_tencent_chat::{Callback, FriendAdd, Platform, test_util::CallbackRequest};
///
/// let callback: Callback<FriendAdd> = CallbackRequest::friend_add(1400000000).callback();
/// assert_eq!(callback.context().sdk_app_id, 1400000000);
/// assert_eq!(callback.context().platform, Some(Platform::Web));
/// assert_eq!(callback.context().request_time, None); // not signed
/// ```
///
/// Source: "Request parameters" on Tencent's page "After a Friend Is Added".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallbackContext {
    /// `SdkAppid`: the app, always the layer's own.
    #[serde(rename = "SdkAppid")]
    pub sdk_app_id: u64,
    /// `ClientIP`: the address of the user's client; `None` if it is absent or not an address.
    #[serde(rename = "ClientIP", default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<IpAddr>,
    /// `OptPlatform`: the platform of the user's client; absent for some webhooks.
    #[serde(
        rename = "OptPlatform",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub platform: Option<Platform>,
    /// `RequestId` or `RequestID`: an opaque name for the request, undocumented; the first if there
    /// are several.
    #[serde(rename = "RequestId", default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// `RequestTime`, in whole seconds; `Some` only if the signature was checked.
    #[serde(
        rename = "RequestTime",
        default,
        skip_serializing_if = "Option::is_none",
        with = "unix_seconds"
    )]
    pub request_time: Option<SystemTime>,
}

impl CallbackContext {
    pub(crate) fn new(
        sdk_app_id: u64,
        parameters: &Parameters<'_>,
        request_time: Option<SystemTime>,
    ) -> Self {
        Self {
            sdk_app_id,
            client_ip: parameters
                .client_ip
                .as_deref()
                .and_then(|ip| ip.parse().ok()),
            platform: parameters.opt_platform.as_deref().map(Platform::from),
            request_id: parameters.request_id.as_deref().map(Into::into),
            request_time,
        }
    }
}

/// `RequestTime` as Tencent sends it, for serde's `with`.
mod unix_seconds {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        time: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let since_epoch = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        since_epoch.map(|time| time.as_secs()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        let seconds = Option::<u64>::deserialize(deserializer)?;
        let time = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        seconds
            .map(|seconds| {
                time(seconds).ok_or_else(|| D::Error::custom("RequestTime is too large"))
            })
            .transpose()
    }
}
