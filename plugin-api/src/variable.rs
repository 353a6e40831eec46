//! The variables that a plugin declares.

/// A variable that the plugin reads. The host finds its value in its own environment, applies the default, refuses
/// to start without one that is required, and prints the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) default: Option<&'static str>,
    pub(crate) example: Option<&'static str>,
    pub(crate) required: bool,
    pub(crate) secret: bool,
}

impl Variable {
    /// A variable without which the plugin cannot start. `doc` is one sentence: what it holds, and in which unit.
    pub const fn required(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, default: None, example: None, required: true, secret: false }
    }
    /// A variable that may be left out.
    pub const fn optional(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, default: None, example: None, required: false, secret: false }
    }
    /// What it holds when it is left out or empty.
    pub const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }
    /// A value for documentation and error messages to show.
    pub const fn example(mut self, value: &'static str) -> Self {
        self.example = Some(value);
        self
    }
    /// Its value is never printed.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}
