//! The rules about LB groups: who may use which, and who may say so.

use crate::access::Identity;
use crate::group::{DEFAULT_GROUP, GROUP_KEY, MAX_GROUP_BYTES, PIN_KEY};
use crate::port::GroupUse;
use crate::{Annotations, AppSet, Config, Fault, GroupId, Kind, Timestamp};

/// The longest list an operator may keep.
pub const MAX_LISTED: usize = 1000;
/// The most groups that configs may name while there is no list: each costs every node a pool.
pub const MAX_UNLISTED: u64 = 1000;

/// One group of the operator's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub id: GroupId,
    /// The apps whose configs may name it.
    pub apps: AppSet,
    /// When it was put on the list.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Says what is wrong with a group's name.
pub fn check_name(name: &str) -> Result<(), Fault> {
    if name.is_empty() || name.len() > MAX_GROUP_BYTES || name.chars().any(char::is_control) {
        return Err(Fault::invalid(format!(
            "Invalid group name: it must be 1 to {MAX_GROUP_BYTES} bytes long, without control characters"
        )));
    }
    Ok(())
}

/// Says what is wrong with a group that is to be put on the list, if anything is.
pub fn check_listed(group: &Group) -> Result<(), Fault> {
    check_name(group.id.as_str())?;
    if group.id.as_str() == DEFAULT_GROUP && group.apps != AppSet::All {
        // Who names no group runs there, so nobody can be kept from it.
        return Err(Fault::invalid(format!(
            "the LB group '{DEFAULT_GROUP}' is every app's: list it for all apps, or pin apps to others"
        )));
    }
    Ok(())
}

/// The group that a config names, if it names one.
pub fn named(config: &Config) -> Option<&str> {
    config.get(GROUP_KEY).map(String::as_str).filter(|name| !name.is_empty())
}

/// The group that an app is pinned to, if it is.
pub fn pin(annotations: &Annotations) -> Option<&str> {
    annotations.get(PIN_KEY).and_then(serde_json::Value::as_str).filter(|name| !name.is_empty())
}

/// Checks the group that an app's or function's config is about to name, where it names another one than before. `list`
/// is the operator's, `pin` the group that the app is pinned to.
pub fn check_use(
    app: &str,
    before: &Config,
    after: &Config,
    pin: Option<&str>,
    list: &[Group],
) -> Result<(), Fault> {
    let Some(wanted) = named(after).filter(|wanted| named(before) != Some(*wanted)) else { return Ok(()) };
    if let Some(pin) = pin.filter(|pin| *pin != wanted) {
        return Err(refused(format!(
            "this app is pinned to the LB group '{pin}': {GROUP_KEY} cannot name another one"
        )));
    }
    if may_use(app, wanted, list) {
        return Ok(());
    }
    // Whether it is on the list is not said: a foreign group and none are the same to who may use neither.
    Err(refused(format!("this app may not use the LB group '{wanted}': ask an administrator")))
}

/// Whether a list lets an app use a group. An empty list, and one that does not speak of the default group, keep nobody
/// from it.
fn may_use(app: &str, wanted: &str, list: &[Group]) -> bool {
    match list.iter().find(|group| group.id.as_str() == wanted) {
        Some(group) => group.apps.contains(app),
        None => list.is_empty() || wanted == DEFAULT_GROUP,
    }
}

/// Checks a change of an app's pin: only who administers the app may make one, and only who administers all apps may
/// pin one to a group that the `list` keeps from it.
pub fn check_pin(
    who: &Identity,
    app: &str,
    before: &Annotations,
    after: &Annotations,
    list: &[Group],
) -> Result<(), Fault> {
    let (old, new) = (before.get(PIN_KEY), after.get(PIN_KEY));
    if old == new {
        return Ok(());
    }
    if who.may_administer(app).is_err() {
        return Err(refused(format!("only an administrator may change the annotation {PIN_KEY}")));
    }
    match new {
        None => Ok(()),
        Some(serde_json::Value::String(name)) => {
            check_name(name)?;
            if who.may_administer_all().is_ok() || may_use(app, name, list) {
                return Ok(());
            }
            Err(refused(format!(
                "this app may not use the LB group '{name}': ask an administrator of all apps"
            )))
        }
        Some(_) => {
            Err(Fault::invalid(format!("the annotation {PIN_KEY} must be a string: the name of an LB group")))
        }
    }
}

/// Checks that an app may be deleted: made again it would be without its pin, so only who may pin it may delete it while
/// it is pinned.
pub fn check_delete(who: &Identity, app: &str, annotations: &Annotations) -> Result<(), Fault> {
    match pin(annotations) {
        Some(_) if who.may_administer(app).is_err() => {
            Err(refused("this app is pinned to an LB group: only an administrator may delete it".to_owned()))
        }
        Some(_) | None => Ok(()),
    }
}

/// Bounds how many groups configs may name while there is no list.
pub fn check_count(used: GroupUse) -> Result<(), Fault> {
    if used.is_used || used.distinct < MAX_UNLISTED {
        return Ok(());
    }
    Err(refused(format!(
        "{MAX_UNLISTED} LB groups are in use already: name one of those in {GROUP_KEY}, or ask an administrator"
    )))
}

fn refused(message: String) -> Fault {
    Fault::user(Kind::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Role, Token};
    use crate::testing::catalog_cases::a_token;
    use serde_json::json;
    use std::sync::Arc;

    fn config(group: &str) -> Config {
        Config::from([(GROUP_KEY.to_owned(), group.to_owned())])
    }

    fn group(id: &str, apps: AppSet) -> Group {
        let now = Timestamp::from_unix_ms(0);
        Group { id: GroupId::new(id), apps, created_at: now, updated_at: now }
    }

    fn check(wanted: &str, pin: Option<&str>, list: &[Group]) -> Option<Kind> {
        check_use("mine", &Config::new(), &config(wanted), pin, list).err().map(|fault| fault.kind)
    }

    #[test]
    fn without_a_list_any_group_may_be_named_and_with_one_only_ones_own() {
        assert_eq!(check("blue", None, &[]), None);
        let list = [
            group("blue", AppSet::of(["other"])),
            group("green", AppSet::of(["mine"])),
            group("all", AppSet::All),
        ];
        assert_eq!(check("blue", None, &list), Some(Kind::Forbidden));
        assert_eq!(check("unknown", None, &list), Some(Kind::Forbidden));
        for open in ["green", "all", "default", ""] {
            assert_eq!(check(open, None, &list), None, "{open}");
        }
        assert!(check_listed(&group("default", AppSet::of(["other"]))).is_err());
        assert!(check_listed(&group("default", AppSet::All)).is_ok());
    }

    #[test]
    fn what_a_config_named_before_the_list_said_otherwise_stays() {
        let list = [group("blue", AppSet::of(["other"]))];
        assert!(check_use("mine", &config("blue"), &config("blue"), None, &list).is_ok());
        assert!(check_use("mine", &config("red"), &config("blue"), None, &list).is_err());
        assert!(check_use("mine", &config("red"), &Config::new(), None, &list).is_ok());
    }

    #[test]
    fn a_pinned_app_names_its_pin_or_nothing() {
        assert_eq!(check("blue", Some("blue"), &[]), None);
        // Else the name would stay in the config when the pin is taken away.
        assert_eq!(
            check("blue", Some("blue"), &[group("blue", AppSet::of(["other"]))]),
            Some(Kind::Forbidden)
        );
        assert_eq!(check("green", Some("blue"), &[]), Some(Kind::Forbidden));
    }

    #[test]
    fn only_an_administrator_pins() {
        let token = |role| Identity::Token(Arc::new(Token { role, ..a_token("T") }));
        let pinned = |to: serde_json::Value| Annotations::from([(PIN_KEY.to_owned(), to)]);
        let none = Annotations::new();
        for (who, allowed) in [
            (Identity::Open, true),
            (token(Role::Admin), true),
            (token(Role::Deployer), false),
            (token(Role::Invoker), false),
            (Identity::Node, false),
        ] {
            assert_eq!(
                check_pin(&who, "mine", &none, &pinned(json!("blue")), &[]).is_ok(),
                allowed,
                "{who:?}"
            );
            assert_eq!(
                check_pin(&who, "mine", &pinned(json!("blue")), &none, &[]).is_ok(),
                allowed,
                "{who:?}"
            );
            assert!(check_pin(&who, "mine", &pinned(json!("blue")), &pinned(json!("blue")), &[]).is_ok());
        }
        for odd in [json!(5), json!("a\nb"), json!("x".repeat(256))] {
            let fault = check_pin(&Identity::Open, "mine", &none, &pinned(odd), &[]).unwrap_err();
            assert_eq!(fault.kind, Kind::Invalid);
        }
    }

    #[test]
    fn an_administrator_of_some_apps_pins_them_to_groups_that_they_may_use() {
        let holder = |apps| Identity::Token(Arc::new(Token { role: Role::Admin, apps, ..a_token("T") }));
        let list = [group("blue", AppSet::of(["other"])), group("green", AppSet::of(["mine"]))];
        let none = Annotations::new();
        let pins = |who: &Identity, to: &str| {
            let after = Annotations::from([(PIN_KEY.to_owned(), json!(to))]);
            check_pin(who, "mine", &none, &after, &list).is_ok()
        };
        let (of_one, of_all) = (holder(AppSet::of(["mine"])), holder(AppSet::All));
        assert_eq!(
            [pins(&of_one, "blue"), pins(&of_one, "green"), pins(&of_one, "red")],
            [false, true, false]
        );
        assert_eq!([pins(&of_all, "blue"), pins(&of_all, "green"), pins(&of_all, "red")], [true; 3]);
    }

    #[test]
    fn a_pin_is_not_shaken_off_by_deleting_the_app() {
        let holder = |role| Identity::Token(Arc::new(Token { role, ..a_token("T") }));
        let pinned = Annotations::from([(PIN_KEY.to_owned(), json!("blue"))]);
        assert!(check_delete(&holder(Role::Deployer), "mine", &pinned).is_err());
        assert!(check_delete(&holder(Role::Deployer), "mine", &Annotations::new()).is_ok());
        assert!(check_delete(&holder(Role::Admin), "mine", &pinned).is_ok());
        assert!(check_delete(&Identity::Open, "mine", &pinned).is_ok());
    }

    #[test]
    fn unlisted_groups_are_bounded() {
        assert!(check_count(GroupUse { is_used: true, distinct: MAX_UNLISTED }).is_ok());
        assert!(check_count(GroupUse { is_used: false, distinct: MAX_UNLISTED - 1 }).is_ok());
        assert!(check_count(GroupUse { is_used: false, distinct: MAX_UNLISTED }).is_err());
    }
}
