//! Apps: what may be created, and what a change makes of one.

use super::{MAX_NAME_BYTES, annotations, bounds, merge_config, names, syslog};
use crate::{Annotations, App, AppId, Config, Fault, Kind, Timestamp};

const SHAPES: [&str; 4] = ["", "GENERIC_X86", "GENERIC_ARM", "GENERIC_X86_ARM"];

/// An app as a client sent it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// Not allowed at creation; in a change it must be the app's own.
    pub id: String,
    /// Needed at creation; never changes.
    pub name: String,
    /// In a change, "" removes its key.
    pub config: Config,
    /// In a change, null and "" remove their key.
    pub annotations: Annotations,
    /// `None`: not sent; in a change that keeps the present one, and "" removes it.
    pub syslog_url: Option<String>,
    /// Never changes after creation.
    pub shape: String,
}

/// Makes a new app of a draft; `Kind::Invalid` when a rule is broken.
pub fn create(draft: Draft, id: AppId, now: Timestamp) -> Result<App, Fault> {
    if !draft.id.is_empty() {
        return Err(Fault::invalid("App ID cannot be supplied on create"));
    }
    let app = App {
        id,
        name: draft.name,
        config: draft.config,
        annotations: draft.annotations,
        syslog_url: draft.syslog_url.unwrap_or_default(),
        shape: draft.shape,
        created_at: now,
        updated_at: now,
    };
    check(&app)?;
    Ok(app)
}

/// Refuses a change that names another app than the one it was sent to. To be asked before the app is looked up.
pub fn check_target(draft: &Draft, id: &AppId) -> Result<(), Fault> {
    if draft.id.is_empty() || draft.id == id.as_str() {
        return Ok(());
    }
    Err(Fault::invalid("App ID in path does not match ID in body"))
}

/// What a change makes of `current`. The time of the last change moves only if something did change.
pub fn update(current: App, draft: Draft, now: Timestamp) -> Result<App, Fault> {
    if !draft.name.is_empty() && draft.name != current.name {
        return Err(Fault::user(Kind::Conflict, "Could not update - name is immutable"));
    }
    let mut app = current.clone();
    merge_config(&mut app.config, draft.config);
    annotations::merge(&mut app.annotations, draft.annotations);
    if let Some(url) = draft.syslog_url {
        app.syslog_url = url;
    }
    check(&app)?;
    if app != current {
        app.updated_at = now;
    }
    Ok(app)
}

fn check(app: &App) -> Result<(), Fault> {
    if app.name.is_empty() {
        return Err(Fault::invalid("Missing Name"));
    }
    if app.name.len() > MAX_NAME_BYTES {
        return Err(Fault::invalid("App name must be 255 characters or less"));
    }
    if !names::is_plain(&app.name) {
        return Err(Fault::invalid("Invalid app name"));
    }
    bounds::config(&app.config)?;
    annotations::check(&app.annotations)?;
    syslog::check(&app.syslog_url)?;
    if !SHAPES.contains(&app.shape.as_str()) {
        return Err(Fault::invalid("Invalid app shape"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000);
    const LATER: Timestamp = Timestamp::from_unix_ms(2_000);

    fn named(name: &str) -> Draft {
        Draft { name: name.into(), ..Draft::default() }
    }

    fn made(draft: Draft) -> Result<App, Fault> {
        create(draft, AppId::new("A"), NOW)
    }

    #[test]
    fn a_broken_rule_is_named_and_the_first_one_wins() {
        let wrong = |change: fn(&mut Draft)| {
            let mut draft = named("app");
            change(&mut draft);
            made(draft).unwrap_err().message.into_owned()
        };
        assert_eq!(
            wrong(|d| (d.id, d.name) = ("x".into(), String::new())),
            "App ID cannot be supplied on create"
        );
        assert_eq!(wrong(|d| d.name = String::new()), "Missing Name");
        assert_eq!(wrong(|d| d.name = " ".repeat(256)), "App name must be 255 characters or less");
        assert_eq!(wrong(|d| (d.name, d.shape) = ("a b".into(), "X".into())), "Invalid app name");
        assert_eq!(wrong(|d| d.shape = "ROUND".into()), "Invalid app shape");
        assert!(
            wrong(|d| d.syslog_url = Some("ftp://x".into())).starts_with("invalid syslog url: \"ftp://x\"")
        );
        assert!(
            wrong(|d| d.annotations = [("k".into(), json!(null))].into())
                .starts_with("Invalid annotation value,")
        );
    }

    #[test]
    fn a_name_of_255_bytes_is_allowed() {
        assert!(made(named(&"a".repeat(255))).is_ok());
    }

    #[test]
    fn empty_settings_may_be_created_and_are_removed_by_a_change() {
        let created = made(Draft {
            config: [("A".into(), "1".into()), ("B".into(), String::new())].into(),
            annotations: [("k".into(), json!(1)), ("o".into(), json!({"x": 1}))].into(),
            syslog_url: Some("tcp://h:1".into()),
            ..named("app")
        })
        .unwrap();
        let change = Draft {
            config: [("A".into(), String::new()), ("C".into(), "3".into())].into(),
            annotations: [("k".into(), json!("")), ("n".into(), json!(5))].into(),
            syslog_url: Some(String::new()),
            ..Draft::default()
        };
        let changed = update(created, change, LATER).unwrap();
        assert_eq!(changed.config, [("B".into(), String::new()), ("C".into(), "3".into())].into());
        assert_eq!(changed.annotations, [("n".into(), json!(5)), ("o".into(), json!({"x": 1}))].into());
        assert_eq!((changed.syslog_url.as_str(), changed.created_at, changed.updated_at), ("", NOW, LATER));
    }

    #[test]
    fn a_change_that_changes_nothing_leaves_the_time_alone() {
        let created = made(named("app")).unwrap();
        assert_eq!(update(created.clone(), named("app"), LATER).unwrap(), created);
        let shaped = Draft { shape: "GENERIC_ARM".into(), ..Draft::default() };
        assert_eq!(update(created.clone(), shaped, LATER).unwrap(), created);
    }

    #[test]
    fn the_name_and_the_id_do_not_change() {
        let created = made(named("app")).unwrap();
        let fault = update(created, named("other"), LATER).unwrap_err();
        assert_eq!(
            (fault.kind, fault.message.as_ref()),
            (Kind::Conflict, "Could not update - name is immutable")
        );
        let other = Draft { id: "B".into(), ..Draft::default() };
        assert_eq!(
            check_target(&other, &AppId::new("A")).unwrap_err().message,
            "App ID in path does not match ID in body"
        );
        assert!(check_target(&other, &AppId::new("B")).is_ok());
    }
}
