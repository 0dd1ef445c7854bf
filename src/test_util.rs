//! Requests as Tencent Cloud Chat sends them, for tests of your handler behind its layer.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_tencent_chat::{
//!     Callback, CallbackResponse, FriendAdd, FriendAddLayer, Rejection, RequestBody,
//!     test_util::CallbackRequest,
//! };
//!
//! async fn friend_added(
//!     request: Request<RequestBody<Full<Bytes>>>,
//! ) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
//!     let callback = request.extensions().get::<Callback<FriendAdd>>().unwrap();
//!     assert_eq!(callback.pair_list[0].to_account, "bob");
//!     Ok(CallbackResponse::ok().into())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = ServiceBuilder::new()
//!     .layer(FriendAddLayer::new(1400000000))
//!     .service_fn(friend_added);
//! let request = CallbackRequest::friend_add(1400000000).pair("alice", "bob").build();
//! let response = app.oneshot(request).await.unwrap();
//! // A rejection has status 200, too.
//! assert!(response.extensions().get::<Rejection>().is_none());
//! # }
//! ```

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{Method, Request, Uri};
use serde::Serialize;

use crate::{
    AccountPair, BlackListAdd, BlackListDelete, Callback, FriendAdd, FriendDelete, FriendPair,
    Packet, Token, configuration::Configuration, packet,
};

/// A request as Chat sends it: `POST`, Tencent's parameters in the query, the packet as the body.
///
/// The parameters are those of Tencent's own example, in its order: `SdkAppid`, `CallbackCommand`,
/// `contenttype=json`, `ClientIP=127.0.0.1`, `OptPlatform=Web`.
#[derive(Clone)]
#[must_use]
pub struct CallbackRequest {
    sdk_app_id: u64,
    path: String,
    query: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone)]
enum Body {
    FriendAdd(Vec<FriendPair>),
    Pairs(&'static str, Vec<AccountPair>),
    Other(Bytes),
}

impl CallbackRequest {
    /// `Sns.CallbackFriendAdd`, with no pairs yet.
    pub fn friend_add(sdk_app_id: u64) -> Self {
        let body = Body::FriendAdd(Vec::new());
        Self::with_body(FriendAdd::COMMAND, sdk_app_id, body)
    }

    /// `Sns.CallbackFriendDelete`, with no pairs yet.
    pub fn friend_delete(sdk_app_id: u64) -> Self {
        Self::with_pairs(FriendDelete::COMMAND, sdk_app_id)
    }

    /// `Sns.CallbackBlackListAdd`, with no pairs yet.
    pub fn black_list_add(sdk_app_id: u64) -> Self {
        Self::with_pairs(BlackListAdd::COMMAND, sdk_app_id)
    }

    /// `Sns.CallbackBlackListDelete`, with no pairs yet.
    pub fn black_list_delete(sdk_app_id: u64) -> Self {
        Self::with_pairs(BlackListDelete::COMMAND, sdk_app_id)
    }

    /// Any webhook, with any body.
    pub fn new(command: &str, sdk_app_id: u64, body: impl Into<Bytes>) -> Self {
        Self::with_body(command, sdk_app_id, Body::Other(body.into()))
    }

    fn with_pairs(command: &'static str, sdk_app_id: u64) -> Self {
        Self::with_body(command, sdk_app_id, Body::Pairs(command, Vec::new()))
    }

    fn with_body(command: &str, sdk_app_id: u64, body: Body) -> Self {
        Self {
            sdk_app_id,
            path: "/".to_owned(),
            query: Vec::new(),
            body,
        }
        .query("SdkAppid", &sdk_app_id.to_string())
        .query("CallbackCommand", command)
        .query("contenttype", "json")
        .query("ClientIP", "127.0.0.1")
        .query("OptPlatform", "Web")
    }

    /// Adds a pair: `from` has added, deleted, blocked or unblocked `to`. In a
    /// [`friend_add`](Self::friend_add), `from` is also the initiator.
    ///
    /// # Panics
    ///
    /// If the request was made by [`new`](Self::new), since its body may have no pairs.
    pub fn pair(mut self, from: &str, to: &str) -> Self {
        match &mut self.body {
            Body::FriendAdd(pairs) => pairs.push(FriendPair {
                from_account: from.into(),
                to_account: to.into(),
                initiator_account: Some(from.into()),
            }),
            Body::Pairs(_, pairs) => pairs.push(AccountPair {
                from_account: from.into(),
                to_account: to.into(),
            }),
            Body::Other(_) => panic!("a request made by `new` has no pairs to add to"),
        }
        self
    }

    /// Sets a parameter of the query, or replaces it.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        match self.query.iter_mut().find(|(present, _)| present == name) {
            Some((_, present)) => value.clone_into(present),
            None => self.query.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Sets the path of the URL, which may have parameters of its own: `/callback?tenant=7`. Default: `/`.
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Signs the request: sets `Sign` and `RequestTime`, which is in whole seconds.
    pub fn signed(self, token: &Token, request_time: SystemTime) -> Self {
        let since_epoch = request_time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = since_epoch.as_secs();
        self.query("Sign", &token.sign(seconds))
            .query("RequestTime", &seconds.to_string())
    }

    /// The path and the query of the URL.
    ///
    /// # Panics
    ///
    /// If [`path`](Self::path) was given something that isn't a path, or if the URL is longer than
    /// 64 KiB.
    #[must_use]
    pub fn uri(&self) -> Uri {
        // A fragment is never sent.
        let path = self.path.split('#').next().unwrap_or_default();
        let separator = if path.contains('?') { '&' } else { '?' };
        let query = Serializer::new(String::new())
            .extend_pairs(&self.query)
            .finish();
        format!("{path}{separator}{query}")
            .parse()
            .expect("path and length are those of a URL")
    }

    /// The body: the packet as JSON.
    #[must_use]
    pub fn body(&self) -> Bytes {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct PairsPacket<'a> {
            callback_command: &'a str,
            pair_list: &'a [AccountPair],
        }

        let json = match &self.body {
            Body::FriendAdd(pairs) => serde_json::to_vec(&FriendAdd::new(pairs.clone())),
            Body::Pairs(callback_command, pair_list) => serde_json::to_vec(&PairsPacket {
                callback_command,
                pair_list,
            }),
            Body::Other(body) => return body.clone(),
        };
        json.expect("a packet always serializes").into()
    }

    /// The callback that a handler gets for this request, so that a test can call the handler directly.
    ///
    /// Its context has a `request_time` if the request is [`signed`](Self::signed). The signature is
    /// not checked.
    ///
    /// ```
    /// use tower_tencent_chat::{Callback, FriendAdd, test_util::CallbackRequest};
    ///
    /// fn first_friend(callback: &Callback<FriendAdd>) -> &str {
    ///     &callback.pair_list[0].to_account
    /// }
    ///
    /// let callback = CallbackRequest::friend_add(1400000000).pair("alice", "bob").callback();
    /// assert_eq!(first_friend(&callback), "bob");
    /// ```
    ///
    /// # Panics
    ///
    /// If the URL breaks a rule, or the body is not a packet of `P`. The size of the body is not checked.
    #[must_use]
    pub fn callback<P: Packet>(&self) -> Callback<P> {
        let verified = Configuration::new(self.sdk_app_id).verify(&Method::POST, &self.uri());
        let mut context = verified.expect("the URL is a callback's").context;
        let time = self.query.iter().find(|(name, _)| name == "RequestTime");
        context.request_time = time.and_then(|(_, seconds)| {
            let seconds = Duration::from_secs(seconds.parse().ok()?);
            SystemTime::UNIX_EPOCH.checked_add(seconds)
        });
        let packet = packet::parse(&self.body()).expect("the body is a packet of this webhook");
        Callback::new(packet, context)
    }

    /// The whole request. As in Tencent's example, it has no `content-type`.
    ///
    /// # Panics
    ///
    /// As [`uri`](Self::uri) does.
    #[must_use]
    pub fn build<B: From<Bytes>>(self) -> Request<B> {
        Request::post(self.uri())
            .body(self.body().into())
            .expect("method and URI are valid")
    }
}

impl fmt::Debug for CallbackRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackRequest").finish_non_exhaustive()
    }
}
