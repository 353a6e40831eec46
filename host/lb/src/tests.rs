//! The room through its door, with fakes of its ports and a clock that jumps.

mod calls;
mod demand;
mod fakes;
mod pools;
