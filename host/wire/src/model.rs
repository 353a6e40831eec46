//! The call as Fn's JSON model (`models_call_json`): what a balancer writes and a runner reads.

mod cpus;
mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;
