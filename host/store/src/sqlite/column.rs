//! How values stand in columns: settings and notes as JSON text (empty when there are none), times as RFC 3339.

use remuda_core::{Annotations, Config, Timestamp};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Error, Row};

/// Settings as text.
pub(super) fn config_text(config: &Config) -> String {
    if config.is_empty() {
        return String::new();
    }
    let object = config.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
    Value::Object(object).to_string()
}

/// Notes as text.
pub(super) fn annotations_text(annotations: &Annotations) -> String {
    if annotations.is_empty() {
        return String::new();
    }
    Value::Object(annotations.clone().into_iter().collect()).to_string()
}

/// The text in a column.
pub(super) fn text(row: &SqliteRow, column: &'static str) -> Result<String, Error> {
    row.try_get(column)
}

/// The number in a column, if it fits.
pub(super) fn number<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> Result<T, Error> {
    let number: i64 = row.try_get(column)?;
    T::try_from(number).map_err(|_| unreadable(column, format!("{number} is out of range")))
}

/// The time in a column.
pub(super) fn time(row: &SqliteRow, column: &'static str) -> Result<Timestamp, Error> {
    let text = text(row, column)?;
    Timestamp::parse(&text).ok_or_else(|| unreadable(column, format!("'{text}' is no time")))
}

/// The settings in the column `config`.
pub(super) fn config(row: &SqliteRow) -> Result<Config, Error> {
    json(&text(row, "config")?).map_err(|why| unreadable("config", why.to_string()))
}

/// The notes in the column `annotations`.
pub(super) fn annotations(row: &SqliteRow) -> Result<Annotations, Error> {
    json(&text(row, "annotations")?).map_err(|why| unreadable("annotations", why.to_string()))
}

/// JSON, where no text (and `null`, which Fn writes) is nothing.
fn json<T: Default + serde::de::DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    if text.is_empty() {
        Ok(T::default())
    } else {
        serde_json::from_str::<Option<T>>(text).map(Option::unwrap_or_default)
    }
}

fn unreadable(column: &'static str, why: String) -> Error {
    Error::ColumnDecode { index: column.to_owned(), source: why.into() }
}
