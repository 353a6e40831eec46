//! How much is kept.

use super::*;

const MOST: usize = 1 << 20;

fn id(n: usize) -> String {
    format!("{n:04}{}", "x".repeat(10_000))
}

#[tokio::test(start_paused = true)]
async fn the_cache_is_bounded_in_bytes_over_all_kinds_and_what_is_used_stays() {
    let (_, cache) = cached(DefinitionsOptions { bytes: MOST, age: Duration::MAX, ..Default::default() });
    for n in 0..200 {
        let id = id(n);
        let app = AppId::new(id.clone());
        cache.app(&app).await.unwrap();
        cache.app_named(&id).await.unwrap();
        cache.trigger_by_source(&app, "/a").await.unwrap();
        cache.token(&TokenId::new(id.clone())).await.unwrap();
        image(&cache, &id).await.unwrap();
        assert_eq!(image(&cache, "used").await.unwrap(), image(&cache, "used").await.unwrap());
        assert!(cache.shared.room.bytes() <= MOST, "{}", cache.shared.room.bytes());
        pass(2).await;
    }
    let lens = [
        cache.apps.len(),
        cache.apps_by_name.len(),
        cache.functions.len(),
        cache.triggers.len(),
        cache.tokens.len(),
    ];
    assert!(lens.iter().all(|len| (5..=15).contains(len)), "the latest of each: {lens:?}");
    assert!(cache.shared.room.bytes() > MOST / 2, "{}", cache.shared.room.bytes());
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_counted_are_those_that_are_kept() {
    let (source, cache) = cached(DefinitionsOptions { entries: 20, bytes: MOST, ..Default::default() });
    for round in 0..5 {
        for n in 0..50 {
            image(&cache, &id(n * round)).await.unwrap();
            cache.token(&TokenId::new(id(n))).await.unwrap();
            cache.hear(News::Changed(vec![Changed::Token { id: TokenId::new(id(n / 2)) }]));
            pass(1).await;
        }
    }
    source.is(Mood::HasNothing);
    pass(60).await;
    for n in 0..500 {
        assert_eq!(image(&cache, &id(n)).await, Err(Kind::NotFound));
        assert!(cache.token(&TokenId::new(id(n))).await.is_err());
    }
    assert_eq!((cache.functions.len(), cache.tokens.len(), cache.shared.room.bytes()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_larger_than_all_may_be_is_alone() {
    let (_, cache) = cached(DefinitionsOptions { bytes: 1000, ..Default::default() });
    for n in 0..10 {
        image(&cache, &id(n)).await.unwrap();
        cache.app_named(&id(n)).await.unwrap();
        assert_eq!(cache.functions.len() + cache.apps_by_name.len(), 1);
    }
}
