use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use super::chat::{Chat, FOUND_WITHIN, number};
use crate::support::{Service, eventually};

#[tokio::test]
async fn a_deleted_message_is_not_found_from_the_answer_on() {
    let service = Service::start();
    let chat = Chat::new(&service).await;
    for number in 1..=24 {
        assert_eq!(chat.say(&format!("shared {}", own_word(number))).await, number);
    }
    chat.settle().await;
    let mut left: Vec<u64> = (1..=24).rev().collect();
    for deleted in [24, 1, 12, 13, 2, 23, 7, 8, 9, 20] {
        chat.client.delete(&chat.message(deleted)).await.expect(204);
        let at_once = chat.search(&json!({"query": "shared", "limit": 100})).await;
        left.retain(|&number| number != deleted);
        let numbers: Vec<u64> = at_once["data"].as_array().expect("a list").iter().map(number).collect();
        assert_eq!(numbers, left, "after {deleted} was deleted");
        assert_eq!(at_once["number_of_messages"], left.len());
    }
    eventually(FOUND_WITHIN, "the index has caught up", async || {
        let page = chat.search(&json!({"query": "shared", "limit": 1})).await;
        if page["number_of_messages"] == left.len() { Ok(()) } else { Err(page.to_string()) }
    })
    .await;
    assert_eq!(chat.numbers("shared").await, left);
    for number in 1..=24 {
        let expected: Vec<u64> = left.iter().copied().filter(|&kept| kept == number).collect();
        assert_eq!(chat.numbers(&own_word(number)).await, expected);
    }
    let again = service.kill_and_start_again();
    let chat = Chat { client: again.client(), path: chat.path };
    assert_eq!(chat.numbers("shared").await, left, "after a start");
}

/// A word that is near no other.
fn own_word(number: u64) -> String {
    let letter = char::from(b'a' + u8::try_from(number).expect("a small number"));
    letter.to_string().repeat(8)
}

#[tokio::test]
async fn a_message_deleted_before_the_index_knew_it_is_never_found() {
    let service = Service::start();
    let chat = Chat::new(&service).await;
    for place in 0..40 {
        let number = chat.say(&format!("fleeting {place}")).await;
        chat.client.delete(&chat.message(number)).await.expect(204);
        let page = chat.search(&json!({"query": "fleeting"})).await;
        assert_eq!(
            (&page["number_of_messages"], page["data"].as_array().map(Vec::len)),
            (&json!(0), Some(0))
        );
    }
    chat.settle().await;
    assert!(chat.hits("fleeting").await.is_empty());
}

#[tokio::test]
async fn an_old_version_does_not_match_from_the_answer_on_and_the_new_one_is_found_within_a_second() {
    let service = Service::start();
    let chat = Chat::new(&service).await;
    let words = ["azure", "crimson", "emerald", "golden", "indigo", "maroon"];
    let texts: Vec<String> = (0..30).map(|place| format!("{} colour {place}", words[place % 5])).collect();
    let numbers = chat.say_all(&texts).await;
    chat.settle().await;
    let mut longest = Duration::ZERO;
    for (place, &edited) in numbers.iter().enumerate() {
        let (old, new) = (words[place % 5], words[place % 5 + 1]);
        let text = format!("{new} colour {place}");
        chat.client.put(&chat.message(edited), &json!({"body": text})).await.expect(200);
        let at_once = chat.search(&json!({"query": old, "limit": 100})).await;
        let hits = at_once["data"].as_array().expect("a list");
        assert!(hits.iter().all(|hit| number(hit) != edited), "{old:?} is of an old version: {at_once}");
        assert_eq!(at_once["number_of_messages"], hits.len(), "{at_once}");
        longest = longest.max(chat.wait_for(new, edited).await);
    }
    println!("an edit was found after {longest:?} at most");
    assert!(longest <= FOUND_WITHIN);
    assert!(chat.hits(words[0]).await.is_empty(), "no message has its first word any more");
    let mut golden: Vec<u64> = numbers.iter().copied().skip(2).step_by(5).collect();
    golden.sort_unstable_by_key(|&number| std::cmp::Reverse(number));
    assert_eq!(chat.numbers(words[3]).await, golden);
}

#[tokio::test]
async fn of_many_edits_in_a_row_only_the_last_is_found() {
    let service = Service::start();
    let chat = Chat::new(&service).await;
    let number = chat.say("version aardvark").await;
    let words = ["buffalo", "crocodile", "dromedary", "elephant", "flamingo"];
    for word in words {
        chat.client.put(&chat.message(number), &json!({"body": format!("version {word}")})).await.expect(200);
    }
    chat.wait_for("flamingo", number).await;
    chat.settle().await;
    for word in ["aardvark"].iter().chain(&words[..4]) {
        assert!(chat.hits(word).await.is_empty(), "{word}");
    }
    assert_eq!(chat.numbers("version").await, [number]);
    chat.client.delete(&chat.message(number)).await.expect(204);
    assert!(chat.hits("flamingo").await.is_empty());
    chat.settle().await;
    assert!(chat.hits("version").await.is_empty());
}

#[tokio::test]
async fn what_is_written_is_found_within_a_second_while_writes_go_on() {
    let service = Service::start();
    let chat = Chat::new(&service).await;
    let busy = Arc::new(AtomicBool::new(true));
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (busy, chat) = (Arc::clone(&busy), chat.clone());
        writers.spawn(async move {
            let mut written = 0_u64;
            while busy.load(Ordering::Relaxed) {
                chat.say(&format!("chatter of writer {writer}, line {written}")).await;
                written += 1;
            }
            written
        });
    }
    let mut waited = Vec::new();
    for place in 0..60 {
        let word = format!("needle{place}x");
        let number = chat.say(&format!("a {word} in the hay")).await;
        let answered = Instant::now();
        chat.found_within(FOUND_WITHIN, &word, number).await;
        waited.push(answered.elapsed());
    }
    busy.store(false, Ordering::Relaxed);
    let mut written = 0;
    while let Some(wrote) = writers.join_next().await {
        written += wrote.expect("no panic");
    }
    waited.sort_unstable();
    println!("beside {written} writes, found after {:?} (median), {:?} (longest)", waited[30], waited[59]);
    assert!(written > 60, "the writers wrote {written}");
    assert!(waited[59] <= FOUND_WITHIN);
    chat.settle().await;
    let page = chat.search(&json!({"query": "chatter", "limit": 1})).await;
    assert_eq!(page["number_of_messages"], written);
}
