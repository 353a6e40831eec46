//! Time, given by the caller: machines and rules never read a clock.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point on a node's monotonic clock, in milliseconds since an arbitrary start. What machines are told as "now".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The point `ms` milliseconds after the clock's start.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }
    /// Milliseconds since the clock's start.
    pub const fn as_ms(self) -> u64 {
        self.0
    }
    /// How long before `self` `earlier` was; zero when it was not before.
    pub const fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
    /// `self` moved later by `by`, at the end of time at the latest.
    pub fn after(self, by: Duration) -> Moment {
        Moment(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// A point of wall-clock time in UTC with millisecond resolution, written `2026-11-20T13:24:34.173Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Milliseconds from the unix epoch back to the first instant of year 1: how Go writes "not set".
const GO_ZERO_MS: i64 = -62_135_596_800_000;

impl Timestamp {
    /// What clients written in Go send for "not set": `0001-01-01T00:00:00.000Z`.
    pub const UNSET: Timestamp = Timestamp(GO_ZERO_MS);

    /// `ms` milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }
    /// True for [`Timestamp::UNSET`].
    pub const fn is_unset(self) -> bool {
        self.0 == GO_ZERO_MS
    }
    /// Reads RFC 3339 with any number of fractional digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Self)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(at: SystemTime) -> Self {
        let ms = match at.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        Self(ms)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, time) = (at.date(), at.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        Timestamp::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_milliseconds() {
        let at = Timestamp::parse("2026-11-20T14:24:34.1731999+01:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-20T13:24:34.173Z");
        assert_eq!(Timestamp::parse("2026-11-20T13:24:34Z").unwrap().to_string(), "2026-11-20T13:24:34.000Z");
    }

    #[test]
    fn the_zero_time_of_go_counts_as_not_set() {
        assert!(Timestamp::parse("0001-01-01T00:00:00.000Z").unwrap().is_unset());
        assert_eq!(Timestamp::UNSET.to_string(), "0001-01-01T00:00:00.000Z");
    }

    #[test]
    fn rubbish_is_not_a_time() {
        assert_eq!(Timestamp::parse("yesterday"), None);
    }
}
