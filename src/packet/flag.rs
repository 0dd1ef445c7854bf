//! A flag, for serde's `with`: 0 or 1, but Tencent's pages disagree on whether an integer comes in
//! quotes. Whatever else comes is true.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serializer,
    de::{Error, MapAccess, Unexpected, Visitor},
};

use super::lenient;

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let flag = lenient::read(deserializer)?;
    // A list, an object, or a number too large for any type.
    Ok(flag.is_none_or(|Flag(flag)| flag))
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

struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor).map(Self)
    }
}

struct FlagVisitor;

impl<'de> Visitor<'de> for FlagVisitor {
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

    fn visit_map<A: MapAccess<'de>>(self, mut number: A) -> Result<bool, A::Error> {
        // How serde_json hands on a number if its feature `arbitrary_precision` is on, which any crate
        // of an app can do.
        const NUMBER: &str = "$serde_json::private::Number";

        match number.next_entry::<Cow<'_, str>, Cow<'_, str>>()? {
            Some((name, digits)) if name == NUMBER => Ok(is_set(&digits)),
            _ => Err(A::Error::invalid_type(Unexpected::Map, &self)),
        }
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
    fn what_serde_json_cannot_represent_is_set() {
        let nines = "9".repeat(400);
        for text in ["1e400", "-1e400", &nines, r#""\ud800""#] {
            let mut json = serde_json::Deserializer::from_str(text);
            assert_eq!(deserialize(&mut json).unwrap(), true, "{text}");
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
            let Flag(flag) = Flag::deserialize(signed).unwrap();
            assert_eq!(flag, number == 1);
        }
    }
}
