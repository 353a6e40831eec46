//! `/v2/runner`: what load balancers ask of an API node, and clients do not.

mod news;

use super::asked::Asked;
use super::wire::{TokenOut, TriggerOut};
use super::{Api, Reply};
use crate::json::Json;
use crate::status::Refused;
use crate::url;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use remuda_core::access::Identity;
use remuda_core::{AppId, Fault, Kind, TokenId};
use std::sync::Arc;

pub(super) use news::MAX_WATCHERS;

/// `/v2/runner/apps/<app>/triggerBySource/<kind>/<source>`: the source keeps its leading slash, so that there are two
/// in a row. One is ours; what follows is compared as it is.
pub(super) async fn trigger_by_source(State(api): State<Arc<Api>>, asked: Asked) -> Reply<TriggerOut> {
    let uri = &asked.uri;
    let (app_id, kind) = (AppId::new(url::segment(uri, 4)), url::segment(uri, 6));
    let source =
        uri.path().splitn(8, '/').nth(7).map(|source| url::unescape(source, false)).unwrap_or_default();
    api.check_app(&asked, &app_id, Identity::may_read).await?;
    if kind != remuda_core::trigger::HTTP {
        return Err(Fault::not_found("Trigger not found").into());
    }
    let trigger = api.catalog.trigger_by_source(&app_id, &source).await?;
    Ok(Json(Arc::unwrap_or_clone(trigger).into()))
}

/// `/v2/runner/tokens/<id>`: only nodes check tokens for others, and only where they are checked at all.
pub(super) async fn token(State(api): State<Arc<Api>>, asked: Asked) -> Reply<TokenOut> {
    match asked.who {
        Identity::Node => {}
        Identity::Open => return Err(Fault::not_found("Token not found").into()),
        Identity::Nobody => return Err(Fault::unauthorized().into()),
        Identity::Token(_) => return Err(Fault::forbidden().into()),
    }
    let token = api.tokens.token(&TokenId::new(url::segment(&asked.uri, 4))).await?;
    Ok(Json(TokenOut::from(&*token)))
}

/// `/v2/runner/changes`: word of changes, a line of JSON each time, until the node stops.
pub(super) async fn changes(State(api): State<Arc<Api>>, asked: Asked) -> Result<Response, Refused> {
    match asked.who {
        Identity::Node | Identity::Open => {}
        Identity::Nobody => return Err(Fault::unauthorized().into()),
        Identity::Token(_) => return Err(Fault::forbidden().into()),
    }
    let too_many = |_| {
        let text = format!("{MAX_WATCHERS} load balancers hear of changes from this node already");
        Fault::service(Kind::Unavailable, text)
    };
    let place = Arc::clone(&api.watchers).try_acquire_owned().map_err(too_many)?;
    let lines = news::lines(api.changes.watch(), api.readiness.clone(), place);
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}
