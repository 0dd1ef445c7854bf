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
        let window = self.request_time_window.as_secs();
        let now = (self.clock)().duration_since(SystemTime::UNIX_EPOCH);
        // In whole seconds, as `RequestTime` is: a clock is between two of them nearly always.
        let now = now.unwrap_or_default().as_secs();
        decimal(text)
            .filter(|&time| now.abs_diff(time) <= window)
            .and_then(|time| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time)))
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

/// A number of decimal digits and nothing else: `parse` alone would take a plus.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::{Platform, RejectionKind::*};

    const URL: &str = "/?SdkAppid=1400000000&CallbackCommand=Sns.CallbackFriendAdd";
    const NOW: u64 = 1669872112;
    const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";

    fn rules(tokens: &[&str]) -> Rules {
        Rules {
            sdk_app_id: 1400000000,
            tokens: tokens
                .iter()
                .map(|token| Token::new(*token).unwrap())
                .collect(),
            request_time_window: Duration::from_secs(60),
            max_body_size: 0,
            clock: Arc::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)),
        }
    }

    fn verify(rules: &Rules, url: &str) -> Result<CallbackContext, Rejection> {
        rules.verify(&Method::POST, &url.parse().unwrap())
    }

    /// The kind of the rejection, or `None` where the URL is accepted.
    fn kind(rules: &Rules, url: &str) -> Option<crate::RejectionKind> {
        verify(rules, url).err().map(|rejection| rejection.kind())
    }

    fn signed(time: &dyn ToString) -> String {
        let time = time.to_string();
        let sign = time.parse().map_or(SIGN.into(), |time| {
            Token::new("xxxxyyyy").unwrap().sign(time)
        });
        format!("{URL}&Sign={sign}&RequestTime={time}")
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
            let rejection = rules(&[]).verify(&method, &url).unwrap_err();
            assert_eq!(rejection.kind(), MethodNotAllowed);
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
    fn the_window_can_be_set_and_is_in_whole_seconds() {
        let mut rules = rules(&["xxxxyyyy"]);
        rules.request_time_window = Duration::ZERO;
        assert_eq!(kind(&rules, &signed(&NOW)), None);
        assert_eq!(kind(&rules, &signed(&(NOW + 1))), Some(StaleRequestTime));

        rules.request_time_window = Duration::MAX;
        assert_eq!(kind(&rules, &signed(&0)), None);

        rules.request_time_window = Duration::from_secs(60);
        rules.clock = Arc::new(|| SystemTime::UNIX_EPOCH + Duration::from_millis(NOW * 1000 + 999));
        for (time, expected) in [
            (NOW - 61, Some(StaleRequestTime)),
            (NOW - 60, None),
            (NOW + 60, None),
            (NOW + 61, Some(StaleRequestTime)),
        ] {
            assert_eq!(kind(&rules, &signed(&time)), expected, "{time}");
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
