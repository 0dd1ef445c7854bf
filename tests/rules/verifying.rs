//! What is verified from the URL alone, each rule with what it lets through.

use std::time::{Duration, SystemTime};

use http::{Method, Request};
use tower_tencent_chat::{
    FriendAddLayer,
    RejectionKind::{
        self, DuplicateParameter, MethodNotAllowed, MissingParameter, SdkAppIdMismatch,
        SignMismatch, StaleRequestTime, UnsupportedContentType,
    },
    test_util::CallbackRequest,
};

use crate::{
    REQUIRED, SIGN, TIME, TOKEN, at, broken, common::APP_ID, layer, outcome, post, script::Script,
    signed_layer, token,
};

async fn kind(layer: &FriendAddLayer, query: &str) -> Option<RejectionKind> {
    broken(layer, post(query)).await.map(|(kind, _)| kind)
}

#[tokio::test]
async fn the_method_is_post() {
    for (method, expected) in [
        (Method::POST, None),
        (Method::GET, Some(MethodNotAllowed)),
        (Method::PUT, Some(MethodNotAllowed)),
        (Method::HEAD, Some(MethodNotAllowed)),
        (Method::OPTIONS, Some(MethodNotAllowed)),
        (Method::from_bytes(b"post").unwrap(), Some(MethodNotAllowed)),
    ] {
        let mut request = post(REQUIRED);
        *request.method_mut() = method.clone();
        let kind = broken(&layer(), request).await.map(|(kind, _)| kind);
        assert_eq!(kind, expected, "{method}");
    }
}

#[tokio::test]
async fn the_app_id_is_the_layers_own_in_decimal_digits() {
    for (parameter, expected) in [
        ("SdkAppid=1400000000", None),
        ("SdkAppid=%31400000000", None),
        ("SdkAppid=01400000000", None),
        ("", Some(MissingParameter)),
        ("SdkAppId=1400000000", Some(MissingParameter)),
        ("sdkappid=1400000000", Some(MissingParameter)),
        ("SdkAppid=", Some(SdkAppIdMismatch)),
        ("SdkAppid", Some(SdkAppIdMismatch)),
        ("SdkAppid=0", Some(SdkAppIdMismatch)),
        ("SdkAppid=1400000001", Some(SdkAppIdMismatch)),
        ("SdkAppid=140000000", Some(SdkAppIdMismatch)),
        ("SdkAppid=+1400000000", Some(SdkAppIdMismatch)),
        ("SdkAppid=%2B1400000000", Some(SdkAppIdMismatch)),
        ("SdkAppid=-1400000000", Some(SdkAppIdMismatch)),
        ("SdkAppid=1400000000junk", Some(SdkAppIdMismatch)),
        ("SdkAppid=1400000000+", Some(SdkAppIdMismatch)),
        ("SdkAppid=1400000000.0", Some(SdkAppIdMismatch)),
        ("SdkAppid=0x53724e00", Some(SdkAppIdMismatch)),
        // The id and 2^64, the id and 2^32: it fits once it has wrapped.
        ("SdkAppid=18446744075109551616", Some(SdkAppIdMismatch)),
        ("SdkAppid=5694967296", Some(SdkAppIdMismatch)),
        ("SdkAppid=%EF%BC%911400000000", Some(SdkAppIdMismatch)),
    ] {
        let query = format!("CallbackCommand=Sns.CallbackFriendAdd&{parameter}");
        assert_eq!(kind(&layer(), &query).await, expected, "{parameter}");
    }
}

#[tokio::test]
async fn the_app_id_may_be_any_number_of_64_bits() {
    for (app_id, parameter, expected) in [
        (u64::MAX, "18446744073709551615", None),
        (u64::MAX, "18446744073709551616", Some(SdkAppIdMismatch)),
        (0, "0", None),
        (0, "", Some(SdkAppIdMismatch)),
        (0, "18446744073709551616", Some(SdkAppIdMismatch)),
    ] {
        let layer = FriendAddLayer::new(app_id);
        let query = format!("CallbackCommand=Sns.CallbackFriendAdd&SdkAppid={parameter}");
        assert_eq!(kind(&layer, &query).await, expected, "{parameter}");
    }
}

#[tokio::test]
async fn the_content_type_is_json_in_any_case_or_absent() {
    for (parameter, expected) in [
        ("", None),
        ("contenttype=json", None),
        ("contenttype=JSON", None),
        ("contenttype=Json", None),
        ("contenttype=%6Ason", None),
        ("contenttype=xml", Some(UnsupportedContentType)),
        ("contenttype=", Some(UnsupportedContentType)),
        ("contenttype", Some(UnsupportedContentType)),
        ("contenttype=json+", Some(UnsupportedContentType)),
        ("contenttype=application/json", Some(UnsupportedContentType)),
    ] {
        let query = format!("{REQUIRED}&{parameter}");
        assert_eq!(kind(&layer(), &query).await, expected, "{parameter}");
    }
}

#[tokio::test]
async fn a_content_type_header_is_not_looked_at() {
    for header in ["application/json", "text/xml", ""] {
        let mut request = post(REQUIRED);
        let headers = request.headers_mut();
        headers.insert("content-type", header.parse().unwrap());
        assert_eq!(broken(&layer(), request).await, None, "{header}");
    }
}

#[tokio::test]
async fn a_parameter_of_tencents_comes_once_with_a_token_or_without() {
    for name in [
        "CallbackCommand",
        "SdkAppid",
        "contenttype",
        "ClientIP",
        "OptPlatform",
        "Sign",
        "RequestTime",
    ] {
        let once = CallbackRequest::friend_add(APP_ID).signed(&token(TOKEN), at(TIME));
        let once = once.uri().query().unwrap().to_owned();
        let pair = once.split('&').find(|pair| pair.starts_with(name)).unwrap();
        let escaped = format!("%{:X}{}", pair.as_bytes()[0], &pair[1..]);
        for layer in [layer(), signed_layer()] {
            assert_eq!(kind(&layer, &once).await, None);
            for second in [pair, &escaped, &format!("{name}=other"), name] {
                for query in [format!("{second}&{once}"), format!("{once}&{second}")] {
                    let expected = (
                        DuplicateParameter,
                        format!("the {name} parameter is given more than once"),
                    );
                    let broken = broken(&layer, post(&query)).await;
                    assert_eq!(broken, Some(expected), "{query}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_doubled_parameter_is_said_to_be_doubled_before_it_is_said_to_be_wrong() {
    for parameters in [
        "SdkAppid=1&SdkAppid=2",
        "SdkAppid=1400000000&contenttype=xml&contenttype=yaml",
        "SdkAppid=1400000000&Sign=&Sign=",
        "SdkAppid=1400000000&RequestTime=0&RequestTime=0",
        "OptPlatform&OptPlatform",
    ] {
        let query = format!("CallbackCommand=Sns.CallbackFriendAdd&{parameters}");
        assert_eq!(
            kind(&signed_layer(), &query).await,
            Some(DuplicateParameter),
            "{parameters}"
        );
    }
}

#[tokio::test]
async fn the_apps_own_parameters_do_not_matter() {
    for own in [
        "appId=1",
        "appId=1&appId=2",
        "sdkappid=1&SDKAPPID=2&SdkAppId=3",
        "sign=x&sign=y&requesttime=0",
        "CallbackCommands=X&xCallbackCommand=Y",
        "&&=&=x&%&%zz&%FF=%FF",
        "RequestId=1&RequestId=2&RequestID=3",
    ] {
        let signed = format!("Sign={SIGN}&RequestTime={TIME}");
        for query in [
            format!("{own}&{REQUIRED}&{signed}"),
            format!("{REQUIRED}&{own}&{signed}"),
            format!("{REQUIRED}&{signed}&{own}"),
        ] {
            assert_eq!(kind(&signed_layer(), &query).await, None, "{query}");
        }
    }
}

#[tokio::test]
async fn the_known_answer_passes() {
    let query = format!("{REQUIRED}&Sign={SIGN}&RequestTime={TIME}");
    let callback = outcome(&signed_layer(), post(&query)).await.unwrap();
    assert_eq!(callback.context().request_time, Some(at(TIME)));
}

#[tokio::test]
async fn the_signature_is_by_one_of_the_tokens_in_hex_of_either_case() {
    let mixed: String = SIGN
        .char_indices()
        .map(|(at, c)| {
            if at % 2 == 0 {
                c.to_ascii_uppercase()
            } else {
                c
            }
        })
        .collect();
    let by_another = token("xxxyyy").sign(TIME);
    let for_another_second = token(TOKEN).sign(TIME + 1);
    for (sign, expected) in [
        (SIGN, None),
        (&SIGN.to_uppercase(), None),
        (&mixed, None),
        (&SIGN.replace("17773b", "%31%37773b"), None),
        ("", Some(SignMismatch)),
        (&by_another, Some(SignMismatch)),
        (&for_another_second, Some(SignMismatch)),
        (&SIGN[..63], Some(SignMismatch)),
        (&SIGN[..62], Some(SignMismatch)),
        (&SIGN[..32], Some(SignMismatch)),
        (&format!("{SIGN}0"), Some(SignMismatch)),
        (&format!("{SIGN}{SIGN}"), Some(SignMismatch)),
        (&SIGN.replace("061", "062"), Some(SignMismatch)),
        (&SIGN.replace("1777", "0777"), Some(SignMismatch)),
        (&SIGN.replace("061", "06g"), Some(SignMismatch)),
        (&SIGN.replace("1777", "+777"), Some(SignMismatch)),
        (&SIGN.replace("1777", "0x17"), Some(SignMismatch)),
        (&format!("0x{SIGN}"), Some(SignMismatch)),
        (&format!("{SIGN}%00"), Some(SignMismatch)),
        // 64 bytes of 32 characters, and 64 characters of 192 bytes.
        (&"%C3%A9".repeat(32), Some(SignMismatch)),
        (&"%E7%95%8C".repeat(64), Some(SignMismatch)),
        (&"%FF".repeat(64), Some(SignMismatch)),
        (&"0".repeat(64), Some(SignMismatch)),
    ] {
        let query = format!("{REQUIRED}&Sign={sign}&RequestTime={TIME}");
        assert_eq!(kind(&signed_layer(), &query).await, expected, "{sign}");
    }
}

#[tokio::test]
async fn any_one_of_several_tokens_may_have_signed() {
    let two = || signed_layer().token(token("the-next-token"));
    let three = || two().token(token("the-one-after"));
    for (layer, signer, expected) in [
        (signed_layer(), TOKEN, None),
        (signed_layer(), "the-next-token", Some(SignMismatch)),
        (two(), TOKEN, None),
        (two(), "the-next-token", None),
        (two(), "the-one-after", Some(SignMismatch)),
        (three(), TOKEN, None),
        (three(), "the-next-token", None),
        (three(), "the-one-after", None),
        (three(), "another", Some(SignMismatch)),
    ] {
        let request = CallbackRequest::friend_add(APP_ID).signed(&token(signer), at(TIME));
        let query = request.uri().query().unwrap().to_owned();
        assert_eq!(kind(&layer, &query).await, expected, "{signer}");
    }
}

#[tokio::test]
async fn the_request_time_is_signed_exactly_as_it_came() {
    // What the token signs where a zero leads: token and text stand side by side.
    let with_a_zero = token("xxxxyyyy0").sign(TIME);
    for (time, sign, expected) in [
        ("1669872112", SIGN, None),
        ("166987211%32", SIGN, None),
        ("01669872112", &*with_a_zero, None),
        ("01669872112", SIGN, Some(SignMismatch)),
        ("1669872113", SIGN, Some(SignMismatch)),
        ("1669872112+", SIGN, Some(SignMismatch)),
        ("1669872112%00", SIGN, Some(SignMismatch)),
        ("", SIGN, Some(SignMismatch)),
    ] {
        let query = format!("{REQUIRED}&Sign={sign}&RequestTime={time}");
        assert_eq!(kind(&signed_layer(), &query).await, expected, "{time}");
    }
}

#[tokio::test]
async fn the_window_is_inclusive_and_the_same_into_past_and_future() {
    const NANOSECOND: Duration = Duration::from_nanos(1);
    let seconds = Duration::from_secs;
    let sent = at(TIME);
    let [one, none, any] = [seconds(1), Duration::ZERO, Duration::MAX].map(Some);
    let default = None;
    for (window, now, expected) in [
        (default, sent, None),
        (default, sent + seconds(60), None),
        (default, sent - seconds(60), None),
        (default, sent + seconds(61) - NANOSECOND, None),
        (default, sent - seconds(60) + NANOSECOND, None),
        (default, sent + seconds(61), Some(StaleRequestTime)),
        (
            default,
            sent - NANOSECOND - seconds(60),
            Some(StaleRequestTime),
        ),
        (default, sent - seconds(61), Some(StaleRequestTime)),
        (one, sent + seconds(1), None),
        (one, sent - seconds(1), None),
        (one, sent + seconds(2), Some(StaleRequestTime)),
        (one, sent - seconds(2), Some(StaleRequestTime)),
        (none, sent, None),
        (none, sent + seconds(1) - NANOSECOND, None),
        (none, sent + seconds(1), Some(StaleRequestTime)),
        (none, sent - NANOSECOND, Some(StaleRequestTime)),
        (any, SystemTime::UNIX_EPOCH, None),
        (any, SystemTime::UNIX_EPOCH - seconds(TIME), None),
        (any, at(u64::MAX / 4), None),
    ] {
        let layer = signed_layer().clock(move || now);
        let layer = match window {
            Some(window) => layer.request_time_window(window),
            None => layer,
        };
        let query = format!("{REQUIRED}&Sign={SIGN}&RequestTime={TIME}");
        assert_eq!(kind(&layer, &query).await, expected, "{now:?}");
    }
}

#[tokio::test]
async fn with_a_token_both_time_and_signature_are_required() {
    for (parameters, name) in [
        ("", "RequestTime"),
        (&*format!("Sign={SIGN}"), "RequestTime"),
        (&format!("Sign={SIGN}&requesttime={TIME}"), "RequestTime"),
        (&format!("RequestTime={TIME}"), "Sign"),
        (&format!("RequestTime={TIME}&sign={SIGN}"), "Sign"),
    ] {
        let request = post(&format!("{REQUIRED}&{parameters}"));
        let expected = (MissingParameter, format!("the {name} parameter is missing"));
        let broken = broken(&signed_layer(), request).await;
        assert_eq!(broken, Some(expected), "{parameters}");
    }
}

#[tokio::test]
async fn with_no_token_time_and_signature_are_ignored() {
    for parameters in [
        "",
        "Sign=",
        "Sign=junk",
        "RequestTime=",
        "RequestTime=%2B1junk",
        "Sign=junk&RequestTime=0",
        "Sign=%FF&RequestTime=18446744073709551616",
    ] {
        let layer = layer().clock(|| unreachable!("no token, no time"));
        let request = post(&format!("{REQUIRED}&{parameters}"));
        let callback = outcome(&layer, request).await.unwrap();
        assert_eq!(callback.context().request_time, None, "{parameters}");
    }
}

#[tokio::test]
async fn nothing_of_the_body_is_polled_before_all_is_verified() {
    for (query, expected) in [
        ("CallbackCommand=Sns.CallbackFriendAdd", MissingParameter),
        (
            "SdkAppid=2&CallbackCommand=Sns.CallbackFriendAdd",
            SdkAppIdMismatch,
        ),
        (
            &format!("{REQUIRED}&SdkAppid=1400000000"),
            DuplicateParameter,
        ),
        (
            &format!("{REQUIRED}&contenttype=xml"),
            UnsupportedContentType,
        ),
        (REQUIRED, MissingParameter),
        (
            &format!("{REQUIRED}&RequestTime=1&Sign={}", token(TOKEN).sign(1)),
            StaleRequestTime,
        ),
        (
            &format!("{REQUIRED}&RequestTime={TIME}&Sign=0"),
            SignMismatch,
        ),
    ] {
        // Too large as well, which is not for the sender of a forgery to know.
        let body = Script::new().data("{").size_hint(u64::MAX, None);
        let polled = body.polled();
        let request = Request::post(format!("/?{query}")).body(body).unwrap();
        let kind = broken(&signed_layer(), request).await.map(|(kind, _)| kind);
        assert_eq!(kind, Some(expected), "{query}");
        assert_eq!(polled.get(), 0, "{query}");
    }
}
