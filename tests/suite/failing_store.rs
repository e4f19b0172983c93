//! A store that fails for a while: what cannot be kept is refused, what can be is kept, once, and numbers stay dense.

use std::time::Duration;

use chat_system::domain::{Content, Numbered};
use chat_system::store::StoreError;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::in_process::InProcess;
use crate::support::pace::Pace;
use crate::support::watched::{Kind, Watch};
use crate::support::{Client, eventually};

#[tokio::test]
async fn while_the_store_is_away_creates_are_refused_and_reads_go_on_and_afterwards_numbers_are_dense() {
    for lost in [false, true] {
        let watch = Watch::new();
        let service = InProcess::start(&["--ack-wait", "300ms"], watch.over());
        let client = &service.client;
        let chat = client.new_chat(&client.new_application().await).await;
        let messages = format!("{chat}/messages");
        assert_eq!(client.say(&chat, "before").await, 1);

        watch.fail_keeps(move |_batch| {
            Err(if lost { StoreError::Unknown("lost".into()) } else { StoreError::Away("away".into()) })
        });
        let in_line = client.post(&messages, &json!({"body": "in line"})).await.expect(503);
        assert_eq!((in_line.code().as_str(), in_line.header("Retry-After")), ("outcome_unknown", "1"));
        let mut pace = Pace::default();
        for _ in 0..50 {
            let refused = pace.time(client.post(&messages, &json!({"body": "refused"}))).await.expect(503);
            assert_eq!((refused.code().as_str(), refused.header("Retry-After")), ("not_taken", "1"));
        }
        assert!(pace.median() < Duration::from_millis(10), "refused after {:?}", pace.median());
        assert_eq!(client.all(&messages).await.len(), 1);
        client.get("/health/live").await.expect(200);
        client.get("/health/ready").await.expect(503);

        watch.heal();
        eventually(Duration::from_secs(5), "ready again", async || {
            let ready = client.get("/health/ready").await;
            if ready.status == 200 { Ok(()) } else { Err(ready.text) }
        })
        .await;
        assert_eq!(client.say(&chat, "after").await, 3);
        assert_eq!(bodies(client, &chat).await, ["before", "in line", "after"]);
    }
}

#[tokio::test]
async fn a_draft_that_cannot_be_kept_is_lost_alone_and_its_number_closed() {
    for panics in [false, true] {
        let watch = Watch::new();
        let service = InProcess::start(&["--ack-wait", "30s", "--counter-interval", "100ms"], watch.over());
        let client = &service.client;
        let chat = client.new_chat(&client.new_application().await).await;
        watch.fail_keeps(move |batch| match (batch.iter().any(is_poison), panics) {
            (false, _) => Ok(()),
            (true, false) => Err(StoreError::Broken("poison".into())),
            (true, true) => panic!("poison"),
        });

        watch.gate(Kind::Keep).shut();
        let mut creates = JoinSet::new();
        for index in 0..30 {
            let body = if index == 17 { "poison".to_owned() } else { format!("good {index}") };
            let (client, path) = (client.clone(), format!("{chat}/messages"));
            creates.spawn(async move { (client.post(&path, &json!({"body": body})).await, body) });
        }
        eventually(Duration::from_secs(5), "a held keep", async || {
            if watch.gate(Kind::Keep).held() > 0 { Ok(()) } else { Err("none".to_owned()) }
        })
        .await;
        watch.gate(Kind::Keep).open();
        let mut kept = Vec::new();
        while let Some(ended) = creates.join_next().await {
            let (reply, body) = ended.expect("an answer");
            if body == "poison" {
                assert_eq!(reply.expect(503).code(), "outcome_unknown");
            } else {
                let number = reply.expect(201).json()["message_number"].as_u64().expect("a number");
                kept.push((number, body));
            }
        }
        kept.sort_unstable();
        let listed = client.all(&format!("{chat}/messages")).await;
        let listed: Vec<_> = listed
            .iter()
            .map(|message| {
                let body = message["body"].as_str().expect("a body").to_owned();
                (message["number"].as_u64().expect("a number"), body)
            })
            .collect();
        assert_eq!(listed, kept, "panics: {panics}");

        let lost = (1..=30).find(|number| kept.iter().all(|(kept, _)| kept != number)).expect("one number");
        client.get(&format!("{chat}/messages/{lost}")).await.expect(404);
        assert_eq!(client.say(&chat, "next").await, 31, "the lost number is not used again");
        let page = client.get(&format!("{chat}/messages?limit=1000")).await.expect(200).json();
        assert_eq!(page["cursor"], 31, "nothing is still to come below the last");
        expect_count(client, &chat, 30).await;
    }
}

#[tokio::test]
async fn a_store_that_was_away_and_then_panics_takes_creates_again() {
    let watch = Watch::new();
    let service = InProcess::start(&["--ack-wait", "2s"], watch.over());
    let client = &service.client;
    let chat = client.new_chat(&client.new_application().await).await;

    watch.fail_keeps(|_batch| Err(StoreError::Away("away".into())));
    client.post(&format!("{chat}/messages"), &json!({"body": "poison"})).await.expect(503);
    watch.fail_keeps(|batch| if batch.iter().any(is_poison) { panic!("poison") } else { Ok(()) });
    eventually(Duration::from_secs(10), "ready again", async || {
        let ready = client.get("/health/ready").await;
        if ready.status == 200 { Ok(()) } else { Err(ready.text) }
    })
    .await;
    assert_eq!(client.say(&chat, "good").await, 2);
    assert_eq!(bodies(client, &chat).await, ["good"]);
}

#[tokio::test]
async fn a_commit_whose_answer_got_lost_doubles_nothing() {
    let watch = Watch::new();
    let service = InProcess::start(&["--ack-wait", "30s", "--counter-interval", "100ms"], watch.over());
    let client = &service.client;
    let application = client.new_application().await;
    watch.lose_answers(1);
    let chat = client.new_chat(&application).await;
    assert!(chat.ends_with("/chats/1"), "{chat}");

    let mut expected = Vec::new();
    for number in 1..=10 {
        watch.lose_answers(number % 3);
        let body = format!("message {number}");
        let request = client.request(Method::POST, &format!("{chat}/messages")).json(&json!({"body": body}));
        let request = if number % 2 == 0 {
            request
        } else {
            request.header("Idempotency-Key", format!("key-{number}"))
        };
        let made = client.send(request).await.expect(201);
        assert_eq!(made.json()["message_number"], number);
        assert_eq!(made.header("Idempotent-Replayed"), "", "it is the first of its key");
        assert_eq!(watch.answers_still_to_lose(), 0);
        expected.push(body);
    }
    assert_eq!(bodies(client, &chat).await, expected);
    expect_count(client, &chat, 10).await;
    assert_eq!(client.all(&format!("{application}/chats")).await.len(), 1);
}

fn is_poison(numbered: &Numbered) -> bool {
    match &numbered.draft.content {
        Content::Message(body) => body.as_str() == "poison",
        Content::Chat => false,
    }
}

async fn bodies(client: &Client, chat: &str) -> Vec<String> {
    let listed = client.all(&format!("{chat}/messages")).await;
    listed.iter().map(|message| message["body"].as_str().expect("a body").to_owned()).collect()
}

async fn expect_count(client: &Client, chat: &str, count: u64) {
    eventually(Duration::from_secs(5), "the count", async || {
        let chat = client.get(chat).await.expect(200).json();
        if chat["data"]["messages_count"] == count { Ok(()) } else { Err(chat.to_string()) }
    })
    .await;
}
