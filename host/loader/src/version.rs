//! Do the plugin's version of the contract and ours fit?

use crate::LoadError;
use remuda_plugin_api::abi::API_VERSION;
use std::path::Path;

/// How the plugin's version compares with ours, both being compatible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// The plugin's tables may lack entries that ours have.
    Older,
    /// The plugin's tables have all the entries of ours.
    SameOrNewer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let numbers = text.split(['-', '+']).next()?;
        let mut parts = numbers.split('.').map(|part| part.parse().ok());
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
    /// Semantic versions: the major number must be the same, and while that is 0 the minor one.
    fn fits(self, other: Self) -> bool {
        self.0 == other.0 && (self.0 != 0 || self.1 == other.1)
    }
}

/// Refuses a plugin whose version of the contract does not fit ours.
pub(crate) fn check(path: &Path, theirs: &str) -> Result<Age, LoadError> {
    compare(API_VERSION, theirs).ok_or_else(|| LoadError::Version {
        path: path.to_owned(),
        theirs: theirs.to_owned(),
        ours: API_VERSION,
        wanted: wanted(API_VERSION),
    })
}

fn compare(ours: &str, theirs: &str) -> Option<Age> {
    let (ours, theirs) = (Version::parse(ours)?, Version::parse(theirs)?);
    let age = if theirs < ours { Age::Older } else { Age::SameOrNewer };
    theirs.fits(ours).then_some(age)
}

fn wanted(ours: &str) -> String {
    match Version::parse(ours) {
        Some(Version(0, minor, _)) => format!("0.{minor}.x"),
        Some(Version(major, ..)) => format!("{major}.x"),
        None => ours.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_fit_as_semantic_versions_do() {
        for (ours, theirs, expected) in [
            ("1.2.0", "1.2.0", Some(Age::SameOrNewer)),
            ("1.2.0", "1.3.9", Some(Age::SameOrNewer)),
            ("1.2.0", "1.1.5", Some(Age::Older)),
            ("1.2.0", "2.0.0", None),
            ("0.1.1", "0.1.0", Some(Age::Older)),
            ("0.1.0", "0.1.7", Some(Age::SameOrNewer)),
            ("0.1.0", "0.2.0", None),
            ("0.1.0", "1.1.0", None),
            ("1.0.0", "1.0.0-rc.1", Some(Age::SameOrNewer)),
            ("1.0.0", "1.0", None),
            ("1.0.0", "1.0.0.0", None),
            ("1.0.0", "banana", None),
        ] {
            assert_eq!(compare(ours, theirs), expected, "{ours} {theirs}");
        }
    }

    #[test]
    fn the_refusal_says_which_versions_would_do() {
        assert_eq!((wanted("0.1.0"), wanted("1.4.2")), ("0.1.x".to_owned(), "1.x".to_owned()));
    }
}
