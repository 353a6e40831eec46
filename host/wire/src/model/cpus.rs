//! `cpus`: thousandths of a core as `"100m"`, or cores as `"0.1"`.

const LIMIT: u64 = 1_024_000;
const WRONG: &str = "Cpus is invalid. Value should be either between [0.000 and 1024.000] or [0m and 1024000m] milliCPU units";

/// Thousandths of a core; 0 for an empty text.
pub(super) fn parse(text: &str) -> Result<u64, &'static str> {
    if text.is_empty() {
        return Ok(0);
    }
    let milli = match text.strip_suffix('m') {
        Some(milli) => digits(milli)?,
        None => cores(text)?,
    };
    if milli > LIMIT { Err(WRONG) } else { Ok(milli) }
}

/// How a limit is written.
pub(super) fn write(milli: u64) -> String {
    format!("{milli}m")
}

fn cores(text: &str) -> Result<u64, &'static str> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 {
        return Err(WRONG);
    }
    let whole = if whole.is_empty() && !fraction.is_empty() { 0 } else { digits(whole)? };
    let milli = if fraction.is_empty() { 0 } else { digits(&format!("{fraction:0<3}"))? };
    whole.checked_mul(1000).and_then(|whole| whole.checked_add(milli)).ok_or(WRONG)
}

fn digits(text: &str) -> Result<u64, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(WRONG);
    }
    text.parse().map_err(|_| WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_are_read() {
        for (text, milli) in [
            ("", 0),
            ("100m", 100),
            ("0.1", 100),
            (".5", 500),
            ("1", 1000),
            ("1024.000", LIMIT),
            ("1024000m", LIMIT),
        ] {
            assert_eq!(parse(text), Ok(milli), "{text}");
        }
    }

    #[test]
    fn anything_else_is_told_what_would_do() {
        for text in ["m", "-1", "1024001m", "1024.001", "1.0005", "1e3", ".", "0.1m", "99999999999999999999"]
        {
            assert_eq!(parse(text), Err(WRONG), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(milli in 0..=LIMIT) {
            prop_assert_eq!(parse(&write(milli)), Ok(milli));
        }
    }
}
