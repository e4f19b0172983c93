use serde_json::{Value, json};

use super::chat::{Chat, kind, number};
use crate::support::Service;

#[tokio::test]
async fn cursors_walk_through_all_hits_without_gap_or_repeat_while_new_ones_arrive() {
    let service = Service::start();
    let chat = Chat::new(&service).await;
    let words = ["river", "rivers", "upriver", "rivet", "lake"];
    let texts: Vec<String> = (0..85).map(|place| format!("{} {place}", words[place % 5])).collect();
    chat.say_all(&texts).await;
    chat.settle().await;
    let all = chat.shown("river").await;
    assert_eq!(all.len(), 68);
    for limit in [1, 2, 7, 17, 20, 67, 68, 69] {
        let hits = chat.hits_by("river", limit).await;
        let walked: Vec<_> = hits.iter().map(|hit| (number(hit), kind(hit))).collect();
        assert_eq!(walked, all, "by {limit}");
    }
    let mut asked = json!({"query": "river", "limit": 10});
    let mut walked = Vec::new();
    for page in 0.. {
        let answer = chat.search(&asked).await;
        walked.extend(answer["data"].as_array().expect("a list").iter().map(|hit| (number(hit), kind(hit))));
        if page % 2 == 0 {
            let new = chat.say("a new river").await;
            chat.wait_for("river", new).await;
        }
        match answer.get("next") {
            Some(next) => asked["after"] = next.clone(),
            None => break,
        }
    }
    assert_eq!(walked, all);
}

#[tokio::test]
async fn pages_queries_and_cursors_have_their_limits() {
    let service = Service::start();
    let chat = Chat::new(&service).await;
    chat.say_all(&vec!["many words here".to_owned(); 120]).await;
    chat.settle().await;
    let first = chat.search(&json!({"query": "words"})).await;
    assert_eq!((first["number_of_messages"].clone(), shown_on(&first)), (json!(120), 20));
    let most = chat.search(&json!({"query": "words", "limit": 100})).await;
    assert_eq!((most["number_of_messages"].clone(), shown_on(&most)), (json!(120), 100));
    let sixteen = "words ".repeat(16);
    let longest = format!("words {}", "é".repeat(250));
    assert_eq!(longest.chars().count(), 256);
    assert_eq!(chat.search(&json!({"query": sixteen})).await["number_of_messages"], 120);
    assert_eq!(chat.search(&json!({"query": longest})).await["number_of_messages"], 0);
    let path = format!("{}/messages/search", chat.path);
    for (asked, says) in [
        (json!({"query": "words", "limit": 101}), "limit"),
        (json!({"query": "words", "limit": 0}), "limit"),
        (json!({"query": "words", "limit": -1}), "limit"),
        (json!({"query": "words ".repeat(17)}), "Query has too many words"),
        (json!({"query": format!("{longest}é")}), "Query is too long"),
        (json!({"query": " \u{3000}\n"}), "Query can't be empty"),
        (json!({"query": ""}), "Query can't be empty"),
        (json!({}), "Query can't be empty"),
        (json!({"query": "words", "after": "nonsense"}), "place in the list"),
    ] {
        let refused = service.post(&path, &asked).await.expect(400);
        assert_eq!(refused.header("content-type"), "application/problem+json", "{asked}");
        assert!(refused.text.contains(says), "{asked}: {}", refused.text);
        let pairs: Vec<(String, String)> = pairs(&asked);
        let by_get = service.send(service.request(reqwest::Method::GET, &path).query(&pairs)).await;
        assert_eq!(by_get.expect(400).code(), refused.code(), "{asked}");
    }
}

#[tokio::test]
async fn posting_and_getting_find_the_same() {
    let service = Service::start();
    let chat = Chat::new(&service).await;
    let texts: Vec<String> = (0..30)
        .map(|place| format!("{} + 100% & réunion 上海 {place}", ["one", "stone"][place % 2]))
        .collect();
    chat.say_all(&texts).await;
    chat.settle().await;
    let path = format!("{}/messages/search", chat.path);
    for asked in [
        json!({"query": "one"}),
        json!({"query": "one", "limit": 3}),
        json!({"query": "reunion 上海 + 100%", "limit": 100}),
        json!({"query": "o", "limit": 7}),
        json!({"query": "&&"}),
        json!({"query": "nowhere"}),
    ] {
        let mut asked = asked;
        loop {
            let posted = service.post(&path, &asked).await.expect(200);
            let pairs = pairs(&asked);
            let got =
                service.send(service.request(reqwest::Method::GET, &path).query(&pairs)).await.expect(200);
            assert_eq!(got.json(), posted.json(), "{asked}");
            let form = service.request(reqwest::Method::POST, &path).form(&pairs);
            assert_eq!(service.send(form).await.expect(200).json(), posted.json(), "{asked}");
            let singular = path.replace("/messages/", "/message/");
            assert_eq!(service.post(&singular, &asked).await.expect(200).json(), posted.json(), "{asked}");
            let next = posted.json().get("next").cloned();
            let link = got.header("link").to_owned();
            assert_eq!(next.is_some(), link.contains("rel=\"next\""), "{asked}: {link}");
            let Some(next) = next else { break };
            let (target, _) = link.trim_start_matches('<').split_once('>').expect("a target");
            let linked = service.get(target).await.expect(200).json();
            asked["after"] = next;
            assert_eq!(linked, service.post(&path, &asked).await.expect(200).json(), "{target}");
        }
    }
}

#[tokio::test]
async fn a_search_in_what_is_not_there_is_not_found() {
    let service = Service::start();
    let application = service.new_application().await;
    let chat = Chat { client: service.client(), path: service.new_chat(&application).await };
    chat.say("a word").await;
    chat.settle().await;
    let search =
        async |chat: &str| service.post(&format!("{chat}/messages/search"), &json!({"query": "word"})).await;
    for missing in [format!("{application}/chats/9"), "/api/v1/applications/nobody/chats/1".to_owned()] {
        assert_eq!(search(&missing).await.status.as_u16(), 404, "{missing}");
    }
    let other = service.new_application().await;
    assert_eq!(search(&format!("{other}/chats/1")).await.status.as_u16(), 404, "another application's chat");
    service.delete(&chat.path).await.expect(204);
    assert_eq!(search(&chat.path).await.status.as_u16(), 404, "a deleted chat");
}

fn shown_on(page: &Value) -> usize {
    page["data"].as_array().expect("a list").len()
}

fn pairs(asked: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    asked.as_object().expect("an object").iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

#[tokio::test]
async fn a_page_of_hits_ends_early_when_it_is_heavy_and_the_next_goes_on() {
    let service = Service::start_with(&["--engine-timeout", "30s"]);
    let chat = Chat::new(&service).await;
    chat.say_all(&vec!["a ".repeat(64 * 1024); 12]).await;
    chat.settle().await;
    let mut asked = json!({"query": "a", "limit": 100});
    let (mut walked, mut pages) = (Vec::new(), 0);
    loop {
        let answer = chat.search(&asked).await;
        assert_eq!(answer["number_of_messages"], 12);
        let bytes = answer.to_string().len();
        assert!(bytes < 16 * 1024 * 1024, "{bytes} bytes");
        walked.extend(answer["data"].as_array().expect("a list").iter().map(number));
        pages += 1;
        match answer.get("next") {
            Some(next) => asked["after"] = next.clone(),
            None => break,
        }
    }
    assert_eq!(walked, (1..=12).rev().collect::<Vec<_>>());
    assert!(pages > 1, "{pages} page");
}
