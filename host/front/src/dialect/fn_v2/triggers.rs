//! `/v2/triggers`, and the one lookup that load balancers make.

use super::body::Fields;
use super::paging::{List, page};
use super::wire::TriggerOut;
use super::{Api, deleted, id, now};
use crate::json::Json;
use crate::status::Refused;
use crate::url;
use axum::extract::{Request, State};
use axum::response::Response;
use http::Uri;
use http::request::Parts;
use remuda_core::catalog::{trigger, with_annotation};
use remuda_core::port::{PageOf, TriggerFilter};
use remuda_core::{AppId, Fault, FnId, Trigger, TriggerId};
use std::sync::Arc;

const ENDPOINT: &str = "fnproject.io/trigger/httpEndpoint";

type Reply<T> = Result<Json<T>, Refused>;

fn draft(fields: &Fields) -> Result<trigger::Draft, Fault> {
    Ok(trigger::Draft {
        id: fields.text("id")?,
        name: fields.text("name")?,
        app_id: fields.text("app_id")?,
        fn_id: fields.text("fn_id")?,
        kind: fields.text("type")?,
        source: fields.text("source")?,
        annotations: fields.annotations()?,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
    })
}

/// The trigger with the address that calls its function.
fn annotated(trigger: Trigger, app_name: &str, base: &str) -> TriggerOut {
    if trigger.kind != remuda_core::trigger::HTTP {
        return trigger.into();
    }
    let source = trigger.source.strip_prefix('/').unwrap_or(&trigger.source);
    let endpoint = format!("{base}/t/{app_name}/{source}");
    Trigger { annotations: with_annotation(trigger.annotations, ENDPOINT, endpoint), ..trigger }.into()
}

pub(super) async fn list(State(api): State<Arc<Api>>, parts: Parts) -> Reply<List<TriggerOut>> {
    let app_id =
        url::query(&parts.uri, "app_id").ok_or_else(|| Fault::invalid("Missing App ID on Trigger"))?;
    let filter = TriggerFilter {
        app_id: AppId::new(app_id),
        fn_id: url::query(&parts.uri, "fn_id").map(FnId::new),
        name: url::query(&parts.uri, "name"),
    };
    let found = api.catalog.list_triggers(&filter, &page(&parts.uri)?).await?;
    if found.items.is_empty() {
        return Ok(Json(List::of(PageOf { next: None, ..found }, TriggerOut::from)));
    }
    let app = api.catalog.app(&filter.app_id).await?;
    let base = api.base(&parts);
    Ok(Json(List::of(found, |trigger| annotated(trigger, &app.name, &base))))
}

pub(super) async fn create(State(api): State<Arc<Api>>, request: Request) -> Reply<TriggerOut> {
    let (parts, fields) = api.fields(request).await?;
    let draft = draft(&fields)?;
    let (id, now) = api.new_id();
    let trigger = trigger::create(draft, TriggerId::new(id), now)?;
    let trigger = api.catalog.create_trigger(trigger).await?;
    let app = api.catalog.app(&trigger.app_id).await?;
    Ok(Json(annotated(trigger, &app.name, &api.base(&parts))))
}

pub(super) async fn read(State(api): State<Arc<Api>>, parts: Parts) -> Reply<TriggerOut> {
    let trigger = api.catalog.trigger(&TriggerId::new(id(&parts.uri))).await?;
    let app = api.catalog.app(&trigger.app_id).await?;
    Ok(Json(annotated(trigger, &app.name, &api.base(&parts))))
}

pub(super) async fn update(State(api): State<Arc<Api>>, request: Request) -> Reply<TriggerOut> {
    let (parts, fields) = api.fields(request).await?;
    let (id, draft) = (TriggerId::new(id(&parts.uri)), draft(&fields)?);
    trigger::check_target(&draft, &id)?;
    let change = Box::new(move |current| trigger::update(current, draft, now()));
    Ok(Json(api.catalog.update_trigger(&id, change).await?.into()))
}

pub(super) async fn delete(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Refused> {
    api.catalog.delete_trigger(&TriggerId::new(id(&uri))).await?;
    Ok(deleted())
}

/// `/v2/runner/apps/<app>/triggerBySource/<kind>/<source>`: the source keeps its leading slash, so that there are two
/// in a row. One is ours; what follows is compared as it is.
pub(super) async fn by_source(State(api): State<Arc<Api>>, uri: Uri) -> Reply<TriggerOut> {
    let (app_id, kind) = (AppId::new(url::segment(&uri, 4)), url::segment(&uri, 6));
    let source =
        uri.path().splitn(8, '/').nth(7).map(|source| url::unescape(source, false)).unwrap_or_default();
    if kind != remuda_core::trigger::HTTP {
        return Err(Fault::not_found("Trigger not found").into());
    }
    let trigger = api.catalog.trigger_by_source(&app_id, &source).await?;
    Ok(Json(Arc::unwrap_or_clone(trigger).into()))
}
