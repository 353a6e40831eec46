//! The operator's word on LB groups, applied to what clients send.

use super::Api;
use remuda_core::catalog::groups::{self, Group};
use remuda_core::group::{DEFAULT_GROUP, PIN_KEY};
use remuda_core::{Annotations, Config, Fault, GroupId, Kind};

/// What was looked up before a change whose config may name another group. Empty where it did not look so.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy(Option<Vec<Group>>);

/// The group that `after` names, if `before` names another or none.
fn newly_named<'a>(before: &Config, after: &'a Config) -> Option<&'a str> {
    groups::named(after).filter(|wanted| groups::named(before) != Some(*wanted))
}

impl Api {
    /// Looks up what [`Policy::check`] needs for a change from `before` to what `sent` makes of it.
    pub(super) async fn policy(
        &self,
        before: &Config,
        sent: &Config,
        pin: Option<&str>,
    ) -> Result<Policy, Fault> {
        let Some(wanted) = newly_named(before, sent) else { return Ok(Policy::default()) };
        let list = self.groups.list_groups().await?;
        if list.is_empty() && wanted != DEFAULT_GROUP && pin != Some(wanted) {
            groups::check_count(self.groups.group_use(&GroupId::new(wanted)).await?)?;
        }
        Ok(Policy(Some(list)))
    }

    /// The operator's list, where these annotations may pin an app.
    pub(super) async fn list_for_pin(&self, sent: &Annotations) -> Result<Vec<Group>, Fault> {
        if sent.contains_key(PIN_KEY) { self.groups.list_groups().await } else { Ok(Vec::new()) }
    }
}

impl Policy {
    /// Refuses the config that an app or function is about to have if it newly names a group that the app may not use.
    pub(super) fn check(
        &self,
        app: &str,
        before: &Config,
        after: &Config,
        pin: Option<&str>,
    ) -> Result<(), Fault> {
        match &self.0 {
            Some(list) => groups::check_use(app, before, after, pin, list),
            // It did not look as if it would: somebody else has changed it in between.
            None if newly_named(before, after).is_some() => {
                let text = "others are changing the same thing: try again";
                Err(Fault::user(Kind::Unavailable, text))
            }
            None => Ok(()),
        }
    }
}

/// Refuses a pin on a function or trigger, where it would mean nothing.
pub(super) fn check_unpinned(before: &Annotations, after: &Annotations) -> Result<(), Fault> {
    match after.get(PIN_KEY) {
        Some(pin) if before.get(PIN_KEY) != Some(pin) => Err(Fault::invalid(format!(
            "the annotation {PIN_KEY} belongs on the app: functions and triggers run where their app does"
        ))),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remuda_core::group::GROUP_KEY;

    #[test]
    fn what_was_not_looked_up_is_not_taken_for_allowed() {
        let config = |group: &str| Config::from([(GROUP_KEY.to_owned(), group.to_owned())]);
        let policy = Policy::default();
        assert!(policy.check("app", &config("a"), &config("a"), None).is_ok());
        assert!(policy.check("app", &config("a"), &config(""), None).is_ok());
        let overtaken = policy.check("app", &Config::new(), &config("a"), None).unwrap_err();
        assert_eq!(overtaken.kind, Kind::Unavailable);
    }
}
