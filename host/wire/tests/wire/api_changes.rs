//! Streams of changes, kept, lost and had again.

use crate::api_node::{ApiNode, Stream, client, identity};
use crate::support::{by_hand, logs, soon};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::Response;
use remuda_core::FnId;
use remuda_core::port::{Changed, Changes, News};
use remuda_wire::{ApiClient, ApiUrl};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

fn function(id: &str) -> Changed {
    Changed::Function { id: FnId::new(id) }
}
fn told_of(id: &str) -> News {
    News::Changed(vec![function(id)])
}
fn line(things: &[Changed]) -> String {
    serde_json::to_string(things).unwrap() + "\n"
}

/// The next news, with the streams opened meanwhile.
async fn next(news: &mut BoxStream<'static, News>) -> News {
    soon(news.next()).await.unwrap()
}

/// A watcher with an open stream.
async fn begun(api: &ApiClient, streams: &mut mpsc::Receiver<Stream>) -> (BoxStream<'static, News>, Stream) {
    let mut news = api.watch();
    let beginning = async {
        let stream = soon(streams.recv()).await.unwrap();
        stream.write("[]\n").await;
        stream
    };
    let (first, stream) = tokio::join!(next(&mut news), beginning);
    assert_eq!(first, News::Began);
    (news, stream)
}

#[tokio::test]
async fn changes_are_told_line_by_line_however_they_arrive_and_heartbeats_are_not() {
    let (node, mut streams) = ApiNode::telling().await;
    let (mut news, stream) = begun(&client(&[&node]), &mut streams).await;
    assert_eq!(node.questions()[0], ("/v2/runner/changes".to_owned(), None));
    let two = [function("f"), Changed::Everything];
    let text = format!("[]\n{}\n\n[]\n{}", line(&two).trim(), line(&[function("g")]));
    let (left, right) = text.split_at(20);
    stream.write(left.to_owned()).await;
    stream.write(right.to_owned()).await;
    assert_eq!(next(&mut news).await, News::Changed(two.to_vec()));
    assert_eq!(next(&mut news).await, told_of("g"));
}

#[tokio::test]
async fn a_line_that_cannot_be_read_tells_that_anything_may_be_different() {
    let (node, mut streams) = ApiNode::telling().await;
    let (mut news, stream) = begun(&client(&[&node]), &mut streams).await;
    for odd in ["{\n", "[{\"changed\":\"moon\",\"id\":\"x\"}]\n", "\u{0}\n"] {
        stream.write(odd).await;
        assert_eq!(next(&mut news).await, News::Changed(vec![Changed::Everything]), "{odd:?}");
    }
    let writing = async {
        for _ in 0..3 {
            stream.write(vec![b'x'; 1 << 19]).await;
        }
        stream.write(format!("\n{}", line(&[function("f")]))).await;
    };
    let (heard, ()) = tokio::join!(next(&mut news), writing);
    assert_eq!(heard, News::Changed(vec![Changed::Everything]), "too long");
    assert_eq!(next(&mut news).await, told_of("f"));
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_lost_and_another_one_is_opened() {
    let (node, mut streams) = ApiNode::telling().await;
    let (mut news, stream) = begun(&client(&[&node]), &mut streams).await;
    let begun_at = Instant::now();
    // A line that never ends is silence.
    stream.write("[").await;
    assert_eq!(next(&mut news).await, News::Ended);
    let silence = begun_at.elapsed();
    assert!((Duration::from_millis(1900)..Duration::from_secs(6)).contains(&silence), "{silence:?}");
    let (heard, again) = tokio::join!(next(&mut news), async {
        let stream = soon(streams.recv()).await.unwrap();
        stream.write(line(&[function("f")])).await;
        stream
    });
    assert_eq!(heard, News::Began, "what its first line tells of is among what may be out of date");
    again.write(line(&[function("g")])).await;
    assert_eq!(next(&mut news).await, told_of("g"));
}

#[tokio::test]
async fn when_a_stream_ends_the_next_node_is_asked_for_one() {
    let (one, mut streams_of_one) = ApiNode::telling().await;
    let (two, mut streams_of_two) = ApiNode::telling().await;
    let (mut news, stream) = begun(&client(&[&one, &two]), &mut streams_of_one).await;
    drop(stream);
    assert_eq!(next(&mut news).await, News::Ended);
    let (heard, stream) = tokio::join!(next(&mut news), async {
        let stream = soon(streams_of_two.recv()).await.unwrap();
        stream.write("[]\n").await;
        stream
    });
    assert_eq!(heard, News::Began);
    drop((two, stream));
    assert_eq!(next(&mut news).await, News::Ended, "its connections are gone");
    let (heard, _stream) = tokio::join!(next(&mut news), async {
        let stream = soon(streams_of_one.recv()).await.unwrap();
        stream.write("[]\n").await;
        stream
    });
    assert_eq!(heard, News::Began);
}

#[tokio::test]
async fn a_node_that_accepts_a_watcher_and_says_nothing_is_passed_over() {
    let (mute, mut unused) = ApiNode::telling().await;
    let (hanging, (good, mut streams)) = (ApiNode::hanging().await, ApiNode::telling().await);
    let (_news, _stream) = begun(&client(&[&mute, &hanging, &good]), &mut streams).await;
    assert!(unused.recv().await.is_some());
    assert_eq!((mute.asked(), hanging.asked()), (1, 1));
}

#[tokio::test]
async fn a_watcher_that_is_dropped_closes_its_stream() {
    let (node, mut streams) = ApiNode::telling().await;
    let (news, stream) = begun(&client(&[&node]), &mut streams).await;
    drop(news);
    soon(stream.left()).await;
}

/// Sees to it that a watcher hears nothing for this time.
async fn hears_nothing(api: &ApiClient, time: Duration) {
    let mut news = api.watch();
    let heard = tokio::time::timeout(time, news.next()).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test]
async fn a_node_that_cannot_tell_of_changes_is_left_alone_and_another_one_asked() {
    let (logs, _guard) = logs();
    let old = ApiNode::answering(404, r#"{"message":"Path not found"}"#).await;
    let other = ApiNode::answering(200, "<html>").await;
    hears_nothing(&client(&[&old, &other]), Duration::from_secs(1)).await;
    assert_eq!((old.asked(), other.asked()), (1, 1));
    assert_eq!(logs.lines_with("does not tell of changes").await.lines().count(), 2);
    assert!(!logs.text().contains("WARN"), "{}", logs.text());

    let (new, mut streams) = ApiNode::telling().await;
    let (_news, _stream) = begun(&client(&[&old, &new]), &mut streams).await;
}

#[tokio::test]
async fn a_node_that_fails_or_refuses_is_asked_again_with_longer_and_longer_pauses() {
    for status in [503, 401, 403] {
        let node = ApiNode::answering(status, r#"{"message":"no"}"#).await;
        hears_nothing(&client(&[&node]), Duration::from_millis(1500)).await;
        // Without pauses it would be thousands, with short ones alone more than thirty.
        assert!((2..=12).contains(&node.asked()), "{status}: {}", node.asked());
    }
}

#[tokio::test]
async fn a_node_that_ends_every_stream_at_once_is_not_asked_in_a_circle() {
    let node = ApiNode::serving(None, |_| {
        Box::pin(async {
            let (stream, body) = by_hand();
            stream.send(Ok("[]\n".into())).await.unwrap();
            Response::builder().header("content-type", "application/x-ndjson").body(body).unwrap()
        })
    });
    let node = node.await;
    let news = client(&[&node]).watch();
    let heard = news.take_until(tokio::time::sleep(Duration::from_millis(1500))).collect::<Vec<_>>().await;
    assert!((2..=12).contains(&node.asked()), "{}", node.asked());
    let pairs: Vec<_> = heard.chunks_exact(2).collect();
    assert!(pairs.iter().all(|pair| *pair == [News::Began, News::Ended]), "{heard:?}");
}

#[tokio::test]
async fn with_authentication_a_stream_is_asked_for_with_the_nodes_certificate() {
    let (identity, config) = identity();
    let node = ApiNode::serving(Some(config), |_| {
        Box::pin(async {
            let (stream, body) = by_hand();
            stream.send(Ok("[]\n".into())).await.unwrap();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(30)).await;
                drop(stream);
            });
            Response::builder()
                .header("content-type", "application/x-ndjson; charset=utf-8")
                .body(body)
                .unwrap()
        })
    });
    let node = node.await;
    let urls = ApiUrl::parse_list(&format!("https://localhost:{}", node.address.port())).unwrap();
    let api = ApiClient::new(urls, Some(identity.http_client_config()), true).unwrap();
    assert_eq!(next(&mut api.watch()).await, News::Began);
    assert_eq!(node.questions(), [("/v2/runner/changes".to_owned(), Some("token".to_owned()))]);
}
