//! Lists in pages: `per_page`, and a cursor that is the last name of the page before.

use crate::url;
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::Uri;
use remuda_core::Fault;
use remuda_core::port::{Page, PageOf};
use serde::Serialize;

const DEFAULT_PER_PAGE: u32 = 30;
const MAX_PER_PAGE: u32 = 100;

/// URL-safe and unpadded; padding is forgiven when reading.
const CURSOR: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The page that a request asks for.
pub(super) fn page(uri: &Uri) -> Result<Page, Fault> {
    let asked =
        url::query(uri, "per_page").and_then(|text| text.parse::<i64>().ok()).filter(|count| *count > 0);
    let limit = asked
        .map_or(DEFAULT_PER_PAGE, |count| u32::try_from(count).unwrap_or(MAX_PER_PAGE).min(MAX_PER_PAGE));
    let after = match url::query(uri, "cursor") {
        Some(cursor) => Some(decode(&cursor).ok_or_else(|| Fault::invalid("Invalid cursor"))?),
        None => None,
    };
    Ok(Page { after, limit })
}

fn decode(cursor: &str) -> Option<String> {
    String::from_utf8(CURSOR.decode(cursor).ok()?).ok()
}

/// A page as it is answered.
#[derive(Serialize)]
pub(super) struct List<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    items: Vec<T>,
}

impl<T> List<T> {
    pub(super) fn of<U>(page: PageOf<U>, wire: impl FnMut(U) -> T) -> Self {
        Self {
            next_cursor: page.next.map(|name| CURSOR.encode(name)),
            items: page.items.into_iter().map(wire).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(query: &str) -> Page {
        page(&format!("/v2/apps?{query}").parse().unwrap()).unwrap()
    }

    #[test]
    fn a_page_has_30_items_unless_asked_and_100_at_most() {
        for (query, limit) in [
            ("", 30),
            ("per_page=7", 7),
            ("per_page=0", 30),
            ("per_page=-1", 30),
            ("per_page=x", 30),
            ("per_page=101", 100),
        ] {
            assert_eq!(asked(query).limit, limit, "{query}");
        }
    }

    #[test]
    fn a_cursor_that_is_none_is_refused() {
        assert!(page(&"/v2/apps?cursor=!".parse().unwrap()).is_err());
        assert_eq!(asked("cursor=YQ").after.as_deref(), Some("a"));
        assert_eq!(asked("cursor=YQ==").after.as_deref(), Some("a"));
        assert_eq!(asked("cursor=").after, None);
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_back(name in ".+") {
            prop_assert_eq!(decode(&CURSOR.encode(&name)), Some(name));
        }
    }
}
