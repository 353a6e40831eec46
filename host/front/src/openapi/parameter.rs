//! Parameters in paths.

use remuda_core::group::MAX_GROUP_BYTES;
use serde_json::{Value, json};

/// A part of a path that is a request's to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameter(&'static str);

impl Parameter {
    /// Those of a path, as OpenAPI writes it.
    pub(crate) fn of(template: &'static str) -> impl Iterator<Item = Self> {
        template.split('/').filter_map(|part| Some(Self(part.strip_prefix('{')?.strip_suffix('}')?)))
    }

    pub(super) fn describe(self) -> Value {
        let about = match self.0 {
            "app_id" => "The app's id.",
            "fn_id" => "The function's id.",
            "trigger_id" => "The trigger's id.",
            "token_id" => "The part of the token that is no secret.",
            "call_id" => "The call's id.",
            "app" => "The app's name.",
            "name" => "The group's name, percent-encoded.",
            "kind" => "The trigger's type: http.",
            "source" => {
                "The trigger's source, with its leading slash where triggers are looked up, and without where \
                         they are called. It may have several parts; the slashes between them need not be escaped."
            }
            other => other,
        };
        let mut schema = json!({"type": "string", "minLength": 1});
        if self.0 == "name" {
            schema["maxLength"] = MAX_GROUP_BYTES.into();
            schema["pattern"] = r"^[^\x00-\x1f\x7f-\x9f]+$".into();
        }
        json!({"name": self.0, "in": "path", "required": true, "description": about, "schema": schema})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_a_path_are_known_and_each_is_explained() {
        let found: Vec<_> =
            Parameter::of("/v2/runner/apps/{app_id}/triggerBySource/{kind}/{source}").collect();
        assert_eq!(found, ["app_id", "kind", "source"].map(Parameter));
        assert!(found.iter().all(|parameter| parameter.describe()["description"] != parameter.0));
    }
}
