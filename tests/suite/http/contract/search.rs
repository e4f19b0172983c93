use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{is_problem, keys};
use crate::support::{Service, eventually};

const HIT: [&str; 7] = ["body", "created_at", "highlights", "match", "number", "snippet", "updated_at"];

/// The answer to a search, once it has this many hits.
pub async fn found(service: &Service, chat: &str, query: &str, hits: u64) -> Value {
    let path = format!("{chat}/messages/search");
    eventually(Duration::from_secs(3), "hits", async || {
        let found = service.post(&path, &json!({"query": query})).await.expect(200).json();
        if found["number_of_messages"] == hits { Ok(found) } else { Err(found.to_string()) }
    })
    .await
}

async fn chat_of(service: &Service, bodies: &[&str]) -> String {
    let application = service.new_application().await;
    let chat = service.new_chat(&application).await;
    for body in bodies {
        service.say(&chat, body).await;
    }
    chat
}

#[tokio::test]
async fn a_search_is_answered_alike_by_post_and_get_json_and_form() {
    let service = Service::start();
    let chat = chat_of(&service, &["Hello, <world>", "nothing here", "worlds apart"]).await;
    let answer = found(&service, &chat, "world", 2).await;
    assert_eq!(keys(&answer), ["data", "message", "number_of_messages"]);
    assert_eq!(answer["message"], "success");
    let hit = &answer["data"][0];
    assert_eq!(keys(hit), HIT);
    assert_eq!(
        (&hit["number"], &hit["body"], &hit["match"]),
        (&json!(1), &json!("Hello, <world>"), &json!("exact"))
    );
    assert_eq!(hit["highlights"], json!([{"start": 8, "end": 13, "kind": "exact"}]));
    assert_eq!(hit["snippet"], "Hello, &lt;<mark>world</mark>&gt;");
    assert_eq!(answer["data"][1]["match"], "prefix");
    let read = service.get(&format!("{chat}/messages/1")).await.expect(200).json();
    assert_eq!(
        (&hit["created_at"], &hit["updated_at"]),
        (&read["data"]["created_at"], &read["data"]["updated_at"])
    );

    for noun in ["message", "messages"] {
        let path = format!("{chat}/{noun}/search");
        let form = service.request(Method::POST, &path).form(&[("query", "world")]);
        for reply in [
            service.get(&format!("{path}?query=world")).await,
            service.get(&format!("{path}/?query=%77orld&unknown=1")).await,
            service.post(&path, &json!({"query": "world"})).await,
            service.send(form).await,
        ] {
            assert_eq!(reply.expect(200).json(), answer, "{path}");
        }
    }
    for nothing in ["zzzzqq", "?!"] {
        let none = found(&service, &chat, nothing, 0).await;
        assert_eq!(none, json!({"message": "success", "number_of_messages": 0, "data": []}));
    }
}

#[tokio::test]
async fn hits_are_paged_and_their_number_is_of_all_pages() {
    let service = Service::start();
    let bodies: Vec<_> = (0..25).map(|number| format!("needle {number}")).collect();
    let chat = chat_of(&service, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let first = found(&service, &chat, "needle", 25).await;
    assert_eq!(first["data"].as_array().map(Vec::len), Some(20), "20 is the default");
    assert_eq!(keys(&first), ["data", "message", "next", "number_of_messages"]);

    let path = format!("{chat}/messages/search");
    let (mut by_post, mut by_get) = (Vec::new(), Vec::new());
    let mut after = Value::Null;
    loop {
        let page = service
            .post(&path, &json!({"query": "needle", "limit": 4, "after": after}))
            .await
            .expect(200)
            .json();
        assert_eq!(page["number_of_messages"], 25);
        by_post.extend(page["data"].as_array().expect("a list").clone());
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    let mut next = format!("{path}?query=needle&limit=4");
    loop {
        let page = service.get(&next).await.expect(200);
        by_get.extend(page.json()["data"].as_array().expect("a list").clone());
        let Some(link) = page.header("link").strip_suffix(">; rel=\"next\"") else { break };
        next = link.trim_start_matches('<').to_owned();
    }
    let numbers: Vec<_> = by_post.iter().filter_map(|hit| hit["number"].as_u64()).collect();
    assert_eq!(numbers, (1..=25).rev().collect::<Vec<_>>(), "the newest first");
    assert_eq!(by_get, by_post);
    let all = service.post(&path, &json!({"query": "needle", "limit": 100})).await.expect(200).json();
    assert_eq!(
        (all["data"].as_array(), keys(&all)),
        (Some(&by_post), vec!["data", "message", "number_of_messages"])
    );
    for limit in [json!(20), json!(20.0), json!("20")] {
        assert_eq!(
            service.post(&path, &json!({"query": "needle", "limit": limit})).await.expect(200).json(),
            first
        );
    }
}

#[tokio::test]
async fn a_query_that_is_blank_or_too_long_is_told_so() {
    let service = Service::start();
    let path = format!("{}/messages/search", chat_of(&service, &["a"]).await);
    for query in [json!({}), json!({"query": null}), json!({"query": ""}), json!({"query": "\u{3000} "})] {
        let reply = service.post(&path, &query).await;
        is_problem(&reply, 400, "invalid", "Query can't be empty");
        assert_eq!(reply.json()["errors"], json!(["Query can't be empty"]));
    }
    is_problem(&service.get(&path).await, 400, "invalid", "Query can't be empty");
    for long in ["q".repeat(257), "a ".repeat(17)] {
        let reply = service.post(&path, &json!({"query": long})).await.expect(400).json();
        assert_eq!(reply["code"], "invalid");
        assert!(reply["message"].as_str().is_some_and(|message| message.starts_with("Query ")), "{reply}");
    }
}
