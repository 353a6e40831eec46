//! Fields of objects that clients send, and parameters of their queries, as JSON Schema.

use serde_json::{Map, Value, json};

/// One field of an object, or one parameter of a query.
#[derive(Debug)]
pub(crate) struct Field {
    /// As it is written; read in any case where it is in a body.
    pub(crate) name: &'static str,
    /// What it holds.
    pub(crate) shape: Shape,
    /// What else is asked of it.
    pub(crate) limits: Limits,
    /// What it is for.
    pub(crate) about: &'static str,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A string.
    Text,
    /// A whole number that is not negative.
    Unsigned,
    /// A whole number of 32 bits.
    Signed,
    /// A number if it can be read as one, and else as good as not sent.
    Count,
    /// An RFC 3339 time.
    Time,
    /// An object whose values are strings.
    Texts,
    /// An object whose values are anything.
    Anything,
    /// A list of strings.
    List,
}

/// What is asked of a field besides its shape. Each says less than the rules of the catalogue, or as much: what breaks
/// one is refused, whatever else is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of something new.
    pub(crate) new: &'static [Rule],
    /// Of a change, and of a parameter.
    pub(crate) change: &'static [Rule],
}

impl Limits {
    /// Nothing else.
    pub(crate) const NONE: Self = Self::both(&[]);

    /// The same for something new and for a change.
    pub(crate) const fn both(rules: &'static [Rule]) -> Self {
        Self { new: rules, change: rules }
    }
}

/// One limit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// It must be sent, and not be empty.
    Needed,
    /// It must be empty where it is sent.
    Empty,
    /// A regular expression that texts match. Of the dialects of those: what all of them understand.
    Pattern(&'static str),
    /// The longest text, in characters; limits in bytes are no longer.
    MaxLength(usize),
    /// The least and the largest number.
    Between(i64, i64),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A regular expression that keys match.
    Keys(&'static str),
    /// The most keys.
    MaxKeys(usize),
    /// No value may be null or "".
    NoEmptyValues,
    /// The most items, and the longest of them, which may not be empty.
    Items(usize, usize),
}

impl Shape {
    /// What is told to who sends something else.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Unsigned => "a whole number that is not negative",
            Self::Signed | Self::Count => "a whole number of 32 bits",
            Self::Time => "an RFC 3339 time",
            Self::Texts | Self::Anything => "an object",
            Self::List => "a list of strings",
        }
    }

    /// What it is in a body, where null is as good as not sent.
    fn in_body(self) -> Value {
        match self {
            Self::Text => json!({"type": ["string", "null"]}),
            Self::Unsigned => json!({"type": ["integer", "null"], "format": "int64", "minimum": 0}),
            Self::Signed | Self::Count => json!({"type": ["integer", "null"], "format": "int32"}),
            Self::Time => json!({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
            Self::Texts => {
                json!({"type": ["object", "null"], "additionalProperties": {"type": ["string", "null"]}})
            }
            Self::Anything => json!({"type": ["object", "null"], "additionalProperties": true}),
            Self::List => json!({"type": ["array", "null"], "items": {"type": "string"}}),
        }
    }

    /// What it is in a query, where everything is text.
    fn in_query(self) -> Value {
        match self {
            Self::Count => json!({"type": ["integer", "string"]}),
            _ => json!({"type": "string"}),
        }
    }
}

/// An object of these fields, in a body. Fields that are not listed are ignored.
pub(super) fn object(about: &str, fields: &[Field], is_new: bool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let rules = if is_new { field.limits.new } else { field.limits.change };
        let mut schema = field.shape.in_body();
        if is_needed(rules) {
            required.push(field.name);
            schema["type"] = schema["type"][0].take();
        }
        rules.iter().for_each(|rule| rule.narrow(&mut schema));
        schema["description"] = field.about.trim().into();
        properties.insert(field.name.to_owned(), schema);
    }
    let mut object = json!({"description": about, "type": "object", "properties": properties});
    if required.is_empty() {
        object["type"] = json!(["object", "null"]);
    } else {
        object["required"] = required.into();
    }
    object
}

/// A parameter of a query.
pub(super) fn parameter(field: &Field) -> Value {
    let mut schema = field.shape.in_query();
    let rules = field.limits.change;
    rules.iter().for_each(|rule| rule.narrow(&mut schema));
    json!({
        "name": field.name,
        "in": "query",
        "required": is_needed(rules),
        "description": field.about.trim(),
        "schema": schema,
    })
}

fn is_needed(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| matches!(rule, Rule::Needed))
}

impl Rule {
    fn narrow(self, schema: &mut Value) {
        match self {
            Self::Needed if schema["type"] == "string" => schema["minLength"] = 1.into(),
            Self::Needed => {}
            Self::Empty => schema["maxLength"] = 0.into(),
            Self::Pattern(pattern) => schema["pattern"] = pattern.into(),
            Self::MaxLength(max) => schema["maxLength"] = max.into(),
            Self::Between(min, max) => {
                schema["minimum"] = min.into();
                schema["maximum"] = max.into();
            }
            Self::OneOf(texts) => {
                let mut all: Vec<Value> = texts.iter().map(|text| (*text).into()).collect();
                if schema["type"] != "string" {
                    all.push(Value::Null);
                }
                schema["enum"] = all.into();
            }
            Self::Keys(pattern) => schema["propertyNames"] = json!({ "pattern": pattern }),
            Self::MaxKeys(max) => schema["maxProperties"] = max.into(),
            Self::NoEmptyValues => schema["additionalProperties"] = json!({"not": {"enum": [null, ""]}}),
            Self::Items(most, longest) => {
                schema["maxItems"] = most.into();
                schema["items"]["minLength"] = 1.into();
                schema["items"]["maxLength"] = longest.into();
            }
        }
    }
}
