use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::{Tenant, closed, operator, three_nodes};
use crate::support::{Client, Reply, eventually};

/// What so many at once are answered.
async fn flood(client: &Client, path: &str, count: usize) -> Vec<Reply> {
    let mut all = JoinSet::new();
    for _ in 0..count {
        let (client, path) = (client.clone(), path.to_owned());
        all.spawn(async move { client.get(&path).await });
    }
    all.join_all().await
}

fn passed(replies: &[Reply]) -> usize {
    replies.iter().filter(|reply| reply.status == 200).count()
}

#[tokio::test]
async fn exactly_as_many_pass_as_the_rate_allows_and_the_rest_are_told_when_to_come_back() {
    let service = closed(&["--application-rate", "40/h", "--chat-rate", "10/h"]);
    let (one, other) = (Tenant::of(&service, "one").await, Tenant::of(&service, "other").await);
    let chats = format!("{}/chats", one.path);
    one.client.new_chat(&one.path).await;
    one.client.new_chat(&one.path).await;
    let hot = flood(&one.client, &format!("{chats}/1/messages"), 60).await;
    assert_eq!(passed(&hot), 10, "one chat");
    let refused = hot.iter().find(|reply| reply.status == 429).expect("refused");
    assert_eq!(refused.code(), "too_many_requests");
    // The next of 10 an hour is there after 6 minutes.
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((300..=360).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").starts_with("\"chat\";r=0;t="), "{:?}", refused.headers);
    assert_eq!(refused.header("ratelimit-policy"), "\"chat\";q=10;w=3600");
    assert_eq!(passed(&flood(&one.client, &format!("{chats}/2/messages"), 60).await), 10, "its neighbour");
    // 40, less the two chats that were made and what passed in them.
    assert_eq!(passed(&flood(&one.client, &chats, 60).await), 40 - 2 - 20, "the whole application");
    assert_eq!(passed(&flood(&other.client, &other.path, 60).await), 40, "another tenant");

    let reply =
        operator(&service).put(&format!("{}/limits", other.path), &json!({"rate": "7/h"})).await.expect(200);
    assert_eq!(reply.json()["data"]["rate"], "7/h");
    eventually(std::time::Duration::from_secs(5), "the new rate", async || {
        match other.client.get(&other.path).await.header("ratelimit-policy") {
            "\"application\";q=7;w=3600" => Ok(()),
            policy => Err(policy.to_owned()),
        }
    })
    .await;
    assert!(passed(&flood(&other.client, &other.path, 60).await) <= 6);
    let wrong = operator(&service).put(&format!("{}/limits", other.path), &json!({"rate": "7/day"})).await;
    assert!(wrong.expect(400).text.contains("Rate is not a number"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_three_nodes_lets_exactly_as_many_through() {
    let Some(nodes) = three_nodes(&["--application-rate", "30/h", "--chat-rate", "off"]).await else {
        return;
    };
    let tenant = Tenant::of(&nodes[0], "company").await;
    let mut floods = JoinSet::new();
    for node in &nodes {
        let (client, path) = (node.with_key(&tenant.key), tenant.path.clone());
        floods.spawn(async move { passed(&flood(&client, &path, 100).await) });
    }
    assert_eq!(floods.join_all().await, [30, 30, 30]);
}

#[tokio::test]
async fn what_is_left_is_told_with_every_answer_and_a_rate_may_be_off() {
    let service = closed(&["--chat-rate", "off"]);
    let tenant = Tenant::of(&service, "company").await;
    let reply = tenant.client.get(&tenant.path).await.expect(200);
    assert_eq!(reply.header("ratelimit-policy"), "\"application\";q=1000;w=1");
    assert!(reply.header("ratelimit").starts_with("\"application\";r="));
    let missing = tenant.client.get(&format!("{}/chats/9", tenant.path)).await.expect(404);
    assert!(!missing.header("ratelimit").is_empty());
    let service = closed(&["--chat-rate", "off", "--application-rate", "off"]);
    let tenant = Tenant::of(&service, "company").await;
    assert_eq!(tenant.client.get(&tenant.path).await.expect(200).header("ratelimit"), "");
}

#[tokio::test]
async fn whoever_guesses_keys_waits_and_who_holds_one_does_not() {
    let service = closed(&["--failure-rate", "5/h"]);
    let tenant = Tenant::of(&service, "company").await;
    tenant.client.get(&tenant.path).await.expect(200);
    let guesser = service.with_key("chat_key_000000000000000000000000000000000000");
    let guesses = flood(&guesser, &tenant.path, 20).await;
    let count = |status: u16| guesses.iter().filter(|reply| reply.status == status).count();
    assert!(count(401) >= 5 && count(401) + count(429) == 20, "{} and {}", count(401), count(429));
    let held_off = guesser.get(&tenant.path).await.expect(429);
    assert!(held_off.header("retry-after").parse::<u64>().is_ok_and(|wait| wait > 60));
    // The operator was seen from here before, so that nobody here keeps it out.
    operator(&service).get("/api/v1/applications").await.expect(200);
    service.with_key("operator-guessed-by-somebody").get("/api/v1/applications").await.expect(429);
    tenant.client.get(&tenant.path).await.expect(200);
    let lines = service.log().lines().filter(|line| line.contains("a wrong key was shown")).count();
    assert_eq!(lines, 5, "a flood of guesses is no flood of lines");
}

#[tokio::test]
async fn whoever_guesses_keys_and_lies_about_where_from_waits_all_the_same() {
    let guess = async |service: &Client, at: u32| {
        let guesser = service.with_key("chat_key_000000000000000000000000000000000000");
        let path = "/api/v1/applications/00000000000000000000000000000000";
        let request = guesser.request(Method::GET, path);
        let request = request.header("Forwarded", format!("for=203.0.113.{at}"));
        guesser.send(request.header("X-Forwarded-For", format!("203.0.113.{at}, 127.0.0.1"))).await.status
    };
    for (trusted, passes) in [(&[][..], 5), (&["--trusted-proxies", "127.0.0.1/32"], 9)] {
        let service = closed(&[&["--failure-rate", "5/h"][..], trusted].concat());
        let mut looked_at = 0;
        for at in 1..=9 {
            looked_at += u32::from(guess(&service, at).await == 401);
        }
        assert_eq!(looked_at, passes, "{trusted:?}");
    }
}
