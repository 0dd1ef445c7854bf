//! Reads a packet of any type, and finds its `CallbackCommand` in the same pass.
//!
//! The packet's own `Deserialize` is in charge. The deserializer here wraps its visitor, and the visitor wraps
//! the map, so that every key and the value of the command pass through here. Keys are read as strings first,
//! so a type that needs more than an object with string keys fails here. `packet::parse` then reads it in two
//! passes.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error, IgnoredAny, IntoDeserializer, MapAccess, Visitor,
        value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};

/// What the body says in `CallbackCommand`.
#[derive(Debug, PartialEq)]
pub(super) enum BodyCommand {
    Absent,
    Expected,
    Other,
}

/// Reads a JSON object. A `CallbackCommand` that isn't a string, or comes twice, is an error.
pub(super) fn read<'de, T: Deserialize<'de>>(
    mut json: serde_json::Deserializer<impl serde_json::de::Read<'de>>,
    expected: &str,
) -> Result<(T, BodyCommand), serde_json::Error> {
    let mut watch = Watch {
        expected,
        command: BodyCommand::Absent,
    };
    let packet = T::deserialize(WatchedObject {
        json: &mut json,
        watch: &mut watch,
    })?;
    json.end()?;
    Ok((packet, watch.command))
}

/// Reads nothing but the command.
pub(super) fn find(body: &[u8], expected: &str) -> Result<BodyCommand, serde_json::Error> {
    let json = serde_json::Deserializer::from_slice(body);
    read::<IgnoredAny>(json, expected).map(|(_, command)| command)
}

struct Watch<'e> {
    expected: &'e str,
    command: BodyCommand,
}

impl Watch<'_> {
    fn compare<E: Error>(&mut self, command: &str) -> Result<(), E> {
        if self.command != BodyCommand::Absent {
            return Err(E::duplicate_field("CallbackCommand"));
        }
        self.command = if command == self.expected {
            BodyCommand::Expected
        } else {
            BodyCommand::Other
        };
        Ok(())
    }
}

struct WatchedObject<'w, 'e, D> {
    json: D,
    watch: &'w mut Watch<'e>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for WatchedObject<'_, '_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.json.deserialize_map(WatchedVisitor {
            visitor,
            watch: self.watch,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct WatchedVisitor<'w, 'e, V> {
    visitor: V,
    watch: &'w mut Watch<'e>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for WatchedVisitor<'_, '_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(WatchedMap {
            map,
            at_command: false,
            watch: self.watch,
        })
    }
}

struct WatchedMap<'w, 'e, A> {
    map: A,
    at_command: bool,
    watch: &'w mut Watch<'e>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WatchedMap<'_, '_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let Some(Text(name)) = self.map.next_key()? else {
            return Ok(None);
        };
        self.at_command = name == "CallbackCommand";
        replay(name, seed).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        if !self.at_command {
            return self.map.next_value_seed(seed);
        }
        let Text(command) = self.map.next_value()?;
        self.watch.compare(&command)?;
        replay(command, seed)
    }
}

/// Gives a text that was read here to the packet's own `Deserialize`.
fn replay<'de, S, E>(text: Cow<'de, str>, seed: S) -> Result<S::Value, E>
where
    S: DeserializeSeed<'de>,
    E: Error,
{
    match text {
        Cow::Borrowed(text) => seed.deserialize(BorrowedStrDeserializer::new(text)),
        Cow::Owned(text) => seed.deserialize(text.into_deserializer()),
    }
}

/// A string, borrowed if nothing in it is escaped. Serde's own `Cow` borrows only in a struct.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);
