//! Writing the document.

use super::operation::{Access, Answer};
use super::{About, Link, Operation, Parameter, Tag, field};
use crate::status;
use remuda_core::Kind;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const ABOUT: &str = "Functions in containers, for many tenants. The API is Fn's, version 2, with additions.";
/// Where the paths stand whose answers have no end: tools that try all paths would wait for it.
const ENDLESS: &str = "x-endless-paths";

/// A document that grows by an operation at a time.
pub(super) struct Document<'a> {
    about: &'a About<'a>,
    generator: SchemaGenerator,
    /// Of what clients send.
    sent: Map<String, Value>,
    paths: BTreeMap<&'static str, Value>,
    endless: BTreeMap<&'static str, Value>,
    tags: Vec<Tag>,
}

impl<'a> Document<'a> {
    pub(super) fn new(about: &'a About<'a>) -> Self {
        let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self {
            about,
            generator: settings.into_generator(),
            sent: Map::new(),
            paths: BTreeMap::new(),
            endless: BTreeMap::new(),
            tags: Vec::new(),
        }
    }

    /// Adds the operations of a path, as OpenAPI writes it.
    pub(super) fn add(&mut self, template: &'static str, operations: &[Operation]) {
        for operation in operations {
            if !self.tags.contains(&operation.tag) {
                self.tags.push(operation.tag);
            }
            let described = self.describe(operation);
            let paths = if operation.is_endless { &mut self.endless } else { &mut self.paths };
            let parameters: Vec<_> = Parameter::of(template).map(Parameter::describe).collect();
            let path = paths.entry(template).or_insert_with(|| match parameters.as_slice() {
                [] => json!({}),
                _ => json!({ "parameters": parameters }),
            });
            path[operation.method.to_ascii_lowercase()] = described;
        }
    }

    pub(super) fn finish(mut self) -> Value {
        let mut schemas = self.generator.take_definitions(true);
        schemas.append(&mut self.sent);
        schemas.insert("Error".to_owned(), error());
        let tags = Tag::ALL.iter().filter(|tag| self.tags.contains(tag));
        let tags: Vec<_> = tags.map(|tag| json!({"name": tag.name(), "description": tag.about()})).collect();
        let mut document = json!({
            "openapi": "3.1.0",
            "info": {"title": "Remuda", "version": self.about.version, "description": ABOUT},
            "tags": tags,
            "paths": self.paths,
            "components": {"schemas": schemas},
        });
        if !self.endless.is_empty() {
            document[ENDLESS] = json!(self.endless);
        }
        if self.about.is_guarded {
            document["components"]["securitySchemes"] = json!({
                "token": {"type": "http", "scheme": "bearer", "description": "A token of `remuda token create`."},
                "node": {"type": "mutualTLS", "description": "The certificate of a node of this platform."},
            });
        }
        document
    }

    fn describe(&mut self, operation: &Operation) -> Value {
        let mut told = json!({
            "operationId": operation.id,
            "summary": operation.about,
            "tags": [operation.tag.name()],
        });
        if !operation.query.is_empty() {
            told["parameters"] = operation.query.iter().map(field::parameter).collect();
        }
        if let Some(sent) = &operation.body {
            told["requestBody"] = if sent.name.is_empty() {
                json!({"required": false, "content": {"*/*": {}}})
            } else {
                self.sent.entry(&sent.name).or_insert_with(|| sent.schema.clone());
                json!({"required": true, "content": {"application/json": {"schema": reference(&sent.name)}}})
            };
        }
        let mut responses = Map::new();
        for answer in &operation.answers {
            responses.insert(answer.status.to_string(), self.answer(answer));
        }
        if let (false, Some(done)) = (operation.links.is_empty(), responses.get_mut("200")) {
            done["links"] = operation.links.iter().map(|next| (next.to.to_owned(), link(next))).collect();
        }
        for kind in &operation.faults {
            // Functions answer with any status, and what they like.
            let is_told =
                operation.tag != Tag::Calls && (self.about.is_guarded || *kind != Kind::Unauthorized);
            if is_told {
                responses.entry(status::status(*kind).as_str()).or_insert_with(|| refusal(*kind));
            }
        }
        if operation.tag == Tag::Calls {
            name_calls(&mut responses);
        }
        told["responses"] = responses.into();
        if self.about.is_guarded {
            told["security"] = match operation.access {
                Access::Anyone => json!([]),
                Access::Token => json!([{"token": []}]),
                Access::Node => json!([{"node": []}]),
            };
        }
        told
    }

    fn answer(&mut self, answer: &Answer) -> Value {
        let mut told = json!({"description": answer.about});
        if let Some((media, schema)) = answer.content {
            told["content"][media] = match schema {
                Some(schema) => json!({"schema": schema(&mut self.generator)}),
                None => json!({}),
            };
        }
        told
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn link(next: &Link) -> Value {
    let of = |fields: &[(&str, &str)]| -> Map<String, Value> {
        let all = fields.iter();
        all.map(|(name, field)| ((*name).to_owned(), format!("$response.body#/{field}").into())).collect()
    };
    let mut told = json!({"operationId": next.to});
    if !next.parameters.is_empty() {
        told["parameters"] = of(next.parameters).into();
    }
    if !next.body.is_empty() {
        told["requestBody"] = of(next.body).into();
    }
    told
}

/// What every error is.
fn error() -> Value {
    json!({
        "description": "Why a request was not done.",
        "type": "object",
        "properties": {"message": {"type": "string", "description": "A sentence."}},
        "required": ["message"],
    })
}

/// The answer to a request that failed so.
fn refusal(kind: Kind) -> Value {
    let about = match kind {
        Kind::Invalid => "The request says something that cannot be right; the message says what.",
        Kind::Unauthorized => "It carries no token, or none that is good.",
        Kind::Forbidden => "Its sender may not do this.",
        Kind::NotFound => "What it names does not exist.",
        Kind::Conflict => "It collides with what exists.",
        Kind::TooLarge => "It is larger than allowed.",
        Kind::Unavailable => "Something that is needed is away; trying later may help.",
        Kind::Internal => "We failed.",
        _ => "The call failed.",
    };
    let mut told = json!({
        "description": about,
        "content": {"application/json": {"schema": reference("Error")}},
    });
    if let Some((name, value)) = status::headers(kind) {
        let value = value.to_str().unwrap_or_default();
        told["headers"][canonical(name.as_str())] = json!({
            "required": true,
            "schema": {"type": "string", "const": value},
        });
    }
    told
}

/// A header's name as people write it.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

/// Every answer to a call names it; functions answer as they like.
fn name_calls(responses: &mut Map<String, Value>) {
    let default = json!({
        "description": "What the function answered; or why it did not, as an Error.",
        "content": {"*/*": {}},
    });
    responses.entry("default").or_insert(default);
    for response in responses.values_mut() {
        response["headers"]["Fn-Call-Id"] = json!({
            "required": true,
            "description": "The call's id.",
            "schema": {"type": "string"},
        });
    }
}
