//! The rules for the method and the URL of a request.

mod context;
mod platform;
pub(crate) mod query;
use std::time::{Duration, SystemTime};

use http::{Method, Uri};
use subtle::Choice;

use self::query::Parameters;
pub use self::{context::CallbackContext, platform::Platform};
use crate::{
    Rejection,
    configuration::{Configuration, Tokens},
    response::Detail,
    token::{Signature, Token},
};

/// What the URL of an accepted callback said.
pub(crate) struct Verified {
    pub(crate) context: CallbackContext,
    /// Whether it has a `Sign` that was not checked, since no token is set.
    pub(crate) sign_is_ignored: bool,
}

impl Configuration {
    pub(crate) fn verify(&self, method: &Method, uri: &Uri) -> Result<Verified, Rejection> {
        if method != Method::POST {
            return Err(Rejection::METHOD);
        }
        let parameters = Parameters::parse(uri)?;
        self.verify_sdk_app_id(&parameters)?;
        verify_content_type(&parameters)?;
        let request_time = match &self.tokens {
            Tokens::Fixed(tokens) if tokens.is_empty() => None,
            Tokens::Fixed(tokens) => Some(self.verify_signed(tokens, &parameters)?),
            Tokens::From(source) => Some(self.verify_signed(&source(), &parameters)?),
        };
        Ok(Verified {
            context: CallbackContext::new(self.sdk_app_id, &parameters, request_time),
            sign_is_ignored: request_time.is_none() && parameters.sign.is_some(),
        })
    }

    fn verify_sdk_app_id(&self, parameters: &Parameters<'_>) -> Result<(), Rejection> {
        let id = parameters.sdk_app_id.as_deref();
        match decimal(id.ok_or(Rejection::NO_SDK_APP_ID)?) {
            Some(id) if id == self.sdk_app_id => Ok(()),
            Some(id) => Err(Rejection::SDK_APP_ID.with(Detail::SdkAppId(id))),
            None => Err(Rejection::SDK_APP_ID.with(Detail::SdkAppIdNotANumber)),
        }
    }

    fn verify_signed(
        &self,
        tokens: &[Token],
        parameters: &Parameters<'_>,
    ) -> Result<SystemTime, Rejection> {
        self.verify_request_time(verify_signature(tokens, parameters)?)
    }

    /// The window is inclusive, and the same into the past and into the future.
    fn verify_request_time(&self, text: &str) -> Result<SystemTime, Rejection> {
        /// A time in milliseconds is beyond it. A time in seconds is below it for three thousand years.
        const MAX_SECONDS: u64 = 100_000_000_000;

        let stale = |detail| Err(Rejection::REQUEST_TIME.with(detail));
        let Some(time) = decimal(text).filter(|&time| time < MAX_SECONDS) else {
            return stale(Detail::NotInSeconds);
        };
        let window = self.request_time_window.as_secs();
        let now = self.now();
        match now.abs_diff(time) {
            seconds if seconds <= window => Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(time)),
            seconds if time < now => stale(Detail::Behind { seconds }),
            seconds => stale(Detail::Ahead { seconds }),
        }
    }

    /// In whole seconds, as `RequestTime` is.
    fn now(&self) -> u64 {
        let since_epoch = (self.clock)().duration_since(SystemTime::UNIX_EPOCH);
        since_epoch.unwrap_or_default().as_secs()
    }
}

/// The `RequestTime` that one of the tokens has signed, exactly as it came.
///
/// The signature is checked before the time. So a rejection for the time means that Chat has signed it and a
/// clock is wrong; a forgery is rejected for its signature.
fn verify_signature<'p>(
    tokens: &[Token],
    parameters: &'p Parameters<'_>,
) -> Result<&'p str, Rejection> {
    if tokens.is_empty() {
        return Err(Rejection::SIGN);
    }
    let time = parameters.request_time.as_deref();
    let time = time.ok_or(Rejection::NO_REQUEST_TIME)?;
    let sign = parameters.sign.as_deref().ok_or(Rejection::NO_SIGN)?;
    let signature = Signature::parse(sign).ok_or(Rejection::SIGN)?;
    // Every token is tried, so that the time taken doesn't depend on which one has signed.
    let by_any = tokens.iter().fold(Choice::from(0), |by_any, token| {
        by_any | token.has_signed(time, &signature)
    });
    if bool::from(by_any) {
        Ok(time)
    } else {
        Err(Rejection::SIGN)
    }
}

fn verify_content_type(parameters: &Parameters<'_>) -> Result<(), Rejection> {
    match parameters.content_type.as_deref() {
        Some(content_type) if !content_type.eq_ignore_ascii_case("json") => {
            Err(Rejection::CONTENT_TYPE)
        }
        _ => Ok(()),
    }
}

/// A number of decimal digits only. `parse` alone would accept a plus sign.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_rejection_says_what_came() {
        let token = Token::new("xxxxyyyy").unwrap();
        let mut rules = Configuration::new(1400000000);
        rules.add_tokens([token.clone()]);
        rules.clock = Arc::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1669872112));
        let signed = |time: &str| {
            let sign = token.sign_text(time);
            format!("/?SdkAppid=1400000000&Sign={sign}&RequestTime={time}")
        };
        for (url, expected) in [
            ("/?SdkAppid=7".into(), "SdkAppid is 7"),
            ("/?SdkAppid=x".into(), "SdkAppid is not a number"),
            (signed("1669871811"), "RequestTime is 301 s behind"),
            (signed("1669872173"), "RequestTime is 61 s ahead"),
            (signed("0"), "RequestTime is 1669872112 s behind"),
            (
                signed("1669872112000"),
                "RequestTime is not in Unix seconds",
            ),
            (signed("junk"), "RequestTime is not in Unix seconds"),
            (signed("100000000000"), "RequestTime is not in Unix seconds"),
            (signed("99999999999"), "RequestTime is 98330127887 s ahead"),
        ] {
            let rejection = rules
                .verify(&Method::POST, &url.parse().unwrap())
                .err()
                .unwrap();
            let (kind, debug) = (rejection.kind(), format!("{rejection:?}"));
            assert_eq!(debug, format!("Rejection({kind:?}, {expected})"));
        }
    }
}
