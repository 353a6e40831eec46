//! `/v2/groups`: the operator's list of LB groups and of who may use them. Not Fn's; for administrators of all apps.

use super::asked::Asked;
use super::part::{Change, Deleted};
use super::sent::GroupIn;
use super::wire::{GroupOut, Groups};
use super::{Api, Reply, now};
use crate::json::Json;
use crate::status::Refused;
use axum::extract::State;
use remuda_core::access::MAX_APPS;
use remuda_core::catalog::MAX_NAME_BYTES;
use remuda_core::catalog::groups::{Group, check_listed, check_name};
use remuda_core::{AppSet, Fault, GroupId};
use std::sync::Arc;

pub(super) async fn list(State(api): State<Arc<Api>>, asked: Asked) -> Reply<Groups> {
    asked.who.may_administer_all()?;
    let items = api.groups.list_groups().await?.into_iter().map(GroupOut::from).collect();
    Ok(Json(Groups { items }))
}

pub(super) async fn read(State(api): State<Arc<Api>>, asked: Asked) -> Reply<GroupOut> {
    asked.who.may_administer_all()?;
    let found = api.listed(&asked.id()).await?;
    Ok(Json(found.ok_or_else(|| Fault::not_found("Group not found"))?.into()))
}

pub(super) async fn put(State(api): State<Arc<Api>>, asked: Asked, body: Change<GroupIn>) -> Reply<GroupOut> {
    asked.who.may_administer_all()?;
    let name = asked.id();
    check_name(&name)?;
    if name.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Fault::invalid("Invalid group name: it must be UTF-8, percent-encoded").into());
    }
    let apps = apps(api.read(body).await?)?;
    let now = now();
    let group = match api.listed(&name).await? {
        Some(same) if same.apps == apps => return Ok(Json(same.into())),
        Some(other) => Group { apps, updated_at: now, ..other },
        None => Group { id: GroupId::new(name), apps, created_at: now, updated_at: now },
    };
    check_listed(&group)?;
    Ok(Json(api.groups.put_group(group).await?.into()))
}

pub(super) async fn delete(State(api): State<Arc<Api>>, asked: Asked) -> Result<Deleted, Refused> {
    asked.who.may_administer_all()?;
    api.groups.delete_group(&GroupId::new(asked.id())).await?;
    Ok(Deleted)
}

impl Api {
    /// The group of this name, if it is on the list.
    async fn listed(&self, name: &str) -> Result<Option<Group>, Fault> {
        let list = self.groups.list_groups().await?;
        Ok(list.into_iter().find(|group| group.id.as_str() == name))
    }
}

/// What stands for all apps; no app has this name.
pub(super) const ALL_APPS: &str = "*";

fn apps(sent: GroupIn) -> Result<AppSet, Fault> {
    let Some(names) = sent.apps else {
        // A list that somebody forgot or misspelt must not open the group to everyone.
        let text = "Missing apps: name the apps that may use the group, or say [\"*\"] for all of them";
        return Err(Fault::invalid(text));
    };
    if names == [ALL_APPS] {
        return Ok(AppSet::All);
    }
    if names.len() > MAX_APPS {
        return Err(Fault::invalid(format!(
            "apps must be {MAX_APPS} names or fewer; [\"*\"] means all apps"
        )));
    }
    let is_wrong = |name: &String| {
        name.is_empty()
            || name == ALL_APPS
            || name.len() > MAX_NAME_BYTES
            || name.chars().any(char::is_control)
    };
    if names.iter().any(|name| name == ALL_APPS) {
        return Err(Fault::invalid("apps must be names of apps, or [\"*\"] alone for all of them"));
    }
    if let Some(at) = names.iter().position(is_wrong) {
        return Err(Fault::invalid(format!(
            "apps[{at}] must be an app's name: 1 to {MAX_NAME_BYTES} bytes, without control characters"
        )));
    }
    Ok(AppSet::of(names))
}
