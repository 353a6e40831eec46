//! Word of changes, and the questions that it overtakes.

use super::*;
use remuda_core::port::Catalog;
use remuda_core::testing::FakeCatalog;
use remuda_core::testing::catalog_cases::an_app;
use std::sync::atomic::AtomicU64;

fn f() -> Changed {
    Changed::Function { id: FnId::new("f") }
}

#[tokio::test(start_paused = true)]
async fn definitions_are_believed_for_longer_while_changes_are_told() {
    let (source, cache) = told().await;
    assert!(cache.is_told_of_changes());
    image(&cache, "f").await.unwrap();
    pass(59).await;
    assert_eq!(image(&cache, "f").await.unwrap(), "image1");
    pass(1).await;
    assert_eq!(image(&cache, "f").await.unwrap(), "image2", "age is the backstop");
    pass(6).await;
    assert_eq!(image(&cache, "f").await.unwrap(), "image2");
    source.tells(News::Ended).await;
    assert!(!cache.is_told_of_changes());
    assert_eq!(image(&cache, "f").await.unwrap(), "image3", "it is older than what is believed now");
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_is_asked_for_by_the_next_lookup_and_nothing_else_is() {
    let (source, cache) = told().await;
    let look_up_all = async || {
        let before = source.asked();
        let app = AppId::new("a");
        cache.app(&app).await.unwrap();
        cache.app_named("name").await.unwrap();
        image(&cache, "f").await.unwrap();
        cache.trigger_by_source(&app, "/x").await.unwrap();
        cache.token(&TokenId::new("T")).await.unwrap();
        source.asked() - before
    };
    assert_eq!((look_up_all().await, look_up_all().await), (5, 0));
    let app_id = AppId::new("a");
    for (thing, questions) in [
        (Changed::App { id: app_id.clone(), name: "other".into() }, 1),
        (Changed::App { id: AppId::new("other"), name: "name".into() }, 1),
        (f(), 1),
        (Changed::Function { id: FnId::new("other") }, 0),
        (Changed::Trigger { app_id: app_id.clone(), source: "/x".into() }, 1),
        (Changed::Trigger { app_id, source: "/y".into() }, 0),
        (Changed::Token { id: TokenId::new("T") }, 1),
        (Changed::Everything, 5),
    ] {
        source.tells_of(thing.clone()).await;
        assert_eq!((look_up_all().await, look_up_all().await), (questions, 0), "{thing:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_is_gone_as_soon_as_it_is_told() {
    let (source, cache) = told().await;
    image(&cache, "f").await.unwrap();
    source.is(Mood::HasNothing);
    assert!(image(&cache, "f").await.is_ok());
    source.tells_of(f()).await;
    assert_eq!(image(&cache, "f").await, Err(Kind::NotFound));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_word_of_a_change_overtook_is_not_kept_and_not_given_to_those_who_ask_later() {
    for news in [News::Changed(vec![f()]), News::Changed(vec![Changed::Everything]), News::Began] {
        for is_known in [false, true] {
            let (source, cache) = told().await;
            if is_known {
                image(&cache, "f").await.unwrap();
                source.tells_of(f()).await;
            }
            let first = source.asked() + 1;
            source.is(Mood::Waits);
            let early = {
                let cache = Arc::clone(&cache);
                tokio::spawn(async move { image(&cache, "f").await })
            };
            tokio::time::sleep(Duration::from_millis(1)).await;
            source.tells(news.clone()).await;
            source.is(Mood::Answers);
            let after = format!("image{}", first + 1);
            assert_eq!(image(&cache, "f").await.unwrap(), after, "{news:?} {is_known}");
            source.gate.add_permits(1);
            assert_eq!(early.await.unwrap().unwrap(), format!("image{first}"), "it began before the change");
            assert_eq!(image(&cache, "f").await.unwrap(), after, "{news:?} {is_known}");
            assert_eq!(source.asked(), first + 1);
            assert!(cache.functions.is_quiet());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_known_before_changes_were_told_is_served_while_nobody_answers_and_asked_for_again() {
    let (source, cache) = told().await;
    image(&cache, "f").await.unwrap();
    source.tells(News::Ended).await;
    source.is(Mood::Fails(Kind::Unavailable));
    source.tells(News::Began).await;
    assert_eq!(image(&cache, "f").await.unwrap(), "image1");
    assert!(cache.source_is_away());
    let asked = source.asked();
    assert_eq!(image(&cache, "f").await.unwrap(), "image1");
    assert_eq!(source.asked(), asked, "one question a second looks whether it is back");
    source.is(Mood::Answers);
    source.tells(News::Began).await;
    assert!(!cache.source_is_away(), "who tells things can be asked");
    assert_ne!(image(&cache, "f").await.unwrap(), "image1");
}

#[tokio::test(start_paused = true)]
async fn what_is_known_goes_on_to_serve_when_the_source_refuses_who_asks() {
    for kind in [Kind::Unauthorized, Kind::Forbidden] {
        let (source, cache) = told().await;
        image(&cache, "f").await.unwrap();
        source.is(Mood::Fails(kind));
        source.tells_of(f()).await;
        assert_eq!(image(&cache, "f").await.unwrap(), "image1");
        source.is(Mood::Answers);
        assert_eq!(image(&cache, "f").await.unwrap(), "image3", "in force as soon as it can be had");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_told_while_the_source_counts_as_away_is_in_force_at_once() {
    let (source, cache) = told().await;
    image(&cache, "f").await.unwrap();
    source.is(Mood::Fails(Kind::Unavailable));
    assert!(image(&cache, "g").await.is_err());
    source.is(Mood::Answers);
    source.tells_of(f()).await;
    assert_eq!(image(&cache, "f").await.unwrap(), "image3");
}

#[tokio::test(start_paused = true)]
async fn who_nobody_tells_of_changes_goes_by_age_and_ends_when_told_to() {
    let (source, _) = cached(DefinitionsOptions::default());
    let sources = Sources { definitions: source.clone(), tokens: source, changes: None };
    let cache = CachedDefinitions::new(sources, DefinitionsOptions::default());
    let shutdown = CancellationToken::new();
    let ending = async {
        assert_eq!(image(&cache, "f").await.unwrap(), "image1");
        pass(5).await;
        assert_eq!(image(&cache, "f").await.unwrap(), "image2");
        shutdown.cancel();
    };
    tokio::join!(cache.run(shutdown.clone()), ending);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_tells_no_more_does_not_end_the_listener_and_age_decides() {
    let (source, cache) = cached(DefinitionsOptions::default());
    let shutdown = CancellationToken::new();
    let ending = async {
        source.tells(News::Began).await;
        image(&cache, "f").await.unwrap();
        source.tell.lock().unwrap().take();
        pass(5).await;
        assert!(!cache.is_told_of_changes());
        assert_eq!(image(&cache, "f").await.unwrap(), "image2");
        shutdown.cancel();
    };
    tokio::join!(cache.run(shutdown.clone()), ending);
}

#[tokio::test]
async fn changes_in_a_catalogue_are_in_force_for_who_remembers_it() {
    let store = Arc::new(FakeCatalog::new());
    let app = store.create_app(an_app("A", "one")).await.unwrap();
    let sources = Sources { definitions: store.clone(), tokens: store.clone(), changes: Some(store.clone()) };
    let cache = Arc::new(CachedDefinitions::new(sources, DefinitionsOptions::default()));
    let (listening, shutdown) = (Arc::clone(&cache), CancellationToken::new());
    let until = shutdown.clone();
    let listener = tokio::spawn(async move { listening.run(until).await });
    for round in 0..100 {
        let wanted = round.to_string();
        let value = wanted.clone();
        let change = move |mut app: App| {
            app.config.insert("K".into(), value.clone());
            Ok(app)
        };
        store.update_app(&app.id, Arc::new(change)).await.unwrap();
        let seen = async {
            while cache.app_named("one").await.unwrap().config.get("K") != Some(&wanted)
                || cache.app(&app.id).await.unwrap().config.get("K") != Some(&wanted)
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap();
    }
    store.delete_app(&app.id).await.unwrap();
    let gone = async {
        while cache.app(&app.id).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    shutdown.cancel();
    listener.await.unwrap();
}

/// Answers with its version as it was when it was asked, a little later.
struct Versioned(AtomicU64);

#[async_trait]
impl Definitions for Versioned {
    async fn app(&self, _: &AppId) -> Result<Arc<App>, Fault> {
        Err(Fault::not_found("App not found"))
    }
    async fn app_named(&self, _: &str) -> Result<Arc<App>, Fault> {
        Err(Fault::not_found("App not found"))
    }
    async fn function(&self, id: &FnId) -> Result<Arc<Function>, Fault> {
        let version = self.0.load(Ordering::SeqCst);
        for _ in 0..version % 4 {
            tokio::task::yield_now().await;
        }
        Ok(Arc::new(function(id, version.to_string())))
    }
    async fn trigger_by_source(&self, _: &AppId, _: &str) -> Result<Arc<Trigger>, Fault> {
        Err(Fault::not_found("Trigger not found"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_call_that_begins_after_the_news_gets_what_was_before() {
    let versioned = Arc::new(Versioned(AtomicU64::new(1)));
    let sources =
        Sources { definitions: versioned.clone(), tokens: Arc::new(FakeCatalog::new()), changes: None };
    let cache = Arc::new(CachedDefinitions::new(sources, DefinitionsOptions::default()));
    let heard = Arc::new(AtomicU64::new(1));
    let (is_over, lookups) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (cache, heard) = (Arc::clone(&cache), Arc::clone(&heard));
            let (is_over, lookups) = (is_over.clone(), Arc::clone(&lookups));
            tokio::spawn(async move {
                while !is_over.is_cancelled() {
                    let least = heard.load(Ordering::SeqCst);
                    let got: u64 = image(&cache, "f").await.unwrap().parse().unwrap();
                    assert!(got >= least, "{got} after news of {least}");
                    if lookups.fetch_add(1, Ordering::SeqCst) % 16 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for version in 2..3000 {
        let enough = lookups.load(Ordering::SeqCst) + version % 8;
        while lookups.load(Ordering::SeqCst) < enough && readers.iter().any(|reader| !reader.is_finished()) {
            tokio::task::yield_now().await;
        }
        versioned.0.store(version, Ordering::SeqCst);
        let thing = if version % 3 == 0 { Changed::Everything } else { f() };
        cache.hear(News::Changed(vec![thing]));
        heard.store(version, Ordering::SeqCst);
    }
    is_over.cancel();
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(image(&cache, "f").await.unwrap(), "2999");
}
