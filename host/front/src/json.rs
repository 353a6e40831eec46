//! JSON as Go writes it, since clients compare bytes.

use crate::status;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use remuda_core::Fault;
use serde::Serialize;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A successful answer: 200, no newline at the end.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match encode(&self.0) {
            Ok(text) => response(StatusCode::OK, text),
            Err(error) => status::refuse(&Fault::internal(error)),
        }
    }
}

/// An error: one object, then a newline.
pub(crate) fn error(status: StatusCode, message: &str) -> Response {
    let mut text = escape_for_html(&serde_json::json!({ "message": message }).to_string());
    text.push('\n');
    response(status, text)
}

/// JSON text as the body of a response.
pub(crate) fn response(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}

/// A value as Go's encoder writes it.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(|text| escape_for_html(&text))
}

/// Go escapes these so that JSON can stand inside HTML and JavaScript. Outside of strings they do not occur.
fn escape_for_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_go_escapes_is_escaped() {
        assert_eq!(encode(&"1 > 0 & <b>\u{2028}é").unwrap(), r#""1 \u003e 0 \u0026 \u003cb\u003e\u2028é""#);
    }

    proptest! {
        #[test]
        fn escaping_does_not_change_what_is_said(text: String) {
            let decoded: String = serde_json::from_str(&encode(&text).unwrap()).unwrap();
            prop_assert_eq!(decoded, text);
        }
    }
}
