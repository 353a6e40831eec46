//! One method of one path: what is said of it.

use super::field::{self, Field};
use remuda_core::Kind;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

/// What an operation is about; operations of one tag stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tag {
    /// `/v2/apps`.
    Apps,
    /// `/v2/fns`.
    Fns,
    /// `/v2/triggers`.
    Triggers,
    /// `/v2/groups`.
    Groups,
    /// Calls of functions.
    Calls,
    /// What every node answers, whoever asks.
    Node,
    /// What nodes ask of each other.
    Internal,
}

impl Tag {
    pub(super) const ALL: [Self; 7] =
        [Self::Apps, Self::Fns, Self::Triggers, Self::Groups, Self::Calls, Self::Node, Self::Internal];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Apps => "apps",
            Self::Fns => "fns",
            Self::Triggers => "triggers",
            Self::Groups => "groups",
            Self::Calls => "calls",
            Self::Node => "node",
            Self::Internal => "internal",
        }
    }

    pub(super) const fn about(self) -> &'static str {
        match self {
            Self::Apps => "Apps: what functions belong to, with settings that they share.",
            Self::Fns => "Functions: an image, and how to run it.",
            Self::Triggers => "Triggers: addresses that call functions as plain HTTP.",
            Self::Groups => "LB groups: which apps may use which. For administrators of all apps.",
            Self::Calls => "Calls of functions.",
            Self::Node => "What a node says of itself, to anyone.",
            Self::Internal => "What nodes ask of each other. No API for clients: it may change.",
        }
    }
}

/// Who may send it, where nodes are guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everyone.
    Anyone,
    /// Who has a token for it.
    Token,
    /// Other nodes, by their certificates.
    Node,
}

/// Writes the schema of something, and keeps what that refers to.
pub(super) type Schema = fn(&mut SchemaGenerator) -> Value;

/// One answer that is no error.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    /// Its media type, and what it holds where that can be said.
    pub(super) content: Option<(&'static str, Option<Schema>)>,
}

/// What is sent in a body.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// What the document calls it; empty where it is the function's own affair.
    pub(super) name: String,
    pub(super) schema: Value,
}

/// What can be done next with what was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// The id of the operation that can be done.
    pub(crate) to: &'static str,
    /// Its parameters, each with the field of the answer that it takes.
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    /// Fields of its body, each with the field of the answer that it takes.
    pub(crate) body: &'static [(&'static str, &'static str)],
}

/// One method of one path.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// The method.
    pub(crate) method: &'static str,
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) tag: Tag,
    pub(super) access: Access,
    pub(super) query: &'static [Field],
    pub(super) body: Option<Sent>,
    pub(super) answers: Vec<Answer>,
    pub(super) faults: Vec<Kind>,
    pub(super) links: Vec<Link>,
    pub(super) is_endless: bool,
}

impl Operation {
    /// A GET. `id` is what generated clients call it.
    pub(crate) fn get(id: &'static str, about: &'static str) -> Self {
        Self::new("GET", id, about)
    }
    /// A POST.
    pub(crate) fn post(id: &'static str, about: &'static str) -> Self {
        Self::new("POST", id, about)
    }
    /// A PUT.
    pub(crate) fn put(id: &'static str, about: &'static str) -> Self {
        Self::new("PUT", id, about)
    }
    /// A DELETE.
    pub(crate) fn delete(id: &'static str, about: &'static str) -> Self {
        Self::new("DELETE", id, about)
    }
    /// Any method, in capitals.
    pub(crate) fn new(method: &'static str, id: &'static str, about: &'static str) -> Self {
        Self {
            method,
            id,
            about,
            tag: Tag::Node,
            access: Access::Anyone,
            query: &[],
            body: None,
            answers: Vec::new(),
            faults: Vec::new(),
            links: Vec::new(),
            is_endless: false,
        }
    }

    /// What it is about.
    pub(crate) fn tag(self, tag: Tag) -> Self {
        Self { tag, ..self }
    }

    /// Only other nodes ask it.
    pub(crate) fn for_nodes(self) -> Self {
        Self { tag: Tag::Internal, access: Access::Node, ..self }
    }

    /// Its answer goes on until the node stops.
    pub(crate) fn endless(self) -> Self {
        Self { is_endless: true, ..self }
    }

    /// It may fail so, too.
    pub(crate) fn or(mut self, kinds: &[Kind]) -> Self {
        for kind in kinds {
            if !self.faults.contains(kind) {
                self.faults.push(*kind);
            }
        }
        self
    }

    /// What can be done next with what it answers.
    pub(crate) fn leads_to(mut self, links: &[Link]) -> Self {
        self.links.extend(links);
        self
    }

    /// It answers this, in JSON.
    pub(crate) fn answers<T: JsonSchema>(self) -> Self {
        self.answers_as::<T>(200, "Done.")
    }

    /// It may answer this status, with this in JSON.
    pub(crate) fn answers_as<T: JsonSchema>(mut self, status: u16, about: &'static str) -> Self {
        let schema: Schema = |generator| generator.subschema_for::<T>().to_value();
        self.answers.push(Answer { status, about, content: Some(("application/json", Some(schema))) });
        self
    }

    /// It may answer this status, with content of a type that has no schema.
    pub(crate) fn answers_with(mut self, status: u16, about: &'static str, media: &'static str) -> Self {
        self.answers.push(Answer { status, about, content: Some((media, None)) });
        self
    }

    /// It may answer this status, with nothing.
    pub(crate) fn answers_nothing(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Answer { status, about, content: None });
        self
    }

    /// It takes a body that is the function's own affair.
    pub(crate) fn takes_anything(mut self) -> Self {
        self.body = Some(Sent { name: String::new(), schema: Value::Bool(true) });
        self
    }

    /// It is for those with a token.
    pub(crate) fn guarded(self) -> Self {
        // One that is for nodes stays so.
        let access = if self.access == Access::Node { Access::Node } else { Access::Token };
        Self { access, ..self }.or(&[Kind::Unauthorized, Kind::Forbidden, Kind::Unavailable, Kind::Internal])
    }

    /// It takes these parameters.
    pub(crate) fn asks(self, query: &'static [Field]) -> Self {
        Self { query, ..self }.or(&[Kind::Invalid])
    }

    /// It takes an object of these fields. `name` is what the document calls it.
    pub(crate) fn takes(
        mut self,
        name: String,
        about: &'static str,
        fields: &'static [Field],
        is_new: bool,
    ) -> Self {
        self.body = Some(Sent { name, schema: field::object(about, fields, is_new) });
        self.or(&[Kind::Invalid, Kind::TooLarge])
    }
}
