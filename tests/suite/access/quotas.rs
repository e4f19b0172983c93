use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::{Tenant, closed, operator};
use crate::support::{Client, Reply};

/// Creates so many messages at once.
async fn flood(client: &Client, chat: &str, count: usize) -> Vec<Reply> {
    let mut all = JoinSet::new();
    for _ in 0..count {
        let (client, path) = (client.clone(), format!("{chat}/messages"));
        all.spawn(async move { client.post(&path, &json!({"body": "hello"})).await });
    }
    all.join_all().await
}

fn kept(replies: &[Reply]) -> usize {
    replies.iter().filter(|reply| reply.status == 201).count()
}

async fn say(client: &Client, chat: &str, key: &str, body: &str) -> Reply {
    let request = client.request(Method::POST, &format!("{chat}/messages"));
    client.send(request.header("Idempotency-Key", key).json(&json!({"body": body}))).await
}

#[tokio::test]
async fn an_application_holds_exactly_what_its_quota_allows() {
    let service = closed(&[]);
    let (tenant, other) = (Tenant::of(&service, "one").await, Tenant::of(&service, "other").await);
    let limits = format!("{}/limits", tenant.path);
    let set = async |limits_now| operator(&service).put(&limits, &limits_now).await.expect(200).json();
    let used = async || operator(&service).get(&limits).await.expect(200).json()["data"]["used"].clone();
    let chats = [tenant.client.new_chat(&tenant.path).await, tenant.client.new_chat(&tenant.path).await];
    let of_other = other.client.new_chat(&other.path).await;
    assert_eq!(used().await, json!(null));
    let answer = set(json!({"max_chats": 2, "max_messages": 30, "max_bytes": 1000})).await;
    let expected = json!({
        "rate": null, "max_chats": 2, "max_messages": 30, "max_bytes": 1000,
        "used": {"chats": 2, "messages": 0, "bytes": 0, "complete": true},
    });
    assert_eq!(answer["data"], expected);

    let refused = tenant.client.post(&format!("{}/chats", tenant.path), &json!({})).await.expect(403);
    assert_eq!(refused.code(), "quota_reached");
    let first = say(&tenant.client, &chats[0], "a-key", "hello").await.expect(201).json();
    let (one, two) = tokio::join!(flood(&tenant.client, &chats[0], 40), flood(&tenant.client, &chats[1], 40));
    assert_eq!(kept(&one) + kept(&two), 29, "of both chats together");
    let refused: Vec<&Reply> = one.iter().chain(&two).filter(|reply| reply.status != 201).collect();
    assert!(refused.iter().all(|reply| reply.status == 403 && reply.code() == "quota_reached"));
    assert_eq!(used().await, json!({"chats": 2, "messages": 30, "bytes": 150, "complete": true}));
    assert_eq!(kept(&flood(&other.client, &of_other, 40).await), 40, "another tenant");

    let again = say(&tenant.client, &chats[0], "a-key", "hello").await.expect(201);
    assert_eq!(
        (again.header("idempotent-replayed"), again.json()),
        ("true", first),
        "a replay takes no room"
    );
    say(&tenant.client, &chats[0], "another-key", "hello").await.expect(403);
    let kept_in = tenant.client.all(&format!("{}/messages", chats[0])).await;
    let last = kept_in.last().expect("a message")["number"].as_u64().expect("a number");
    for _ in 0..3 {
        assert_eq!(kept(&flood(&tenant.client, &chats[0], 20).await), 0);
    }
    tenant.client.delete(&format!("{}/messages/{last}", chats[0])).await.expect(204);
    let next = tenant.client.say(&chats[0], "in its place").await;
    assert!(next <= last + 42, "refused at the door, {next} after {last} takes few numbers");
    say(&tenant.client, &chats[0], "a-third-key", "hello").await.expect(403);

    set(json!({"max_messages": 40, "max_bytes": 170})).await;
    say(&tenant.client, &chats[1], "long", &"x".repeat(100)).await.expect(403);
    tenant.client.say(&chats[1], "short").await;
    let path = format!("{}/messages/{next}", chats[0]);
    let grown = tenant.client.put(&path, &json!({"body": "y".repeat(100)})).await.expect(403);
    assert_eq!(grown.code(), "quota_reached");
    tenant.client.put(&path, &json!({"body": "shorter"})).await.expect(200);
    assert_eq!(set(json!({})).await["data"]["used"], json!(null));
    say(&tenant.client, &chats[1], "long", &"x".repeat(100)).await.expect(201);
}

#[tokio::test]
async fn a_quota_is_a_whole_number() {
    let service = closed(&[]);
    let tenant = Tenant::of(&service, "company").await;
    let limits = format!("{}/limits", tenant.path);
    for wrong in
        [json!(-1), json!(1.5), json!("many"), json!(""), json!("1 000"), json!(1_000_000_000_000_000_u64)]
    {
        let answer = operator(&service).put(&limits, &json!({"max_bytes": wrong})).await.expect(400);
        assert!(answer.text.contains("Max bytes is not a whole number"), "{wrong}: {}", answer.text);
    }
    let misspelt = operator(&service).put(&limits, &json!({"max_byte": 1})).await.expect(400);
    assert!(misspelt.text.contains("no field max_byte"), "{}", misspelt.text);
    tenant.client.put(&limits, &json!({"max_bytes": 1})).await.expect(403);
    let form = operator(&service).request(Method::PUT, &limits).form(&[("max_chats", "0")]);
    let answer = operator(&service).send(form).await.expect(200).json();
    assert_eq!(answer["data"]["max_chats"], 0);
    tenant.client.post(&format!("{}/chats", tenant.path), &json!({})).await.expect(403);
}
