//! Law 4: what is asked for twice with one key is made once.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::gated::{Gate, start_gated};
use crate::support::in_process::InProcess;
use crate::support::{Client, Reply, Service, eventually};

const APPLICATIONS: &str = "/api/v1/applications";
const COPIES: usize = 50;

fn with_key(service: &Client, path: &str, key: &str, body: &Value) -> RequestBuilder {
    service.request(Method::POST, path).header("Idempotency-Key", key).json(body)
}

async fn post(service: &Client, path: &str, key: &str, body: &Value) -> Reply {
    service.send(with_key(service, path, key, body)).await
}

/// The answer to the first request with a key.
#[track_caller]
fn first(reply: Reply) -> Reply {
    let reply = reply.expect(201);
    assert_eq!(reply.header("idempotent-replayed"), "", "{}", reply.text);
    reply
}

/// The answer to a later one.
#[track_caller]
fn replayed(reply: Reply) -> Reply {
    let reply = reply.expect(201);
    assert_eq!(reply.header("idempotent-replayed"), "true", "{}", reply.text);
    reply
}

/// Sends the same request this often at once.
async fn send_copies(count: usize, copy: impl Fn() -> (Client, RequestBuilder)) -> Vec<Reply> {
    let together = Arc::new(tokio::sync::Barrier::new(count));
    let mut copies = JoinSet::new();
    for _ in 0..count {
        let ((service, request), together) = (copy(), Arc::clone(&together));
        copies.spawn(async move {
            together.wait().await;
            service.send(request).await
        });
    }
    copies.join_all().await
}

/// One made it, all others were told the same.
fn assert_made_once(replies: &[Reply]) {
    let fresh = replies.iter().filter(|reply| reply.header("idempotent-replayed").is_empty()).count();
    assert_eq!(fresh, 1, "of {} copies {fresh} were answered as the first", replies.len());
    for reply in replies {
        let reply = reply.clone().expect(201);
        assert!(["", "true"].contains(&reply.header("idempotent-replayed")), "{:?}", reply.headers);
        assert_eq!(reply.json(), replies[0].json());
        assert_eq!(reply.header("location"), replies[0].header("location"));
    }
}

#[tokio::test]
async fn fifty_equal_requests_at_once_make_one_message_and_get_fifty_equal_answers() {
    let service = Service::start();
    let chat = service.new_chat(&service.new_application().await).await;
    let messages = format!("{chat}/messages");
    let body = json!({"body": "once"});
    let copy = || (service.client(), with_key(&service, &messages, "k", &body));
    let replies = send_copies(COPIES, copy).await;
    assert_made_once(&replies);
    assert_eq!(replies[0].json()["message_number"], 1);
    assert_eq!(service.all(&messages).await.len(), 1);
    assert_eq!(service.say(&chat, "next").await, 2, "the copies took no number");

    let service = service.kill_and_start_again();
    let after = send_copies(COPIES, || (service.client(), with_key(&service, &messages, "k", &body))).await;
    for reply in after {
        assert_eq!(replayed(reply).json(), replies[0].json());
    }
    assert_eq!(service.say(&chat, "third").await, 3, "the copies took no number after a restart");
    assert!(service.stop().success());
}

#[tokio::test]
async fn fifty_equal_requests_at_once_make_one_chat() {
    let service = Service::start();
    let application = service.new_application().await;
    let chats = format!("{application}/chats");
    let replies =
        send_copies(COPIES, || (service.client(), with_key(&service, &chats, "k", &json!({})))).await;
    assert_made_once(&replies);
    assert_eq!(replies[0].json()["chat_number"], 1);
    assert_eq!(service.all(&chats).await.len(), 1);
    let service = service.kill_and_start_again();
    let again = replayed(post(&service, &chats, "k", &json!({})).await);
    assert_eq!(again.json()["chat_number"], 1);
    assert_eq!(service.new_chat(&application).await, format!("{chats}/2"));
    assert!(service.stop().success());
}

#[tokio::test]
async fn fifty_equal_requests_at_once_make_one_application() {
    let service = Service::start();
    let body = json!({"name": "once"});
    let replies =
        send_copies(COPIES, || (service.client(), with_key(&service, APPLICATIONS, "k", &body))).await;
    assert_made_once(&replies);
    assert_eq!(service.all(APPLICATIONS).await.len(), 1);
    let service = service.kill_and_start_again();
    let again = replayed(post(&service, APPLICATIONS, "k", &body).await);
    assert_eq!(again.json(), replies[0].json());
    assert_eq!(service.all(APPLICATIONS).await.len(), 1);
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_key_with_another_body_is_refused_and_takes_no_number() {
    let service = Service::start();
    let application = service.new_application().await;
    let chat = service.new_chat(&application).await;
    let messages = format!("{chat}/messages");
    first(post(&service, &messages, "k", &json!({"body": "one"})).await);
    for body in ["two", "One", "one ", " one"] {
        let refused = post(&service, &messages, "k", &json!({"body": body})).await.expect(422);
        assert_eq!(refused.code(), "idempotency_key_reused", "{body:?}");
    }
    first(post(&service, APPLICATIONS, "k", &json!({"name": "one"})).await);
    let refused = post(&service, APPLICATIONS, "k", &json!({"name": "two"})).await.expect(422);
    assert_eq!(refused.code(), "idempotency_key_reused");
    let service = service.kill_and_start_again();
    let refused = post(&service, &messages, "k", &json!({"body": "two"})).await.expect(422);
    assert_eq!(refused.code(), "idempotency_key_reused");
    assert_eq!(service.say(&chat, "next").await, 2);
    assert!(service.stop().success());
}

#[tokio::test]
async fn two_bodies_racing_with_one_key_make_one_message() {
    let service = Service::start();
    let chat = service.new_chat(&service.new_application().await).await;
    let messages = format!("{chat}/messages");
    let turn = std::cell::Cell::new(0);
    let replies = send_copies(COPIES, || {
        turn.set(turn.get() + 1);
        let body = json!({"body": if turn.get() % 2 == 0 { "even" } else { "odd" }});
        (service.client(), with_key(&service, &messages, "k", &body))
    })
    .await;
    let (made, refused): (Vec<Reply>, Vec<Reply>) =
        replies.into_iter().partition(|reply| reply.status == 201);
    assert_eq!((made.len(), refused.len()), (COPIES / 2, COPIES / 2));
    assert_made_once(&made);
    for reply in refused {
        assert_eq!(reply.expect(422).code(), "idempotency_key_reused");
    }
    assert_eq!(service.say(&chat, "next").await, 2);
    assert!(service.stop().success());
}

#[tokio::test]
async fn what_means_the_same_is_the_same_body_and_the_same_path_in_every_spelling() {
    let service = Service::start();
    let application = service.new_application().await;
    let chat = service.new_chat(&application).await;
    let made = first(post(&service, &format!("{chat}/messages"), "k", &json!({"body": "é 1"})).await).json();
    let bodies = [
        ("application/json", r#"{"body":"é 1"}"#),
        ("application/json; charset=utf-8", "\n{ \"ignored\": [1], \"body\" : \"\\u00e9 1\" }"),
        ("application/vnd.api+json", r#"{"body":"\u00e9\u00201"}"#),
        ("application/x-www-form-urlencoded", "body=%C3%A9+1"),
        ("application/x-www-form-urlencoded", "body=%c3%a9%201"),
    ];
    for path in ["messages", "message", "messages/", "message/"] {
        for (media, body) in bodies {
            let request = service.request(Method::POST, &format!("{chat}/{path}"));
            let request = request.header("Idempotency-Key", "k").header("Content-Type", media).body(body);
            assert_eq!(replayed(service.send(request).await).json(), made, "{path} {media} {body}");
        }
    }
    assert_eq!(service.say(&chat, "next").await, 2);

    let founded = first(post(&service, APPLICATIONS, "k", &json!({"name": "7"})).await).json();
    let form = service.request(Method::POST, "/api/v1/applications/").form(&[("name", "7")]);
    let number = with_key(&service, APPLICATIONS, "k", &json!({"name": 7}));
    for again in [form.header("Idempotency-Key", "k"), number] {
        assert_eq!(replayed(service.send(again).await).json(), founded);
    }

    let chats = format!("{application}/chats");
    let made = first(post(&service, &chats, "k", &json!({})).await).json();
    let bare = service.request(Method::POST, &format!("{chats}/")).header("Idempotency-Key", "k");
    assert_eq!(replayed(service.send(bare).await).json(), made);
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_key_of_one_path_means_nothing_on_another() {
    let service = Service::start();
    let body = json!({"body": "same", "name": "same"});
    let mut made = vec![first(post(&service, APPLICATIONS, "k", &body).await)];
    for application in [service.new_application().await, service.new_application().await] {
        let chats = format!("{application}/chats");
        let chat = first(post(&service, &chats, "k", &body).await);
        assert_eq!(chat.json()["chat_number"], 1);
        made.push(chat);
        service.new_chat(&application).await;
        for number in [1, 2] {
            let message = first(post(&service, &format!("{chats}/{number}/messages"), "k", &body).await);
            assert_eq!(message.json()["message_number"], 1);
            made.push(message);
        }
    }
    let mut locations: Vec<&str> = made.iter().map(|reply| reply.header("location")).collect();
    locations.sort_unstable();
    locations.dedup();
    assert_eq!(locations.len(), 7, "{locations:?}");
    assert!(service.stop().success());
}

#[tokio::test]
async fn keys_that_differ_in_one_letter_or_in_case_are_two() {
    let service = Service::start();
    let chat = service.new_chat(&service.new_application().await).await;
    let messages = format!("{chat}/messages");
    let longest = "k".repeat(255);
    for (key, number) in [("k", 1), ("K", 2), ("kk", 3), ("!~\"'", 4), (&*longest, 5)] {
        for replay in [false, true] {
            let reply = post(&service, &messages, key, &json!({"body": "same"})).await;
            let reply = if replay { replayed(reply) } else { first(reply) };
            assert_eq!(reply.json()["message_number"], number, "{key}");
        }
    }
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_replay_shows_the_thing_as_it_is_now_and_null_when_it_was_deleted() {
    let service = Service::start();
    let application = first(post(&service, APPLICATIONS, "a", &json!({"name": "first"})).await).json();
    let token = application["data"]["token"].as_str().expect("a token").to_owned();
    let path = format!("{APPLICATIONS}/{token}");
    let chats = format!("{path}/chats");
    first(post(&service, &chats, "c", &json!({})).await);
    let messages = format!("{chats}/1/messages");
    let said = first(post(&service, &messages, "m", &json!({"body": "first"})).await);

    service.put(&format!("{messages}/1"), &json!({"body": "edited"})).await.expect(200);
    service.put(&path, &json!({"name": "renamed"})).await.expect(200);
    let again = replayed(post(&service, &messages, "m", &json!({"body": "first"})).await);
    assert_eq!(
        (&again.json()["message_number"], &again.json()["data"]["body"]),
        (&json!(1), &json!("edited"))
    );
    assert_eq!(again.header("location"), said.header("location"));
    let renamed = replayed(post(&service, APPLICATIONS, "a", &json!({"name": "first"})).await).json();
    assert_eq!((&renamed["data"]["token"], &renamed["data"]["name"]), (&json!(token), &json!("renamed")));

    service.delete(&format!("{messages}/1")).await.expect(204);
    let again = replayed(post(&service, &messages, "m", &json!({"body": "first"})).await).json();
    assert_eq!((&again["message_number"], &again["data"]), (&json!(1), &Value::Null));
    assert_eq!(service.say(&format!("{chats}/1"), "next").await, 2);
    service.delete(&format!("{chats}/1")).await.expect(204);
    let again = replayed(post(&service, &chats, "c", &json!({})).await).json();
    assert_eq!((&again["chat_number"], &again["data"]), (&json!(1), &Value::Null));
    assert_eq!(service.new_chat(&path).await, format!("{chats}/2"));
    service.delete(&path).await.expect(204);
    let again = replayed(post(&service, APPLICATIONS, "a", &json!({"name": "first"})).await).json();
    assert_eq!(again["data"], Value::Null);
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_refused_create_leaves_no_key() {
    let service = Service::start();
    let application = service.new_application().await;
    let chat = service.new_chat(&application).await;
    let messages = format!("{chat}/messages");
    for refused in [json!({"body": " "}), json!({}), json!({"body": [1]}), json!([])] {
        post(&service, &messages, "k", &refused).await.expect(400);
    }
    post(&service, &messages, "k", &json!({"body": "x".repeat(128 * 1024 + 1)})).await.expect(413);
    let made = first(post(&service, &messages, "k", &json!({"body": "good"})).await);
    assert_eq!(made.json()["message_number"], 1);

    let later = format!("{application}/chats/2/messages");
    post(&service, &later, "k", &json!({"body": "early"})).await.expect(404);
    service.new_chat(&application).await;
    first(post(&service, &later, "k", &json!({"body": "in time"})).await);

    post(&service, APPLICATIONS, "k", &json!({"name": ""})).await.expect(400);
    first(post(&service, APPLICATIONS, "k", &json!({"name": "good"})).await);
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_bad_key_is_refused_on_every_path_that_creates() {
    let service = Service::start();
    let application = service.new_application().await;
    let chat = service.new_chat(&application).await;
    let body = json!({"name": "n", "body": "b"});
    let too_long = "k".repeat(256);
    let bad: [&[u8]; 6] = [b"", b"a b", b"a\tb", b"\xc3\xa9", b"\xff", too_long.as_bytes()];
    for path in [APPLICATIONS.to_owned(), format!("{application}/chats"), format!("{chat}/messages")] {
        for key in bad {
            let key = reqwest::header::HeaderValue::from_bytes(key).expect("a header");
            let request = service.request(Method::POST, &path).header("Idempotency-Key", key).json(&body);
            let refused = service.send(request).await.expect(400);
            assert_eq!(refused.code(), "invalid_idempotency_key");
        }
        let twice = with_key(&service, &path, "a", &body).header("Idempotency-Key", "b");
        assert_eq!(service.send(twice).await.expect(400).code(), "invalid_idempotency_key");
    }
    assert_eq!(service.all(APPLICATIONS).await.len(), 1);
    assert_eq!(service.all(&format!("{application}/chats")).await.len(), 1);
    assert_eq!(service.all(&format!("{chat}/messages")).await.len(), 0);
    assert!(service.stop().success());
}

/// Sends it, and returns once the store holds it.
async fn send_into_gate(
    app: &InProcess,
    gate: &Gate,
    request: RequestBuilder,
) -> tokio::task::JoinHandle<Reply> {
    gate.shut();
    let client = app.client.clone();
    let sent = tokio::spawn(async move { client.send(request).await });
    gate.holds().await;
    sent
}

#[tokio::test]
async fn a_copy_of_a_request_that_stays_at_work_is_refused_and_takes_no_number() {
    let (app, gate) = start_gated(&["--ack-wait", "1s"]);
    let chat = app.client.new_chat(&app.client.new_application().await).await;
    let messages = format!("{chat}/messages");
    let body = json!({"body": "slow"});
    let slow = send_into_gate(&app, &gate, with_key(&app.client, &messages, "k", &body)).await;
    let copies =
        send_copies(COPIES, || (app.client.clone(), with_key(&app.client, &messages, "k", &body))).await;
    for copy in copies {
        assert_eq!(copy.expect(409).code(), "idempotency_key_in_use");
    }
    let slow = slow.await.expect("no panic").expect(503);
    assert_eq!((slow.code().as_str(), slow.header("retry-after")), ("outcome_unknown", "1"));

    gate.open();
    let settled = eventually(Duration::from_secs(5), "the first is kept", async || {
        let reply = post(&app.client, &messages, "k", &body).await;
        if reply.status == 201 { Ok(reply) } else { Err(reply.text) }
    })
    .await;
    assert_eq!(replayed(settled).json()["message_number"], 1);
    assert_eq!(app.client.say(&chat, "next").await, 2);
    assert_eq!(app.stop(), Ok(()));
}

#[tokio::test]
async fn a_copy_waits_for_the_first_and_is_answered_like_it() {
    let (app, gate) = start_gated(&["--ack-wait", "20s"]);
    let chat = app.client.new_chat(&app.client.new_application().await).await;
    let messages = format!("{chat}/messages");
    let body = json!({"body": "slow"});
    let slow = send_into_gate(&app, &gate, with_key(&app.client, &messages, "k", &body)).await;
    let (client, copy) = (app.client.clone(), with_key(&app.client, &messages, "k", &body));
    let copy = tokio::spawn(async move { client.send(copy).await });
    let (client, other) = (app.client.clone(), app.client.request(Method::POST, &messages));
    let other = tokio::spawn(async move { client.send(other.json(&json!({"body": "other"}))).await });
    gate.open();
    let slow = first(slow.await.expect("no panic"));
    assert_eq!(replayed(copy.await.expect("no panic")).json(), slow.json());
    let other = other.await.expect("no panic").expect(201);
    assert_eq!((&slow.json()["message_number"], &other.json()["message_number"]), (&json!(1), &json!(2)));
    assert_eq!(app.stop(), Ok(()));
}

#[tokio::test]
async fn a_create_that_lost_the_race_against_a_delete_leaves_no_key() {
    let (app, gate) = start_gated(&["--ack-wait", "10s"]);
    let chat = app.client.new_chat(&app.client.new_application().await).await;
    let messages = format!("{chat}/messages");
    let body = json!({"body": "late"});
    let late = send_into_gate(&app, &gate, with_key(&app.client, &messages, "k", &body)).await;
    app.client.delete(&chat).await.expect(204);
    gate.open();
    late.await.expect("no panic").expect(404);
    let again = tokio::time::timeout(Duration::from_secs(5), post(&app.client, &messages, "k", &body)).await;
    again.expect("an answer at once: nothing is at work").expect(404);
    assert_eq!(app.stop(), Ok(()));
}
