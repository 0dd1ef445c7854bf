//! What the URL of a callback has to say.

use std::time::{Duration, SystemTime};

use http::Method;
use tower_tencent_chat::{FriendAdd, FriendAddLayer, RejectionKind, RejectionKind::*, Token};

use crate::{
    PACKET, REQUIRED, broken,
    common::{
        APP_ID, SIGN, TIME, TOKEN, at, chat, layer, now,
        refused::{self, refused},
        signed, signed_layer, token,
    },
    outcome, post,
};

async fn kind(layer: &FriendAddLayer, query: &str) -> Option<RejectionKind> {
    broken(layer, post(query)).await
}

#[tokio::test]
async fn the_method_is_post_in_upper_case() {
    for (method, expected) in [
        (Method::POST, None),
        (Method::GET, Some(MethodNotAllowed)),
        (Method::from_bytes(b"post").unwrap(), Some(MethodNotAllowed)),
    ] {
        let mut request = post(REQUIRED);
        *request.method_mut() = method.clone();
        assert_eq!(broken(&layer(), request).await, expected, "{method}");
    }
}

#[tokio::test]
async fn the_app_id_is_the_layers_own_of_64_bits() {
    for (app_id, parameter, expected) in [
        (APP_ID, "1400000000", None),
        (APP_ID, "1400000001", Some(SdkAppIdMismatch)),
        // The id and 2^32: it fits once it has wrapped.
        (APP_ID, "5694967296", Some(SdkAppIdMismatch)),
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
async fn the_app_id_is_not_taken_from_the_body() {
    for body in [
        "SdkAppid=1400000000",
        r#"{"SdkAppid":1400000000,"CallbackCommand":"Sns.CallbackFriendAdd","PairList":[]}"#,
    ] {
        let mut request = post("CallbackCommand=Sns.CallbackFriendAdd").map(|_| body.into());
        let form = "application/x-www-form-urlencoded".parse().unwrap();
        request.headers_mut().insert("content-type", form);
        assert_eq!(broken(&layer(), request).await, Some(MissingParameter));
    }
}

#[tokio::test]
async fn the_content_type_is_jsons_and_the_header_is_not_looked_at() {
    for (query, header, expected) in [
        ("", "text/xml", None),
        ("contenttype=%6ASON", "", None),
        (
            "contenttype=json%20",
            "application/json",
            Some(UnsupportedContentType),
        ),
        (
            "contenttype",
            "application/json",
            Some(UnsupportedContentType),
        ),
    ] {
        let mut request = post(&format!("{REQUIRED}&{query}"));
        let headers = request.headers_mut();
        headers.insert("content-type", header.parse().unwrap());
        assert_eq!(broken(&layer(), request).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_doubled_parameter_is_said_to_be_doubled_before_it_is_said_to_be_wrong() {
    for parameters in [
        "SdkAppid=1&SdkAppid=2",
        "SdkAppid=1400000000&contenttype=xml&contenttype=yaml",
        "SdkAppid=1&Sign=&Sign=",
        "SdkAppid=1&RequestTime=0&RequestTime=0",
        "OptPlatform&OptPlatform",
        "ClientIP=&ClientIP=",
    ] {
        let query = format!("CallbackCommand=Sns.CallbackFriendAdd&{parameters}");
        for layer in [layer(), signed_layer()] {
            assert_eq!(
                kind(&layer, &query).await,
                Some(DuplicateParameter),
                "{query}"
            );
        }
    }
}

#[tokio::test]
async fn the_apps_own_parameters_do_not_matter_however_many_and_long() {
    let long = format!("own={}", "x".repeat(50_000));
    let many: String = (0..1000)
        .map(|number| format!("own{number}=%20&"))
        .collect();
    let required = format!("{REQUIRED}&Sign={SIGN}&RequestTime={TIME}");
    for own in [
        "appId=1&appId=2&sdkappid=1&SdkAppId=3",
        "sign=x&sign=y&requesttime=0",
        "CallbackCommands=X&xCallbackCommand=Y",
        "&&=&=x&%&%zz&%FF=%FF",
        "RequestId=1&RequestId=2&RequestID=3",
        &long,
        &many,
    ] {
        for query in [format!("{own}&{required}"), format!("{required}&{own}")] {
            assert_eq!(kind(&signed_layer(), &query).await, None, "{query}");
        }
        let wrong = format!("{own}&{required}").replace(SIGN, "0");
        assert_eq!(kind(&signed_layer(), &wrong).await, Some(SignMismatch));
    }
}

#[tokio::test]
async fn the_signature_is_by_any_one_of_the_tokens_however_many() {
    let names = ["one", "two", "three", "four", "five", TOKEN];
    let mut many = layer().clock(now);
    for name in names {
        many = many.token(token(name));
    }
    let at_once = layer().clock(now).tokens(names.map(token));
    for signer in names {
        let request = chat().signed(&token(signer), now());
        let query = request.uri().query().unwrap().to_owned();
        assert_eq!(kind(&many, &query).await, None, "{signer}");
        assert_eq!(kind(&at_once, &query).await, None, "{signer}");
    }
    let request = chat().signed(&token("another"), now());
    let query = request.uri().query().unwrap().to_owned();
    assert_eq!(kind(&many, &query).await, Some(SignMismatch));
}

#[test]
fn a_token_has_no_character_that_nobody_sees() {
    let invisible = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180e}\u{200b}\u{200d}\u{200e}\u{200f}\
                     \u{2028}\u{202a}\u{202e}\u{2060}\u{2064}\u{2066}\u{206f}\u{3000}\u{3164}\u{fe00}\u{fe0f}\u{feff}\u{ffa0}\
                     \u{fff9}\u{1bca0}\u{1d173}\u{e0001}\u{e0100}\u{85}\u{a0}\t\n\0";
    for hidden in invisible.chars() {
        for text in [
            format!("{hidden}token"),
            format!("to{hidden}ken"),
            format!("token{hidden}"),
        ] {
            Token::new(&text).expect_err(&text);
        }
    }
    for text in ["x", "to-ken_!~", "tökén", "口令", "😀", "&=+%#"] {
        Token::new(text).expect(text);
    }
}

#[tokio::test]
async fn the_known_answer_passes_in_hex_of_either_case_and_nothing_near_it() {
    let upper = SIGN.to_uppercase();
    for (sign, expected) in [
        (SIGN, None),
        (&upper, None),
        (&SIGN.replace("17773b", "%31%37773B"), None),
        ("", Some(SignMismatch)),
        (&SIGN[..62], Some(SignMismatch)),
        (&format!("{SIGN}00"), Some(SignMismatch)),
        (&format!("{SIGN}%00"), Some(SignMismatch)),
        (&format!("%20{SIGN}"), Some(SignMismatch)),
        (&SIGN.replace("061", "062"), Some(SignMismatch)),
        (&SIGN.replace("1777", "0777"), Some(SignMismatch)),
        // 64 bytes of 32 characters, 64 characters of 192 bytes, and 64 that are no text.
        (&"%C3%A9".repeat(32), Some(SignMismatch)),
        (&"%E7%95%8C".repeat(64), Some(SignMismatch)),
        (&"%FF".repeat(64), Some(SignMismatch)),
    ] {
        let query = format!("{REQUIRED}&Sign={sign}&RequestTime={TIME}");
        assert_eq!(kind(&signed_layer(), &query).await, expected, "{sign}");
    }
}

#[tokio::test]
async fn the_request_time_is_signed_exactly_as_it_came() {
    // What the token signs if a zero leads: token and text stand side by side.
    let with_a_zero = token("xxxxyyyy0").sign(TIME);
    for (time, sign, expected) in [
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
    let sent = now();
    let stale = Some(StaleRequestTime);
    let [default, one, none] = [60, 1, 0].map(seconds);
    let (half_more, any) = (Duration::from_millis(1_999), Duration::MAX);
    for (window, now, expected) in [
        (default, sent, None),
        (default, sent - seconds(60), None),
        (default, sent + seconds(61) - NANOSECOND, None),
        (default, sent + seconds(61), stale),
        (default, sent - seconds(60) - NANOSECOND, stale),
        (one, sent + seconds(1), None),
        (one, sent + seconds(2), stale),
        // What is between two seconds is not rounded up.
        (half_more, sent + seconds(1), None),
        (half_more, sent + seconds(2), stale),
        (half_more, sent - seconds(2), stale),
        (none, sent, None),
        (none, sent + seconds(1) - NANOSECOND, None),
        (none, sent + seconds(1), stale),
        (any, SystemTime::UNIX_EPOCH, None),
        (any, SystemTime::UNIX_EPOCH - seconds(TIME), None),
        (default, SystemTime::UNIX_EPOCH - seconds(TIME), stale),
        (any, at(u64::MAX / 4), None),
        (default, at(u64::MAX / 4), stale),
    ] {
        let layer = signed_layer().clock(move || now);
        let layer = match window {
            window if window == default => layer,
            window => layer.request_time_window(window),
        };
        let query = format!("{REQUIRED}&Sign={SIGN}&RequestTime={TIME}");
        assert_eq!(kind(&layer, &query).await, expected, "{now:?}");
    }
}

#[tokio::test]
async fn a_signed_time_at_the_edge_of_an_integer_is_stale_without_a_panic() {
    for clock in [
        now(),
        at(0),
        SystemTime::UNIX_EPOCH - Duration::from_secs(TIME),
    ] {
        let layer = signed_layer().clock(move || clock);
        for seconds in [
            i32::MAX as u64,
            u64::from(u32::MAX),
            i64::MAX as u64,
            i64::MAX as u64 + 1,
            u64::MAX,
        ] {
            let request = chat()
                .query("RequestTime", &seconds.to_string())
                .query("Sign", &token(TOKEN).sign(seconds));
            let broken = broken(&layer, request.build()).await;
            assert_eq!(broken, Some(StaleRequestTime), "{clock:?} {seconds}");
        }
    }
}

#[tokio::test]
async fn with_no_token_time_and_signature_are_ignored_and_the_clock_is_not_asked() {
    let layer = layer().clock(|| unreachable!("no token, no time"));
    for parameters in [
        "",
        "Sign=",
        "RequestTime=1669872112",
        "RequestTime=%2B1junk",
        "Sign=%FF&RequestTime=18446744073709551616",
    ] {
        let request = post(&format!("{REQUIRED}&{parameters}"));
        let callback = outcome(&layer, request).await.unwrap();
        assert_eq!(callback.context().request_time, None, "{parameters}");
    }
    let callback = outcome(
        &signed_layer(),
        signed().build::<http_body_util::Full<bytes::Bytes>>(),
    )
    .await;
    assert_eq!(callback.unwrap().context().request_time, Some(now()));
}

#[tokio::test]
async fn an_old_callback_in_the_extensions_neither_vouches_for_a_request_nor_stays() {
    let old = chat().pair("carol", "dave").callback::<FriendAdd>();
    let mut forged = signed().query("Sign", "0").build();
    forged.extensions_mut().insert(old.clone());
    assert_eq!(broken(&signed_layer(), forged).await, Some(SignMismatch));
    let mut right = signed().build::<http_body_util::Full<bytes::Bytes>>();
    right.extensions_mut().insert(old);
    let callback = outcome(&signed_layer(), right).await.unwrap();
    assert_eq!(callback.pair_list.len(), 1);
}

#[tokio::test]
async fn nothing_of_the_body_is_polled_before_all_is_verified() {
    for row in refused().into_iter().filter(refused::Refused::by_url) {
        // Too large as well, which is not for the sender of a forgery to know.
        let (request, probe) = row.request();
        let request = request.map(|body| body.size_hint(u64::MAX, None));
        let rejection = outcome(&refused::layer(), request).await.unwrap_err();
        assert_eq!(rejection.kind(), row.kind);
        assert_eq!(probe.polls(), 0, "{:?}", row.kind);
    }
    assert!(PACKET.len() < refused::LIMIT);
}
