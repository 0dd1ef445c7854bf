//! Replaces the private parts of a request before it is recorded: accounts, addresses, app ids, signatures, and every
//! other text that isn't one of Tencent's own words.

use std::{
    collections::HashMap,
    iter::{once, repeat},
    net::IpAddr,
};

use serde::de::IgnoredAny;

/// Gives equal texts of one recording the same name, so that a reader can tell the accounts apart.
#[derive(Debug, Default)]
pub(crate) struct Scrubber {
    names: HashMap<String, String>,
}

pub(crate) fn query(query: &str) -> String {
    let parameters = form_urlencoded::parse(query.as_bytes()).map(|(name, value)| {
        let value = parameter(&name, &value);
        (
            if is_name(&name) {
                name.into()
            } else {
                mask(&name)
            },
            value,
        )
    });
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish()
}

fn parameter(name: &str, value: &str) -> String {
    match (name, value.parse()) {
        ("CallbackCommand", _) if is_command(value) => value.to_owned(),
        ("OptPlatform" | "contenttype", _) if is_word(value) => value.to_owned(),
        ("ClientIP", Ok(IpAddr::V4(_))) => "192.0.2.1".to_owned(),
        ("ClientIP", Ok(IpAddr::V6(_))) => "2001:db8::1".to_owned(),
        ("SdkAppid" | "RequestTime", _) if value.bytes().all(|byte| byte.is_ascii_digit()) => {
            number(value)
        }
        _ => mask(value),
    }
}

pub(crate) fn header(name: &str, value: &str) -> String {
    match name {
        "accept" | "accept-encoding" | "connection" | "content-length" | "content-type"
        | "expect" | "transfer-encoding" | "user-agent" => value.to_owned(),
        _ => mask(value),
    }
}

impl Scrubber {
    /// Keeps the order of members, their names and the spaces between them.
    pub(crate) fn body(&mut self, body: &[u8]) -> String {
        match str::from_utf8(body) {
            Ok(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                // Names of members are looked up among the values, which must all be known by then.
                self.json(text);
                self.json(text)
            }
            _ => mask(&String::from_utf8_lossy(body)),
        }
    }

    fn json(&mut self, mut rest: &str) -> String {
        let mut scrubbed = String::new();
        let mut member = String::new();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '"' => string_length(rest),
                '-' | '0'..='9' => rest.find(|c| !is_of_number(c)).unwrap_or(rest.len()),
                _ => first.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            rest = after;
            match first {
                '"' => {
                    // A half surrogate is no text.
                    let text = serde_json::from_str(token).unwrap_or_else(|_| token.to_owned());
                    let text = if rest.trim_start().starts_with(':') {
                        member = text;
                        self.member(&member)
                    } else {
                        self.value(&member, text)
                    };
                    scrubbed += &format!("\"{text}\"");
                }
                '-' | '0'..='9' => scrubbed += &number(token),
                _ => scrubbed += token,
            }
        }
        scrubbed
    }

    fn member(&self, name: &str) -> String {
        match is_name(name) && !self.names.contains_key(name) {
            true => name.to_owned(),
            false => mask(name),
        }
    }

    fn value(&mut self, member: &str, text: String) -> String {
        let is_kept = match member {
            "CallbackCommand" => is_command(&text),
            "ClientCmd" | "OptPlatform" => is_word(&text),
            _ => text.is_empty() || is_flag(member, &text),
        };
        if is_kept {
            return text;
        }
        let next = self.names.len() + 1;
        let name = self.names.entry(text);
        name.or_insert_with(|| format!("name{next}")).clone()
    }
}

/// How long the string is that a text of JSON begins with, in bytes.
fn string_length(json: &str) -> usize {
    let mut is_escaped = false;
    let end = json[1..].find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(json.len(), |end| end + 2)
}

fn is_of_number(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E')
}

fn is_flag(member: &str, value: &str) -> bool {
    member == "ForceFlag" && matches!(value, "0" | "1")
}

/// Whether it is formed like the names of Tencent's parameters and members.
fn is_name(text: &str) -> bool {
    text == "contenttype" || text.starts_with(|c: char| c.is_ascii_uppercase()) && is_word(text)
}

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}

fn is_command(text: &str) -> bool {
    let is_part = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric());
    text.split_once('.')
        .is_some_and(|(group, name)| is_part(group) && is_part(name))
}

/// Keeps only the length and some punctuation.
fn mask(text: &str) -> String {
    let mask = |c| match c {
        '-' | '_' | '.' | ':' => c,
        _ => 'x',
    };
    text.chars().map(mask).collect()
}

/// Keeps the number of digits.
fn number(text: &str) -> String {
    if text == "0" {
        return text.to_owned();
    }
    let mut digits = once('1').chain(repeat('0'));
    let digit = |c: char| match c.is_ascii_digit() {
        true => digits.next().unwrap_or(c),
        false => c,
    };
    text.chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_keeps_only_tencents_own_words() {
        for (sent, recorded) in [
            (
                "SdkAppid=1412345678&CallbackCommand=Sns.CallbackFriendAdd&contenttype=json\
                 &ClientIP=198.51.100.7&OptPlatform=RESTAPI",
                "SdkAppid=1000000000&CallbackCommand=Sns.CallbackFriendAdd&contenttype=json\
                 &ClientIP=192.0.2.1&OptPlatform=RESTAPI",
            ),
            (
                "Sign=17773bc3&RequestTime=1669872112&RequestId=8f14e45f-ceea",
                "Sign=xxxxxxxx&RequestTime=1000000000&RequestId=xxxxxxxx-xxxx",
            ),
            (
                "ClientIP=%3A%3A1&ClientIP=alice",
                "ClientIP=2001%3Adb8%3A%3A1&ClientIP=xxxxx",
            ),
            (
                "tenant=alice&my-token&NewOne=alice",
                "xxxxxx=xxxxx&xx-xxxxx=&NewOne=xxxxx",
            ),
            (
                "SdkAppid=alice&OptPlatform=a+b",
                "SdkAppid=xxxxx&OptPlatform=xxx",
            ),
            (
                "CallbackCommand=alice&contenttype=%E7%95%8C",
                "CallbackCommand=xxxxx&contenttype=x",
            ),
            ("", ""),
        ] {
            assert_eq!(query(sent), recorded);
        }
    }

    #[test]
    fn a_body_keeps_its_form() {
        for (sent, recorded) in [
            (
                "{\n \"CallbackCommand\":\"Sns.CallbackFriendAdd\", \"PairList\" : [\
                 {\"From_Account\":\"alice\",\"To_Account\":\"bob\",\"Initiator_Account\":\"alice\"},\
                 {\"From_Account\":\"bob\",\"To_Account\":\"alice\"}],\
                 \"ClientCmd\":\"friend_add\",\"Admin_Account\":\"\",\"ForceFlag\":1}",
                "{\n \"CallbackCommand\":\"Sns.CallbackFriendAdd\", \"PairList\" : [\
                 {\"From_Account\":\"name1\",\"To_Account\":\"name2\",\"Initiator_Account\":\"name1\"},\
                 {\"From_Account\":\"name2\",\"To_Account\":\"name1\"}],\
                 \"ClientCmd\":\"friend_add\",\"Admin_Account\":\"\",\"ForceFlag\":1}",
            ),
            (
                r#"{"EventTime":1670574414123,"a":-0.25e9,"b":0,"ForceFlag":"1","C":[true,null]}"#,
                r#"{"EventTime":1000000000000,"x":-1.00e0,"x":0,"ForceFlag":"1","C":[true,null]}"#,
            ),
            (
                r#"{"Text":"a \" \\","Other":"\u0061 \" \\","Half":"\ud800","ForceFlag":"2"}"#,
                r#"{"Text":"name1","Other":"name1","Half":"name2","ForceFlag":"name3"}"#,
            ),
            (
                r#"{"CallbackCommand":"alice","ClientCmd":"a b"}"#,
                r#"{"CallbackCommand":"name1","ClientCmd":"name2"}"#,
            ),
            (
                r#"{"Alice":{"Bob":1},"From":"Alice","To":["Bob"]}"#,
                r#"{"xxxxx":{"xxx":1},"From":"name1","To":["name2"]}"#,
            ),
            ("\"alice\"", "\"name1\""),
            ("{\"From_Account\":\"alice", "xxxxxx_xxxxxxxx:xxxxxx"),
            ("", ""),
        ] {
            assert_eq!(Scrubber::default().body(sent.as_bytes()), recorded);
        }
        assert_eq!(Scrubber::default().body(b"\"\xff\""), "xxx");
    }

    #[test]
    fn a_name_stands_for_one_text_in_a_whole_recording() {
        let mut scrubber = Scrubber::default();
        assert_eq!(scrubber.body(br#"["alice","bob"]"#), r#"["name1","name2"]"#);
        assert_eq!(scrubber.body(br#"["bob","carol"]"#), r#"["name2","name3"]"#);
    }

    #[test]
    fn a_header_keeps_its_value_only_if_it_is_of_the_connection() {
        assert_eq!(
            header("content-type", "application/json"),
            "application/json"
        );
        assert_eq!(header("x-forwarded-for", "198.51.100.7"), "xxx.xx.xxx.x");
        assert_eq!(header("authorization", "Basic YTpi"), "xxxxxxxxxx");
    }
}
