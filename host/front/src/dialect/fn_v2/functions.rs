//! `/v2/fns`.

use super::asked::Asked;
use super::paging::{List, Names, page};
use super::part::{Change, Deleted, New, Wanted};
use super::policy::{Policy, check_unpinned};
use super::sent::{FnIn, ListFns};
use super::wire::FnOut;
use super::{Api, Reply, now};
use crate::json::Json;
use crate::status::Refused;
use axum::extract::State;
use remuda_core::access::Identity;
use remuda_core::catalog::{function, groups, with_annotation};
use remuda_core::port::FnFilter;
use remuda_core::{Annotations, App, AppId, Config, Fault, FnId, Function};
use std::sync::Arc;

const ENDPOINT: &str = "fnproject.io/fn/invokeEndpoint";

/// The function with the address that calls it.
fn annotated(function: Function, asked: &Asked) -> FnOut {
    let endpoint = format!("{}/invoke/{}", asked.base, function.id);
    let annotations = with_annotation(function.annotations, ENDPOINT, endpoint);
    FnOut::told(Function { annotations, ..function }, &asked.who)
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    asked: Asked,
    Wanted(wanted): Wanted<ListFns>,
) -> Reply<List<FnOut>> {
    if wanted.app_id.is_empty() {
        return Err(Fault::invalid("Missing AppID on Fn").into());
    }
    let page = page(wanted.cursor.as_deref(), wanted.per_page)?;
    let filter = FnFilter { app_id: AppId::new(wanted.app_id), name: wanted.name };
    api.check_app(&asked, &filter.app_id, Identity::may_read).await?;
    let found = api.catalog.list_functions(&filter, &page).await?;
    Ok(Json(List::of(found, Names::Unique, |function| annotated(function, &asked))))
}

pub(super) async fn create(State(api): State<Arc<Api>>, asked: Asked, body: New<FnIn>) -> Reply<FnOut> {
    asked.may_manage_some()?;
    let draft = function::Draft::from(api.read(body).await?);
    function::check_new(&draft)?;
    check_unpinned(&Annotations::new(), &draft.annotations)?;
    let app_id = AppId::new(draft.app_id.clone());
    let app = api.stored.app(&app_id).await.map_err(|fault| asked.who.missing(fault))?;
    asked.who.may_manage(&app.name)?;
    let (id, now) = api.new_id();
    let function = function::create(draft, &app, FnId::new(id), now)?;
    let pin = groups::pin(&app.annotations);
    let policy = api.policy(&Config::new(), &function.config, pin).await?;
    policy.check(&app.name, &Config::new(), &function.config, pin)?;
    Ok(Json(annotated(api.catalog.create_function(function).await?, &asked)))
}

pub(super) async fn read(State(api): State<Arc<Api>>, asked: Asked) -> Reply<FnOut> {
    let id = FnId::new(asked.id());
    let function = api.catalog.function(&id).await.map_err(|fault| asked.who.missing(fault))?;
    api.check_app(&asked, &function.app_id, Identity::may_read).await?;
    Ok(Json(annotated(Arc::unwrap_or_clone(function), &asked)))
}

pub(super) async fn update(State(api): State<Arc<Api>>, asked: Asked, body: Change<FnIn>) -> Reply<FnOut> {
    let id = FnId::new(asked.id());
    api.check_fn(&asked, &id, Identity::may_manage).await?;
    let draft = function::Draft::from(api.read(body).await?);
    function::check_target(&draft, &id)?;
    let named = api.app_and_policy(&id, &draft.config).await?;
    let change = move |current: Function| {
        let after = function::update(current.clone(), draft.clone(), now())?;
        check_unpinned(&current.annotations, &after.annotations)?;
        if let Some((app, policy)) = &named {
            let pin = groups::pin(&app.annotations);
            policy.check(&app.name, &current.config, &after.config, pin)?;
        }
        Ok::<_, Fault>(after)
    };
    let function = api.catalog.update_function(&id, Arc::new(change)).await?;
    Ok(Json(FnOut::told(function, &asked.who)))
}

pub(super) async fn delete(State(api): State<Arc<Api>>, asked: Asked) -> Result<Deleted, Refused> {
    let id = FnId::new(asked.id());
    api.check_fn(&asked, &id, Identity::may_manage).await?;
    api.catalog.delete_function(&id).await?;
    Ok(Deleted)
}

impl Api {
    /// What judges a function's change that names a group; `None` for one that names none.
    async fn app_and_policy(&self, id: &FnId, sent: &Config) -> Result<Option<(Arc<App>, Policy)>, Fault> {
        if groups::named(sent).is_none() {
            return Ok(None);
        }
        let function = self.stored.function(id).await?;
        let app = self.stored.app(&function.app_id).await?;
        let policy = self.policy(&function.config, sent, groups::pin(&app.annotations)).await?;
        Ok(Some((app, policy)))
    }
}
