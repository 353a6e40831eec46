//! The room's decisions: plain functions of demand, pool and moment. No async, clock, randomness, I/O or logs.

pub(crate) mod demand;
pub(crate) mod plan;
pub(crate) mod pool;

#[cfg(test)]
mod properties;
