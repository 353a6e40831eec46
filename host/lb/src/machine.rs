//! The room's decisions: plain functions of state, event and moment. No async, clock, randomness, I/O or logs.

pub(crate) mod advert;
pub(crate) mod attempts;
pub(crate) mod freshness;
pub(crate) mod reach;
