//! A field that costs no event: a value that isn't understood is passed over.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};

use super::command::Text;

/// The value, or `None` if it isn't a `T`, whatever it is.
///
/// serde_json stops for good at half a surrogate or a number out of range. So the value is taken as
/// serde_json's `RawValue` is, which only looks for its end, and is read by itself. Other formats, and
/// values that serde has buffered, know nothing of that and come as a newtype.
pub(super) fn read<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    deserializer.deserialize_newtype_struct(RAW_VALUE, Raw(PhantomData))
}

const RAW_VALUE: &str = "$serde_json::private::RawValue";

struct Raw<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for Raw<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut raw: A) -> Result<Option<T>, A::Error> {
        raw.next_key::<IgnoredAny>()?;
        let Text(json) = raw.next_value()?;
        Ok(serde_json::from_str(&json).ok())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        Ok(T::deserialize(deserializer).ok())
    }
}
