use reqwest::Method;
use serde_json::{Value, json};

use super::{is_problem, keys};
use crate::support::stack::is_of_servers;
use crate::support::{Raw, RawReply, Service};

/// Every path that is there, with what it takes.
fn routes(chat: &str) -> Vec<(String, &'static str)> {
    let application = chat.split("/chats").next().expect("a path");
    let mut routes = vec![
        ("/api/v1/applications".to_owned(), "GET, HEAD, POST"),
        (application.to_owned(), "GET, HEAD, PUT, PATCH, DELETE"),
        (format!("{application}/chats"), "GET, HEAD, POST"),
        (chat.to_owned(), "GET, HEAD, DELETE"),
        ("/api/v1/openapi.json".to_owned(), "GET, HEAD"),
        ("/health/live".to_owned(), "GET, HEAD"),
        ("/health/ready".to_owned(), "GET, HEAD"),
    ];
    for noun in ["message", "messages"] {
        routes.push((format!("{chat}/{noun}"), "GET, HEAD, POST"));
        routes.push((format!("{chat}/{noun}/1"), "GET, HEAD, PUT, PATCH, DELETE"));
        routes.push((format!("{chat}/{noun}/search"), "GET, HEAD, POST"));
    }
    routes
}

async fn chat(service: &Service) -> String {
    let application = service.new_application().await;
    let chat = service.new_chat(&application).await;
    service.say(&chat, "hello").await;
    chat
}

#[tokio::test]
async fn another_method_is_told_which_ones_there_are() {
    let service = Service::start();
    for (path, allowed) in routes(&chat(&service).await) {
        let mut allowed: Vec<_> = allowed.split(", ").collect();
        allowed.sort_unstable();
        for method in ["PUT", "PATCH", "DELETE", "POST", "OPTIONS", "TRACE", "NONSENSE"] {
            if allowed.contains(&method) {
                continue;
            }
            let request = service.request(Method::from_bytes(method.as_bytes()).expect("a method"), &path);
            let reply = service.send(request).await;
            is_problem(&reply, 405, "method_not_allowed", "This path does not take this method");
            let mut told: Vec<_> = reply.header("allow").split(", ").collect();
            told.sort_unstable();
            assert_eq!(told, allowed, "{method} {path}");
        }
    }
}

async fn ask(connection: &mut Raw, method: &str, path: &str) -> RawReply {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: same\r\n\r\n");
    connection.send(request.as_bytes()).await;
    let mut reply = connection.reply(method).await.expect("an answer");
    reply.headers.retain(|(name, _)| name != "date");
    reply.headers.sort();
    reply
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let service = Service::start();
    let chat = chat(&service).await;
    let mut paths: Vec<_> = routes(&chat).into_iter().map(|(path, _)| path).collect();
    paths.extend([
        "/nowhere".to_owned(),
        format!("{chat}/messages/7"),
        format!("{chat}/messages?limit=0"),
        format!("{chat}/messages?limit=1"),
        format!("{chat}/messages/search?query=hello"),
    ]);
    super::search::found(&service, &chat, "hello", 1).await;
    // One connection: a body where none belongs would be taken for the next answer.
    let mut connection = Raw::connect(&service.url).await;
    for path in paths {
        let get = ask(&mut connection, "GET", &path).await;
        let head = ask(&mut connection, "HEAD", &path).await;
        assert!(!get.body.is_empty(), "{path}");
        assert_eq!((head.status, head.headers, head.body.len()), (get.status, get.headers, 0), "{path}");
    }
}

#[tokio::test]
async fn the_request_id_comes_back_or_is_made_up() {
    let service = Service::start();
    let path = "/api/v1/applications";
    let named = |id: &str| service.request(Method::GET, path).header("X-Request-Id", id);
    let longest = "r".repeat(128);
    for id in ["abc", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "!~", longest.as_str()] {
        assert_eq!(service.send(named(id)).await.expect(200).header("x-request-id"), id);
    }
    let mut seen = std::collections::BTreeSet::new();
    for id in ["", "a b", "r\tr", &"r".repeat(1000)] {
        let reply = service.send(named(id)).await.expect(200);
        assert_ne!(reply.header("x-request-id"), id);
        assert!(seen.insert(reply.header("x-request-id").to_owned()));
    }
    let refused = service.send(service.request(Method::GET, "/nowhere").header("X-Request-Id", "mine")).await;
    assert_eq!((refused.header("x-request-id"), &refused.json()["request_id"]), ("mine", &json!("mine")));
    let refused = service.get("/nowhere").await;
    assert_eq!(refused.json()["request_id"].as_str(), Some(refused.header("x-request-id")));
}

#[tokio::test]
async fn a_problem_has_the_members_of_rfc_9457_and_ours() {
    let service = Service::start();
    let ours = ["code", "detail", "message", "request_id", "status", "title", "type"];
    let missing = service.get("/api/v1/applications/nobody").await;
    assert_eq!(keys(&missing.json()), ours);
    is_problem(&missing, 404, "not_found", "Couldn't find Application");
    assert_eq!((&missing.json()["title"], &missing.json()["status"]), (&json!("Not Found"), &json!(404)));
    assert!(missing.json()["type"].is_string());
    let invalid = service.post("/api/v1/applications", &json!({})).await;
    let mut with_errors = ours.to_vec();
    with_errors.insert(2, "errors");
    assert_eq!(keys(&invalid.json()), with_errors);
}

#[tokio::test]
async fn no_answer_has_a_key_that_ends_in_id_except_the_request_id() {
    fn look(value: &Value, path: &str) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    let lower = key.to_lowercase();
                    let id = lower == "id" || lower.ends_with("_id") || key.ends_with("Id");
                    assert!(!id || key == "request_id", "{key} in the answer to {path}");
                    look(value, path);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| look(value, path)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let service = Service::start();
    let chat = chat(&service).await;
    super::search::found(&service, &chat, "hello", 1).await;
    for (path, allowed) in routes(&chat) {
        if path.ends_with("openapi.json") {
            continue;
        }
        look(&service.get(&format!("{path}?query=hello")).await.json(), &path);
        if allowed.contains("PATCH") {
            let edit = service.request(Method::PATCH, &path).json(&json!({"name": "x", "body": "x"}));
            look(&service.send(edit).await.expect(200).json(), &path);
        }
        if allowed.contains("POST") {
            let made = service.post(&path, &json!({"name": "a", "body": "b", "query": "c"})).await;
            look(&made.json(), &path);
        }
        look(&service.send(service.request(Method::OPTIONS, &path)).await.json(), &path);
    }
}

#[tokio::test]
async fn health_names_the_engines_and_their_states() {
    let service = Service::start();
    let live = service.get("/health/live").await.expect(200);
    assert!(live.json().is_object());
    let ready = service.get("/health/ready").await.expect(200).json();
    assert_eq!(ready["status"], "ready");
    let names = if is_of_servers() {
        [("intake", "redis"), ("store", "mysql"), ("search", "elasticsearch")]
    } else {
        [("intake", "memory"), ("store", "sqlite"), ("search", "tantivy")]
    };
    for (engine, name) in names {
        assert_eq!(ready["engines"][engine], json!({"engine": name, "state": "up"}));
    }
    assert!(ready["warnings"].is_array());
}
