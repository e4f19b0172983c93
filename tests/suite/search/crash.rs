use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::chat::Chat;
use super::rebuild::{BUILT_WITHIN, ready_with, search, search_state};
use crate::support::Service;

/// Enough different words for a rebuild to take a moment.
fn long_text(place: usize) -> String {
    let mut text = format!("volume{place}");
    for word in 0..4_000_usize {
        let spread = (place * 4_000 + word).wrapping_mul(2_654_435_761) % 0xFFFF_FFFF;
        text.push_str(&format!(" {spread:08x}"));
    }
    text
}

const VOLUMES: usize = 40;

async fn library() -> (Service, Chat) {
    let service = Service::start_with(&["--engine-timeout", "20s"]);
    let chat = Chat::new(&service).await;
    let texts: Vec<String> = (0..VOLUMES).map(long_text).collect();
    chat.say_all(&texts).await;
    (service, chat)
}

#[tokio::test]
async fn while_the_index_is_built_search_says_try_again_and_all_else_works_and_a_kill_is_survived() {
    let (mut service, chat) = library().await;
    service.kill();
    fs::remove_dir_all(service.folder().join("search")).expect("removed");
    // Killed in the middle, several times over: at once, and later and later.
    for pause_ms in [0, 40, 120, 250] {
        let again = service.start_again();
        assert_eq!(search_state(&again).await, "rebuilding", "after {pause_ms} ms less");
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        service = again;
        service.kill();
    }
    let service = service.start_again();
    let chat = Chat { client: service.client(), path: chat.path };
    let started = Instant::now();
    let mut seen = 0;
    let mut said = Vec::new();
    // Bounded: those who write do not hold it up.
    while search_state(&service).await == "rebuilding" && started.elapsed() < BUILT_WITHIN {
        let answer = search(&chat, "volume7").await;
        let state_after = search_state(&service).await;
        if answer.status.as_u16() == 200 {
            assert_eq!(state_after, "up", "an answer of half an index: {}", answer.text.len());
            break;
        }
        assert_eq!(answer.status.as_u16(), 503);
        let number = chat.say(&format!("meanwhile {seen}")).await;
        said.push(number);
        chat.client
            .put(&chat.message(number), &json!({"body": format!("meantime {seen}")}))
            .await
            .expect(200);
        chat.client.get(&chat.message(number)).await.expect(200);
        chat.client.get("/health/live").await.expect(200);
        seen += 1;
    }
    assert!(seen > 0, "nobody saw it being built");
    println!("{seen} rounds of requests while it was built, {:?}", started.elapsed());
    ready_with(&service, "up").await;
    for place in 0..VOLUMES {
        let word = format!("volume{place}");
        let hits = chat.shown(&word).await;
        assert_eq!(hits.iter().filter(|(_, kind)| kind == "exact").count(), 1, "{word}");
    }
    let last = *said.last().expect("some");
    chat.found_within(Duration::from_secs(10), "meantime", last).await;
    let mut found = chat.numbers("meantime").await;
    found.sort_unstable();
    assert_eq!(found, said);
    assert!(chat.hits("meanwhile").await.iter().all(|hit| hit["match"] == "typo"), "an old version");
}

#[tokio::test]
async fn a_backlog_left_by_a_kill_is_indexed_soon_after_the_start() {
    let mut service = Service::start_with(&["--engine-timeout", "20s"]);
    let chat = Chat::new(&service).await;
    let mut path = chat.path;
    for round in 0..5 {
        let chat = Chat { client: service.client(), path };
        let texts: Vec<String> = (0..50).map(|place| format!("survivor{round} {place}")).collect();
        let numbers = chat.say_all(&texts).await;
        let last = chat.say(&format!("survivor{round} at last")).await;
        service = service.kill_and_start_again();
        let again = Chat { client: service.client(), path: chat.path };
        again.found_within(Duration::from_secs(2), "last", last).await;
        let word = format!("survivor{round}");
        let mut found: Vec<u64> = again
            .shown(&word)
            .await
            .into_iter()
            .filter(|(_, kind)| kind == "exact")
            .map(|(number, _)| number)
            .collect();
        found.sort_unstable();
        let mut expected = numbers;
        expected.push(last);
        expected.sort_unstable();
        assert_eq!(found, expected, "round {round}");
        path = again.path;
    }
}
