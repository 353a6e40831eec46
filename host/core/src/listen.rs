//! Listeners around a catalogue.

mod catalog;

pub use catalog::ListenedCatalog;
