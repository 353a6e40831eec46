//! Who asks, and whether they may: what every handler extracts from its request before it does anything else.

use super::Api;
use crate::status::Refused;
use crate::url;
use axum::extract::FromRequestParts;
use http::Uri;
use http::request::Parts;
use remuda_core::access::{AppSet, Identity, Role};
use remuda_core::{AppId, Fault, FnId, Trigger, TriggerId};
use std::sync::Arc;

/// What a handler knows of its request besides the body. To have one is to know that somebody known asks.
pub(super) struct Asked {
    /// Who asks.
    pub(super) who: Identity,
    /// For what.
    pub(super) uri: Uri,
    /// The base of endpoint annotations.
    pub(super) base: String,
}

impl FromRequestParts<Arc<Api>> for Asked {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refused> {
        let who = api.gate.identify(parts).await?;
        who.check_known()?;
        Ok(Self { who, base: api.base(parts), uri: parts.uri.clone() })
    }
}

/// One of the questions that an [`Identity`] answers about an app's name.
pub(super) type Right = fn(&Identity, &str) -> Result<(), Fault>;

impl Asked {
    /// The id in `/v2/<kind>/<id>`.
    pub(super) fn id(&self) -> String {
        url::segment(&self.uri, 3)
    }

    /// Refuses who could not manage any app. To be asked before a body is read that says which app is meant.
    pub(super) fn may_manage_some(&self) -> Result<(), Fault> {
        match &self.who {
            Identity::Token(token) if token.role >= Role::Deployer => Ok(()),
            Identity::Open => Ok(()),
            Identity::Nobody => Err(Fault::unauthorized()),
            Identity::Token(_) | Identity::Node => Err(Fault::forbidden()),
        }
    }

    /// Whether the rights are the same for every app, so that it need not be known which one is meant.
    fn knows_all(&self) -> bool {
        match &self.who {
            Identity::Open | Identity::Node => true,
            Identity::Nobody => false,
            Identity::Token(token) => token.apps == AppSet::All,
        }
    }
}

/// Each refuses, in the same words, a thing of another's app and a thing that is not there. Who knows of every app is
/// judged without a look into the catalogue, and is told later what is not there.
impl Api {
    /// Whether the sender has this right to the app with this id.
    pub(super) async fn check_app(&self, asked: &Asked, id: &AppId, right: Right) -> Result<(), Fault> {
        if asked.knows_all() {
            return right(&asked.who, "");
        }
        let app = self.stored.app(id).await.map_err(|fault| asked.who.missing(fault))?;
        right(&asked.who, &app.name)
    }

    /// Whether the sender has this right to the function with this id.
    pub(super) async fn check_fn(&self, asked: &Asked, id: &FnId, right: Right) -> Result<(), Fault> {
        if asked.knows_all() {
            return right(&asked.who, "");
        }
        let function = self.stored.function(id).await.map_err(|fault| asked.who.missing(fault))?;
        self.check_app(asked, &function.app_id, right).await
    }

    /// The trigger with this id, if the sender has this right to it.
    pub(super) async fn trigger(
        &self,
        asked: &Asked,
        id: &TriggerId,
        right: Right,
    ) -> Result<Trigger, Fault> {
        let trigger = self.stored.trigger(id).await.map_err(|fault| asked.who.missing(fault))?;
        self.check_app(asked, &trigger.app_id, right).await?;
        Ok(trigger)
    }
}
