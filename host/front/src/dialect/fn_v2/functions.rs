//! `/v2/fns`.

use super::body::Fields;
use super::paging::{List, page};
use super::wire::FnOut;
use super::{Api, deleted, id, now};
use crate::json::Json;
use crate::status::Refused;
use crate::url;
use axum::extract::{Request, State};
use axum::response::Response;
use http::Uri;
use http::request::Parts;
use remuda_core::catalog::{function, with_annotation};
use remuda_core::port::FnFilter;
use remuda_core::{AppId, Fault, FnId, Function};
use std::sync::Arc;

const ENDPOINT: &str = "fnproject.io/fn/invokeEndpoint";

type Reply<T> = Result<Json<T>, Refused>;

fn draft(fields: &Fields) -> Result<function::Draft, Fault> {
    fields.ignored_times()?;
    Ok(function::Draft {
        id: fields.text("id")?,
        name: fields.text("name")?,
        app_id: fields.text("app_id")?,
        image: fields.text("image")?,
        memory: fields.unsigned("memory")?,
        timeout: fields.signed("timeout")?,
        idle_timeout: fields.signed("idle_timeout")?,
        config: fields.config()?,
        annotations: fields.annotations()?,
    })
}

/// The function with the address that calls it.
fn annotated(function: Function, base: &str) -> FnOut {
    let endpoint = format!("{base}/invoke/{}", function.id);
    Function { annotations: with_annotation(function.annotations, ENDPOINT, endpoint), ..function }.into()
}

pub(super) async fn list(State(api): State<Arc<Api>>, parts: Parts) -> Reply<List<FnOut>> {
    let app_id = url::query(&parts.uri, "app_id").ok_or_else(|| Fault::invalid("Missing AppID on Fn"))?;
    let filter = FnFilter { app_id: AppId::new(app_id), name: url::query(&parts.uri, "name") };
    let found = api.catalog.list_functions(&filter, &page(&parts.uri)?).await?;
    let base = api.base(&parts);
    Ok(Json(List::of(found, |function| annotated(function, &base))))
}

pub(super) async fn create(State(api): State<Arc<Api>>, request: Request) -> Reply<FnOut> {
    let (parts, fields) = api.fields(request).await?;
    let draft = draft(&fields)?;
    function::check_new(&draft)?;
    let app = api.catalog.app(&AppId::new(draft.app_id.clone())).await?;
    let (id, now) = api.new_id();
    let function = function::create(draft, &app, FnId::new(id), now)?;
    Ok(Json(annotated(api.catalog.create_function(function).await?, &api.base(&parts))))
}

pub(super) async fn read(State(api): State<Arc<Api>>, parts: Parts) -> Reply<FnOut> {
    let function = api.catalog.function(&FnId::new(id(&parts.uri))).await?;
    Ok(Json(annotated(Arc::unwrap_or_clone(function), &api.base(&parts))))
}

pub(super) async fn update(State(api): State<Arc<Api>>, request: Request) -> Reply<FnOut> {
    let (parts, fields) = api.fields(request).await?;
    let (id, draft) = (FnId::new(id(&parts.uri)), draft(&fields)?);
    function::check_target(&draft, &id)?;
    let change = Box::new(move |current| function::update(current, draft, now()));
    Ok(Json(api.catalog.update_function(&id, change).await?.into()))
}

pub(super) async fn delete(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Refused> {
    api.catalog.delete_function(&FnId::new(id(&uri))).await?;
    Ok(deleted())
}
