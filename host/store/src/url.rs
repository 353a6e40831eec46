//! Where a database is, as `FN_DB_URL` says it.

use crate::Error;
use std::path::PathBuf;

/// Where a database is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a file.
    File(PathBuf),
    /// In this process.
    Memory,
}

const MEMORY: &str = ":memory:";

/// Reads a database URL.
pub(crate) fn parse(url: &str) -> Result<Place, Error> {
    if url == MEMORY {
        return Ok(Place::Memory);
    }
    let (scheme, rest) = url.split_once("://").ok_or(Error::NoUrl)?;
    if !matches!(scheme, "sqlite3" | "sqlite") {
        return Err(Error::Scheme { scheme: scheme.to_owned() });
    }
    match rest {
        "" => Err(Error::NoPath),
        MEMORY | "/:memory:" => Ok(Place::Memory),
        path => Ok(Place::File(PathBuf::from(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_the_memory_can_be_named() {
        assert_eq!(parse("sqlite3:///var/lib/fn.db").unwrap(), Place::File("/var/lib/fn.db".into()));
        assert_eq!(parse("sqlite3://data/fn.db").unwrap(), Place::File("data/fn.db".into()));
        for memory in [":memory:", "sqlite3://:memory:", "sqlite3:///:memory:"] {
            assert_eq!(parse(memory).unwrap(), Place::Memory);
        }
    }

    #[test]
    fn what_does_not_work_is_told_what_does_and_no_password_is_repeated() {
        for bad in ["postgres://u:secret@h/db", "mysql://u:secret@tcp(h:3306)/db", "fn.db", "", "sqlite3://"]
        {
            let sentence = parse(bad).unwrap_err().to_string();
            assert!(sentence.contains("sqlite3://"), "{sentence}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }
}
