//! Triggers: what may be created, and what a change makes of one.

use super::{MAX_NAME_BYTES, annotations, bounds, names};
use crate::{Annotations, AppId, Fault, FnId, Timestamp, Trigger, TriggerId};

/// A trigger as a client sent it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// Not allowed at creation; in a change it must be the trigger's own.
    pub id: String,
    /// Needed at creation; in a change, empty keeps the present one.
    pub name: String,
    /// Needed at creation; ignored in a change.
    pub app_id: String,
    /// Needed at creation; in a change, empty keeps the present one.
    pub fn_id: String,
    /// Needed at creation; ignored in a change.
    pub kind: String,
    /// Needed at creation; in a change, empty keeps the present one.
    pub source: String,
    /// In a change, null and "" remove their key.
    pub annotations: Annotations,
    /// Not allowed at creation, unless it is [`Timestamp::UNSET`].
    pub created_at: Option<Timestamp>,
    /// Not allowed at creation, unless it is [`Timestamp::UNSET`].
    pub updated_at: Option<Timestamp>,
}

/// Makes a new trigger of a draft; `Kind::Invalid` when a rule is broken. Whether its app and function exist, and
/// belong together, is for the catalogue to say.
pub fn create(draft: Draft, id: TriggerId, now: Timestamp) -> Result<Trigger, Fault> {
    let is_set = |at: Option<Timestamp>| at.is_some_and(|at| !at.is_unset());
    if !draft.id.is_empty() {
        return Err(Fault::invalid("ID cannot be provided for Trigger creation"));
    }
    if is_set(draft.created_at) {
        return Err(Fault::invalid("Trigger Created At Provided for Create"));
    }
    if is_set(draft.updated_at) {
        // Fn's own slip of the pen; clients match on it.
        return Err(Fault::invalid("Trigger ID Provided for Create"));
    }
    let trigger = Trigger {
        id,
        name: draft.name,
        app_id: AppId::new(draft.app_id),
        fn_id: FnId::new(draft.fn_id),
        kind: draft.kind,
        source: draft.source,
        annotations: draft.annotations,
        created_at: now,
        updated_at: now,
    };
    check(&trigger)?;
    Ok(trigger)
}

/// Refuses a change that names another trigger than the one it was sent to.
pub fn check_target(draft: &Draft, id: &TriggerId) -> Result<(), Fault> {
    if draft.id.is_empty() || draft.id == id.as_str() {
        return Ok(());
    }
    Err(Fault::invalid("ID in path does not match ID in body"))
}

/// What a change makes of `current`. The time of the last change moves only if something did change.
pub fn update(current: Trigger, draft: Draft, now: Timestamp) -> Result<Trigger, Fault> {
    let mut trigger = current.clone();
    if !draft.name.is_empty() {
        trigger.name = draft.name;
    }
    if !draft.fn_id.is_empty() {
        trigger.fn_id = FnId::new(draft.fn_id);
    }
    if !draft.source.is_empty() {
        trigger.source = draft.source;
    }
    annotations::merge(&mut trigger.annotations, draft.annotations);
    check(&trigger)?;
    if trigger != current {
        trigger.updated_at = now;
    }
    Ok(trigger)
}

fn check(trigger: &Trigger) -> Result<(), Fault> {
    if trigger.app_id.as_str().is_empty() {
        return Err(Fault::invalid("Missing App ID on Trigger"));
    }
    if trigger.name.is_empty() {
        return Err(Fault::invalid("Missing name on Trigger"));
    }
    if trigger.name.len() > MAX_NAME_BYTES {
        return Err(Fault::invalid("Trigger name must be 255 characters or less"));
    }
    if !names::is_plain(&trigger.name) {
        return Err(Fault::invalid("Invalid name for Trigger"));
    }
    if trigger.fn_id.as_str().is_empty() {
        return Err(Fault::invalid("Missing Fn ID on Trigger"));
    }
    if trigger.kind != crate::trigger::HTTP {
        return Err(Fault::invalid("Trigger Type Not Supported"));
    }
    if trigger.source.is_empty() {
        return Err(Fault::invalid("Missing Trigger Source"));
    }
    if !trigger.source.starts_with('/') {
        return Err(Fault::invalid("Missing Trigger Source Prefix '/'"));
    }
    bounds::source(&trigger.source)?;
    annotations::check(&trigger.annotations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000);
    const LATER: Timestamp = Timestamp::from_unix_ms(2_000);

    fn made(draft: Draft) -> Result<Trigger, Fault> {
        create(draft, TriggerId::new("T"), NOW)
    }

    #[test]
    fn a_broken_rule_is_named_in_fns_order() {
        let mut wrong = Draft {
            id: "x".into(),
            created_at: Some(NOW),
            updated_at: Some(NOW),
            annotations: [("k".into(), json!(null))].into(),
            ..Draft::default()
        };
        let mut told = Vec::new();
        let repairs: [fn(&mut Draft); 12] = [
            |d| d.id.clear(),
            |d| d.created_at = Some(Timestamp::UNSET),
            |d| d.updated_at = Some(Timestamp::UNSET),
            |d| d.app_id = "A".into(),
            |d| d.name = ".".repeat(256),
            |d| d.name = "a.b".into(),
            |d| d.name = "t".into(),
            |d| d.fn_id = "F".into(),
            |d| d.kind = "http".into(),
            |d| d.source = "x".into(),
            |d| d.source = "/x".into(),
            |d| d.annotations.clear(),
        ];
        for repair in repairs {
            told.push(made(wrong.clone()).unwrap_err().message.into_owned());
            repair(&mut wrong);
        }
        assert!(made(wrong).is_ok());
        assert_eq!(
            told,
            [
                "ID cannot be provided for Trigger creation",
                "Trigger Created At Provided for Create",
                "Trigger ID Provided for Create",
                "Missing App ID on Trigger",
                "Missing name on Trigger",
                "Trigger name must be 255 characters or less",
                "Invalid name for Trigger",
                "Missing Fn ID on Trigger",
                "Trigger Type Not Supported",
                "Missing Trigger Source",
                "Missing Trigger Source Prefix '/'",
                "Invalid annotation value, annotation values may only be non-empty strings, numbers, objects, or \
                 arrays",
            ]
        );
    }

    #[test]
    fn name_source_and_function_change_and_the_rest_does_not() {
        let draft = Draft {
            name: "t".into(),
            app_id: "A".into(),
            fn_id: "F".into(),
            kind: "http".into(),
            source: "/x".into(),
            ..Draft::default()
        };
        let created = made(draft).unwrap();
        let change = Draft {
            name: "u".into(),
            app_id: "B".into(),
            fn_id: "G".into(),
            kind: "smoke".into(),
            source: "/y".into(),
            ..Draft::default()
        };
        let changed = update(created.clone(), change, LATER).unwrap();
        let expected = Trigger {
            name: "u".into(),
            fn_id: FnId::new("G"),
            source: "/y".into(),
            updated_at: LATER,
            ..created.clone()
        };
        assert_eq!(changed, expected);
        assert_eq!(update(created.clone(), Draft::default(), LATER).unwrap(), created);
        assert!(update(created, Draft { source: "y".into(), ..Draft::default() }, LATER).is_err());
    }
}
