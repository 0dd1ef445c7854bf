//! The request of a vector, for an app whose clock and token are its own.

use base16ct::HexDisplay;
use sha2::{Digest, Sha256};

/// The query, with time and signature for the app in place of the vector's, if the vector's signature is right.
pub(super) fn signed_afresh(query: &str, their: Signed<'_>, our: Signed<'_>) -> String {
    let first = |name| {
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        let value = parameters.find(|(found, _)| found == name);
        value.map(|(_, value)| value.into_owned())
    };
    let (Some(time), Some(sign)) = (first("RequestTime"), first("Sign")) else {
        return query.to_owned();
    };
    if !sign.eq_ignore_ascii_case(&signature(their.token, &time)) {
        return query.to_owned();
    }
    let shifted = shifted(&time, their.now, our.now);
    let sign = in_case_of(
        &sign,
        &signature(our.token, shifted.as_ref().unwrap_or(&time)),
    );
    let query = with_first(query, "Sign", &sign);
    match shifted {
        Some(time) => with_first(&query, "RequestTime", &time),
        None => query,
    }
}

/// Who signs, and when, in Unix seconds.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) token: &'a str,
    pub(super) now: u64,
}

fn signature(token: &str, time: &str) -> String {
    let digest = Sha256::digest(format!("{token}{time}"));
    format!("{:x}", HexDisplay(&digest))
}

/// The time by another clock, with as many digits; `None` if it isn't a time near the vector's.
fn shifted(time: &str, from: u64, to: u64) -> Option<String> {
    const DAY: u64 = 24 * 60 * 60;

    let is_decimal = time.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: u64 = time.parse().ok().filter(|_| is_decimal)?;
    if seconds.abs_diff(from) > DAY {
        return None;
    }
    let shifted = seconds + to - from;
    Some(format!("{shifted:0width$}", width = time.len()))
}

/// In upper case where the other one is, or half of it if both cases are in that.
fn in_case_of(other: &str, sign: &str) -> String {
    let is_lower = |text: &str| !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_upper = |text: &str| !text.bytes().any(|byte| byte.is_ascii_lowercase());
    match (is_lower(other), is_upper(other)) {
        (true, _) => sign.to_owned(),
        (_, true) => sign.to_uppercase(),
        _ => {
            let (first, second) = sign.split_at(sign.len() / 2);
            first.to_uppercase() + second
        }
    }
}

/// Replaces the value of the first parameter of that name, escaped if that was, and nothing else.
fn with_first(query: &str, name: &str, value: &str) -> String {
    let mut is_replaced = false;
    let parameters = query.split('&').map(|parameter| {
        let parsed = form_urlencoded::parse(parameter.as_bytes()).next();
        if is_replaced || parsed.is_none_or(|(found, _)| found != name) {
            return parameter.to_owned();
        }
        is_replaced = true;
        let (raw_name, raw_value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (raw_value.contains('%'), value.split_at_checked(1)) {
            (true, Some((first, rest))) => {
                format!("{raw_name}=%{:02X}{rest}", first.as_bytes()[0])
            }
            _ => format!("{raw_name}={value}"),
        }
    });
    parameters.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEIR: Signed<'_> = Signed {
        token: "xxxxyyyy",
        now: 1669872112,
    };
    const OUR: Signed<'_> = Signed {
        token: "token",
        now: 1800000000,
    };
    const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";

    #[test]
    fn a_right_signature_is_replaced_and_keeps_its_form() {
        let our = signature("token", "1799999999");
        let sign = signature("xxxxyyyy", "1669872111");
        let query = format!("a=%20b&Sign={sign}&RequestTime=1669872111&Sign=0");
        let expected = format!("a=%20b&Sign={our}&RequestTime=1799999999&Sign=0");
        assert_eq!(signed_afresh(&query, THEIR, OUR), expected);

        let our = signature("token", "1800000000");
        let upper = our.to_uppercase();
        let mixed = format!("{}{}", &upper[..32], &our[32..]);
        let escaped = format!("%{:02X}{}", our.as_bytes()[0], &our[1..]);
        for (sign, expected) in [
            (SIGN.to_uppercase(), upper),
            (SIGN.replace('b', "B"), mixed),
            (SIGN.replace('1', "%31"), escaped),
        ] {
            let query = format!("RequestTime=1669872112&Sign={sign}");
            let expected = format!("RequestTime=1800000000&Sign={expected}");
            assert_eq!(signed_afresh(&query, THEIR, OUR), expected);
        }

        let sign = signature("xxxxyyyy", "01669872112");
        let query = format!("RequestTime=%301669872112&Sign={sign}");
        let our = signature("token", "01800000000");
        let expected = format!("RequestTime=%301800000000&Sign={our}");
        assert_eq!(signed_afresh(&query, THEIR, OUR), expected);
    }

    #[test]
    fn what_is_wrong_stays_wrong() {
        for query in [
            "",
            "RequestTime=1669872112",
            &format!("Sign={SIGN}"),
            &format!("Sign={SIGN}&RequestTime=1669872111"),
            &format!("Sign=0&Sign={SIGN}&RequestTime=1669872112"),
            &format!("Sign={SIGN}0&RequestTime=1669872112"),
        ] {
            assert_eq!(signed_afresh(query, THEIR, OUR), query);
        }
        for (time, escaped) in [
            ("1669785711", "1669785711"),
            ("1669958513", "1669958513"),
            ("99999999999999999999", "99999999999999999999"),
            ("+1669872112", "%2B1669872112"),
            ("", ""),
        ] {
            let query = |token| {
                let sign = signature(token, time);
                format!("RequestTime={escaped}&Sign={sign}")
            };
            assert_eq!(
                signed_afresh(&query("xxxxyyyy"), THEIR, OUR),
                query("token")
            );
        }
    }
}
