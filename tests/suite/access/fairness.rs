use serde_json::json;

use super::{Tenant, closed};
use crate::support::{Client, eventually};

/// The numbers that this word is found under.
async fn found(client: &Client, chat: &str, word: &str) -> Vec<u64> {
    let page =
        client.post(&format!("{chat}/messages/search"), &json!({"query": word})).await.expect(200).json();
    let hits = page["data"].as_array().expect("a list").iter();
    hits.map(|hit| hit["number"].as_u64().expect("a number")).collect()
}

/// Each of these costs the index as much as thousands of others: 128 KiB in a script without blanks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_tenant_writes_is_found_before_the_long_messages_that_another_wrote_earlier() {
    const LONG_MESSAGES: u64 = 24;
    let service = closed(&[]);
    let (busy, other) = (Tenant::of(&service, "busy").await, Tenant::of(&service, "other").await);
    let (of_busy, of_other) =
        (busy.client.new_chat(&busy.path).await, other.client.new_chat(&other.path).await);
    let han: String = (0..42_000_u32).filter_map(|at| char::from_u32(0x4e00 + at * 7_919 % 20_000)).collect();
    for number in 1..=LONG_MESSAGES {
        assert_eq!(busy.client.say(&of_busy, &format!("marker{number}end {han}")).await, number);
    }
    let number = other.client.say(&of_other, "a needle").await;
    eventually(std::time::Duration::from_secs(60), "the other's message is found", async || {
        match found(&other.client, &of_other, "needle").await {
            numbers if numbers == [number] => Ok(()),
            numbers => Err(format!("{numbers:?}")),
        }
    })
    .await;
    let last = format!("marker{LONG_MESSAGES}end");
    let before_it = found(&busy.client, &of_busy, &last).await;
    assert!(!before_it.contains(&LONG_MESSAGES), "the other waited for all of them: {before_it:?}");
    eventually(std::time::Duration::from_secs(120), "and they are found after it", async || {
        match found(&busy.client, &of_busy, &last).await.contains(&LONG_MESSAGES) {
            true => Ok(()),
            false => Err("not yet".to_owned()),
        }
    })
    .await;
}
