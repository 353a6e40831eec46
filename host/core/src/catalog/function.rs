//! Functions: what may be created, and what a change makes of one.

use super::{MAX_NAME_BYTES, annotations, bounds, merge_config, names};
use crate::{Annotations, App, AppId, Config, Fault, FnId, Function, MemoryMb, Timestamp};

/// The memory of a function that asks for none, in megabytes.
pub const DEFAULT_MEMORY_MB: u64 = 128;
/// The most memory that a function may ask for, in megabytes.
pub const MAX_MEMORY_MB: u64 = 8192;
/// The timeout of a function that asks for none, in seconds.
pub const DEFAULT_TIMEOUT_S: i32 = 30;
/// The longest timeout, in seconds.
pub const MAX_TIMEOUT_S: i32 = 300;
/// The idle timeout of a function that asks for none, in seconds.
pub const DEFAULT_IDLE_TIMEOUT_S: i32 = 30;
/// The longest idle timeout, in seconds.
pub const MAX_IDLE_TIMEOUT_S: i32 = 3600;

/// A function as a client sent it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// Not allowed at creation; in a change it must be the function's own.
    pub id: String,
    /// Needed at creation; ignored in a change.
    pub name: String,
    /// Needed at creation; ignored in a change.
    pub app_id: String,
    /// Needed at creation; in a change, empty keeps the present one.
    pub image: String,
    /// Megabytes; 0 is the default, and in a change it keeps the present value.
    pub memory: u64,
    /// Seconds; 0 is the default, and in a change it keeps the present value.
    pub timeout: i32,
    /// Seconds; 0 is the default, and in a change it keeps the present value.
    pub idle_timeout: i32,
    /// In a change, "" removes its key.
    pub config: Config,
    /// In a change, null and "" remove their key.
    pub annotations: Annotations,
}

/// Says what is wrong with a draft of a new function, if anything is. To be asked before its app is looked up.
pub fn check_new(draft: &Draft) -> Result<(), Fault> {
    if !draft.id.is_empty() {
        return Err(Fault::invalid("ID cannot be provided for Fn creation"));
    }
    if draft.app_id.is_empty() {
        return Err(Fault::invalid("Missing AppID on Fn"));
    }
    if draft.name.is_empty() {
        return Err(Fault::invalid("Missing Fn name"));
    }
    if draft.name.len() > MAX_NAME_BYTES {
        return Err(Fault::invalid("Fn name must be 255 characters or less"));
    }
    if !names::is_path_segment(&draft.name) {
        return Err(Fault::invalid("name must be a valid string"));
    }
    if draft.image.is_empty() {
        return Err(Fault::invalid("Missing image on Fn"));
    }
    bounds::image(&draft.image)?;
    Limits::of(draft)?;
    bounds::config(&draft.config)?;
    annotations::check(&draft.annotations)
}

/// Makes a new function of `app` from a draft; `Kind::Invalid` when a rule is broken.
pub fn create(draft: Draft, app: &App, id: FnId, now: Timestamp) -> Result<Function, Fault> {
    check_new(&draft)?;
    let limits = Limits::of(&draft)?;
    Ok(Function {
        id,
        name: draft.name,
        app_id: AppId::new(draft.app_id),
        image: draft.image,
        memory: limits.memory,
        timeout_s: limits.timeout_s,
        idle_timeout_s: limits.idle_timeout_s,
        config: draft.config,
        annotations: draft.annotations,
        shape: app.shape.clone(),
        created_at: now,
        updated_at: now,
    })
}

/// Refuses a change that names another function than the one it was sent to.
pub fn check_target(draft: &Draft, id: &FnId) -> Result<(), Fault> {
    if draft.id.is_empty() || draft.id == id.as_str() {
        return Ok(());
    }
    Err(Fault::invalid("Fn ID in path does not match that in body"))
}

/// What a change makes of `current`. The time of the last change moves only if something did change.
pub fn update(current: Function, draft: Draft, now: Timestamp) -> Result<Function, Fault> {
    let mut function = current.clone();
    let limits = Limits::of(&draft)?;
    if !draft.image.is_empty() {
        function.image = draft.image;
    }
    if draft.memory != 0 {
        function.memory = limits.memory;
    }
    if draft.timeout != 0 {
        function.timeout_s = limits.timeout_s;
    }
    if draft.idle_timeout != 0 {
        function.idle_timeout_s = limits.idle_timeout_s;
    }
    merge_config(&mut function.config, draft.config);
    annotations::merge(&mut function.annotations, draft.annotations);
    bounds::image(&function.image)?;
    bounds::config(&function.config)?;
    annotations::check(&function.annotations)?;
    if function != current {
        function.updated_at = now;
    }
    Ok(function)
}

/// What one container may use and how long it may take, defaults filled in.
struct Limits {
    memory: MemoryMb,
    timeout_s: u32,
    idle_timeout_s: u32,
}

impl Limits {
    fn of(draft: &Draft) -> Result<Self, Fault> {
        let timeout = or_default(draft.timeout, DEFAULT_TIMEOUT_S);
        let timeout_s = within(timeout, MAX_TIMEOUT_S)
            .ok_or_else(|| Fault::invalid("timeout value is out of range, must be between 0 and 300"))?;
        let idle_timeout = or_default(draft.idle_timeout, DEFAULT_IDLE_TIMEOUT_S);
        let idle_timeout_s = within(idle_timeout, MAX_IDLE_TIMEOUT_S).ok_or_else(|| {
            Fault::invalid("idle_timeout value is out of range, must be between 0 and 3600")
        })?;
        let memory = if draft.memory == 0 { DEFAULT_MEMORY_MB } else { draft.memory };
        if memory > MAX_MEMORY_MB {
            return Err(Fault::invalid("memory value is out of range. It should be between 0 and 8192"));
        }
        Ok(Self { memory: MemoryMb(memory), timeout_s, idle_timeout_s })
    }
}

fn or_default(value: i32, default: i32) -> i32 {
    if value == 0 { default } else { value }
}

fn within(value: i32, max: i32) -> Option<u32> {
    if value > max { None } else { u32::try_from(value).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000);
    const LATER: Timestamp = Timestamp::from_unix_ms(2_000);

    fn app() -> App {
        let draft = crate::catalog::app::Draft {
            name: "app".into(),
            shape: "GENERIC_ARM".into(),
            ..crate::catalog::app::Draft::default()
        };
        crate::catalog::app::create(draft, AppId::new("A"), NOW).unwrap()
    }

    fn draft() -> Draft {
        Draft { name: "f".into(), app_id: "A".into(), image: "x/y:1".into(), ..Draft::default() }
    }

    fn made(draft: Draft) -> Result<Function, Fault> {
        create(draft, &app(), FnId::new("F"), NOW)
    }

    #[test]
    fn what_is_not_said_is_128_mb_and_30_seconds() {
        let function = made(draft()).unwrap();
        assert_eq!((function.memory, function.timeout_s, function.idle_timeout_s), (MemoryMb(128), 30, 30));
        assert_eq!(function.shape, "GENERIC_ARM");
    }

    #[test]
    fn a_broken_rule_is_named_in_fns_order() {
        let mut wrong = Draft {
            id: "x".into(),
            memory: 9000,
            timeout: -1,
            idle_timeout: 3601,
            annotations: [("k".into(), json!(null))].into(),
            ..Draft::default()
        };
        let mut told = Vec::new();
        let repairs: [fn(&mut Draft); 10] = [
            |d| d.id.clear(),
            |d| d.app_id = "A".into(),
            |d| d.name = "/".repeat(256),
            |d| d.name = "a/b".into(),
            |d| d.name = "f".into(),
            |d| d.image = "i".into(),
            |d| d.timeout = 300,
            |d| d.idle_timeout = 3600,
            |d| d.memory = 8192,
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
                "ID cannot be provided for Fn creation",
                "Missing AppID on Fn",
                "Missing Fn name",
                "Fn name must be 255 characters or less",
                "name must be a valid string",
                "Missing image on Fn",
                "timeout value is out of range, must be between 0 and 300",
                "idle_timeout value is out of range, must be between 0 and 3600",
                "memory value is out of range. It should be between 0 and 8192",
                "Invalid annotation value, annotation values may only be non-empty strings, numbers, objects, or \
                 arrays",
            ]
        );
    }

    #[test]
    fn a_change_keeps_what_it_does_not_say_and_what_is_immutable() {
        let created = made(Draft { memory: 256, timeout: 5, idle_timeout: 7, ..draft() }).unwrap();
        let change = Draft { name: "g".into(), app_id: "B".into(), image: "z".into(), ..Draft::default() };
        let changed = update(created.clone(), change, LATER).unwrap();
        assert_eq!(changed, Function { image: "z".into(), updated_at: LATER, ..created.clone() });
        assert_eq!(update(created.clone(), Draft::default(), LATER).unwrap(), created);
        assert_eq!(
            update(created, Draft { timeout: 301, ..Draft::default() }, LATER).unwrap_err().kind,
            Kind::Invalid
        );
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_within_the_limits(memory: u64, timeout: i32, idle_timeout: i32) {
            if let Ok(function) = made(Draft { memory, timeout, idle_timeout, ..draft() }) {
                prop_assert!((1..=8192).contains(&function.memory.0));
                prop_assert!((1..=300).contains(&function.timeout_s));
                prop_assert!((1..=3600).contains(&function.idle_timeout_s));
            }
        }
    }
}
