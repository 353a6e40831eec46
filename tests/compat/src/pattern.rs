//! Texts with placeholders: `<id>`, `<time>`, `<any>`; `<id as app>` keeps what it found under that name.

use std::collections::BTreeMap;

/// The alphabet of Fn's ids.
const ID_ALPHABET: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ID_LENGTH: usize = 26;

/// What stands at a place that no file can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Twenty-six characters of Fn's alphabet, the first 0 to 7.
    Id,
    /// `2026-11-20T13:24:34.173Z`.
    Time,
    /// An absolute address over HTTP.
    Url,
    /// Decimal digits.
    Number,
    /// Any text, the empty one included.
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Hole { kind: Kind, keep_as: Option<String> },
}

/// Why a text does not fit a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// How far it fits, in bytes.
    pub(crate) at: usize,
}

/// What placeholders found, by the names that they keep it under.
pub(crate) type Kept = BTreeMap<String, String>;

/// Whether this is a pattern at all.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    parse(pattern).map(drop)
}

/// Fits a whole text to a pattern.
///
/// # Errors
/// Where it stops fitting. A text that is no pattern, which `check` would have found, fits nothing.
pub(crate) fn fit(pattern: &str, text: &str) -> Result<Kept, Mismatch> {
    let pieces = parse(pattern).map_err(|_| Mismatch { at: 0 })?;
    let (mut kept, mut furthest) = (Kept::new(), 0);
    if fit_at(&pieces, text, 0, &mut kept, &mut furthest) {
        return Ok(kept);
    }
    Err(Mismatch { at: furthest })
}

fn parse(pattern: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('<') {
        let (hole, after) = after.split_once('>').ok_or_else(|| format!("`<` without `>` in {pattern:?}"))?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(hole_of(hole)?);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

fn hole_of(text: &str) -> Result<Piece, String> {
    let (kind, keep_as) = match text.split_once(" as ") {
        Some((kind, name)) => (kind, Some(name.to_owned())),
        None => (text, None),
    };
    let kind = match kind {
        "id" => Kind::Id,
        "time" => Kind::Time,
        "url" => Kind::Url,
        "number" => Kind::Number,
        "any" | "none" => Kind::Any,
        other => return Err(format!("`<{other}>` is none of <id>, <time>, <url>, <number>, <any>, <none>")),
    };
    Ok(Piece::Hole { kind, keep_as })
}

fn fit_at(pieces: &[Piece], text: &str, at: usize, kept: &mut Kept, furthest: &mut usize) -> bool {
    *furthest = at.max(*furthest);
    let Some((piece, pieces)) = pieces.split_first() else { return at == text.len() };
    let rest = &text[at..];
    match piece {
        Piece::Text(expected) => {
            let common = common_bytes(expected, rest);
            *furthest = (at + common).max(*furthest);
            common == expected.len() && fit_at(pieces, text, at + common, kept, furthest)
        }
        Piece::Hole { kind, keep_as } => {
            // Shortest first, so that what follows decides where a hole ends.
            let lengths = rest.char_indices().map(|(length, _)| length).chain([rest.len()]);
            for length in lengths.filter(|length| fills(*kind, &rest[..*length])) {
                if fit_at(pieces, text, at + length, kept, furthest) {
                    if let Some(name) = keep_as {
                        kept.insert(name.clone(), rest[..length].to_owned());
                    }
                    return true;
                }
            }
            false
        }
    }
}

fn common_bytes(a: &str, b: &str) -> usize {
    let mut length = 0;
    for (left, right) in a.chars().zip(b.chars()) {
        if left != right {
            break;
        }
        length += left.len_utf8();
    }
    length
}

fn fills(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Id => {
            text.len() == ID_LENGTH
                && text.chars().all(|character| ID_ALPHABET.contains(character))
                && text.starts_with(|first: char| ('0'..='7').contains(&first))
        }
        Kind::Time => is_time(text),
        Kind::Url => {
            let place = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            place.is_some_and(|place| !place.is_empty() && !place.contains(['"', ' ', '/']))
        }
        Kind::Number => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        Kind::Any => true,
    }
}

/// UTC to the millisecond, the letters and digits where they belong.
fn is_time(text: &str) -> bool {
    let form = b"dddd-dd-ddTdd:dd:dd.dddZ";
    text.len() == form.len()
        && text.bytes().zip(form).all(|(found, form)| match form {
            b'd' => found.is_ascii_digit(),
            sign => found == *sign,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_what_they_say() {
        for (pattern, text) in [
            ("a<any>c", "abbc"),
            ("a<any>c", "ac"),
            ("<id>", "01M7WJPG9VR00040KDP400000D"),
            ("<time>", "2026-11-20T13:24:34.173Z"),
            ("<url>/invoke/x", "http://127.0.0.1:80/invoke/x"),
            ("<number>", "12"),
        ] {
            assert!(fit(pattern, text).is_ok(), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a<any>c", "abb"),
            ("<id>", "01M7WJPG9VR00040KDP400000"),
            ("<id>", "81M7WJPG9VR00040KDP400000D"),
            ("<id>", "01M7WJPG9VR00040KDP400000I"),
            ("<time>", "2026-11-20T13:24:34.1734Z"),
            ("<time>", "2026-11-20T13:24:34Z"),
            ("<url>/invoke/x", "127.0.0.1:80/invoke/x"),
        ] {
            assert!(fit(pattern, text).is_err(), "{pattern} {text}");
        }
    }

    #[test]
    fn what_was_found_is_kept_by_name() {
        let kept = fit(
            r#"{"id":"<id as app>","x":"<any as rest>"}"#,
            r#"{"id":"01M7WJPG9VR00040KDP400000D","x":"y"}"#,
        );
        let kept = kept.unwrap();
        assert_eq!((kept["app"].as_str(), kept["rest"].as_str()), ("01M7WJPG9VR00040KDP400000D", "y"));
    }

    #[test]
    fn a_mismatch_says_how_far_it_fits() {
        assert_eq!(fit("abc<any>x", "abcdef"), Err(Mismatch { at: 6 }));
        assert_eq!(fit("abcd", "abxd"), Err(Mismatch { at: 2 }));
        assert_eq!(fit("ab", "abc"), Err(Mismatch { at: 2 }));
    }

    #[test]
    fn an_unknown_placeholder_is_a_mistake() {
        assert!(check("<uuid>").is_err());
        assert!(check("a < b").is_err());
    }
}
