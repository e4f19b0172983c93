use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN_KEY, Tenant, closed, operator};
use crate::support::Client;

/// In everything that is the first tenant's. No word of it is anything else's.
const CANARY: &str = "canarybird";

/// Calls of the document that a stranger may make: they say nothing of anybody.
const PUBLIC: [&str; 3] = ["live", "ready", "describe"];

/// Every call of the document, with what its path names filled in. New routes are covered without being named here.
fn calls(document: &Value, token: &str) -> Vec<(Method, String, String)> {
    let mut calls = Vec::new();
    for (pattern, item) in document["paths"].as_object().expect("paths") {
        let path = pattern
            .replace("{token}", token)
            .replace("{chat_number}", "1")
            .replace("{message_number}", "1")
            .replace("{key_number}", "1");
        assert!(!path.contains('{'), "{pattern} names something that this test does not know");
        for (verb, operation) in item.as_object().expect("an item") {
            let Ok(method) = verb.to_uppercase().parse::<Method>() else { continue };
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            calls.push((method, path.clone(), id));
        }
    }
    assert!(calls.len() >= 25, "the document names its calls: {calls:?}");
    calls
}

/// What is answered, with all its headers.
async fn ask(client: &Client, method: &Method, path: &str) -> (u16, String) {
    let path = if path.ends_with("/search") && *method == Method::GET {
        format!("{path}?query={CANARY}")
    } else {
        path.to_owned()
    };
    let request = client.request(method.clone(), &path);
    let body = json!({"name": "taken", "body": "taken", "query": CANARY, "scopes": ["read"]});
    let request =
        if *method == Method::GET || *method == Method::DELETE { request } else { request.json(&body) };
    let reply = client.send(request).await;
    (reply.status.as_u16(), format!("{:?} {}", reply.headers, reply.text))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_of_the_document_shows_or_changes_anything_of_another_tenants() {
    let service = closed(&["--failure-rate", "off", "--log", "debug"]);
    let a = Tenant::of(&service, &format!("{CANARY} company")).await;
    let b = Tenant::of(&service, "neighbour").await;
    let chat = a.client.new_chat(&a.path).await;
    for at in 0..3 {
        a.client.say(&chat, &format!("{CANARY} says {at}")).await;
    }
    b.client.say(&b.client.new_chat(&b.path).await, "hello").await;
    let before = a.client.all(&format!("{chat}/messages")).await;

    let document = service.get("/api/v1/openapi.json").await.expect(200).json();
    let wrong = "chat_key_0000000000000000000000000000000000000";
    let strangers = [
        ("a neighbour", b.client.clone(), [403, 404]),
        ("nobody", service.client(), [401, 401]),
        ("a guesser", service.with_key(wrong), [401, 401]),
    ];
    for (who, stranger, statuses) in &strangers {
        for (method, path, id) in calls(&document, a.token()) {
            let (status, said) = ask(stranger, &method, &path).await;
            assert!(!said.contains(CANARY), "{who} hears of it by {id}: {said}");
            if PUBLIC.contains(&id.as_str()) {
                assert_eq!(status, 200, "{who} {id}");
            } else if id == "metrics" {
                assert_eq!(status, 404, "{who} {id}");
            } else {
                assert!(statuses.contains(&status), "{who} {id}: {status} {said}");
            }
        }
    }
    // What is another's looks like what nobody has, to the letter but for the id of the request.
    let nobodys = "0".repeat(32);
    for (method, path, id) in calls(&document, a.token()) {
        if !path.contains(a.token()) {
            continue;
        }
        let of_nobody = path.replace(a.token(), &nobodys);
        let said = async |path: &str| {
            let request = b.client.request(method.clone(), path).header("X-Request-Id", "same");
            let reply = b.client.send(request).await;
            let mut headers: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
            headers.sort();
            (reply.status, headers, reply.text)
        };
        assert_eq!(said(&path).await, said(&of_nobody).await, "{id}");
    }
    // A cursor and an id of one tenant mean nothing to another.
    let page = a.client.get(&format!("{chat}/messages?limit=1")).await.expect(200).json();
    let b_chat = format!("{}/chats/1", b.path);
    let theirs = b.client.get(&format!("{b_chat}/messages?after={}", page["next"])).await.expect(200);
    assert!(!theirs.text.contains(CANARY));
    let hits =
        b.client.post(&format!("{b_chat}/messages/search"), &json!({"query": CANARY})).await.expect(200);
    assert_eq!(hits.json()["number_of_messages"], 0);

    let after = a.client.all(&format!("{chat}/messages")).await;
    assert_eq!(after, before, "nothing was changed");
    assert_eq!(
        a.client.get(&a.path).await.expect(200).json()["data"]["chats_count"].as_u64().map(|n| n <= 1),
        Some(true)
    );
    let metrics = service.operator().get("/metrics").await.expect(200).text;
    let log = service.log();
    for (what, text) in [("the metrics", metrics), ("the log", log)] {
        for secret in [CANARY, &a.key, &b.key, ADMIN_KEY, wrong] {
            assert!(!text.contains(secret), "{what} hold {secret}");
        }
    }
}

#[tokio::test]
async fn the_operator_manages_applications_and_reads_no_messages() {
    let service = closed(&[]);
    let tenant = Tenant::of(&service, "company").await;
    let chat = tenant.client.new_chat(&tenant.path).await;
    tenant.client.say(&chat, "hello").await;
    let operator = operator(&service);
    let listed = operator.get("/api/v1/applications").await.expect(200).json();
    assert_eq!(listed["data"][0]["token"], tenant.token());
    assert!(!listed.to_string().contains("chat_key_"), "a key is shown once");
    operator.get(&tenant.path).await.expect(200);
    operator.put(&tenant.path, &json!({"name": "renamed"})).await.expect(200);
    for path in [format!("{}/chats", tenant.path), chat.clone(), format!("{chat}/messages")] {
        assert_eq!(operator.get(&path).await.expect(403).code(), "forbidden");
    }
    operator.delete(&tenant.path).await.expect(204);
    tenant.client.get(&tenant.path).await.expect(404);
}
