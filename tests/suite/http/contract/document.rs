use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Service;

const METHODS: [&str; 7] = ["get", "put", "post", "patch", "delete", "options", "trace"];

async fn document(service: &Service) -> Value {
    let reply = service.get("/api/v1/openapi.json").await.expect(200);
    assert_eq!(reply.header("content-type"), "application/json");
    reply.json()
}

#[tokio::test]
async fn every_described_call_is_there_and_every_other_is_not() {
    let service = Service::start();
    let document = document(&service).await;
    for (path, calls) in document["paths"].as_object().expect("paths") {
        for method in METHODS {
            // What each call leaves behind is gone with its application.
            let application = service.new_application().await;
            let chat = service.new_chat(&application).await;
            service.say(&chat, "hello").await;
            service.post(&format!("{application}/keys"), &json!({"name": "a"})).await.expect(201);
            let token = application.rsplit('/').next().expect("a token");
            let target = path.replace("{token}", token);
            let target = ["{chat_number}", "{message_number}", "{key_number}"]
                .into_iter()
                .fold(target, |target, name| target.replace(name, "1"));
            let method_name = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let request = service.request(method_name, &target).query(&[("query", "hello")]);
            let request = if matches!(method, "get" | "delete" | "options" | "trace") {
                request
            } else if path.ends_with("/keys") {
                request.json(&json!({"name": "a"}))
            } else if path.ends_with("/limits") {
                request.json(&json!({}))
            } else {
                request.json(&json!({"name": "a", "body": "b", "query": "hello"}))
            };
            let status = service.send(request).await.status.as_u16();
            match calls.get(method) {
                Some(call) => {
                    assert!((200..300).contains(&status), "{method} {path}: {status}");
                    assert!(
                        call["responses"].get(status.to_string()).is_some(),
                        "{method} {path}: {status} is not described"
                    );
                }
                None => assert_eq!(status, 405, "{method} {path}"),
            }
        }
    }
}

#[tokio::test]
async fn every_call_of_the_contract_is_described() {
    let service = Service::start();
    let document = document(&service).await;
    let application = "/api/v1/applications/{}";
    let contract: BTreeMap<String, &str> = [
        ("/api/v1/applications".to_owned(), "get post"),
        (application.to_owned(), "delete get patch put"),
        (format!("{application}/keys"), "get post"),
        (format!("{application}/keys/{{}}"), "delete"),
        (format!("{application}/limits"), "get put"),
        (format!("{application}/chats"), "get post"),
        (format!("{application}/chats/{{}}"), "delete get"),
        (format!("{application}/chats/{{}}/messages"), "get post"),
        (format!("{application}/chats/{{}}/messages/{{}}"), "delete get patch put"),
        (format!("{application}/chats/{{}}/messages/search"), "get post"),
        ("/api/v1/openapi.json".to_owned(), "get"),
        ("/health/live".to_owned(), "get"),
        ("/health/ready".to_owned(), "get"),
    ]
    .into();
    let mut described = BTreeMap::new();
    for (path, calls) in document["paths"].as_object().expect("paths") {
        let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
        let mut methods: Vec<_> = METHODS.into_iter().filter(|method| calls.get(method).is_some()).collect();
        methods.sort_unstable();
        described.insert(segments.collect::<Vec<_>>().join("/"), methods.join(" "));
    }
    for (path, methods) in &contract {
        assert_eq!(described.get(path).map(String::as_str), Some(*methods), "{path}");
    }
}

#[tokio::test]
async fn the_document_is_openapi_3_1() {
    let service = Service::start();
    let document = document(&service).await;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")));
    for member in ["title", "version"] {
        assert!(document["info"][member].as_str().is_some_and(|text| !text.is_empty()), "{member}");
    }
    for (path, calls) in document["paths"].as_object().expect("paths") {
        assert!(path.starts_with('/'), "{path}");
        for (method, call) in calls.as_object().expect("calls") {
            let responses = call["responses"].as_object().expect("responses");
            assert!(
                responses.values().all(|response| response["description"].is_string()),
                "{method} {path}"
            );
            let named = call["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path");
            let named: Vec<_> =
                named.map(|parameter| (parameter["required"].clone(), parameter["name"].clone())).collect();
            assert_eq!(named.len(), path.matches('{').count(), "{method} {path}");
            for (required, name) in named {
                assert_eq!(required, true);
                assert!(path.contains(&format!("{{{}}}", name.as_str().expect("a name"))), "{method} {path}");
            }
        }
    }
}
