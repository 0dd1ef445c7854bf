//! What JSON can say and no type can hold: half a surrogate, a number out of range, bytes in a string
//! that aren't UTF-8. serde_json stops there, and all the other fields are lost with it.

use serde::de::IgnoredAny;

use super::command::Text;

/// The body with `null` in place of each such value, and `""` in place of each such name, so that it
/// costs no more than its own field; `None` if there is none, or if the body isn't JSON.
pub(super) fn without_damage(json: &[u8]) -> Option<Vec<u8>> {
    // In valid JSON, a token ends where it seems to. `IgnoredAny` doesn't look into values.
    serde_json::from_slice::<IgnoredAny>(json).ok()?;
    let mut repaired = Vec::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.first() {
        let length = match first {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => number_length(rest),
            _ => 1,
        };
        let (token, after) = rest.split_at(length);
        repaired.extend_from_slice(match is_damaged(token) {
            true if is_name(after) => br#""""#,
            true => b"null",
            false => token,
        });
        rest = after;
    }
    (repaired != json).then_some(repaired)
}

fn is_damaged(token: &[u8]) -> bool {
    match token[0] {
        b'"' => serde_json::from_slice::<Text<'_>>(token).is_err(),
        b'-' | b'0'..=b'9' => serde_json::from_slice::<f64>(token).is_err(),
        _ => false,
    }
}

fn is_name(after: &[u8]) -> bool {
    after.trim_ascii_start().starts_with(b":")
}

fn string_length(json: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = json[1..].iter().position(|&byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(json.len(), |end| end + 2)
}

fn number_length(json: &[u8]) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    json.iter().take_while(|byte| is_part(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_type_can_hold_is_null_and_the_rest_as_it_was() {
        let nines = "9".repeat(400);
        for (json, expected) in [
            (r#"{"a": [1, -1.5e3, "b", true, {"c": null}]}"#, None),
            (r#"["\"", "\\", "\\\"]", "\ud83d\ude00", "{1e400"]"#, None),
            (r#"["\ud800"]"#, Some("[null]")),
            (r#"["\udc00\"x\\", 1]"#, Some("[null, 1]")),
            (r#"{"a":1e400,"b":-1e400}"#, Some(r#"{"a":null,"b":null}"#)),
            (&format!("[{nines},2]"), Some("[null,2]")),
            (r#"{"\ud800" :"\ud800"}"#, Some(r#"{"" :null}"#)),
            ("", None),
        ] {
            let repaired = without_damage(json.as_bytes());
            assert_eq!(repaired.as_deref(), expected.map(str::as_bytes), "{json}");
        }
        assert_eq!(without_damage(b"[\"a\xff\",1]").unwrap(), b"[null,1]");
    }

    #[test]
    fn what_is_not_json_is_not_repaired() {
        for json in [
            "",
            "\"",
            "\"a",
            "\"\\",
            "-",
            "1e",
            "\u{feff}",
            "é\"",
            "[\"\\x\"]",
            "[01]",
            "[1e400",
        ] {
            assert_eq!(without_damage(json.as_bytes()), None, "{json}");
        }
    }
}
