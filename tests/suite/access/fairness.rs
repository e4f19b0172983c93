use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::{Measured, Tenant, closed, operator, slow_nobody_down};
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
    // A search on a busy machine is slow, which is no law.
    let service = closed(&["--engine-timeout", "10s"]);
    let (busy, other) = (Tenant::of(&service, "busy").await, Tenant::of(&service, "other").await);
    let (of_busy, of_other) =
        (busy.client.new_chat(&busy.path).await, other.client.new_chat(&other.path).await);
    let han: String = (0..42_000_u32).filter_map(|at| char::from_u32(0x4e00 + at * 7_919 % 20_000)).collect();
    for number in 1..=LONG_MESSAGES {
        assert_eq!(busy.client.say(&of_busy, &format!("marker{number}end {han}")).await, number);
    }
    let number = other.client.say(&of_other, "a needle").await;
    eventually(Duration::from_secs(60), "the other's message is found", async || {
        match found(&other.client, &of_other, "needle").await {
            numbers if numbers == [number] => Ok(()),
            numbers => Err(format!("{numbers:?}")),
        }
    })
    .await;
    let last = format!("marker{LONG_MESSAGES}end");
    let before_it = found(&busy.client, &of_busy, &last).await;
    assert!(!before_it.contains(&LONG_MESSAGES), "the other waited for all of them: {before_it:?}");
    eventually(Duration::from_secs(120), "and they are found after it", async || {
        match found(&busy.client, &of_busy, &last).await.contains(&LONG_MESSAGES) {
            true => Ok(()),
            false => Err("not yet".to_owned()),
        }
    })
    .await;
}

/// Creates messages at this pace until told to stop; how many passed, and how many were held off.
async fn send(client: Client, chat: String, every: Duration, until: Instant) -> (u64, u64) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut passed, mut held_off) = (0, 0);
    while Instant::now() < until {
        ticks.tick().await;
        match client
            .post(&format!("{chat}/messages"), &json!({"body": "more and more"}))
            .await
            .status
            .as_u16()
        {
            201 => passed += 1,
            429 => held_off += 1,
            status => panic!("{status}"),
        }
    }
    (passed, held_off)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_sends_ten_times_what_it_may_slows_nobody_down() {
    const MAY_A_SECOND: u64 = 50;
    /// So many at this pace send ten times as many.
    const SENDERS: u64 = 10;
    const EVERY: Duration = Duration::from_millis(20);
    const PART: Duration = Duration::from_secs(2);
    let service = closed(&["--application-rate", &format!("{MAY_A_SECOND}/s")]);
    let (greedy, other) = (Tenant::of(&service, "greedy").await, Tenant::of(&service, "other").await);
    let limits = format!("{}/limits", other.path);
    operator(&service).put(&limits, &json!({"rate": "1000/s"})).await.expect(200);
    let of_greedy = greedy.client.new_chat(&greedy.path).await;
    let of_other = other.client.new_chat(&other.path).await;
    eventually(Duration::from_secs(5), "the other's own rate", async || {
        match other.client.get(&other.path).await.header("ratelimit-policy") {
            "\"application\";q=1000;w=1" => Ok(()),
            policy => Err(policy.to_owned()),
        }
    })
    .await;

    let (mut passed, mut held_off, mut floods, mut flooded) = (0, 0, 0, Duration::ZERO);
    slow_nobody_down(async || {
        let mut measured = Measured::default();
        for part in 0..4 {
            let is_flooded = part % 2 == 1;
            let (began, until) = (Instant::now(), Instant::now() + PART);
            let mut senders = JoinSet::new();
            if is_flooded {
                for _ in 0..SENDERS {
                    senders.spawn(send(greedy.client.clone(), of_greedy.clone(), EVERY, until));
                }
            }
            let pace = if is_flooded { &mut measured.beside } else { &mut measured.without };
            let mut ticks = interval(Duration::from_millis(10));
            while Instant::now() < until {
                ticks.tick().await;
                pace.time(other.client.say(&of_other, "as usual")).await;
            }
            while let Some(sent) = senders.join_next().await {
                let (more_passed, more_held_off) = sent.expect("no panic");
                passed += more_passed;
                held_off += more_held_off;
            }
            if is_flooded {
                floods += 1;
                flooded += began.elapsed();
            }
        }
        measured
    })
    .await;
    println!("{passed} passed, {held_off} held off in {flooded:?}");
    // A whole bucket at the beginning of each flood, and what fills it meanwhile.
    let allowed = MAY_A_SECOND * (floods + flooded.as_secs() + 1);
    assert!(passed <= allowed, "{passed} of {allowed}");
    assert!(passed + held_off > 5 * MAY_A_SECOND * flooded.as_secs(), "no flood: {passed} and {held_off}");
}
