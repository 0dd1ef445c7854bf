//! What a request must be, as far as its method and URL tell.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{Method, Uri};
use subtle::Choice;

use crate::{
    CallbackContext, Token,
    query::Parameters,
    rejection::{Rejection, rejection},
    token::Signature,
};

/// Makes the rejection for a parameter that isn't there.
macro_rules! missing {
    ($name:literal) => {
        || rejection!(MissingParameter, "the ", $name, " parameter is missing")
    };
}

/// The configuration of a [`CallbackLayer`](crate::CallbackLayer).
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) sdk_app_id: u64,
    pub(crate) tokens: Vec<Token>,
    pub(crate) request_time_window: Duration,
    pub(crate) max_body_size: usize,
    pub(crate) clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Rules {
    pub(crate) fn verify(&self, method: &Method, uri: &Uri) -> Result<CallbackContext, Rejection> {
        if method != Method::POST {
            return Err(rejection!(MethodNotAllowed, "the method is not POST"));
        }
        let parameters = Parameters::parse(uri)?;
        self.verify_sdk_app_id(&parameters)?;
        verify_content_type(&parameters)?;
        let request_time = match &self.tokens[..] {
            [] => None,
            tokens => Some(self.verify_signature(tokens, &parameters)?),
        };
        Ok(CallbackContext {
            sdk_app_id: self.sdk_app_id,
            client_ip: parameters.client_ip.and_then(|ip| ip.parse().ok()),
            platform: parameters
                .opt_platform
                .and_then(|platform| platform.parse().ok()),
            request_id: parameters.request_id.map(Into::into),
            request_time,
        })
    }

    fn verify_sdk_app_id(&self, parameters: &Parameters<'_>) -> Result<(), Rejection> {
        let id = parameters
            .sdk_app_id
            .as_deref()
            .ok_or_else(missing!("SdkAppid"))?;
        if decimal(id) != Some(self.sdk_app_id) {
            return Err(rejection!(
                SdkAppIdMismatch,
                "the SdkAppid parameter is not this app's"
            ));
        }
        Ok(())
    }

    fn verify_signature(
        &self,
        tokens: &[Token],
        parameters: &Parameters<'_>,
    ) -> Result<SystemTime, Rejection> {
        let text = parameters
            .request_time
            .as_deref()
            .ok_or_else(missing!("RequestTime"))?;
        let time = self.verify_request_time(text)?;
        let sign = parameters.sign.as_deref().ok_or_else(missing!("Sign"))?;
        let signed = Signature::parse(sign).is_some_and(|signature| {
            // Every token is tried, so that the time taken doesn't tell which one has signed.
            let by_any = tokens.iter().fold(Choice::from(0), |by_any, token| {
                by_any | token.has_signed(text, &signature)
            });
            by_any.into()
        });
        if !signed {
            return Err(rejection!(SignMismatch, "the Sign parameter is not right"));
        }
        Ok(time)
    }

    /// The window is inclusive, and the same into the past and into the future.
    fn verify_request_time(&self, text: &str) -> Result<SystemTime, Rejection> {
        let now = (self.clock)();
        decimal(text)
            .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
            .filter(|&time| distance(now, time) <= self.request_time_window)
            .ok_or_else(|| {
                rejection!(
                    StaleRequestTime,
                    "the RequestTime parameter is too far from now"
                )
            })
    }
}

fn verify_content_type(parameters: &Parameters<'_>) -> Result<(), Rejection> {
    match parameters.content_type.as_deref() {
        Some(content_type) if !content_type.eq_ignore_ascii_case("json") => Err(rejection!(
            UnsupportedContentType,
            "the contenttype parameter is not json"
        )),
        _ => Ok(()),
    }
}

/// A number of decimal digits and nothing else: `parse` alone would take a sign.
fn decimal(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

fn distance(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).unwrap_or_else(|error| error.duration())
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("sdk_app_id", &self.sdk_app_id)
            .field("tokens", &self.tokens)
            .field("request_time_window", &self.request_time_window)
            .field("max_body_size", &self.max_body_size)
            .finish_non_exhaustive()
    }
}
