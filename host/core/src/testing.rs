//! Fakes of the ports, and the suites that fakes and real implementations both pass. For tests and simulation only.

mod catalog;
pub mod catalog_cases;
mod invoker;

pub use catalog::FakeCatalog;
pub use invoker::FakeInvoker;
