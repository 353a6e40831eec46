//! Declares what clients send: each object in a body, and the parameters of each query, once, for the parser and for the
//! document that describes the API.

use super::body::{Fields, mistyped};
use crate::openapi::{Field, Shape};
use crate::url;
use http::Uri;
use remuda_core::{Annotations, Config, Fault, Timestamp};
use serde_json::Value;

/// The longest value of a query parameter, in bytes. Cursors are the longest, with a name and an id.
pub(super) const MAX_PARAMETER_BYTES: usize = 1024;

/// A type that a field can have. One that is not sent, or null, is the type's default.
pub(super) trait FieldType: Default {
    const SHAPE: Shape;
    /// The value, if it has the right type.
    fn of(value: Value) -> Result<Self, Value>;
    /// Reads a field; the fault names it.
    fn read(name: &str, value: Value) -> Result<Self, Fault> {
        Self::of(value).map_err(|value| mistyped(name, Self::SHAPE, &value))
    }
}

impl FieldType for String {
    const SHAPE: Shape = Shape::Text;
    fn of(value: Value) -> Result<Self, Value> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        }
    }
}

impl FieldType for Option<String> {
    const SHAPE: Shape = Shape::Text;
    fn of(value: Value) -> Result<Self, Value> {
        <String as FieldType>::of(value).map(Some)
    }
}

impl FieldType for u64 {
    const SHAPE: Shape = Shape::Unsigned;
    fn of(value: Value) -> Result<Self, Value> {
        value.as_u64().ok_or(value)
    }
}

impl FieldType for i32 {
    const SHAPE: Shape = Shape::Signed;
    fn of(value: Value) -> Result<Self, Value> {
        value.as_i64().and_then(|number| i32::try_from(number).ok()).ok_or(value)
    }
}

impl FieldType for Option<Timestamp> {
    const SHAPE: Shape = Shape::Time;
    fn of(value: Value) -> Result<Self, Value> {
        value.as_str().and_then(Timestamp::parse).map(Some).ok_or(value)
    }
}

impl FieldType for Config {
    const SHAPE: Shape = Shape::Texts;
    fn of(value: Value) -> Result<Self, Value> {
        let Value::Object(pairs) = &value else { return Err(value) };
        // Go leaves a string at its zero value when it is told null.
        let text = |value: &Value| if value.is_null() { Some("") } else { value.as_str() }.map(str::to_owned);
        let config = pairs.iter().map(|(key, value)| Some((key.clone(), text(value)?))).collect();
        Option::<Config>::ok_or(config, value)
    }
    fn read(name: &str, value: Value) -> Result<Self, Fault> {
        Self::of(value).map_err(|value| {
            let wrong = |pair: &(&String, &Value)| !pair.1.is_null() && !pair.1.is_string();
            match value.as_object().and_then(|pairs| pairs.iter().find(wrong)) {
                Some((key, value)) => mistyped(&format!("{name}.{key}"), Shape::Text, value),
                None => mistyped(name, Self::SHAPE, &value),
            }
        })
    }
}

impl FieldType for Annotations {
    const SHAPE: Shape = Shape::Anything;
    fn of(value: Value) -> Result<Self, Value> {
        match value {
            Value::Object(pairs) => Ok(pairs.into_iter().collect()),
            other => Err(other),
        }
    }
}

impl FieldType for Option<Vec<String>> {
    const SHAPE: Shape = Shape::List;
    fn of(value: Value) -> Result<Self, Value> {
        let items = value.as_array().map(|items| items.iter());
        let texts = items.and_then(|mut items| {
            items.try_fold(Vec::new(), |mut texts, item| {
                texts.push(item.as_str()?.to_owned());
                Some(texts)
            })
        });
        texts.map(Some).ok_or(value)
    }
}

/// An object in a request's body.
pub(crate) trait Object: Sized {
    /// What the document calls it.
    const NAME: &'static str;
    /// What it is.
    const ABOUT: &'static str;
    /// What it may hold; everything else is ignored.
    const FIELDS: &'static [Field];
    /// Reads it.
    #[allow(private_interfaces, reason = "only the parser makes fields")]
    fn read(fields: Fields) -> Result<Self, Fault>;
}

/// A type that a query parameter can have; empty counts as not sent.
pub(super) trait ParameterType: Sized {
    const SHAPE: Shape;
    fn of(text: Option<String>) -> Self;
}

impl ParameterType for Option<String> {
    const SHAPE: Shape = Shape::Text;
    fn of(text: Option<String>) -> Self {
        text
    }
}

/// Empty where it is not sent; the handler says what is missing in Fn's words.
impl ParameterType for String {
    const SHAPE: Shape = Shape::Text;
    fn of(text: Option<String>) -> Self {
        text.unwrap_or_default()
    }
}

/// What is no number counts as not sent, as in Fn.
impl ParameterType for Option<i64> {
    const SHAPE: Shape = Shape::Count;
    fn of(text: Option<String>) -> Self {
        text?.parse().ok()
    }
}

/// The parameters of a request.
pub(crate) trait Query: Sized {
    /// What they may be; everything else is ignored.
    const PARAMETERS: &'static [Field];
    /// Reads them.
    fn read(uri: &Uri) -> Result<Self, Fault>;
}

/// Reads one parameter.
pub(super) fn parameter<T: ParameterType>(uri: &Uri, name: &str) -> Result<T, Fault> {
    let text = url::query(uri, name);
    if text.as_ref().is_some_and(|text| text.len() > MAX_PARAMETER_BYTES) {
        let text = format!("the query parameter {name} must be {MAX_PARAMETER_BYTES} bytes or less");
        return Err(Fault::invalid(text));
    }
    Ok(T::of(text))
}

/// Declares an [`Object`]: its fields with what they are for, and where the name on the wire is another, that name.
macro_rules! object {
    (
        #[doc = $about:literal]
        $(#[$attribute:meta])*
        $name:ident {
            $($(#[doc = $doc:literal])+ $field:ident $(as $wire:literal)? : $kind:ty $(where $limits:expr)?,)+
        }
    ) => {
        #[doc = $about]
        $(#[$attribute])*
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $name { $($(#[doc = $doc])+ pub(super) $field: $kind,)+ }

        impl $crate::dialect::fn_v2::object::Object for $name {
            const NAME: &'static str = stringify!($name);
            const ABOUT: &'static str = $about;
            const FIELDS: &'static [$crate::openapi::Field] = &[$(
                $crate::openapi::Field {
                    name: object!(@name $field $($wire)?),
                    shape: <$kind as $crate::dialect::fn_v2::object::FieldType>::SHAPE,
                    limits: object!(@limits $($limits)?),
                    about: concat!($($doc),+),
                },
            )+];
            #[allow(private_interfaces, reason = "only the parser makes fields")]
            fn read(
                mut fields: $crate::dialect::fn_v2::body::Fields,
            ) -> Result<Self, remuda_core::Fault> {
                Ok(Self { $($field: fields.take(object!(@name $field $($wire)?))?,)+ })
            }
        }
    };
    (@limits) => { $crate::openapi::Limits::NONE };
    (@limits $limits:expr) => { $limits };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $wire:literal) => { $wire };
}

/// Declares a [`Query`]: its parameters with what they are for.
macro_rules! query {
    (
        $(#[$about:meta])*
        $name:ident { $($(#[doc = $doc:literal])+ $field:ident : $kind:ty where $limits:expr,)+ }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name { $($(#[doc = $doc])+ pub(super) $field: $kind,)+ }

        impl $crate::dialect::fn_v2::object::Query for $name {
            const PARAMETERS: &'static [$crate::openapi::Field] = &[$(
                $crate::openapi::Field {
                    name: stringify!($field),
                    shape: <$kind as $crate::dialect::fn_v2::object::ParameterType>::SHAPE,
                    limits: $limits,
                    about: concat!($($doc),+),
                },
            )+];
            fn read(uri: &http::Uri) -> Result<Self, remuda_core::Fault> {
                Ok(Self {
                    $($field: $crate::dialect::fn_v2::object::parameter(uri, stringify!($field))?,)+
                })
            }
        }
    };
}

pub(super) use {object, query};
