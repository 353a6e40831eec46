//! `cargo xtask bench`.

use clap::Args;

use crate::Failure;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {}

pub(crate) async fn run(_options: Options) -> Result<(), Failure> {
    Err(Failure::because("being written"))
}
