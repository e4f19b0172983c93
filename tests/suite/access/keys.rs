use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use super::{ADMIN_KEY, Tenant, another_key, closed, operator, three_nodes};
use crate::support::service::program;
use crate::support::{Client, Raw, Service, eventually};

/// A key that was revoked opens nothing after this, on any node.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_key_is_good_for_its_scopes_and_for_its_application() {
    let service = closed(&[]);
    let tenant = Tenant::of(&service, "company").await;
    let chat = tenant.client.new_chat(&tenant.path).await;
    tenant.client.say(&chat, "hello").await;
    let (search, message) = (format!("{chat}/messages/search?query=hello"), format!("{chat}/messages"));
    for (scopes, [reads, writes, searches]) in [
        (&["read"][..], [200, 403, 403]),
        (&["write"], [403, 201, 403]),
        (&["search"], [403, 403, 200]),
        (&["read", "write", "search"], [200, 201, 200]),
    ] {
        let (_, key) = another_key(&service, &tenant, scopes).await;
        let client = service.with_key(&key);
        assert_eq!(client.get(&message).await.status, reads, "{scopes:?} reads");
        let said = client.post(&message, &json!({"body": "hello"})).await;
        assert_eq!(said.status, writes, "{scopes:?} writes");
        assert_eq!(client.get(&search).await.status, searches, "{scopes:?} searches");
        if writes == 403 {
            assert_eq!(
                said.header("www-authenticate"),
                r#"Bearer error="insufficient_scope", scope="write""#
            );
            assert_eq!(said.code(), "forbidden");
        }
    }
}

#[tokio::test]
async fn whoever_shows_no_key_or_a_wrong_one_is_told_what_it_takes() {
    let service = closed(&["--failure-rate", "off"]);
    let tenant = Tenant::of(&service, "company").await;
    let authorization = async |lines: &[&str]| {
        let request = service.request(Method::GET, &tenant.path);
        let request = lines.iter().fold(request, |request, line| request.header("Authorization", *line));
        service.send(request).await
    };
    let right = format!("Bearer {}", tenant.key);
    for lines in [&[&*right][..], &[&right.replace("Bearer", "bearer")], &[&right.replace(' ', "   ")]] {
        authorization(lines).await.expect(200);
    }
    let bare = authorization(&[]).await.expect(401);
    assert_eq!(
        (bare.header("www-authenticate"), &*bare.code()),
        (r#"Bearer realm="chat-system""#, "unauthenticated")
    );
    let token = format!("Bearer {}", tenant.token());
    let longer = format!("{right}0");
    let basic = right.replace("Bearer", "Basic");
    let mut other = tenant.key.clone();
    other.replace_range(12..13, if &other[12..13] == "x" { "y" } else { "x" });
    let other = format!("Bearer {other}");
    for wrong in [
        &[&*token][..],
        &[&longer],
        &[&basic],
        &[&other],
        &["Bearer "],
        &["Bearer"],
        &[""],
        &[&right, &right],
    ] {
        let reply = authorization(wrong).await.expect(401);
        assert!(reply.header("www-authenticate").starts_with("Bearer "), "{wrong:?}");
    }
    let in_the_query = service.get(&format!("{}?access_token={}", tenant.path, tenant.key)).await;
    in_the_query.expect(401);
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked_and_shown_once() {
    let service = closed(&[]);
    let tenant = Tenant::of(&service, "company").await;
    let (keys, operator) = (format!("{}/keys", tenant.path), operator(&service));
    let (number, secret) = another_key(&service, &tenant, &["search", "read"]).await;
    assert_eq!(number, 2);
    let listed = operator.get(&keys).await.expect(200);
    let shown: Vec<_> =
        listed.json()["data"].as_array().expect("keys").iter().map(|key| key["scopes"].clone()).collect();
    assert_eq!(shown, [json!(["read", "write", "search"]), json!(["read", "search"])]);
    assert!(!listed.text.contains("chat_key_"), "no secret is shown again");
    for (body, why) in [
        (json!({}), "Name can't be blank"),
        (json!({"name": "x", "scopes": ["admin"]}), "Scopes have to be"),
        (json!({"name": "x", "scopes": []}), "Scopes have to be"),
        (json!({"name": "x", "scopes": ""}), "Scopes have to be"),
        (json!({"name": "x".repeat(256)}), "Name is too long"),
        (json!({"name": "x", "scope": ["read"]}), "no field scope, only name, scopes"),
    ] {
        let refused = operator.post(&keys, &body).await.expect(400);
        assert!(refused.text.contains(why), "{body}: {}", refused.text);
    }
    operator.delete(&format!("{keys}/9")).await.expect(404);
    operator.delete(&format!("{keys}/{number}")).await.expect(204);
    operator.delete(&format!("{keys}/{number}")).await.expect(404);
    is_refused(&service.with_key(&secret), &tenant.path).await;
    tenant.client.get(&tenant.path).await.expect(200);
    for client in [&tenant.client, &service.client()] {
        for (method, path) in
            [(Method::GET, keys.clone()), (Method::POST, keys.clone()), (Method::DELETE, format!("{keys}/1"))]
        {
            let status = client.send(client.request(method, &path)).await.status;
            assert!(status == 401 || status == 403, "{status}");
        }
    }
}

#[tokio::test]
async fn a_replayed_application_shows_no_key_and_another_can_be_made() {
    let service = closed(&[]);
    let operator = operator(&service);
    let make = async || {
        let request =
            operator.request(Method::POST, "/api/v1/applications").header("Idempotency-Key", "once");
        operator.send(request.json(&json!({"name": "company"}))).await.expect(201).json()
    };
    let (first, again) = (make().await, make().await);
    assert!(first["key"].as_str().is_some_and(|key| key.starts_with("chat_key_")), "{first}");
    assert_eq!((&again["key"], &again["data"]), (&json!(null), &first["data"]));
}

#[tokio::test]
async fn a_key_that_is_asked_for_twice_is_made_once() {
    let service = closed(&[]);
    let tenant = Tenant::of(&service, "company").await;
    let (keys, operator) = (format!("{}/keys", tenant.path), operator(&service));
    let make = async |name: &str, key: &str| {
        let request = operator.request(Method::POST, &keys).header("Idempotency-Key", key);
        operator.send(request.json(&json!({"name": name}))).await
    };
    let first = make("once", "k").await.expect(201);
    let again = make("once", "k").await.expect(201);
    assert_eq!(
        (again.json()["data"].clone(), again.header("location")),
        (first.json()["data"].clone(), first.header("location"))
    );
    assert_eq!((again.json()["key"].clone(), again.header("idempotent-replayed")), (json!(null), "true"));
    assert_eq!(make("other", "k").await.expect(422).code(), "idempotency_key_reused");
    assert_eq!(make("other", "b ad").await.expect(400).code(), "invalid_idempotency_key");
    operator.delete(first.header("location")).await.expect(204);
    assert_eq!(make("once", "k").await.expect(201).json()["data"], json!(null), "it was revoked since");
    assert_eq!(operator.get(&keys).await.expect(200).json()["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn keys_outlive_a_death_and_no_secret_is_in_any_file() {
    let service = closed(&[]);
    let tenant = Tenant::of(&service, "company").await;
    let (number, revoked) = another_key(&service, &tenant, &["read"]).await;
    operator(&service).delete(&format!("{}/keys/{number}", tenant.path)).await.expect(204);
    let service = service.kill_and_start_again();
    service.with_key(&tenant.key).get(&tenant.path).await.expect(200);
    service.with_key(&revoked).get(&tenant.path).await.expect(401);
    for entry in std::fs::read_dir(service.folder()).expect("a folder") {
        let path = entry.expect("an entry").path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        for secret in [&*tenant.key, &*revoked, ADMIN_KEY] {
            let held = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!held, "{} holds a secret", path.display());
        }
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_while_a_body_comes_makes_nothing() {
    let service = closed(&[]);
    let tenant = Tenant::of(&service, "company").await;
    let chat = tenant.client.new_chat(&tenant.path).await;
    let (number, secret) = another_key(&service, &tenant, &["write"]).await;
    let mut slow = Raw::connect(&service.url).await;
    let head = format!(
        "POST {chat}/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\nContent-Length: 15\r\n\r\n{{\"body\":"
    );
    slow.send(head.as_bytes()).await;
    operator(&service).delete(&format!("{}/keys/{number}", tenant.path)).await.expect(204);
    is_refused(&service.with_key(&secret), &format!("{chat}/messages")).await;
    slow.send(b"\"late\"}").await;
    assert_eq!(slow.reply("POST").await.expect("an answer").status, 401);
    assert_eq!(tenant.client.all(&format!("{chat}/messages")).await.len(), 0);
}

/// Waits until a key opens nothing.
async fn is_refused(client: &Client, path: &str) {
    let refused = async || match client.get(path).await.status.as_u16() {
        401 => Ok(()),
        status => Err(status.to_string()),
    };
    eventually(REVOKED_WITHIN, "the key is refused", refused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_opens_nothing_on_any_of_three_nodes_within_five_seconds() {
    let Some(nodes) = three_nodes(&[]).await else { return };
    let tenant = Tenant::of(&nodes[0], "company").await;
    let (number, secret) = another_key(&nodes[1], &tenant, &["read"]).await;
    for node in &nodes {
        node.with_key(&secret).get(&tenant.path).await.expect(200);
    }
    operator(&nodes[2]).delete(&format!("{}/keys/{number}", tenant.path)).await.expect(204);
    let revoked_at = Instant::now();
    for node in &nodes {
        is_refused(&node.with_key(&secret), &tenant.path).await;
        assert!(revoked_at.elapsed() < REVOKED_WITHIN);
        node.with_key(&tenant.key).get(&tenant.path).await.expect(200);
    }
}

#[tokio::test]
async fn the_command_line_makes_lists_and_revokes_keys_while_the_service_is_stopped() {
    let mut service = closed(&[]);
    let tenant = Tenant::of(&service, "company").await;
    let run = |service: &Service, arguments: &[&str]| {
        let mut command = Command::new(program());
        command.arg("keys").args(arguments).arg("--data-dir").arg(service.folder());
        let done = command.output().expect("the program");
        let said = String::from_utf8([done.stdout, done.stderr].concat()).expect("text");
        (done.status.success(), said.trim().to_owned())
    };
    let (done, said) = run(&service, &["list", tenant.token()]);
    assert!(!done && said.contains("another process"), "{said}");
    service.terminate();
    service.wait();
    let (done, secret) = run(&service, &["make", tenant.token(), "two\nlines", "--scopes", "read,search"]);
    assert!(done && secret.starts_with("chat_key_"), "{secret}");
    assert!(run(&service, &["revoke", tenant.token(), "1"]).0);
    for wrong in [&["revoke", tenant.token(), "1"][..], &["list", "nonsense"], &["list", &"0".repeat(32)]] {
        assert!(!run(&service, wrong).0, "{wrong:?}");
    }
    let (done, listed) = run(&service, &["list", tenant.token()]);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(done && lines.len() == 1 && lines[0].starts_with("2\t"), "{listed}");
    assert!(lines[0].ends_with("\tread,search\t\"two\\nlines\""), "{listed}");
    let service = service.start_again();
    service.with_key(&secret).get(&tenant.path).await.expect(200);
    service.with_key(&tenant.key).get(&tenant.path).await.expect(401);
}
