//! Reads a packet of any type, and finds its `CallbackCommand` in the same pass.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor,
        value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

/// What a packet says in `CallbackCommand`.
pub(crate) enum Command {
    Absent,
    Expected,
    Other,
}

/// Reads a JSON object. A `CallbackCommand` that isn't a string, or comes twice, is an error.
pub(crate) fn read<T: DeserializeOwned>(
    text: &str,
    expected: &'static str,
) -> Result<(T, Command), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let mut watch = Watch {
        expected,
        found: Command::Absent,
    };
    let packet = T::deserialize(Watched {
        inner: &mut json,
        watch: &mut watch,
    })?;
    json.end()?;
    Ok((packet, watch.found))
}

struct Watch {
    expected: &'static str,
    found: Command,
}

impl Watch {
    fn see<E: Error>(&mut self, command: &str) -> Result<(), E> {
        if !matches!(self.found, Command::Absent) {
            return Err(E::duplicate_field("CallbackCommand"));
        }
        self.found = if command == self.expected {
            Command::Expected
        } else {
            Command::Other
        };
        Ok(())
    }
}

/// An object under watch: first its deserializer, then the visitor of its fields.
struct Watched<'w, T> {
    inner: T,
    watch: &'w mut Watch,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Watched<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Watched {
            inner: visitor,
            watch: self.watch,
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Fields {
            map,
            at_command: false,
            watch: self.watch,
        })
    }
}

struct Fields<'w, A> {
    map: A,
    at_command: bool,
    watch: &'w mut Watch,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error>
    where
        K: DeserializeSeed<'de>,
    {
        self.map.next_key_seed(FieldName {
            seed,
            is_command: &mut self.at_command,
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        if self.at_command {
            self.map.next_value_seed(CommandValue {
                seed,
                watch: self.watch,
            })
        } else {
            self.map.next_value_seed(seed)
        }
    }
}

struct FieldName<'f, S> {
    seed: S,
    is_command: &'f mut bool,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for FieldName<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for FieldName<'_, S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<S::Value, E> {
        *self.is_command = name == "CallbackCommand";
        self.seed.deserialize(Text(name.into_deserializer()))
    }
}

struct CommandValue<'w, S> {
    seed: S,
    watch: &'w mut Watch,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for CommandValue<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for CommandValue<'_, S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command")
    }

    fn visit_str<E: Error>(self, command: &str) -> Result<S::Value, E> {
        self.watch.see(command)?;
        self.seed.deserialize(Text(command.into_deserializer()))
    }
}

/// A string that was looked at, for whoever reads it in earnest. Serde's own deserializer of a
/// string knows neither options nor newtypes.
struct Text<'a, E>(StrDeserializer<'a, E>);

impl<'de, E: Error> Deserializer<'de> for Text<'_, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use serde::de::{IgnoredAny, value};

    use super::*;

    fn error(text: &str) -> String {
        read::<IgnoredAny>(text, "X").err().expect(text).to_string()
    }

    #[test]
    fn errors_say_what_was_expected() {
        for (text, message) in [
            (
                "null",
                "invalid type: null, expected an object at line 1 column 4",
            ),
            (
                r#"{"CallbackCommand":1}"#,
                "invalid type: integer `1`, expected a command at line 1 column 20",
            ),
            (
                r#"{"CallbackCommand":"X","CallbackCommand":"X"}"#,
                "duplicate field `CallbackCommand` at line 1 column 44",
            ),
        ] {
            assert_eq!(error(text), message);
        }

        let name = FieldName {
            seed: PhantomData::<IgnoredAny>,
            is_command: &mut false,
        };
        let number: value::U8Deserializer<value::Error> = 1_u8.into_deserializer();
        let message = name.deserialize(number).unwrap_err().to_string();
        assert_eq!(
            message,
            "invalid type: integer `1`, expected the name of a field"
        );
    }
}
