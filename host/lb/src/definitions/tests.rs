mod news;
mod room;
mod tokens;
mod unusable;

use super::*;
use futures_util::stream::{BoxStream, unfold};
use remuda_core::testing::catalog_cases::a_token;
use remuda_core::{Annotations, Config, Kind, MemoryMb, Timestamp};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Answers,
    Fails(Kind),
    /// Fails for the thing called "odd" alone.
    FailsForOdd(Kind),
    Hangs,
    HasNothing,
    /// Answers when a permit of the gate is there.
    Waits,
}

/// A source whose functions change their image with every question.
struct FakeSource {
    mood: Mutex<Mood>,
    asked: AtomicUsize,
    gate: Semaphore,
    tell: Mutex<Option<mpsc::Sender<News>>>,
    told: Mutex<Option<mpsc::Receiver<News>>>,
}

impl FakeSource {
    async fn answer_about<T>(&self, id: &str, thing: impl FnOnce(String) -> T) -> Result<Arc<T>, Fault> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::FailsForOdd(kind) if id == "odd" => Err(Fault::service(kind, "as the test wants it")),
            _ => self.answer(thing).await,
        }
    }
    async fn answer<T>(&self, thing: impl FnOnce(String) -> T) -> Result<Arc<T>, Fault> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Answers | Mood::FailsForOdd(_) => {}
            Mood::Waits => self.gate.acquire().await.unwrap().forget(),
            Mood::Fails(kind) => return Err(Fault::service(kind, "as the test wants it")),
            Mood::Hangs => std::future::pending().await,
            Mood::HasNothing => return Err(Fault::not_found("Fn not found")),
        }
        Ok(Arc::new(thing(format!("image{number}"))))
    }
    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
    /// Tells something, and lets everybody hear it.
    async fn tells(&self, news: News) {
        let tell = self.tell.lock().unwrap().clone().expect("it still tells");
        tell.send(news).await.unwrap();
        drop(tell);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    async fn tells_of(&self, thing: Changed) {
        self.tells(News::Changed(vec![thing])).await;
    }
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn function(id: &FnId, image: String) -> Function {
    let at = Timestamp::from_unix_ms(0);
    Function {
        id: id.clone(),
        name: "f".into(),
        app_id: AppId::new("app"),
        image,
        memory: MemoryMb(128),
        timeout_s: 30,
        idle_timeout_s: 30,
        config: Config::new(),
        annotations: Annotations::new(),
        shape: String::new(),
        created_at: at,
        updated_at: at,
    }
}

fn app(id: &str, name: &str) -> App {
    let at = Timestamp::from_unix_ms(0);
    App {
        id: AppId::new(id),
        name: name.into(),
        config: Config::new(),
        annotations: Annotations::new(),
        syslog_url: String::new(),
        shape: String::new(),
        created_at: at,
        updated_at: at,
    }
}

#[async_trait]
impl Definitions for FakeSource {
    async fn app(&self, id: &AppId) -> Result<Arc<App>, Fault> {
        self.answer(|_| app(id.as_str(), "by id")).await
    }
    async fn app_named(&self, name: &str) -> Result<Arc<App>, Fault> {
        self.answer(|_| app("by name", name)).await
    }
    async fn function(&self, id: &FnId) -> Result<Arc<Function>, Fault> {
        self.answer_about(id.as_str(), |image| function(id, image)).await
    }
    async fn trigger_by_source(&self, app: &AppId, source: &str) -> Result<Arc<Trigger>, Fault> {
        let at = Timestamp::from_unix_ms(0);
        self.answer(|_| Trigger {
            id: remuda_core::TriggerId::new("t"),
            name: "t".into(),
            app_id: app.clone(),
            fn_id: FnId::new("f"),
            kind: remuda_core::trigger::HTTP.into(),
            source: source.into(),
            annotations: Annotations::new(),
            created_at: at,
            updated_at: at,
        })
        .await
    }
}

#[async_trait]
impl Tokens for FakeSource {
    async fn token(&self, id: &TokenId) -> Result<Arc<Token>, Fault> {
        self.answer_about(id.as_str(), |note| Token { note, ..a_token(id.as_str()) }).await
    }
}

impl Changes for FakeSource {
    fn watch(&self) -> BoxStream<'static, News> {
        let told = self.told.lock().unwrap().take().expect("only one watches");
        unfold(told, |mut told| async move { told.recv().await.map(|news| (news, told)) }).boxed()
    }
}

fn cached(options: DefinitionsOptions) -> (Arc<FakeSource>, Arc<CachedDefinitions>) {
    let (tell, told) = mpsc::channel(8);
    let source = Arc::new(FakeSource {
        mood: Mutex::new(Mood::Answers),
        asked: AtomicUsize::new(0),
        gate: Semaphore::new(0),
        tell: Mutex::new(Some(tell)),
        told: Mutex::new(Some(told)),
    });
    let sources =
        Sources { definitions: source.clone(), tokens: source.clone(), changes: Some(source.clone()) };
    (source, Arc::new(CachedDefinitions::new(sources, options)))
}

/// The same, listening for changes, which are told.
async fn told() -> (Arc<FakeSource>, Arc<CachedDefinitions>) {
    let (source, cache) = cached(DefinitionsOptions::default());
    let listening = Arc::clone(&cache);
    tokio::spawn(async move { listening.run(CancellationToken::new()).await });
    source.tells(News::Began).await;
    (source, cache)
}

async fn image(cache: &CachedDefinitions, id: &str) -> Result<String, Kind> {
    cache.function(&FnId::new(id)).await.map(|function| function.image.clone()).map_err(|fault| fault.kind)
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_definition_is_asked_for_once_while_it_is_young_and_again_when_it_is_old() {
    let (source, cache) = cached(DefinitionsOptions::default());
    for _ in 0..3 {
        assert_eq!(image(&cache, "f").await.unwrap(), "image1");
    }
    pass(4).await;
    assert_eq!(image(&cache, "f").await.unwrap(), "image1");
    assert_eq!(source.asked(), 1);
    pass(1).await;
    assert_eq!(image(&cache, "f").await.unwrap(), "image2", "an update is in force after five seconds");
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_definition_has_its_own_keys() {
    let (source, cache) = cached(DefinitionsOptions::default());
    for _ in 0..2 {
        assert_eq!(cache.app(&AppId::new("x")).await.unwrap().name, "by id");
        assert_eq!(cache.app_named("x").await.unwrap().name, "x");
        for source in ["/a", "/b"] {
            let trigger = cache.trigger_by_source(&AppId::new("x"), source).await.unwrap();
            assert_eq!(trigger.source, source);
        }
        assert_eq!(cache.trigger_by_source(&AppId::new("y"), "/a").await.unwrap().app_id, AppId::new("y"));
    }
    assert_eq!(source.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn many_who_miss_the_same_thing_ask_once_even_if_the_first_goes_away() {
    let (source, cache) = cached(DefinitionsOptions::default());
    source.is(Mood::Waits);
    let lookups: Vec<_> = (0..50)
        .map(|_| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { image(&cache, "f").await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    lookups[0].abort();
    tokio::time::sleep(Duration::from_millis(1)).await;
    source.gate.add_permits(1);
    for lookup in lookups.into_iter().skip(1) {
        assert_eq!(lookup.await.unwrap().unwrap(), "image1");
    }
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_everybody_gave_up_is_asked_anew() {
    let (source, cache) = cached(DefinitionsOptions::default());
    source.is(Mood::Hangs);
    let lookup = tokio::time::timeout(Duration::from_secs(1), cache.function(&FnId::new("f"))).await;
    assert!(lookup.is_err());
    assert!(cache.functions.is_quiet(), "nothing is left of it");
    source.is(Mood::Answers);
    assert_eq!(image(&cache, "f").await.unwrap(), "image2");
}

#[tokio::test(start_paused = true)]
async fn a_missing_thing_is_not_remembered() {
    let (source, cache) = cached(DefinitionsOptions::default());
    source.is(Mood::HasNothing);
    assert_eq!(image(&cache, "f").await, Err(Kind::NotFound));
    source.is(Mood::Answers);
    assert!(image(&cache, "f").await.is_ok(), "it may be made and called at once");
}

#[tokio::test(start_paused = true)]
async fn a_thing_that_was_deleted_is_gone_once_it_is_old() {
    let (source, cache) = cached(DefinitionsOptions::default());
    image(&cache, "f").await.unwrap();
    source.is(Mood::HasNothing);
    pass(5).await;
    assert_eq!(image(&cache, "f").await, Err(Kind::NotFound));
    source.is(Mood::Fails(Kind::Unavailable));
    assert_eq!(image(&cache, "f").await, Err(Kind::Unavailable), "it does not come back as a stale entry");
}

#[tokio::test(start_paused = true)]
async fn while_the_source_is_away_known_things_are_served_at_once_and_it_is_asked_once_a_second() {
    let (source, cache) = cached(DefinitionsOptions::default());
    image(&cache, "f").await.unwrap();
    image(&cache, "g").await.unwrap();
    for mood in [Mood::Fails(Kind::Unavailable), Mood::Hangs] {
        source.is(mood);
        pass(5).await;
        // The first who finds out may wait for the short deadline; nobody after it does.
        image(&cache, "f").await.unwrap();
        assert!(cache.source_is_away());
        let (begun, asked) = (Instant::now(), source.asked());
        for _ in 0..6000 {
            let before = Instant::now();
            assert!(image(&cache, "f").await.is_ok() && image(&cache, "g").await.is_ok());
            assert_eq!(before.elapsed(), Duration::ZERO);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let probes = source.asked() - asked;
        assert!(probes as u64 <= begun.elapsed().as_secs() + 1, "{probes}");
        assert!(probes as u64 >= begun.elapsed().as_secs() / 6, "{probes}");
        assert_eq!(image(&cache, "unknown").await, Err(Kind::Unavailable));
        source.is(Mood::Answers);
        pass(6).await;
        image(&cache, "f").await.unwrap();
        pass(6).await;
        let (before, f) = (source.asked(), image(&cache, "f").await.unwrap());
        assert!(!cache.source_is_away());
        assert_eq!(f, format!("image{}", before + 1), "it is fresh again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_the_source_refuses_or_breaks_on_does_not_make_it_count_as_away() {
    for kind in [Kind::Foreign(414), Kind::Foreign(429), Kind::Internal, Kind::Busy] {
        let (source, cache) = cached(DefinitionsOptions::default());
        source.is(Mood::FailsForOdd(kind));
        assert_eq!(image(&cache, "odd").await, Err(kind));
        assert!(!cache.source_is_away(), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn questions_that_keep_failing_do_not_put_off_the_look_whether_the_source_is_back() {
    let (source, cache) = cached(DefinitionsOptions::default());
    image(&cache, "f").await.unwrap();
    source.is(Mood::FailsForOdd(Kind::Unavailable));
    pass(5).await;
    for _ in 0..20 {
        assert_eq!(image(&cache, "odd").await, Err(Kind::Unavailable));
        image(&cache, "f").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(image(&cache, "f").await.unwrap(), "image2", "its update is in force");
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_own_database_is_away_counts_as_away() {
    let (source, cache) = cached(DefinitionsOptions::default());
    image(&cache, "f").await.unwrap();
    source.is(Mood::Fails(Kind::Unavailable));
    pass(600).await;
    assert_eq!(image(&cache, "f").await.unwrap(), "image1");
}

#[tokio::test(start_paused = true)]
async fn the_cache_is_bounded_and_what_is_used_stays() {
    let (source, cache) =
        cached(DefinitionsOptions { entries: 100, age: Duration::MAX, ..Default::default() });
    image(&cache, "used").await.unwrap();
    for n in 0..1000 {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        image(&cache, &format!("f{n}")).await.unwrap();
        assert_eq!(image(&cache, "used").await.unwrap(), "image1");
        assert!(cache.functions.len() <= 100);
    }
    assert_eq!(source.asked(), 1001);
}
