//! Keeps JSON objects as their text, so that every number in them stays as it was written.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use super::money::Money;

/// A JSON object kept as its text, so that every number in it stays as it was written.
#[derive(Clone, Debug, Default)]
pub struct JsonObject(Option<Box<RawValue>>);

impl JsonObject {
    /// From the text of an object; `None` is the empty object.
    pub fn from_text(text: Option<Box<RawValue>>) -> JsonObject {
        JsonObject(text)
    }

    /// A text that is equal for equal objects: sorted, and without blanks.
    pub fn canonical(&self) -> String {
        let parsed = self.text().map(|text| serde_json::from_str::<serde_json::Value>(text.get()));
        match parsed {
            Some(Ok(value)) => value.to_string(),
            Some(Err(_)) => self.text().map_or_else(String::new, |text| text.get().to_owned()),
            None => String::new(),
        }
    }

    /// Serialises a value that is an object.
    pub fn of(object: &impl Serialize) -> JsonObject {
        // Texts and numbers always serialise.
        JsonObject(serde_json::value::to_raw_value(object).ok())
    }

    /// The object with one more field, or with another value of it; all others stay as they were written.
    #[must_use]
    pub fn with(&self, name: &str, value: &impl Serialize) -> JsonObject {
        let fields = self.text().map(|text| serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text.get()));
        let mut fields = fields.and_then(Result::ok).unwrap_or_default();
        if let Ok(value) = serde_json::value::to_raw_value(value) {
            fields.insert(name.to_owned(), value);
        }
        JsonObject::of(&fields)
    }

    /// The amount in a field, if there is one of that name.
    pub fn amount(&self, name: &str) -> Option<Money> {
        let fields = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(self.text()?.get()).ok()?;
        serde_json::from_str(fields.get(name)?.get()).ok()
    }

    /// The text; `None` for the empty object.
    pub fn text(&self) -> Option<&RawValue> {
        self.0.as_deref()
    }
}

/// The largest object that a caller may send, in bytes.
const OBJECT_MAX_BYTES: usize = 4_096;

/// From an object of a bounded size. Works with `serde_json` only. What a database could not hold is refused: NUL
/// characters, lone surrogates, numbers beyond all range.
impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<JsonObject, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
        let is_fit = text.len() <= OBJECT_MAX_BYTES && !text.to_ascii_lowercase().contains("\\u0000");
        match parsed {
            Ok(object) if object.is_empty() => Ok(JsonObject(None)),
            Ok(_) if is_fit => Ok(JsonObject(Some(raw))),
            _ => Err(de::Error::custom(format!(
                "must be a JSON object of at most {OBJECT_MAX_BYTES} bytes, without NUL characters"
            ))),
        }
    }
}

impl Serialize for JsonObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(text) => text.serialize(serializer),
            None => serializer.collect_map(std::iter::empty::<((), ())>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_keeps_its_numbers() {
        let object: JsonObject = serde_json::from_str(r#"{"b": 1.10, "a": 1234567890123.123456}"#).expect("an object");
        let object = object.with("gross", &Money::from_micros(100_000)).with("b", &2);
        let text = object.text().map(RawValue::get);
        assert_eq!(text, Some(r#"{"a":1234567890123.123456,"b":2,"gross":0.1}"#));
        assert_eq!(object.amount("gross"), Some(Money::from_micros(100_000)));
        assert_eq!((object.amount("c"), JsonObject::default().amount("a")), (None, None));
    }
}
