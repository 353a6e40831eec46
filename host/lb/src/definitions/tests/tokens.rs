//! Tokens, remembered and remembered to be missing.

use super::*;

async fn token(cache: &CachedDefinitions, id: &str) -> Result<String, Kind> {
    cache.token(&TokenId::new(id)).await.map(|token| token.note.clone()).map_err(|fault| fault.kind)
}

fn changed(id: &str) -> Changed {
    Changed::Token { id: TokenId::new(id) }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_once_and_serves_while_nobody_answers() {
    let (source, cache) = told().await;
    assert_eq!(token(&cache, "T").await.unwrap(), "image1");
    source.is(Mood::Fails(Kind::Unavailable));
    pass(3599).await;
    assert_eq!(token(&cache, "T").await.unwrap(), "image1");
    assert_eq!(token(&cache, "unknown").await, Err(Kind::Unavailable));
    source.is(Mood::Answers);
    assert!(token(&cache, "unknown").await.is_ok(), "nobody said that it is missing");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_serves_no_more_even_while_nobody_answers() {
    let (source, cache) = told().await;
    token(&cache, "T").await.unwrap();
    source.is(Mood::Fails(Kind::Unavailable));
    source.tells_of(changed("T")).await;
    assert_eq!(token(&cache, "T").await, Err(Kind::Unavailable));
    source.is(Mood::HasNothing);
    assert_eq!(token(&cache, "T").await, Err(Kind::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_costs_the_source_one_question_a_second() {
    let (source, cache) = cached(DefinitionsOptions::default());
    source.is(Mood::HasNothing);
    for _ in 0..1000 {
        assert_eq!(token(&cache, "T").await, Err(Kind::NotFound));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!((9..=11).contains(&source.asked()), "{}", source.asked());
    source.is(Mood::Answers);
    pass(1).await;
    assert!(token(&cache, "T").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_missing_works_as_soon_as_it_is_told_to_have_been_made() {
    for news in [News::Changed(vec![changed("T")]), News::Changed(vec![Changed::Everything]), News::Began] {
        let (source, cache) = told().await;
        source.is(Mood::HasNothing);
        assert!(token(&cache, "T").await.is_err());
        source.is(Mood::Answers);
        assert!(token(&cache, "T").await.is_err(), "remembered to be missing");
        source.tells(news).await;
        assert!(token(&cache, "T").await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn missing_tokens_are_bounded() {
    let (source, cache) = cached(DefinitionsOptions::default());
    source.is(Mood::HasNothing);
    for n in 0..25_000 {
        assert!(token(&cache, &n.to_string()).await.is_err());
        assert!(cache.tokens.absences() <= 10_000);
    }
    assert!(cache.tokens.absences() > 1000, "they are remembered");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_nobody_confirms_for_an_hour_works_no_more_until_somebody_does() {
    let (source, cache) = told().await;
    token(&cache, "T").await.unwrap();
    image(&cache, "f").await.unwrap();
    for mood in [Mood::Fails(Kind::Unavailable), Mood::Hangs, Mood::Fails(Kind::Busy)] {
        source.is(mood);
        let begun = Instant::now();
        let mut worked = Duration::ZERO;
        while begun.elapsed() < Duration::from_secs(7200) {
            pass(60).await;
            match token(&cache, "T").await {
                Ok(_) => worked = begun.elapsed(),
                Err(kind) => assert!(matches!(kind, Kind::Unavailable | Kind::Busy), "{kind:?}"),
            }
        }
        assert!((3500..=3600).contains(&worked.as_secs()), "{worked:?}");
        assert!(image(&cache, "f").await.is_ok(), "definitions serve for as long as needed");
        source.is(Mood::Answers);
        assert!(token(&cache, "T").await.is_ok(), "at once");
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_that_are_turned_away_for_being_too_many_do_not_make_the_source_count_as_away() {
    let (source, cache) = told().await;
    token(&cache, "T").await.unwrap();
    source.is(Mood::Fails(Kind::Busy));
    assert_eq!(token(&cache, "made up").await, Err(Kind::Busy));
    assert!(!cache.source_is_away());
    source.tells_of(Changed::Everything).await;
    assert_eq!(token(&cache, "T").await.unwrap(), "image1", "a known one works on");
    assert!(!cache.source_is_away());
}
