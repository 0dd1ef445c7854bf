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
    use std::{net::IpAddr, sync::Arc};

    use super::*;
    use crate::{Platform, RejectionKind::*};

    const URL: &str = "/?SdkAppid=1400000000&CallbackCommand=Sns.CallbackFriendAdd";
    const NOW: u64 = 1669872112;
    const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";

    fn rules(tokens: &[&str]) -> Configuration {
        let mut rules = Configuration::new(1400000000);
        rules.add_tokens(tokens.iter().map(|token| Token::new(*token).unwrap()));
        rules.clock = Arc::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
        rules
    }

    fn verify(rules: &Configuration, url: &str) -> Result<CallbackContext, Rejection> {
        let verified = rules.verify(&Method::POST, &url.parse().unwrap())?;
        Ok(verified.context)
    }

    /// The kind of the rejection, or `None` if the URL is accepted.
    fn kind(rules: &Configuration, url: &str) -> Option<crate::RejectionKind> {
        verify(rules, url).err().map(|rejection| rejection.kind())
    }

    /// Signed over the text as it is, which is decoded from the URL.
    fn signed(time: &dyn ToString) -> String {
        let escaped = time.to_string();
        let text = escaped.replace("%20", " ").replace("%2B", "+");
        let sign = Token::new("xxxxyyyy").unwrap().sign_text(&text);
        format!("{URL}&Sign={sign}&RequestTime={escaped}")
    }

    #[test]
    fn the_method_is_post() {
        let url = "/?SdkAppid=1&SdkAppid=2".parse().unwrap();
        for method in [
            Method::GET,
            Method::PUT,
            Method::HEAD,
            Method::OPTIONS,
            Method::PATCH,
        ] {
            let rejection = rules(&[]).verify(&method, &url).err();
            assert_eq!(rejection.map(|it| it.kind()), Some(MethodNotAllowed));
        }
    }

    #[test]
    fn the_app_is_the_layers_own() {
        for (query, expected) in [
            ("SdkAppid=1400000000", None),
            ("SdkAppid=01400000000", None),
            ("SdkAppid=%31400000000", None),
            ("", Some(MissingParameter)),
            ("sdkappid=1400000000", Some(MissingParameter)),
            ("SdkAppid", Some(SdkAppIdMismatch)),
            ("SdkAppid=", Some(SdkAppIdMismatch)),
            ("SdkAppid=1400000001", Some(SdkAppIdMismatch)),
            ("SdkAppid=%2B1400000000", Some(SdkAppIdMismatch)),
            ("SdkAppid=+1400000000", Some(SdkAppIdMismatch)),
            ("SdkAppid=-1400000000", Some(SdkAppIdMismatch)),
            ("SdkAppid=1400000000%20", Some(SdkAppIdMismatch)),
            ("SdkAppid=1400000000.0", Some(SdkAppIdMismatch)),
            ("SdkAppid=18446744075109551616", Some(SdkAppIdMismatch)),
            ("SdkAppid=%D9%A1", Some(SdkAppIdMismatch)),
        ] {
            assert_eq!(
                kind(&rules(&[]), &format!("/?{query}")),
                expected,
                "{query}"
            );
        }
    }

    #[test]
    fn the_content_type_is_json_where_there_is_one() {
        for (query, expected) in [
            ("", None),
            ("&contenttype=json", None),
            ("&contenttype=JSON", None),
            ("&contenttype=Json", None),
            ("&contenttype=", Some(UnsupportedContentType)),
            ("&contenttype=xml", Some(UnsupportedContentType)),
            (
                "&contenttype=application/json",
                Some(UnsupportedContentType),
            ),
        ] {
            assert_eq!(
                kind(&rules(&[]), &format!("{URL}{query}")),
                expected,
                "{query}"
            );
        }
    }

    #[test]
    fn the_request_time_is_digits_inside_the_window() {
        for (time, expected) in [
            ("1669872112", None),
            ("1669872052", None),
            ("1669872172", None),
            ("1669872051", Some(StaleRequestTime)),
            ("1669872173", Some(StaleRequestTime)),
            ("0", Some(StaleRequestTime)),
            ("18446744073709551615", Some(StaleRequestTime)),
            ("18446744075379423728", Some(StaleRequestTime)),
            ("9223372036854775807", Some(StaleRequestTime)),
            ("", Some(StaleRequestTime)),
            ("%2B1669872112", Some(StaleRequestTime)),
            ("-1669872112", Some(StaleRequestTime)),
            ("1669872112junk", Some(StaleRequestTime)),
            ("1669872112.0", Some(StaleRequestTime)),
            ("%201669872112", Some(StaleRequestTime)),
        ] {
            assert_eq!(
                kind(&rules(&["xxxxyyyy"]), &signed(&time)),
                expected,
                "{time}"
            );
        }
    }

    #[test]
    fn the_sign_is_by_any_of_the_tokens_over_the_time_as_it_came() {
        let upper = SIGN.to_uppercase();
        for (tokens, query, expected) in [
            (
                &["xxxxyyyy"][..],
                format!("Sign={SIGN}&RequestTime={NOW}"),
                None,
            ),
            (
                &["xxxxyyyy"],
                format!("RequestTime={NOW}&Sign={upper}"),
                None,
            ),
            (
                &["xxxxyyyy", "xxxxyyyy"],
                format!("Sign={SIGN}&RequestTime={NOW}"),
                None,
            ),
            (
                &["new", "xxxxyyyy"],
                format!("Sign={SIGN}&RequestTime={NOW}"),
                None,
            ),
            (
                &["xxxxyyyy", "new"],
                format!("Sign={SIGN}&RequestTime={NOW}"),
                None,
            ),
            (
                &["new"],
                format!("Sign={SIGN}&RequestTime={NOW}"),
                Some(SignMismatch),
            ),
            (
                &["xxxxyyyy"],
                format!("Sign={SIGN}&RequestTime=0{NOW}"),
                Some(SignMismatch),
            ),
            (
                &["xxxxyyyy"],
                format!("Sign={SIGN}&RequestTime={}", NOW + 1),
                Some(SignMismatch),
            ),
            (
                &["xxxxyyyy"],
                format!("Sign={SIGN}0&RequestTime={NOW}"),
                Some(SignMismatch),
            ),
            (
                &["xxxxyyyy"],
                format!("Sign=&RequestTime={NOW}"),
                Some(SignMismatch),
            ),
            (
                &["xxxxyyyy"],
                format!("Sign&RequestTime={NOW}"),
                Some(SignMismatch),
            ),
            (
                &["xxxxyyyy"],
                format!("RequestTime={NOW}"),
                Some(MissingParameter),
            ),
            (
                &["xxxxyyyy"],
                format!("Sign={SIGN}"),
                Some(MissingParameter),
            ),
            (&["xxxxyyyy"], String::new(), Some(MissingParameter)),
            (&[], String::new(), None),
            (&[], "Sign=x&RequestTime=y".into(), None),
        ] {
            assert_eq!(
                kind(&rules(tokens), &format!("{URL}&{query}")),
                expected,
                "{query}"
            );
        }
    }

    #[test]
    fn the_sign_is_judged_before_the_time() {
        for time in ["0", "junk", ""] {
            let url = format!("{URL}&Sign={SIGN}&RequestTime={time}");
            assert_eq!(
                kind(&rules(&["xxxxyyyy"]), &url),
                Some(SignMismatch),
                "{time}"
            );
        }
    }

    #[test]
    fn a_rejection_says_what_came() {
        let signed = |time: &str| signed(&time);
        for (url, expected) in [
            ("/?SdkAppid=7".into(), "SdkAppIdMismatch, SdkAppid is 7"),
            (
                "/?SdkAppid=x".into(),
                "SdkAppIdMismatch, SdkAppid is not a number",
            ),
            (
                signed("1669871811"),
                "StaleRequestTime, RequestTime is 301 s behind",
            ),
            (
                signed("1669872173"),
                "StaleRequestTime, RequestTime is 61 s ahead",
            ),
            (
                signed("0"),
                "StaleRequestTime, RequestTime is 1669872112 s behind",
            ),
            (
                signed("1669872112000"),
                "StaleRequestTime, RequestTime is not in Unix seconds",
            ),
            (
                signed("junk"),
                "StaleRequestTime, RequestTime is not in Unix seconds",
            ),
            (
                signed("100000000000"),
                "StaleRequestTime, RequestTime is not in Unix seconds",
            ),
            (
                signed("99999999999"),
                "StaleRequestTime, RequestTime is 98330127887 s ahead",
            ),
        ] {
            let rejection = verify(&rules(&["xxxxyyyy"]), &url).unwrap_err();
            assert_eq!(format!("{rejection:?}"), format!("Rejection({expected})"));
        }
    }

    #[test]
    fn a_rejection_names_what_is_missing() {
        for (url, name) in [
            ("/", "SdkAppid"),
            (URL, "RequestTime"),
            (&format!("{URL}&RequestTime={NOW}"), "Sign"),
        ] {
            let rejection = verify(&rules(&["xxxxyyyy"]), url).unwrap_err();
            assert_eq!(
                rejection.to_string(),
                format!("the {name} parameter is missing")
            );
        }
    }

    #[test]
    fn the_context_is_what_the_url_said() {
        let url = format!("{URL}&ClientIP=192.0.2.1&OptPlatform=RESTAPI&RequestId=8f14e45f");
        let context = verify(&rules(&[]), &url).unwrap();
        assert_eq!(context.sdk_app_id, 1400000000);
        assert_eq!(context.client_ip, Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(context.platform, Some(Platform::RestApi));
        assert_eq!(context.request_id.as_deref(), Some("8f14e45f"));

        let context = verify(&rules(&[]), &format!("{URL}&ClientIP=unknown")).unwrap();
        assert_eq!(
            (context.client_ip, context.platform, context.request_id),
            (None, None, None)
        );
    }

    #[test]
    fn the_time_is_in_the_context_only_where_it_was_signed() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW - 1);
        let url = signed(&(NOW - 1));
        assert_eq!(
            verify(&rules(&["xxxxyyyy"]), &url).unwrap().request_time,
            Some(time)
        );
        assert_eq!(verify(&rules(&[]), &url).unwrap().request_time, None);
    }

    #[test]
    fn debug_shows_no_token() {
        let debug = format!("{:?}", rules(&["xxxxyyyy"]));
        assert!(debug.contains("tokens: [Token(..)]") && !debug.contains("xxxxyyyy"));
    }
}
