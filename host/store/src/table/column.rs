//! How values stand in columns: settings and notes as JSON text (empty when there are none), times as RFC 3339.

use crate::session::Row;
use remuda_core::{Annotations, AppSet, Config, Timestamp};
use serde_json::Value;
use sqlx::Error;

/// Settings as text.
pub(crate) fn config_text(config: &Config) -> String {
    if config.is_empty() {
        return String::new();
    }
    let object = config.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
    Value::Object(object).to_string()
}

/// Notes as text.
pub(crate) fn annotations_text(annotations: &Annotations) -> String {
    if annotations.is_empty() {
        return String::new();
    }
    Value::Object(annotations.clone().into_iter().collect()).to_string()
}

/// The names of apps as text; empty for all apps.
pub(crate) fn apps_text(apps: &AppSet) -> String {
    match apps {
        AppSet::All => String::new(),
        AppSet::Some(names) => Value::from_iter(names.iter().map(String::as_str)).to_string(),
    }
}

/// The LB group that a config names, or empty.
pub(crate) fn group_text(config: &Config) -> &str {
    remuda_core::catalog::groups::named(config).unwrap_or_default()
}

/// The number in a column, if it fits.
pub(crate) fn number<T: TryFrom<i64>>(row: &Row, column: &'static str) -> Result<T, Error> {
    let number = row.number(column)?;
    T::try_from(number).map_err(|_| unreadable(column, format!("{number} is out of range")))
}

/// The time in a column.
pub(crate) fn time(row: &Row, column: &'static str) -> Result<Timestamp, Error> {
    let text = row.text(column)?;
    Timestamp::parse(&text).ok_or_else(|| unreadable(column, format!("'{text}' is no time")))
}

/// The settings in the column `config`.
pub(crate) fn config(row: &Row) -> Result<Config, Error> {
    json(&row.text("config")?).map_err(|why| unreadable("config", why.to_string()))
}

/// The notes in the column `annotations`.
pub(crate) fn annotations(row: &Row) -> Result<Annotations, Error> {
    json(&row.text("annotations")?).map_err(|why| unreadable("annotations", why.to_string()))
}

/// The set of apps in the column `apps`.
pub(crate) fn apps(row: &Row) -> Result<AppSet, Error> {
    let text = row.text("apps")?;
    if text.is_empty() {
        return Ok(AppSet::All);
    }
    let names = serde_json::from_str(&text).map_err(|why| unreadable("apps", why.to_string()))?;
    Ok(AppSet::Some(names))
}

/// JSON, where no text (and `null`, which Fn writes) is nothing.
fn json<T: Default + serde::de::DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    if text.is_empty() {
        Ok(T::default())
    } else {
        serde_json::from_str::<Option<T>>(text).map(Option::unwrap_or_default)
    }
}

/// Says why a column does not hold what it should.
pub(crate) fn unreadable(column: &'static str, why: String) -> Error {
    Error::ColumnDecode { index: column.to_owned(), source: why.into() }
}
