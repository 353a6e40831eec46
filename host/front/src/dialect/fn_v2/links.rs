//! What can be done with something new, for the document that describes the API.

use crate::openapi::Link;

const fn by(to: &'static str, parameters: &'static [(&'static str, &'static str)]) -> Link {
    Link { to, parameters, body: &[] }
}

const fn with(to: &'static str, body: &'static [(&'static str, &'static str)]) -> Link {
    Link { to, parameters: &[], body }
}

pub(super) const OF_APP: &[Link] = &[
    by("GetApp", &[("app_id", "id")]),
    by("UpdateApp", &[("app_id", "id")]),
    by("DeleteApp", &[("app_id", "id")]),
    by("ListFns", &[("app_id", "id")]),
    by("ListTriggers", &[("app_id", "id")]),
    with("CreateFn", &[("app_id", "id")]),
];

pub(super) const OF_FN: &[Link] = &[
    by("GetFn", &[("fn_id", "id")]),
    by("UpdateFn", &[("fn_id", "id")]),
    by("DeleteFn", &[("fn_id", "id")]),
    by("ListTriggers", &[("app_id", "app_id"), ("fn_id", "id")]),
    with("CreateTrigger", &[("app_id", "app_id"), ("fn_id", "id")]),
];

pub(super) const OF_TRIGGER: &[Link] = &[
    by("GetTrigger", &[("trigger_id", "id")]),
    by("UpdateTrigger", &[("trigger_id", "id")]),
    by("DeleteTrigger", &[("trigger_id", "id")]),
    by("GetTriggerBySource", &[("app_id", "app_id"), ("kind", "type"), ("source", "source")]),
];
