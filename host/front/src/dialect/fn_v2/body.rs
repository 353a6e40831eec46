//! Objects as clients send them: field names in any case, unknown ones ignored, types checked as Go's decoder does.

use super::object::{FieldType, Object};
use crate::openapi::{Field, Shape};
use remuda_core::Fault;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The fields that were sent, of those that are known; of several of one name, the last. `null`s are gone, as they
/// change nothing.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<&'static str, Value>);

/// Reads the object in a body. As Go's decoder, looks no further than its end.
pub(super) fn read<T: Object>(body: &[u8]) -> Result<T, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(invalid("the body is empty"));
    }
    let mut from = serde_json::Deserializer::from_slice(body);
    T::read(Known(T::FIELDS).deserialize(&mut from).map_err(invalid)?)
}

fn invalid(why: impl fmt::Display) -> Fault {
    Fault::invalid(format!("Invalid JSON: {why}"))
}

/// Reads an object that may have these fields.
struct Known(&'static [Field]);

impl<'de> DeserializeSeed<'de> for Known {
    type Value = Fields;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Fields, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Known {
    type Value = Fields;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    /// Null is an object without fields.
    fn visit_unit<E: serde::de::Error>(self) -> Result<Fields, E> {
        Ok(Fields::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(sent) = map.next_key::<String>()? {
            let Some(field) = self.0.iter().find(|field| field.name.eq_ignore_ascii_case(&sent)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value::<Value>()?;
            if !value.is_null() {
                fields.0.insert(field.name, value);
            }
        }
        Ok(fields)
    }
}

impl Fields {
    /// The field of this name.
    pub(super) fn take<T: FieldType>(&mut self, name: &str) -> Result<T, Fault> {
        self.0.remove(name).map_or_else(|| Ok(T::default()), |value| T::read(name, value))
    }
}

/// Says that a field has a wrong type.
pub(super) fn mistyped(name: &str, expected: Shape, found: &Value) -> Fault {
    let found = match (found, expected) {
        (Value::Number(_), Shape::Unsigned | Shape::Signed | Shape::Count) => "another number",
        (Value::String(_), Shape::Time) => "another string",
        (Value::Array(_), Shape::List) => "a list of something else",
        (Value::Null, _) => "null",
        (Value::Bool(_), _) => "a boolean",
        (Value::Number(_), _) => "a number",
        (Value::String(_), _) => "a string",
        (Value::Array(_), _) => "an array",
        (Value::Object(_), _) => "an object",
    };
    invalid(format_args!("{name} must be {}, not {found}", expected.expected()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::fn_v2::sent::{AppIn, FnIn, GroupIn, TriggerIn};
    use proptest::prelude::*;

    #[test]
    fn field_names_have_any_case_and_the_last_one_counts() {
        let sent =
            br#"{"NAME":"a","name":"b","other":[{}],"App_Id":"x","image":null,"IMAGE":"i","image":null}"#;
        let sent: FnIn = read(sent).unwrap();
        assert_eq!((sent.name.as_str(), sent.app_id.as_str(), sent.image.as_str()), ("b", "x", "i"));
    }

    #[test]
    fn a_wrong_type_is_told_in_a_sentence() {
        let told = |text: &str| read::<FnIn>(text.as_bytes()).unwrap_err().message.into_owned();
        for (sent, sentence) in [
            (r#"{"name":5}"#, "Invalid JSON: name must be a string, not a number"),
            (
                r#"{"memory":-1}"#,
                "Invalid JSON: memory must be a whole number that is not negative, not another number",
            ),
            (
                r#"{"timeout":1.5}"#,
                "Invalid JSON: timeout must be a whole number of 32 bits, not another number",
            ),
            (
                r#"{"created_at":"x"}"#,
                "Invalid JSON: created_at must be an RFC 3339 time, not another string",
            ),
            (r#"{"config":{"A":1}}"#, "Invalid JSON: config.A must be a string, not a number"),
            (r#"{"config":[]}"#, "Invalid JSON: config must be an object, not an array"),
            (r#"{"annotations":true}"#, "Invalid JSON: annotations must be an object, not a boolean"),
        ] {
            assert_eq!(told(sent), sentence);
        }
        let told = read::<GroupIn>(br#"{"apps":["a",1]}"#).unwrap_err().message;
        assert_eq!(told, "Invalid JSON: apps must be a list of strings, not a list of something else");
        assert_eq!(read::<TriggerIn>(br#"{"Type":"http"}"#).unwrap().kind, "http");
    }

    #[test]
    fn nulls_in_a_config_are_empty_and_in_annotations_are_kept() {
        let sent: AppIn =
            read(br#"{"config":{"A":null,"B":"1"},"annotations":{"k":null},"syslog_url":null}"#).unwrap();
        assert_eq!(sent.config, [("A".to_owned(), String::new()), ("B".to_owned(), "1".to_owned())].into());
        assert_eq!((sent.annotations.len(), sent.syslog_url), (1, None));
    }

    #[test]
    fn what_is_no_object_is_refused_and_null_is_an_empty_one() {
        for bad in ["", "  ", "{", "[]", "5", "\"x\"", "{\"name\":}", "nul"] {
            assert!(
                read::<AppIn>(bad.as_bytes()).unwrap_err().message.starts_with("Invalid JSON: "),
                "{bad}"
            );
        }
        assert!(read::<AppIn>(b"null").unwrap().name.is_empty());
        assert_eq!(read::<AppIn>(b"{\"name\":\"a\"} rubbish").unwrap().name, "a");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Err(fault) = read::<FnIn>(&bytes) {
                prop_assert!(fault.message.starts_with("Invalid JSON: "));
            }
        }
    }
}
