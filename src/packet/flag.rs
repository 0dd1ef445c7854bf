//! A flag, for serde's `with`. It is 0 or 1, but Tencent's pages disagree on whether an integer comes in
//! quotes. Anything but zero, false, null and "" is true, and none of it is kept.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer, Serializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::lenient::LenientText;

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    deserializer.deserialize_any(Flag)
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

struct Flag;

impl<'de> Visitor<'de> for Flag {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flag")
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<bool, E> {
        Ok(flag)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<bool, E> {
        Ok(number != 0)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<bool, E> {
        Ok(number != 0)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<bool, E> {
        Ok(number != 0.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        Ok(is_set(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<bool, A::Error> {
        // How serde_json hands on a number if its feature `arbitrary_precision` is on, which any crate
        // of an app can do.
        const NUMBER: &str = "$serde_json::private::Number";

        let mut flag = true;
        while let Some(name) = object.next_key::<Cow<'_, str>>()? {
            if name == NUMBER {
                let LenientText(number) = object.next_value()?;
                flag = number.is_none_or(|number| is_set(&number));
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(flag)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn anything_is_set_but_zero_false_and_nothing() {
        for (value, expected) in [
            (json!(0), false),
            (json!(0.0), false),
            (json!(-0.0), false),
            (json!("0"), false),
            (json!("0.0"), false),
            (json!(""), false),
            (json!(false), false),
            (json!("false"), false),
            (json!("False"), false),
            (json!(null), false),
            (json!(1), true),
            (json!(2), true),
            (json!(-1), true),
            (json!(0.5), true),
            (json!(u64::MAX), true),
            (json!("1"), true),
            (json!("yes"), true),
            (json!(true), true),
            (json!("true"), true),
            (json!([]), true),
            (json!([0, [0]]), true),
            (json!({}), true),
            (json!({"0": 0, "": {"": []}}), true),
        ] {
            assert_eq!(deserialize(&value).unwrap(), expected, "{value}");
            let text = value.to_string();
            let mut json = serde_json::Deserializer::from_str(&text);
            assert_eq!(deserialize(&mut json).unwrap(), expected, "{value}");
        }
    }

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
        assert_eq!(error, "invalid type: byte array, expected a flag");
    }
}
