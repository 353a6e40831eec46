//! What a binary that extends Remuda may hook into: changes of apps, functions and triggers, and calls.
//!
//! Listeners run in the order in which they were added. The first fault ends the matter and is what the client is told:
//! before a change it prevents it; after one it does not undo it. Every method has a default that does nothing.

use super::AppFilter;
use crate::{App, AppId, Call, Fault, FnId, Function, Trigger, TriggerId};
use async_trait::async_trait;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// Hears of apps, on nodes that have a catalogue.
#[async_trait]
#[allow(unused_variables, reason = "the defaults do nothing")]
pub trait AppListener: Send + Sync + 'static {
    /// An app is about to be stored; it may be changed.
    async fn before_create(&self, app: &mut App) -> Result<(), Fault> {
        Ok(())
    }
    /// An app was stored.
    async fn after_create(&self, app: &App) -> Result<(), Fault> {
        Ok(())
    }
    /// An app is about to be replaced by this, which may be changed. May be asked again for one change, when others
    /// change the app at the same time.
    async fn before_update(&self, app: &mut App) -> Result<(), Fault> {
        Ok(())
    }
    /// An app was replaced by this.
    async fn after_update(&self, app: &App) -> Result<(), Fault> {
        Ok(())
    }
    /// This app is about to be deleted.
    async fn before_delete(&self, app: &App) -> Result<(), Fault> {
        Ok(())
    }
    /// This app was deleted.
    async fn after_delete(&self, app: &App) -> Result<(), Fault> {
        Ok(())
    }
    /// A client asks for an app.
    async fn before_get(&self, id: &AppId) -> Result<(), Fault> {
        Ok(())
    }
    /// A client is about to be told of this app.
    async fn after_get(&self, app: &App) -> Result<(), Fault> {
        Ok(())
    }
    /// A client asks for a list; the filter may be changed.
    async fn before_list(&self, filter: &mut AppFilter) -> Result<(), Fault> {
        Ok(())
    }
    /// A client is about to be told of these.
    async fn after_list(&self, apps: &[App]) -> Result<(), Fault> {
        Ok(())
    }
}

/// Hears of functions, on nodes that have a catalogue.
#[async_trait]
#[allow(unused_variables, reason = "the defaults do nothing")]
pub trait FnListener: Send + Sync + 'static {
    /// A function is about to be stored; it may be changed.
    async fn before_create(&self, function: &mut Function) -> Result<(), Fault> {
        Ok(())
    }
    /// A function was stored.
    async fn after_create(&self, function: &Function) -> Result<(), Fault> {
        Ok(())
    }
    /// A function is about to be replaced by this, which may be changed. May be asked again for one change.
    async fn before_update(&self, function: &mut Function) -> Result<(), Fault> {
        Ok(())
    }
    /// A function was replaced by this.
    async fn after_update(&self, function: &Function) -> Result<(), Fault> {
        Ok(())
    }
    /// The function with this id is about to be deleted.
    async fn before_delete(&self, id: &FnId) -> Result<(), Fault> {
        Ok(())
    }
    /// The function with this id was deleted.
    async fn after_delete(&self, id: &FnId) -> Result<(), Fault> {
        Ok(())
    }
}

/// Hears of triggers, on nodes that have a catalogue.
#[async_trait]
#[allow(unused_variables, reason = "the defaults do nothing")]
pub trait TriggerListener: Send + Sync + 'static {
    /// A trigger is about to be stored; it may be changed.
    async fn before_create(&self, trigger: &mut Trigger) -> Result<(), Fault> {
        Ok(())
    }
    /// A trigger was stored.
    async fn after_create(&self, trigger: &Trigger) -> Result<(), Fault> {
        Ok(())
    }
    /// A trigger is about to be replaced by this, which may be changed. May be asked again for one change.
    async fn before_update(&self, trigger: &mut Trigger) -> Result<(), Fault> {
        Ok(())
    }
    /// A trigger was replaced by this.
    async fn after_update(&self, trigger: &Trigger) -> Result<(), Fault> {
        Ok(())
    }
    /// The trigger with this id is about to be deleted.
    async fn before_delete(&self, id: &TriggerId) -> Result<(), Fault> {
        Ok(())
    }
    /// The trigger with this id was deleted.
    async fn after_delete(&self, id: &TriggerId) -> Result<(), Fault> {
        Ok(())
    }
}

/// How a call ended.
#[derive(Debug)]
pub struct CallEnd {
    /// What the function answered; 200 unless the function said otherwise in `Fn-Http-Status`. `None` when it did not
    /// answer.
    pub status: Option<StatusCode>,
    /// Why the call failed, or its answer broke off; `Kind::Cancelled` when the caller went away first.
    pub fault: Option<Fault>,
    /// From the call's arrival to the last byte of its answer.
    pub duration: Duration,
    /// Bytes of the answer's body that were passed on.
    pub bytes: u64,
}

/// Hears of calls, on nodes that take them in.
#[async_trait]
#[allow(unused_variables, reason = "the defaults do nothing")]
pub trait CallListener: Send + Sync + 'static {
    /// A call is about to be placed; what the function is given may be changed. A fault refuses it: it runs nowhere.
    async fn before_call(&self, call: &mut Call) -> Result<(), Fault> {
        Ok(())
    }
    /// A call that every listener let pass has ended, in whatever way. Called once a call, on the task that served it:
    /// it must not block, and it cannot change the answer, which may be out already.
    fn after_call(&self, call: &Call, end: &CallEnd) {}
}

/// All listeners of a node.
#[derive(Clone, Default)]
pub struct Listeners {
    /// Of apps.
    pub apps: Vec<Arc<dyn AppListener>>,
    /// Of functions.
    pub functions: Vec<Arc<dyn FnListener>>,
    /// Of triggers.
    pub triggers: Vec<Arc<dyn TriggerListener>>,
    /// Of calls.
    pub calls: Vec<Arc<dyn CallListener>>,
}
