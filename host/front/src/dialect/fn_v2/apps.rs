//! `/v2/apps`.

use super::asked::Asked;
use super::paging::{List, Names, page};
use super::part::{Change, Deleted, New, Wanted};
use super::sent::{AppIn, ListApps};
use super::wire::AppOut;
use super::{Api, Reply, now};
use crate::json::Json;
use crate::status::Refused;
use axum::extract::State;
use remuda_core::access::Identity;
use remuda_core::catalog::{app, groups};
use remuda_core::port::AppFilter;
use remuda_core::{Annotations, App, AppId, Config, Fault};
use std::sync::Arc;

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    asked: Asked,
    Wanted(wanted): Wanted<ListApps>,
) -> Reply<List<AppOut>> {
    let filter = AppFilter { name: wanted.name, within: asked.who.apps() };
    let found = api.catalog.list_apps(&filter, &page(wanted.cursor.as_deref(), wanted.per_page)?).await?;
    Ok(Json(List::of(found, Names::Unique, |app| AppOut::told(app, &asked.who))))
}

pub(super) async fn create(State(api): State<Arc<Api>>, asked: Asked, body: New<AppIn>) -> Reply<AppOut> {
    asked.may_manage_some()?;
    let draft = app::Draft::from(api.read(body).await?);
    let (id, now) = api.new_id();
    let app = app::create(draft, AppId::new(id), now)?;
    asked.who.may_manage(&app.name)?;
    let list = api.list_for_pin(&app.annotations).await?;
    groups::check_pin(&asked.who, &app.name, &Annotations::new(), &app.annotations, &list)?;
    let pin = groups::pin(&app.annotations);
    let policy = api.policy(&Config::new(), &app.config, pin).await?;
    policy.check(&app.name, &Config::new(), &app.config, pin)?;
    Ok(Json(AppOut::told(api.catalog.create_app(app).await?, &asked.who)))
}

pub(super) async fn read(State(api): State<Arc<Api>>, asked: Asked) -> Reply<AppOut> {
    let id = AppId::new(asked.id());
    api.check_app(&asked, &id, Identity::may_read).await?;
    let app = api.catalog.app(&id).await?;
    Ok(Json(AppOut::told(Arc::unwrap_or_clone(app), &asked.who)))
}

pub(super) async fn update(State(api): State<Arc<Api>>, asked: Asked, body: Change<AppIn>) -> Reply<AppOut> {
    let id = AppId::new(asked.id());
    api.check_app(&asked, &id, Identity::may_manage).await?;
    let draft = app::Draft::from(api.read(body).await?);
    app::check_target(&draft, &id)?;
    let mut policy = super::policy::Policy::default();
    if groups::named(&draft.config).is_some() {
        let before = api.stored.app(&id).await?;
        policy = api.policy(&before.config, &draft.config, groups::pin(&before.annotations)).await?;
    }
    let list = api.list_for_pin(&draft.annotations).await?;
    let who = asked.who.clone();
    let change = move |current: App| {
        let after = app::update(current.clone(), draft.clone(), now())?;
        groups::check_pin(&who, &current.name, &current.annotations, &after.annotations, &list)?;
        let pin = groups::pin(&after.annotations);
        policy.check(&current.name, &current.config, &after.config, pin)?;
        Ok::<_, Fault>(after)
    };
    Ok(Json(AppOut::told(api.catalog.update_app(&id, Arc::new(change)).await?, &asked.who)))
}

pub(super) async fn delete(State(api): State<Arc<Api>>, asked: Asked) -> Result<Deleted, Refused> {
    let id = AppId::new(asked.id());
    api.check_app(&asked, &id, Identity::may_manage).await?;
    let who = asked.who;
    let check = move |app: &App| groups::check_delete(&who, &app.name, &app.annotations);
    api.catalog.delete_app_if(&id, Arc::new(check)).await?;
    Ok(Deleted)
}
