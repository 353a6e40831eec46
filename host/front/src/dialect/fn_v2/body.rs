//! Objects as clients send them: field names in any case, unknown ones ignored, types checked as Go's decoder does.

use remuda_core::{Annotations, Config, Fault, Timestamp};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// The fields of an object, in the order sent; `null`s are gone, as they change nothing.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, Value)>);

/// Reads the object in a body. As Go's decoder, looks no further than its end.
pub(super) fn fields(body: &[u8]) -> Result<Fields, Fault> {
    let mut documents = serde_json::Deserializer::from_slice(body).into_iter::<Option<Fields>>();
    match documents.next() {
        Some(Ok(fields)) => Ok(fields.unwrap_or(Fields(Vec::new()))),
        Some(Err(error)) => Err(invalid(error)),
        None => Err(invalid("the body is empty")),
    }
}

fn invalid(why: impl fmt::Display) -> Fault {
    Fault::invalid(format!("Invalid JSON: {why}"))
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if !value.is_null() {
                        pairs.push((name, value));
                    }
                }
                Ok(Fields(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}

impl Fields {
    /// The field of this name; of several, the last.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn text(&self, name: &str) -> Result<String, Fault> {
        Ok(self.optional_text(name)?.unwrap_or_default())
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<String>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(mistyped(name, "a string", other)),
        }
    }

    pub(super) fn unsigned(&self, name: &str) -> Result<u64, Fault> {
        let Some(value) = self.get(name) else { return Ok(0) };
        value.as_u64().ok_or_else(|| mistyped(name, "a whole number that is not negative", value))
    }

    pub(super) fn signed(&self, name: &str) -> Result<i32, Fault> {
        let Some(value) = self.get(name) else { return Ok(0) };
        let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
        number.ok_or_else(|| mistyped(name, "a whole number of 32 bits", value))
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let at = value.as_str().and_then(Timestamp::parse);
        at.map(Some).ok_or_else(|| mistyped(name, "an RFC 3339 time", value))
    }

    /// Checks a time that is otherwise ignored.
    pub(super) fn ignored_times(&self) -> Result<(), Fault> {
        self.time("created_at")?;
        self.time("updated_at")?;
        Ok(())
    }

    pub(super) fn config(&self) -> Result<Config, Fault> {
        let Some(value) = self.get("config") else { return Ok(Config::new()) };
        let Value::Object(pairs) = value else { return Err(mistyped("config", "an object", value)) };
        let mut config = Config::new();
        for (key, value) in pairs {
            let text = match value {
                Value::String(text) => text.clone(),
                // Go leaves a string at its zero value when it is told null.
                Value::Null => String::new(),
                other => return Err(mistyped(&format!("config.{key}"), "a string", other)),
            };
            config.insert(key.clone(), text);
        }
        Ok(config)
    }

    pub(super) fn annotations(&self) -> Result<Annotations, Fault> {
        match self.get("annotations") {
            None => Ok(Annotations::new()),
            Some(Value::Object(pairs)) => {
                Ok(pairs.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
            }
            Some(other) => Err(mistyped("annotations", "an object", other)),
        }
    }
}

fn mistyped(name: &str, wanted: &str, found: &Value) -> Fault {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "another number",
        Value::String(_) => "another string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    invalid(format!("{name} must be {wanted}, not {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn field_names_have_any_case_and_the_last_one_counts() {
        let fields = fields(br#"{"NAME":"a","name":"b","other":[{}],"App_Id":"x","image":null}"#).unwrap();
        assert_eq!(fields.text("name").unwrap(), "b");
        assert_eq!(fields.text("app_id").unwrap(), "x");
        assert_eq!(fields.text("image").unwrap(), "");
    }

    #[test]
    fn a_wrong_type_is_told_in_a_sentence() {
        let fields =
            fields(br#"{"name":5,"memory":-1,"timeout":1.5,"created_at":"x","config":{"A":1}}"#).unwrap();
        for (told, sentence) in [
            (fields.text("name").map(drop), "Invalid JSON: name must be a string, not another number"),
            (
                fields.unsigned("memory").map(drop),
                "Invalid JSON: memory must be a whole number that is not negative, not another number",
            ),
            (
                fields.signed("timeout").map(drop),
                "Invalid JSON: timeout must be a whole number of 32 bits, not another number",
            ),
            (
                fields.time("created_at").map(drop),
                "Invalid JSON: created_at must be an RFC 3339 time, not another string",
            ),
            (fields.config().map(drop), "Invalid JSON: config.A must be a string, not another number"),
        ] {
            assert_eq!(told.unwrap_err().message, sentence);
        }
    }

    #[test]
    fn what_is_no_object_is_refused_and_null_is_an_empty_one() {
        for bad in ["", "  ", "{", "[]", "5", "\"x\"", "{\"name\":}"] {
            assert!(fields(bad.as_bytes()).unwrap_err().message.starts_with("Invalid JSON: "), "{bad}");
        }
        assert!(fields(b"null").unwrap().0.is_empty());
        assert_eq!(fields(b"{\"name\":\"a\"} rubbish").unwrap().text("name").unwrap(), "a");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Err(fault) = fields(&bytes) {
                prop_assert!(fault.message.starts_with("Invalid JSON: "));
            }
        }
    }
}
