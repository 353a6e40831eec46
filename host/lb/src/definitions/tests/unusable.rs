//! A source that is there and answers nothing that can be used.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_was_told_to_be_changed_fails_when_the_answer_is_of_no_use_and_serves_when_there_is_none() {
    for news in [
        News::Changed(vec![Changed::Function { id: FnId::new("odd") }]),
        News::Changed(vec![Changed::Everything]),
        News::Began,
    ] {
        let (source, cache) = told().await;
        image(&cache, "odd").await.unwrap();
        source.is(Mood::FailsForOdd(Kind::Internal));
        assert!(image(&cache, "odd").await.is_ok());
        source.tells(news.clone()).await;
        for _ in 0..3 {
            assert_eq!(image(&cache, "odd").await, Err(Kind::Internal), "{news:?}");
        }
        assert!(image(&cache, "f").await.is_ok() && !cache.source_is_away());

        source.is(Mood::Fails(Kind::Unavailable));
        assert_eq!(image(&cache, "odd").await.unwrap(), "image1", "nobody answers");
        source.is(Mood::Answers);
        source.tells(news.clone()).await;
        assert_ne!(image(&cache, "odd").await.unwrap(), "image1");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_merely_old_serves_for_a_while_when_the_answer_is_of_no_use() {
    let (source, cache) = cached(DefinitionsOptions::default());
    image(&cache, "odd").await.unwrap();
    source.is(Mood::FailsForOdd(Kind::Internal));
    pass(9).await;
    assert_eq!(image(&cache, "odd").await.unwrap(), "image1");
    pass(1).await;
    assert_eq!(image(&cache, "odd").await, Err(Kind::Internal), "its update is never in force");
    source.is(Mood::Answers);
    assert_eq!(image(&cache, "odd").await.unwrap(), "image2");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_answers_uselessly_is_back() {
    let (source, cache) = cached(DefinitionsOptions::default());
    image(&cache, "odd").await.unwrap();
    source.is(Mood::Fails(Kind::Unavailable));
    pass(5).await;
    image(&cache, "odd").await.unwrap();
    assert!(cache.source_is_away());
    source.is(Mood::FailsForOdd(Kind::Internal));
    pass(1).await;
    image(&cache, "odd").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!cache.source_is_away());
}
