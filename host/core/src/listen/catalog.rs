//! A catalogue whose changes are told to listeners before and after.

use crate::port::{
    AppFilter, AppListener, Catalog, Change, Check, Definitions, FnFilter, FnListener, Listeners, Page,
    PageOf, TriggerFilter, TriggerListener,
};
use crate::{App, AppId, Fault, FnId, Function, Kind, Trigger, TriggerId};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often a change that others overtake is shown to the listeners again.
const ATTEMPTS: usize = 8;

/// A catalogue with listeners.
pub struct ListenedCatalog {
    inner: Arc<dyn Catalog>,
    listeners: Listeners,
}

impl ListenedCatalog {
    /// `inner`, heard by `listeners`; `inner` itself when nobody listens.
    pub fn around(inner: Arc<dyn Catalog>, listeners: &Listeners) -> Arc<dyn Catalog> {
        if listeners.apps.is_empty() && listeners.functions.is_empty() && listeners.triggers.is_empty() {
            return inner;
        }
        Arc::new(Self { inner, listeners: listeners.clone() })
    }

    fn apps(&self) -> &[Arc<dyn AppListener>] {
        &self.listeners.apps
    }
    fn functions(&self) -> &[Arc<dyn FnListener>] {
        &self.listeners.functions
    }
    fn triggers(&self) -> &[Arc<dyn TriggerListener>] {
        &self.listeners.triggers
    }
}

/// A change that stores `wanted`, if the thing is still as it was when the listeners were shown what becomes of it.
/// The flag says that it was not.
fn if_unchanged<T: Clone + PartialEq + Send + Sync + 'static>(
    seen: T,
    wanted: T,
) -> (Change<T>, Arc<AtomicBool>) {
    let overtaken = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&overtaken);
    let change = move |current: T| {
        let is_same = current == seen;
        flag.store(!is_same, Ordering::Release);
        if is_same { Ok(wanted.clone()) } else { Err(too_busy()) }
    };
    (Arc::new(change), overtaken)
}

fn too_busy() -> Fault {
    Fault::user(Kind::Unavailable, "others are changing the same thing: try again")
}

#[async_trait]
impl Definitions for ListenedCatalog {
    async fn app(&self, id: &AppId) -> Result<Arc<App>, Fault> {
        for listener in self.apps() {
            listener.before_get(id).await?;
        }
        let app = self.inner.app(id).await?;
        for listener in self.apps() {
            listener.after_get(&app).await?;
        }
        Ok(app)
    }
    async fn app_named(&self, name: &str) -> Result<Arc<App>, Fault> {
        self.inner.app_named(name).await
    }
    async fn function(&self, id: &FnId) -> Result<Arc<Function>, Fault> {
        self.inner.function(id).await
    }
    async fn trigger_by_source(&self, app: &AppId, source: &str) -> Result<Arc<Trigger>, Fault> {
        self.inner.trigger_by_source(app, source).await
    }
}

#[async_trait]
impl Catalog for ListenedCatalog {
    async fn create_app(&self, mut app: App) -> Result<App, Fault> {
        for listener in self.apps() {
            listener.before_create(&mut app).await?;
        }
        let app = self.inner.create_app(app).await?;
        for listener in self.apps() {
            listener.after_create(&app).await?;
        }
        Ok(app)
    }

    async fn update_app(&self, id: &AppId, change: Change<App>) -> Result<App, Fault> {
        for _ in 0..ATTEMPTS {
            let seen = App::clone(&*self.inner.app(id).await?);
            let mut wanted = change(seen.clone())?;
            for listener in self.apps() {
                listener.before_update(&mut wanted).await?;
            }
            let (guarded, overtaken) = if_unchanged(seen, wanted);
            let done = self.inner.update_app(id, guarded).await;
            if overtaken.load(Ordering::Acquire) {
                continue;
            }
            let app = done?;
            for listener in self.apps() {
                listener.after_update(&app).await?;
            }
            return Ok(app);
        }
        Err(too_busy())
    }

    async fn delete_app_if(&self, id: &AppId, check: Check<App>) -> Result<(), Fault> {
        let app = self.inner.app(id).await?;
        // Nobody is told of what will not be done.
        check(&app)?;
        for listener in self.apps() {
            listener.before_delete(&app).await?;
        }
        self.inner.delete_app_if(id, check).await?;
        for listener in self.apps() {
            listener.after_delete(&app).await?;
        }
        Ok(())
    }

    async fn list_apps(&self, filter: &AppFilter, page: &Page) -> Result<PageOf<App>, Fault> {
        let mut filter = filter.clone();
        for listener in self.apps() {
            listener.before_list(&mut filter).await?;
        }
        let found = self.inner.list_apps(&filter, page).await?;
        for listener in self.apps() {
            listener.after_list(&found.items).await?;
        }
        Ok(found)
    }

    async fn create_function(&self, mut function: Function) -> Result<Function, Fault> {
        for listener in self.functions() {
            listener.before_create(&mut function).await?;
        }
        let function = self.inner.create_function(function).await?;
        for listener in self.functions() {
            listener.after_create(&function).await?;
        }
        Ok(function)
    }

    async fn update_function(&self, id: &FnId, change: Change<Function>) -> Result<Function, Fault> {
        for _ in 0..ATTEMPTS {
            let seen = Function::clone(&*self.inner.function(id).await?);
            let mut wanted = change(seen.clone())?;
            for listener in self.functions() {
                listener.before_update(&mut wanted).await?;
            }
            let (guarded, overtaken) = if_unchanged(seen, wanted);
            let done = self.inner.update_function(id, guarded).await;
            if overtaken.load(Ordering::Acquire) {
                continue;
            }
            let function = done?;
            for listener in self.functions() {
                listener.after_update(&function).await?;
            }
            return Ok(function);
        }
        Err(too_busy())
    }

    async fn delete_function(&self, id: &FnId) -> Result<(), Fault> {
        for listener in self.functions() {
            listener.before_delete(id).await?;
        }
        self.inner.delete_function(id).await?;
        for listener in self.functions() {
            listener.after_delete(id).await?;
        }
        Ok(())
    }

    async fn list_functions(&self, filter: &FnFilter, page: &Page) -> Result<PageOf<Function>, Fault> {
        self.inner.list_functions(filter, page).await
    }

    async fn create_trigger(&self, mut trigger: Trigger) -> Result<Trigger, Fault> {
        for listener in self.triggers() {
            listener.before_create(&mut trigger).await?;
        }
        let trigger = self.inner.create_trigger(trigger).await?;
        for listener in self.triggers() {
            listener.after_create(&trigger).await?;
        }
        Ok(trigger)
    }

    async fn trigger(&self, id: &TriggerId) -> Result<Trigger, Fault> {
        self.inner.trigger(id).await
    }

    async fn update_trigger(&self, id: &TriggerId, change: Change<Trigger>) -> Result<Trigger, Fault> {
        for _ in 0..ATTEMPTS {
            let seen = self.inner.trigger(id).await?;
            let mut wanted = change(seen.clone())?;
            for listener in self.triggers() {
                listener.before_update(&mut wanted).await?;
            }
            let (guarded, overtaken) = if_unchanged(seen, wanted);
            let done = self.inner.update_trigger(id, guarded).await;
            if overtaken.load(Ordering::Acquire) {
                continue;
            }
            let trigger = done?;
            for listener in self.triggers() {
                listener.after_update(&trigger).await?;
            }
            return Ok(trigger);
        }
        Err(too_busy())
    }

    async fn delete_trigger(&self, id: &TriggerId) -> Result<(), Fault> {
        for listener in self.triggers() {
            listener.before_delete(id).await?;
        }
        self.inner.delete_trigger(id).await?;
        for listener in self.triggers() {
            listener.after_delete(id).await?;
        }
        Ok(())
    }

    async fn list_triggers(&self, filter: &TriggerFilter, page: &Page) -> Result<PageOf<Trigger>, Fault> {
        self.inner.list_triggers(filter, page).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeCatalog;
    use crate::testing::catalog_cases::{a_function, a_trigger, an_app};
    use std::sync::Mutex;

    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl Notes {
        fn add(&self, note: impl Into<String>) {
            self.0.lock().unwrap().push(note.into());
        }
        fn taken(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    #[async_trait]
    impl AppListener for Notes {
        async fn before_create(&self, app: &mut App) -> Result<(), Fault> {
            app.config.insert("ADDED".into(), "1".into());
            self.add("before create");
            if app.name == "refused" { Err(Fault::user(Kind::TooMany, "no more apps")) } else { Ok(()) }
        }
        async fn after_create(&self, _: &App) -> Result<(), Fault> {
            self.add("after create");
            Ok(())
        }
        async fn before_update(&self, app: &mut App) -> Result<(), Fault> {
            app.syslog_url.clear();
            self.add("before update");
            Ok(())
        }
        async fn after_update(&self, app: &App) -> Result<(), Fault> {
            self.add(format!("after update {}", app.config["K"]));
            Ok(())
        }
        async fn before_delete(&self, app: &App) -> Result<(), Fault> {
            self.add(format!("before delete {}", app.name));
            Ok(())
        }
        async fn after_delete(&self, app: &App) -> Result<(), Fault> {
            self.add(format!("after delete {}", app.name));
            Ok(())
        }
        async fn before_list(&self, filter: &mut AppFilter) -> Result<(), Fault> {
            filter.name = Some("one".into());
            Ok(())
        }
    }

    #[async_trait]
    impl FnListener for Notes {
        async fn before_delete(&self, _: &FnId) -> Result<(), Fault> {
            Err(Fault::user(Kind::Forbidden, "functions stay"))
        }
    }

    #[async_trait]
    impl TriggerListener for Notes {
        async fn before_create(&self, trigger: &mut Trigger) -> Result<(), Fault> {
            trigger.source = "/changed".into();
            Ok(())
        }
    }

    fn listened() -> (Arc<Notes>, Arc<FakeCatalog>, Arc<dyn Catalog>) {
        let (notes, store) = (Arc::new(Notes::default()), Arc::new(FakeCatalog::new()));
        let listeners = Listeners {
            apps: vec![notes.clone()],
            functions: vec![notes.clone()],
            triggers: vec![notes.clone()],
            calls: Vec::new(),
        };
        (notes, store.clone(), ListenedCatalog::around(store, &listeners))
    }

    #[tokio::test]
    async fn listeners_see_change_and_prevent_what_is_stored() {
        let (notes, store, catalog) = listened();
        let app = catalog.create_app(an_app("A", "one")).await.unwrap();
        assert_eq!(store.app(&app.id).await.unwrap().config["ADDED"], "1");
        let refused = catalog.create_app(an_app("B", "refused")).await.unwrap_err();
        assert_eq!(refused.kind, Kind::TooMany);
        assert!(store.app(&AppId::new("B")).await.is_err());
        let change = Arc::new(|mut app: App| {
            app.config.insert("K".into(), "new".into());
            Ok(app)
        });
        assert_eq!(catalog.update_app(&app.id, change).await.unwrap().syslog_url, "");
        let function = catalog.create_function(a_function("F", "f", &app)).await.unwrap();
        assert_eq!(catalog.delete_function(&function.id).await.unwrap_err().message, "functions stay");
        let trigger = catalog.create_trigger(a_trigger("T", "t", &function, "/x")).await.unwrap();
        assert_eq!(store.trigger(&trigger.id).await.unwrap().source, "/changed");
        catalog.create_app(an_app("C", "two")).await.unwrap();
        let listed =
            catalog.list_apps(&AppFilter::default(), &Page { after: None, limit: 30 }).await.unwrap();
        assert_eq!(listed.items.len(), 1);
        catalog.delete_app(&app.id).await.unwrap();
        assert_eq!(
            notes.taken(),
            [
                "before create",
                "after create",
                "before create",
                "before update",
                "after update new",
                "before create",
                "after create",
                "before delete one",
                "after delete one",
            ]
        );
    }

    #[tokio::test]
    async fn changes_at_once_are_each_shown_to_the_listeners_and_all_count() {
        let (_, store, catalog) = listened();
        let app = catalog.create_app(an_app("A", "one")).await.unwrap();
        let changes = (0..4).map(|n| {
            let change = move |mut app: App| {
                app.config.insert("K".into(), "x".into());
                app.config.insert(format!("K{n}"), "x".into());
                Ok(app)
            };
            catalog.update_app(&app.id, Arc::new(change))
        });
        for changed in futures_util::future::join_all(changes).await {
            changed.unwrap();
        }
        let config = store.app(&app.id).await.unwrap().config.clone();
        assert!((0..4).all(|n| config.contains_key(&format!("K{n}"))), "{config:?}");
    }

    async fn fresh() -> (ListenedCatalog, ()) {
        let inner = Arc::new(FakeCatalog::new());
        (ListenedCatalog { inner, listeners: Listeners::default() }, ())
    }

    crate::catalog_suite!(fresh =>
        an_app_comes_back_as_it_went_in,
        a_missing_thing_is_not_found_by_its_name,
        a_change_is_stored_and_a_refused_one_is_not,
        changes_at_once_all_count,
    );
}
