//! What the rules about apps, functions, triggers and groups say of single fields, for the document that describes the
//! API. The rules themselves are core's, and stricter where more than one field counts.

use super::object::MAX_PARAMETER_BYTES;
use crate::openapi::{Limits, Rule};
use remuda_core::access::MAX_APPS;
use remuda_core::catalog::function::{MAX_IDLE_TIMEOUT_S, MAX_MEMORY_MB, MAX_TIMEOUT_S};
use remuda_core::catalog::{MAX_IMAGE_BYTES, MAX_KEYS, MAX_NAME_BYTES, MAX_SOURCE_BYTES};

/// No ASCII but letters, numbers, `_` and `-`; of other characters there are more rules than all dialects of regular
/// expressions can tell.
const PLAIN: &str = r"^[^\x00-,./:-@\[-^`{-\x7f]*$";
const PATH_SEGMENT: &str = "^[A-Za-z0-9_.~$&+:=@-]*$";

pub(super) const NOT_WHEN_NEW: Limits = Limits { new: &[Rule::Empty], change: &[] };
pub(super) const NEEDED_WHEN_NEW: Limits = Limits { new: &[Rule::Needed], change: &[] };

pub(super) const APP_NAME: Limits =
    Limits { new: &[Rule::Needed, Rule::Pattern(PLAIN), Rule::MaxLength(MAX_NAME_BYTES)], change: &[] };
pub(super) const FN_NAME: Limits = Limits {
    new: &[Rule::Needed, Rule::Pattern(PATH_SEGMENT), Rule::MaxLength(MAX_NAME_BYTES)],
    change: &[],
};
pub(super) const TRIGGER_NAME: Limits = Limits {
    new: &[Rule::Needed, Rule::Pattern(PLAIN), Rule::MaxLength(MAX_NAME_BYTES)],
    change: &[Rule::Pattern(PLAIN), Rule::MaxLength(MAX_NAME_BYTES)],
};

pub(super) const SHAPE: Limits =
    Limits { new: &[Rule::OneOf(&["", "GENERIC_X86", "GENERIC_ARM", "GENERIC_X86_ARM"])], change: &[] };
pub(super) const IMAGE: Limits = Limits {
    new: &[Rule::Needed, Rule::MaxLength(MAX_IMAGE_BYTES)],
    change: &[Rule::MaxLength(MAX_IMAGE_BYTES)],
};
pub(super) const MEMORY_MB: Limits = Limits::both(&[Rule::Between(0, MAX_MEMORY_MB.cast_signed())]);
pub(super) const TIMEOUT_S: Limits = Limits::both(&[Rule::Between(0, MAX_TIMEOUT_S as i64)]);
pub(super) const IDLE_TIMEOUT_S: Limits = Limits::both(&[Rule::Between(0, MAX_IDLE_TIMEOUT_S as i64)]);

pub(super) const TRIGGER_TYPE: Limits = Limits { new: &[Rule::Needed, Rule::OneOf(&["http"])], change: &[] };
pub(super) const SOURCE: Limits = Limits {
    new: &[Rule::Needed, Rule::Pattern("^/"), Rule::MaxLength(MAX_SOURCE_BYTES)],
    change: &[Rule::Pattern("^(/|$)"), Rule::MaxLength(MAX_SOURCE_BYTES)],
};

/// The first instant of year 1, as Go and we write it: clients in Go send it for no time.
pub(super) const UNSET_WHEN_NEW: Limits =
    Limits { new: &[Rule::OneOf(&["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"])], change: &[] };

/// A change may name any key that it removes.
pub(super) const CONFIG: Limits = Limits { new: &[Rule::Keys(r"^[^=\x00]+$")], change: &[] };
pub(super) const ANNOTATIONS: Limits = Limits {
    new: &[Rule::Keys("^[!-~]{1,128}$"), Rule::MaxKeys(MAX_KEYS), Rule::NoEmptyValues],
    change: &[],
};

pub(super) const APPS: Limits = Limits::both(&[Rule::Needed, Rule::Items(MAX_APPS, MAX_NAME_BYTES)]);

pub(super) const REQUIRED_PARAMETER: Limits =
    Limits::both(&[Rule::Needed, Rule::MaxLength(MAX_PARAMETER_BYTES)]);
pub(super) const OPTIONAL_PARAMETER: Limits = Limits::both(&[Rule::MaxLength(MAX_PARAMETER_BYTES)]);
