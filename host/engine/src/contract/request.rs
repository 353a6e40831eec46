//! A call as the function reads it.

use crate::contract::upload::Upload;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use remuda_core::Call;
use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

static FN_CALL_ID: HeaderName = HeaderName::from_static("fn-call-id");
static FN_DEADLINE: HeaderName = HeaderName::from_static("fn-deadline");
/// What the function is told when the caller did not say what it is.
const OUR_USER_AGENT: &str = concat!("remuda/", env!("CARGO_PKG_VERSION"));

/// `POST /call` with the call's headers. The length is left out: the body is always chunked.
pub(crate) fn build(call: &Call, body: Upload, deadline: SystemTime) -> Request<Upload> {
    let mut headers = call.headers.clone();
    for name in [CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(OUR_USER_AGENT));
    match HeaderValue::from_str(call.id.as_str()) {
        Ok(id) => headers.insert(&FN_CALL_ID, id),
        // An id from elsewhere that is no header value is better missing than the caller's own.
        Err(_) => headers.remove(&FN_CALL_ID),
    };
    headers.insert(&FN_DEADLINE, deadline_text(deadline));
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/call");
    *request.headers_mut() = headers;
    request
}

/// RFC 3339 in UTC, whole seconds: `2026-11-20T13:24:34Z`.
fn deadline_text(deadline: SystemTime) -> HeaderValue {
    let seconds = deadline.duration_since(UNIX_EPOCH).map_or(0, |after| after.as_secs());
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut text = *b"0000-00-00T00:00:00Z";
    let mut put = |from: usize, digits: usize, mut value: u32| {
        for place in (from..from + digits).rev() {
            text[place] = b'0' + u8::try_from(value % 10).unwrap_or(0);
            value /= 10;
        }
    };
    put(0, 4, at.year().unsigned_abs());
    put(5, 2, u8::from(at.month()).into());
    put(8, 2, at.day().into());
    put(11, 2, at.hour().into());
    put(14, 2, at.minute().into());
    put(17, 2, at.second().into());
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("1970-01-01T00:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_deadline_is_rfc_3339_in_whole_seconds() {
        let at = UNIX_EPOCH + Duration::from_millis(1_795_181_074_999);
        assert_eq!(deadline_text(at), "2026-11-20T13:24:34Z");
        assert_eq!(deadline_text(UNIX_EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!(deadline_text(UNIX_EPOCH + Duration::from_secs(u64::MAX / 4)), "1970-01-01T00:00:00Z");
    }
}
