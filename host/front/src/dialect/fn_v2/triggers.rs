//! `/v2/triggers`.

use super::asked::Asked;
use super::paging::{List, Names, page};
use super::part::{Change, Deleted, New, Wanted};
use super::policy::check_unpinned;
use super::sent::{ListTriggers, TriggerIn};
use super::wire::TriggerOut;
use super::{Api, Reply, now};
use crate::json::Json;
use crate::status::Refused;
use axum::extract::State;
use remuda_core::access::Identity;
use remuda_core::catalog::{trigger, with_annotation};
use remuda_core::port::{PageOf, TriggerFilter};
use remuda_core::{Annotations, AppId, Fault, FnId, Trigger, TriggerId};
use std::sync::Arc;

const ENDPOINT: &str = "fnproject.io/trigger/httpEndpoint";

/// The trigger with the address that calls its function.
fn annotated(trigger: Trigger, app_name: &str, base: &str) -> TriggerOut {
    if trigger.kind != remuda_core::trigger::HTTP {
        return trigger.into();
    }
    let source = trigger.source.strip_prefix('/').unwrap_or(&trigger.source);
    let endpoint = format!("{base}/t/{app_name}/{source}");
    Trigger { annotations: with_annotation(trigger.annotations, ENDPOINT, endpoint), ..trigger }.into()
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    asked: Asked,
    Wanted(wanted): Wanted<ListTriggers>,
) -> Reply<List<TriggerOut>> {
    if wanted.app_id.is_empty() {
        return Err(Fault::invalid("Missing App ID on Trigger").into());
    }
    let page = page(wanted.cursor.as_deref(), wanted.per_page)?;
    let filter = TriggerFilter {
        app_id: AppId::new(wanted.app_id),
        fn_id: wanted.fn_id.map(FnId::new),
        name: wanted.name,
    };
    api.check_app(&asked, &filter.app_id, Identity::may_read).await?;
    let found = api.catalog.list_triggers(&filter, &page).await?;
    let names = if filter.fn_id.is_some() { Names::Unique } else { Names::Repeated };
    if found.items.is_empty() {
        return Ok(Json(List::of(PageOf { next: None, ..found }, names, TriggerOut::from)));
    }
    let app = api.stored.app(&filter.app_id).await?;
    Ok(Json(List::of(found, names, |trigger| annotated(trigger, &app.name, &asked.base))))
}

pub(super) async fn create(
    State(api): State<Arc<Api>>,
    asked: Asked,
    body: New<TriggerIn>,
) -> Reply<TriggerOut> {
    asked.may_manage_some()?;
    let draft = trigger::Draft::from(api.read(body).await?);
    let (id, now) = api.new_id();
    let trigger = trigger::create(draft, TriggerId::new(id), now)?;
    check_unpinned(&Annotations::new(), &trigger.annotations)?;
    api.check_app(&asked, &trigger.app_id, Identity::may_manage).await?;
    api.check_fn(&asked, &trigger.fn_id, Identity::may_manage).await?;
    let trigger = api.catalog.create_trigger(trigger).await?;
    let app = api.stored.app(&trigger.app_id).await?;
    Ok(Json(annotated(trigger, &app.name, &asked.base)))
}

pub(super) async fn read(State(api): State<Arc<Api>>, asked: Asked) -> Reply<TriggerOut> {
    let trigger = api.trigger(&asked, &TriggerId::new(asked.id()), Identity::may_read).await?;
    let app = api.stored.app(&trigger.app_id).await.map_err(|fault| asked.who.missing(fault))?;
    Ok(Json(annotated(trigger, &app.name, &asked.base)))
}

pub(super) async fn update(
    State(api): State<Arc<Api>>,
    asked: Asked,
    body: Change<TriggerIn>,
) -> Reply<TriggerOut> {
    let id = TriggerId::new(asked.id());
    asked.may_manage_some()?;
    api.trigger(&asked, &id, Identity::may_manage).await?;
    let draft = trigger::Draft::from(api.read(body).await?);
    trigger::check_target(&draft, &id)?;
    if !draft.fn_id.is_empty() {
        // That it is a function of the same app is for the catalogue to say.
        api.check_fn(&asked, &FnId::new(draft.fn_id.as_str()), Identity::may_manage).await?;
    }
    let change = move |current: Trigger| {
        let after = trigger::update(current.clone(), draft.clone(), now())?;
        check_unpinned(&current.annotations, &after.annotations)?;
        Ok::<_, Fault>(after)
    };
    Ok(Json(api.catalog.update_trigger(&id, Arc::new(change)).await?.into()))
}

pub(super) async fn delete(State(api): State<Arc<Api>>, asked: Asked) -> Result<Deleted, Refused> {
    let id = TriggerId::new(asked.id());
    asked.may_manage_some()?;
    api.trigger(&asked, &id, Identity::may_manage).await?;
    api.catalog.delete_trigger(&id).await?;
    Ok(Deleted)
}
