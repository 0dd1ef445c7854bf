//! A flag, for serde's `with`. It is 0 or 1, but Tencent's pages disagree on whether an integer comes in
//! quotes. Anything but zero, false, null and "" is true, and none of it is kept.

use serde::{Deserialize, Deserializer, Serializer};

use super::lenient::Lenient;

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(match Lenient::deserialize(deserializer)? {
        Lenient::Null => false,
        Lenient::Bool(flag) => flag,
        Lenient::Number(number) => number != 0.0,
        Lenient::Text(text) => is_set(&text),
        Lenient::Other => true,
    })
}

pub(super) fn serialize<S: Serializer>(flag: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8((*flag).into())
}

fn is_set(text: &str) -> bool {
    match text.parse::<f64>() {
        Ok(number) => number != 0.0,
        Err(_) => !text.is_empty() && !text.eq_ignore_ascii_case("false"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_may_come_as_an_object() {
        for (number, expected) in [("0", false), ("-0.0", false), ("1", true), ("1e400", true)] {
            let value = json!({"$serde_json::private::Number": number});
            assert_eq!(deserialize(&value).unwrap(), expected, "{number}");
        }
    }

    #[test]
    fn an_integer_may_be_signed_though_it_is_not_negative() {
        for number in [0, 1] {
            let signed = serde::de::value::I64Deserializer::<serde_json::Error>::new(number);
            assert_eq!(deserialize(signed).unwrap(), number == 1);
        }
    }

    #[test]
    fn bytes_are_not_a_flag() {
        let bytes = serde::de::value::BytesDeserializer::<serde_json::Error>::new(b"1");
        let error = deserialize(bytes).unwrap_err().to_string();
        assert_eq!(error, "invalid type: byte array, expected any value");
    }
}
