//! An axum handler of `Query` and `Json` with the layer's checks: what an app without the layer runs, and what the
//! layer is measured against.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::post,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{APP, Check, TOKEN, now};

const COMMAND: &str = "Sns.CallbackFriendAdd";

pub(crate) fn app(check: Check) -> Router {
    Router::new().route("/", post(handler)).with_state(App {
        sdk_app_id: APP,
        token: match check {
            Check::Unsigned => None,
            Check::Signed => Some(Arc::from(TOKEN)),
        },
        now,
    })
}

#[derive(Clone)]
struct App {
    sdk_app_id: u64,
    token: Option<Arc<str>>,
    now: fn() -> SystemTime,
}

#[derive(Deserialize)]
#[expect(dead_code)]
struct Parameters {
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
struct FriendAdd {
    callback_command: String,
    pair_list: Vec<FriendPair>,
    client_cmd: String,
    #[serde(rename = "Admin_Account")]
    admin_account: String,
    force_flag: u8,
}

#[derive(Deserialize)]
#[expect(dead_code)]
struct FriendPair {
    #[serde(rename = "From_Account")]
    from_account: String,
    #[serde(rename = "To_Account")]
    to_account: String,
    #[serde(rename = "Initiator_Account")]
    initiator_account: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
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

async fn handler(
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
