//! Lists in pages: `per_page`, and a cursor that says where the page before ended.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use remuda_core::port::{Page, PageOf, Place};
use remuda_core::{App, Fault, Function, Trigger};
use schemars::JsonSchema;
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
pub(super) fn page(cursor: Option<&str>, per_page: Option<i64>) -> Result<Page, Fault> {
    let limit = per_page
        .filter(|count| *count > 0)
        .map_or(DEFAULT_PER_PAGE, |count| u32::try_from(count).unwrap_or(MAX_PER_PAGE).min(MAX_PER_PAGE));
    let wrong = || Fault::invalid("Invalid cursor: it must be the next_cursor of a page before");
    let after = cursor.map(|cursor| decode(cursor).ok_or_else(wrong)).transpose()?;
    Ok(Page { after, limit })
}

/// What stands between a name and an id in a cursor; no name contains it. A cursor without it is Fn's own.
const BETWEEN: char = '\0';

fn encode(place: Place) -> String {
    match place.id {
        Some(id) => CURSOR.encode(format!("{}{BETWEEN}{id}", place.name)),
        None => CURSOR.encode(place.name),
    }
}

fn decode(cursor: &str) -> Option<Place> {
    let text = String::from_utf8(CURSOR.decode(cursor).ok()?).ok()?;
    Some(match text.split_once(BETWEEN) {
        Some((name, id)) => Place { name: name.to_owned(), id: Some(id.to_owned()) },
        None => Place { name: text, id: None },
    })
}

/// A page as it is answered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub(crate) struct List<T> {
    /// What to send as `cursor` for the next page; there may be one whenever this is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Ordered by name.
    items: Vec<T>,
}

/// Whether two items of a list can have one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// They cannot, so a cursor is Fn's: the last name.
    Unique,
    /// They can, so a cursor names the last id too, and a page that ends between the two loses neither.
    Repeated,
}

/// How long a page may become, in bytes, before it ends early: a hundred of the largest functions would be a hundred
/// times as long, for everyone who asks at once.
const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Where an item stands in its list.
pub(super) trait Placed {
    fn place(&self) -> Place;
}

macro_rules! placed {
    ($($kind:ty),*) => {
        $(impl Placed for $kind {
            fn place(&self) -> Place {
                Place { name: self.name.clone(), id: Some(self.id.to_string()) }
            }
        })*
    };
}
placed!(App, Function, Trigger);

impl<T: Serialize> List<T> {
    /// The page as it is answered: all of it, or as many of its first items as are not too long.
    pub(super) fn of<U: Placed>(page: PageOf<U>, names: Names, mut wire: impl FnMut(U) -> T) -> Self {
        let (mut items, mut length, mut next) = (Vec::with_capacity(page.items.len()), 0, page.next);
        let mut left = page.items.into_iter().peekable();
        while let Some(item) = left.next() {
            let place = item.place();
            let item = wire(item);
            length += length_of(&item);
            items.push(item);
            if length > MAX_PAGE_BYTES && left.peek().is_some() {
                next = Some(place);
                break;
            }
        }
        let next = next.map(|place| match names {
            Names::Unique => Place { id: None, ..place },
            Names::Repeated => place,
        });
        Self { next_cursor: next.map(encode), items }
    }
}

/// How long something is as JSON, about.
fn length_of<T: Serialize>(item: &T) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What cannot be written is told when the answer is.
    let _ = serde_json::to_writer(&mut count, item);
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::fn_v2::object::Query;
    use crate::dialect::fn_v2::sent::ListApps;
    use proptest::prelude::*;

    fn asked(query: &str) -> Page {
        let asked = ListApps::read(&format!("/v2/apps?{query}").parse().unwrap()).unwrap();
        page(asked.cursor.as_deref(), asked.per_page).unwrap()
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
        assert!(page(Some("!"), None).is_err());
        assert!(page(Some("_w"), None).is_err(), "no text");
        let fns = Some(Place { name: "a".into(), id: None });
        assert_eq!(asked("cursor=YQ").after, fns);
        assert_eq!(asked("cursor=YQ==").after, fns);
        assert_eq!(asked("cursor=").after, None);
    }

    #[test]
    fn a_page_that_would_be_too_long_ends_early_and_loses_nothing() {
        use remuda_core::testing::catalog_cases::an_app;
        let items: Vec<App> = (0..10).map(|n| an_app(&format!("A{n}"), &format!("app{n}"))).collect();
        let wire = |app: App| format!("{}{}", app.name, "x".repeat(MAX_PAGE_BYTES / 4));
        let whole = PageOf { items: items.clone(), next: None };
        let list = List::of(whole, Names::Unique, wire);
        assert_eq!(list.items.len(), 4);
        let cursor = list.next_cursor.unwrap();
        assert_eq!(decode(&cursor), Some(Place { name: "app3".into(), id: None }));
        let one = PageOf { items: items[..1].to_vec(), next: None };
        let list = List::of(one, Names::Unique, |_| "x".repeat(2 * MAX_PAGE_BYTES));
        assert_eq!((list.items.len(), list.next_cursor), (1, None), "one item is always told");
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_back(name in "[^\0]+", id in proptest::option::of("[^\0]*")) {
            let place = Place { name, id };
            prop_assert_eq!(decode(&encode(place.clone())), Some(place));
        }
    }
}
