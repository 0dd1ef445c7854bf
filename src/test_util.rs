//! Requests as Tencent Cloud Chat sends them, for tests of your handler behind its layer.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_tencent_chat::{
//!     Callback, CallbackResponse, FriendAdd, FriendAddLayer, RequestBody, test_util::CallbackRequest,
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
//! assert_eq!(response.status(), 200);
//! # }
//! ```

use std::{fmt, time::SystemTime};

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{Request, Uri};

use crate::{ClientCmd, FriendAdd, FriendPair, Packet, Token};

/// A request as Chat sends it: `POST`, Tencent's parameters in the query, the packet as the body.
///
/// The parameters are those of Tencent's own example, in its order: `SdkAppid`, `CallbackCommand`,
/// `contenttype=json`, `ClientIP=127.0.0.1`, `OptPlatform=Web`.
#[derive(Clone)]
#[must_use]
pub struct CallbackRequest {
    path: String,
    query: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone)]
enum Body {
    FriendAdd(FriendAdd),
    Other(Bytes),
}

impl CallbackRequest {
    /// `Sns.CallbackFriendAdd`, with no pairs yet.
    pub fn friend_add(sdk_app_id: u64) -> Self {
        let packet = FriendAdd {
            pair_list: Vec::new(),
            client_cmd: Some(ClientCmd::FriendAdd),
            admin_account: None,
            force_flag: false,
        };
        Self::with_body(FriendAdd::COMMAND, sdk_app_id, Body::FriendAdd(packet))
    }

    /// Any webhook, with any body.
    pub fn new(command: &str, sdk_app_id: u64, body: impl Into<Bytes>) -> Self {
        Self::with_body(command, sdk_app_id, Body::Other(body.into()))
    }

    fn with_body(command: &str, sdk_app_id: u64, body: Body) -> Self {
        Self {
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

    /// Adds a pair: `from` has asked to be friends with `to`.
    ///
    /// # Panics
    ///
    /// Where the request was made by [`new`](Self::new), whose body is not known to have pairs.
    pub fn pair(mut self, from: &str, to: &str) -> Self {
        let Body::FriendAdd(packet) = &mut self.body else {
            panic!("only a request made by `friend_add` has pairs");
        };
        packet.pair_list.push(FriendPair {
            from_account: from.into(),
            to_account: to.into(),
            initiator_account: Some(from.into()),
        });
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

    /// Sets the path of the URL. Default: `/`.
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

    /// The URL, from its path on.
    ///
    /// # Panics
    ///
    /// Where [`path`](Self::path) was given what is no path, or the URL is longer than 64 KiB.
    #[must_use]
    pub fn uri(&self) -> Uri {
        let query = Serializer::new(String::new())
            .extend_pairs(&self.query)
            .finish();
        format!("{}?{query}", self.path)
            .parse()
            .expect("path and length are those of a URL")
    }

    /// The packet.
    #[must_use]
    pub fn body(&self) -> Bytes {
        match &self.body {
            Body::FriendAdd(packet) => serde_json::to_vec(packet)
                .expect("a packet always serializes")
                .into(),
            Body::Other(body) => body.clone(),
        }
    }

    /// The whole request. As in Tencent's example, no `content-type` comes with it.
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
