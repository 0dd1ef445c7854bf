//! What people write without the layer: an axum handler of `Query` and `Json`, and the same as a
//! middleware function; both with the layer's checks.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Extension, Json,
    body::{Body, to_bytes},
    extract::{Query, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const COMMAND: &str = "Sns.CallbackFriendAdd";

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) sdk_app_id: u64,
    pub(crate) token: Option<Arc<str>>,
    pub(crate) now: fn() -> SystemTime,
}

#[derive(Deserialize)]
#[expect(dead_code)]
pub(crate) struct Parameters {
    #[serde(rename = "SdkAppid")]
    sdk_app_id: u64,
    #[serde(rename = "CallbackCommand")]
    callback_command: String,
    contenttype: Option<String>,
    #[serde(rename = "ClientIP")]
    client_ip: Option<String>,
    #[serde(rename = "OptPlatform")]
    opt_platform: Option<String>,
    #[serde(rename = "Sign")]
    sign: Option<String>,
    #[serde(rename = "RequestTime")]
    request_time: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code)]
pub(crate) struct FriendAdd {
    callback_command: String,
    pub(crate) pair_list: Vec<FriendPair>,
    client_cmd: String,
    #[serde(rename = "Admin_Account")]
    admin_account: String,
    force_flag: u8,
}

#[derive(Deserialize)]
#[expect(dead_code)]
pub(crate) struct FriendPair {
    #[serde(rename = "From_Account")]
    pub(crate) from_account: String,
    #[serde(rename = "To_Account")]
    pub(crate) to_account: String,
    #[serde(rename = "Initiator_Account")]
    initiator_account: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Answer {
    action_status: &'static str,
    error_code: i64,
    error_info: &'static str,
}

impl Answer {
    const OK: Self = Self {
        action_status: "OK",
        error_code: 0,
        error_info: "",
    };

    fn fail(error_info: &'static str) -> Self {
        Self {
            action_status: "FAIL",
            error_code: 1,
            error_info,
        }
    }
}

impl App {
    fn check(&self, parameters: &Parameters) -> Result<(), Answer> {
        if parameters.callback_command != COMMAND {
            return Err(Answer::fail("wrong command"));
        }
        if parameters.sdk_app_id != self.sdk_app_id {
            return Err(Answer::fail("wrong app"));
        }
        if let Some(content_type) = &parameters.contenttype
            && !content_type.eq_ignore_ascii_case("json")
        {
            return Err(Answer::fail("wrong content type"));
        }
        if let Some(token) = &self.token {
            let (Some(time), Some(sign)) = (parameters.request_time, &parameters.sign) else {
                return Err(Answer::fail("no signature"));
            };
            let now = (self.now)().duration_since(SystemTime::UNIX_EPOCH);
            if now.unwrap_or(Duration::ZERO).as_secs().abs_diff(time) > 60 {
                return Err(Answer::fail("too old"));
            }
            let digest = Sha256::digest(format!("{token}{time}"));
            if base16ct::lower::encode_string(&digest) != *sign {
                return Err(Answer::fail("wrong signature"));
            }
        }
        Ok(())
    }
}

fn check_command(packet: &FriendAdd) -> Result<(), Answer> {
    if packet.callback_command == COMMAND {
        Ok(())
    } else {
        Err(Answer::fail("wrong command"))
    }
}

pub(crate) async fn handler(
    State(app): State<App>,
    Query(parameters): Query<Parameters>,
    Json(packet): Json<FriendAdd>,
) -> Json<Answer> {
    let checked = app.check(&parameters).and_then(|()| check_command(&packet));
    match checked {
        Ok(()) => Json(Answer::OK),
        Err(answer) => Json(answer),
    }
}

pub(crate) async fn middleware(State(app): State<App>, request: Request, next: Next) -> Response {
    match receive(&app, request).await {
        Ok(request) => next.run(request).await,
        Err(answer) => Json(answer).into_response(),
    }
}

async fn receive(app: &App, request: Request) -> Result<Request, Answer> {
    let Query(parameters) = Query::<Parameters>::try_from_uri(request.uri())
        .map_err(|_| Answer::fail("wrong parameters"))?;
    if parameters.callback_command != COMMAND {
        return Ok(request);
    }
    app.check(&parameters)?;
    let (mut head, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024)
        .await
        .map_err(|_| Answer::fail("no body"))?;
    let packet: FriendAdd =
        serde_json::from_slice(&body).map_err(|_| Answer::fail("wrong body"))?;
    check_command(&packet)?;
    head.extensions.insert(Arc::new(packet));
    Ok(Request::from_parts(head, Body::from(body)))
}

/// The handler behind [`middleware`].
pub(crate) async fn behind_middleware(_: Option<Extension<Arc<FriendAdd>>>) -> Json<Answer> {
    Json(Answer::OK)
}
