/*!
A JSON object whose values are still text.
*/

use super::plain;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A JSON object, its values still text: each is parsed when its type is known.
pub struct Object<'a> {
    fields: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Object<'a> {
    /// The object on one line.
    pub(super) fn parse(line: &'a str) -> Result<Self, String> {
        if let Some(fields) = plain::fields(line) {
            return Ok(Self { fields });
        }
        serde_json::from_str(line).map_err(|e| {
            let message = e.to_string();
            let what = message.split(" at line ").next().unwrap_or(&message);
            if line.starts_with('[') {
                return "not a JSON object: an array, `jq -c '.[]'` takes it apart".to_owned();
            }
            if e.is_eof() {
                format!("the JSON object is cut off ({what})")
            } else {
                format!("not a JSON object: {what} at character {}", e.column())
            }
        })
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(super) fn name(&self, at: usize) -> Option<&str> {
        self.fields.get(at).map(|(name, _)| &**name)
    }

    pub(super) fn value(&self, at: usize) -> Option<&'a str> {
        self.fields.get(at).map(|(_, value)| *value)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.fields()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.fields.iter().map(|(name, value)| (&**name, *value))
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// A key, borrowed from the line unless it holds escapes.
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        struct Columns;

        impl<'de> Visitor<'de> for Columns {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::with_capacity(32);
                while let Some(Name(name)) = map.next_key()? {
                    let value: &RawValue = map.next_value()?;
                    fields.push((name, value.get()));
                }
                Ok(Object { fields })
            }
        }

        deserializer.deserialize_map(Columns)
    }
}
