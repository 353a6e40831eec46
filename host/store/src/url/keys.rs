//! Settings behind the question mark of a URL.
//!
//! All are known here: the driver passes over what it does not know, so that a misspelt wish for TLS would be a
//! connection in clear, and it logs what it passes over with its value.

use crate::Error;

/// The settings of a URL as they stand there; those without `=` have no value.
pub(super) fn settings(url: &str) -> impl Iterator<Item = (&str, &str)> {
    let (_, query) = url.split_once('?').unwrap_or_default();
    let settings = query.split('&').filter(|setting| !setting.is_empty());
    settings.map(|setting| setting.split_once('=').unwrap_or((setting, "")))
}

/// What to say of a setting that is not known. `general` is said when its name may be a part of a password.
pub(super) fn unknown(url: &str, key: &str, general: Error) -> Error {
    let (_, query) = url.split_once('?').unwrap_or_default();
    let is_word = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_word && !key.is_empty() && key.len() <= 40 && !query.contains('@') {
        Error::Setting { key: key.to_owned() }
    } else {
        general
    }
}
