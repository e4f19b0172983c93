use reqwest::Method;
use serde_json::json;

use super::{is_moment, is_problem, keys};
use crate::support::Service;

const APPLICATIONS: &str = "/api/v1/applications";
const APPLICATION: [&str; 5] = ["chats_count", "created_at", "name", "token", "updated_at"];

#[tokio::test]
async fn an_application_is_created_read_renamed_and_deleted() {
    let service = Service::start();
    let made = service.post(APPLICATIONS, &json!({"name": "a shop"})).await.expect(201);
    let answer = made.json();
    assert_eq!(keys(&answer), ["data", "message"]);
    assert_eq!(answer["message"], "success");
    assert_eq!(keys(&answer["data"]), APPLICATION);
    assert_eq!((&answer["data"]["name"], &answer["data"]["chats_count"]), (&json!("a shop"), &json!(0)));
    assert!(is_moment(&answer["data"]["created_at"]) && is_moment(&answer["data"]["updated_at"]), "{answer}");
    let token = answer["data"]["token"].as_str().expect("a token");
    let path = format!("{APPLICATIONS}/{token}");
    assert_eq!(made.header("location"), path);
    assert_eq!(service.get(&path).await.expect(200).json(), answer);

    for (method, name) in [(Method::PUT, "a store"), (Method::PATCH, "a market")] {
        let renamed = service
            .send(service.request(method, &path).json(&json!({"name": name})))
            .await
            .expect(200)
            .json();
        assert_eq!((&renamed["message"], &renamed["data"]["name"]), (&json!("success"), &json!(name)));
        assert_eq!(keys(&renamed["data"]), APPLICATION);
        assert_eq!(renamed["data"]["created_at"], answer["data"]["created_at"]);
        assert!(renamed["data"]["updated_at"].as_str() > answer["data"]["updated_at"].as_str());
        assert_eq!(service.get(&path).await.expect(200).json(), renamed);
    }
    let now = service.get(&path).await.expect(200);
    for nothing in [json!({}), json!({"name": null}), json!({"other": "x"}), json!({"token": "x"})] {
        for method in [Method::PUT, Method::PATCH] {
            let same = service.send(service.request(method, &path).json(&nothing)).await.expect(200);
            assert_eq!(same.text, now.text, "{nothing}");
        }
    }
    assert_eq!(service.put(&path, &json!({"name": "a market"})).await.expect(200).text, now.text);

    let deleted = service.delete(&path).await.expect(204);
    assert_eq!((deleted.text.as_str(), deleted.header("content-type")), ("", ""));
    for gone in [
        service.get(&path).await,
        service.delete(&path).await,
        service.put(&path, &json!({"name": "again"})).await,
        service.get(&format!("{path}/chats")).await,
        service.post(&format!("{path}/chats"), &json!({})).await,
        service.get(&format!("{path}/chats/1/messages")).await,
    ] {
        is_problem(&gone, 404, "not_found", "Couldn't find Application");
    }
    assert_eq!(service.get(APPLICATIONS).await.expect(200).json()["data"], json!([]));
}

#[tokio::test]
async fn a_blank_or_long_name_is_told_what_is_wrong_with_it() {
    let service = Service::start();
    let path = service.new_application().await;
    let long = format!("Name is too long (maximum is {} characters)", 255);
    for (body, sentence) in [
        (json!({}), "Name can't be blank"),
        (json!({"name": ""}), "Name can't be blank"),
        (json!({"name": "\u{3000}\u{2028}\t"}), "Name can't be blank"),
        (json!({"name": "n".repeat(256)}), long.as_str()),
    ] {
        let reply = service.post(APPLICATIONS, &body).await;
        is_problem(&reply, 400, "invalid", sentence);
        assert_eq!(reply.json()["errors"], json!([sentence]));
        if body != json!({}) {
            is_problem(&service.put(&path, &body).await, 400, "invalid", sentence);
        }
    }
}

#[tokio::test]
async fn a_token_is_hard_to_guess_and_compared_as_bytes() {
    let service = Service::start();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let path = service.new_application().await;
        let token = path.rsplit('/').next().expect("a token").to_owned();
        assert!(token.len() >= 22, "{token} holds fewer than 128 bits");
        let other = if token.bytes().any(|byte| byte.is_ascii_lowercase()) {
            token.to_uppercase()
        } else {
            token.clone() + "A"
        };
        is_problem(
            &service.get(&format!("{APPLICATIONS}/{other}")).await,
            404,
            "not_found",
            "Couldn't find Application",
        );
        assert!(seen.insert(token));
    }
}

#[tokio::test]
async fn applications_are_listed_with_the_newest_last() {
    let service = Service::start();
    for number in 0..25 {
        service.post(APPLICATIONS, &json!({"name": number.to_string()})).await.expect(201);
    }
    let names = |items: &[serde_json::Value]| {
        items.iter().map(|item| item["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let up: Vec<_> = (0..25).map(|number: u32| Some(number.to_string())).collect();
    assert_eq!(names(&service.all(APPLICATIONS).await), up);
    for (order, name) in [("asc", "after"), ("desc", "before")] {
        let (mut items, mut place) = (Vec::new(), String::new());
        loop {
            let page =
                service.get(&format!("{APPLICATIONS}?order={order}&limit=4{place}")).await.expect(200).json();
            items.extend(page["data"].as_array().expect("a list").clone());
            assert_eq!(page["cursor"].is_string(), order == "asc", "{page}");
            let Some(next) = page["next"].as_str() else { break };
            place = format!("&{name}={next}");
        }
        if order == "desc" {
            items.reverse();
        }
        assert_eq!(names(&items), up, "{order}");
    }
}

#[tokio::test]
async fn one_application_sees_nothing_of_another() {
    let service = Service::start();
    let (mine, yours) = (service.new_application().await, service.new_application().await);
    let (my_chat, your_chat) = (service.new_chat(&mine).await, service.new_chat(&yours).await);
    assert!(my_chat.ends_with("/chats/1") && your_chat.ends_with("/chats/1"));
    service.say(&my_chat, "a secret of mine").await;
    service.say(&my_chat, "another").await;
    assert_eq!(service.say(&your_chat, "hello").await, 1);
    is_problem(
        &service.get(&format!("{your_chat}/messages/2")).await,
        404,
        "not_found",
        "Couldn't find Message",
    );
    let listed = service.get(&format!("{your_chat}/messages?after=0")).await.expect(200).json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    let query = json!({"query": "secret"});
    super::search::found(&service, &my_chat, "secret", 1).await;
    let found = service.post(&format!("{your_chat}/messages/search"), &query).await.expect(200).json();
    assert_eq!(found["number_of_messages"], 0);
    service.delete(&your_chat).await.expect(204);
    service.delete(&yours).await.expect(204);
    assert_eq!(service.all(&format!("{my_chat}/messages")).await.len(), 2);
    assert_eq!(service.new_chat(&mine).await, format!("{mine}/chats/2"));
}
