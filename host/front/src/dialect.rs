//! Flavours of the management API: each translates between its own wire types and core's nouns, and no two share one.

pub(crate) mod fn_v2;
