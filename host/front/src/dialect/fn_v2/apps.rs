//! `/v2/apps`.

use super::body::Fields;
use super::paging::{List, page};
use super::wire::AppOut;
use super::{Api, deleted, id, now};
use crate::json::Json;
use crate::status::Refused;
use crate::url;
use axum::extract::{Request, State};
use axum::response::Response;
use http::Uri;
use remuda_core::catalog::app;
use remuda_core::port::AppFilter;
use remuda_core::{AppId, Fault};
use std::sync::Arc;

type Reply<T> = Result<Json<T>, Refused>;

fn draft(fields: &Fields) -> Result<app::Draft, Fault> {
    fields.ignored_times()?;
    Ok(app::Draft {
        id: fields.text("id")?,
        name: fields.text("name")?,
        config: fields.config()?,
        annotations: fields.annotations()?,
        syslog_url: fields.optional_text("syslog_url")?,
        shape: fields.text("shape")?,
    })
}

pub(super) async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Reply<List<AppOut>> {
    let filter = AppFilter { name: url::query(&uri, "name") };
    let found = api.catalog.list_apps(&filter, &page(&uri)?).await?;
    Ok(Json(List::of(found, AppOut::from)))
}

pub(super) async fn create(State(api): State<Arc<Api>>, request: Request) -> Reply<AppOut> {
    let (_, fields) = api.fields(request).await?;
    let (id, now) = api.new_id();
    let app = app::create(draft(&fields)?, AppId::new(id), now)?;
    Ok(Json(api.catalog.create_app(app).await?.into()))
}

pub(super) async fn read(State(api): State<Arc<Api>>, uri: Uri) -> Reply<AppOut> {
    let app = api.catalog.app(&AppId::new(id(&uri))).await?;
    Ok(Json(Arc::unwrap_or_clone(app).into()))
}

pub(super) async fn update(State(api): State<Arc<Api>>, request: Request) -> Reply<AppOut> {
    let (parts, fields) = api.fields(request).await?;
    let (id, draft) = (AppId::new(id(&parts.uri)), draft(&fields)?);
    app::check_target(&draft, &id)?;
    let change = Box::new(move |current| app::update(current, draft, now()));
    Ok(Json(api.catalog.update_app(&id, change).await?.into()))
}

pub(super) async fn delete(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Refused> {
    api.catalog.delete_app(&AppId::new(id(&uri))).await?;
    Ok(deleted())
}
