//! Law 6: deleted is deleted.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_system::domain::{
    Body, ChatPlace, Content, Draft, DraftId, Number, Numbered, Parent, Timestamp, Token,
};
use chat_system::store::sqlite::SqliteStore;
use chat_system::store::{Keep, Read};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::pace::Pace;
use crate::support::rows::Rows;
use crate::support::{Client, Service, eventually};

#[tokio::test]
async fn the_number_of_a_deleted_thing_is_not_used_again_whatever_dies() {
    let service = Service::start();
    let application = service.new_application().await;
    let chat = service.new_chat(&application).await;
    for number in 1..=3 {
        assert_eq!(service.say(&chat, "hello").await, number);
    }
    service.delete(&format!("{chat}/messages/3")).await.expect(204);
    assert_eq!(service.say(&chat, "hello").await, 4);
    service.delete(&format!("{chat}/messages/4")).await.expect(204);
    assert_eq!(service.new_chat(&application).await, format!("{application}/chats/2"));
    service.delete(&format!("{application}/chats/2")).await.expect(204);

    let service = service.kill_and_start_again();
    assert_eq!(service.say(&chat, "hello").await, 5);
    assert_eq!(service.new_chat(&application).await, format!("{application}/chats/3"));
    for number in [1, 2, 5] {
        service.delete(&format!("{chat}/messages/{number}")).await.expect(204);
    }
    for number in [1, 3] {
        service.delete(&format!("{application}/chats/{number}")).await.expect(204);
    }
    // Also when nothing is left, and the rows of the chats are gone.
    expect_purged(&service).await;
    let service = service.kill_and_start_again();
    let chat = service.new_chat(&application).await;
    assert_eq!(chat, format!("{application}/chats/4"));
    assert_eq!(service.say(&chat, "hello").await, 1, "a new chat begins anew");
}

#[tokio::test]
async fn what_was_deleted_is_nowhere() {
    let service = Service::start_with(&["--counter-interval", "100ms"]);
    let application = service.new_application().await;
    let (chat, other) = (service.new_chat(&application).await, service.new_chat(&application).await);
    service.say(&chat, "apples stay").await;
    service.say(&chat, "apples go").await;
    service.say(&other, "apples elsewhere").await;
    expect_hits(&service, &chat, &[2, 1]).await;

    service.delete(&format!("{chat}/messages/2")).await.expect(204);
    expect_gone(&service, &format!("{chat}/messages/2"), "Couldn't find Message").await;
    assert_eq!(numbers(&service.all(&format!("{chat}/messages")).await), [1]);
    assert_eq!(search(&service, &chat).await, [1], "not even before the index has learnt of it");
    expect_value(&service, &chat, "messages_count", 1).await;

    service.delete(&other).await.expect(204);
    expect_gone(&service, &other, "Couldn't find Chat").await;
    expect_gone(&service, &format!("{other}/messages/1"), "Couldn't find Chat").await;
    expect_refused_below(&service, &format!("{other}/messages"), "Couldn't find Chat").await;
    assert_eq!(numbers(&service.all(&format!("{application}/chats")).await), [1]);
    expect_value(&service, &application, "chats_count", 1).await;

    service.delete(&application).await.expect(204);
    for path in ["", "/chats/1", "/chats/1/messages/1"] {
        expect_gone(&service, &format!("{application}{path}"), "Couldn't find Application").await;
    }
    let reply = service.post(&format!("{application}/chats"), &json!({})).await.expect(404);
    assert_eq!(reply.json()["message"], "Couldn't find Application");
    service.get(&format!("{application}/chats")).await.expect(404);
    expect_refused_below(&service, &format!("{chat}/messages"), "Couldn't find").await;
    assert_eq!(service.all("/api/v1/applications").await, Vec::<Value>::new());

    let service = service.kill_and_start_again();
    expect_gone(&service, &application, "Couldn't find Application").await;
    expect_refused_below(&service, &format!("{chat}/messages"), "Couldn't find Application").await;
}

#[tokio::test]
async fn the_text_of_a_deleted_message_is_in_no_row() {
    let service = Service::start();
    let chat = service.new_chat(&service.new_application().await).await;
    let message = format!("{chat}/messages/{}", service.say(&chat, "secret as it was sent").await);
    service.put(&message, &json!({"body": "secret as it was edited"})).await.expect(200);
    service.put(&message, &json!({"body": "secret as it was edited again"})).await.expect(200);
    service.say(&chat, "something that stays").await;
    let rows = Rows::of(service.folder());
    assert_eq!(rows.holding("secret"), ["messages", "message_changes"], "the test knows where to look");

    service.delete(&message).await.expect(204);
    assert_eq!(rows.holding("secret"), Vec::<String>::new());
    assert_eq!(rows.holding("something that stays"), ["messages"]);
}

#[tokio::test]
async fn a_large_chat_is_gone_at_once_and_its_rows_go_while_others_write_at_their_speed() {
    let mut service = Service::start();
    let application = service.new_application().await;
    let (large, other) = (service.new_chat(&application).await, service.new_chat(&application).await);
    service.terminate();
    service.wait();
    fill(service.folder(), &application, 200_000).await;
    let service = service.start_again();
    let page = service.get(&format!("{large}/messages?order=desc&limit=1")).await.expect(200).json();
    assert_eq!(page["data"][0]["number"], 200_000);

    let mut before = Pace::default();
    for _ in 0..100 {
        before.time(service.say(&other, "before")).await;
    }
    let asked = Instant::now();
    service.delete(&large).await.expect(204);
    let deleted_after = asked.elapsed();
    assert!(deleted_after < Duration::from_millis(500), "the delete took {deleted_after:?}");
    expect_gone(&service, &large, "Couldn't find Chat").await;
    expect_refused_below(&service, &format!("{large}/messages"), "Couldn't find Chat").await;

    let rows = Rows::of(service.folder());
    let mut meanwhile = Pace::default();
    while rows.number("SELECT count(*) FROM purges", []) > 0 {
        meanwhile.time(service.say(&other, "meanwhile")).await;
        assert!(asked.elapsed() < Duration::from_secs(60), "the rows do not go");
    }
    eprintln!(
        "creates: {:?} before, {:?} during the purge, {:?} at most; {} of them in {:?}",
        before.median(),
        meanwhile.median(),
        meanwhile.longest(),
        meanwhile.len(),
        asked.elapsed()
    );
    assert!(meanwhile.len() >= 20, "only {} creates came through", meanwhile.len());
    assert!(
        meanwhile.median() <= before.median() * 3 + Duration::from_millis(10),
        "{:?} before, {:?} meanwhile",
        before.median(),
        meanwhile.median()
    );
    assert!(meanwhile.longest() < Duration::from_millis(500), "one took {:?}", meanwhile.longest());
    assert_eq!(rows.number("SELECT count(*) FROM messages WHERE chat_number = 1", []), 0);
    assert_eq!(rows.number("SELECT count(*) FROM chat_counters WHERE number = 1", []), 0);
    let written = 100 + meanwhile.len();
    assert_eq!(numbers(&service.all(&format!("{other}/messages")).await).len(), written);
    assert_eq!(service.new_chat(&application).await, format!("{application}/chats/3"));
}

#[tokio::test]
async fn an_application_goes_with_everything_and_its_neighbour_stays() {
    let service = Service::start_with(&["--counter-interval", "100ms"]);
    let made = service.post("/api/v1/applications", &json!({"name": "nobody may know it"})).await.expect(201);
    let (going, staying) = (made.header("Location").to_owned(), service.new_application().await);
    for application in [&going, &staying] {
        for _ in 0..3 {
            let chat = service.new_chat(application).await;
            let keyed =
                service.request(Method::POST, &format!("{chat}/messages")).header("Idempotency-Key", "k");
            service.send(keyed.json(&json!({"body": "with a key"}))).await.expect(201);
            service.say(&chat, "hello").await;
            service.put(&format!("{chat}/messages/2"), &json!({"body": "edited"})).await.expect(200);
        }
        // A chat that is being deleted when its application is.
        service.delete(&format!("{application}/chats/3")).await.expect(204);
    }
    service.delete(&going).await.expect(204);
    expect_purged(&service).await;

    let rows = Rows::of(service.folder());
    assert_eq!(rows.holding("nobody may know it"), Vec::<String>::new());
    let id_of = |application: &str| {
        let token = application.rsplit('/').next().expect("a token").to_owned();
        rows.number("SELECT id FROM applications WHERE token = ?1", [token])
    };
    for table in
        ["chats", "chat_counters", "messages", "message_changes", "application_counters", "idempotency_keys"]
    {
        let left = |application: &str| {
            let sql = format!("SELECT count(*) FROM {table} WHERE application_id = ?1");
            rows.number(&sql, [id_of(application)])
        };
        assert_eq!(left(&going), 0, "{table}");
        assert!(left(&staying) > 0, "{table}");
    }
    assert_eq!(numbers(&service.all(&format!("{staying}/chats")).await), [1, 2]);
    assert_eq!(numbers(&service.all(&format!("{staying}/chats/2/messages")).await), [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_races_a_delete_is_there_before_it_or_refused() {
    let service = Service::start();
    let application = service.new_application().await;
    let client = service.client();
    for round in 1..=40_u64 {
        let chat = client.new_chat(&application).await;
        assert_eq!(chat, format!("{application}/chats/{round}"));
        let barrier = Arc::new(Barrier::new(9));
        let mut creators = JoinSet::new();
        for _ in 0..8 {
            creators.spawn(create_until_refused(client.clone(), chat.clone(), Arc::clone(&barrier)));
        }
        barrier.wait().await;
        for _ in 0..round % 4 {
            client.say(&chat, "the delete comes a little later").await;
        }
        client.delete(&chat).await.expect(204);
        let deleted_at = Instant::now();
        let mut created = Vec::new();
        for made in creators.join_all().await.into_iter().flatten() {
            assert!(made.asked_at < deleted_at, "asked after the delete was answered, and created");
            created.push(made.number);
        }
        let there = created.len();
        created.sort_unstable();
        created.dedup();
        assert_eq!(created.len(), there, "a number was given twice");
        expect_gone(&client, &chat, "Couldn't find Chat").await;
    }
    assert_eq!(numbers(&client.all(&format!("{application}/chats")).await), Vec::<u64>::new());
    expect_value(&client, &application, "chats_count", 0).await;
    expect_purged(&service).await;
    let left = Rows::of(service.folder()).number("SELECT count(*) FROM messages", []);
    assert_eq!(left, 0, "messages were left of deleted chats");
}

struct Made {
    number: u64,
    asked_at: Instant,
}

/// Creates messages until one is refused because the chat is gone.
async fn create_until_refused(client: Client, chat: String, barrier: Arc<Barrier>) -> Vec<Made> {
    barrier.wait().await;
    let mut made = Vec::new();
    loop {
        let asked_at = Instant::now();
        let reply = client.post(&format!("{chat}/messages"), &json!({"body": "late?"})).await;
        match reply.status.as_u16() {
            201 => {
                let number = reply.json()["message_number"].as_u64().expect("a number");
                made.push(Made { number, asked_at });
            }
            404 => return made,
            _ => panic!("{}", reply.text),
        }
    }
}

/// Puts so many messages into the first chat of an application, past the service, which is not running.
async fn fill(folder: &Path, application: &str, count: u64) {
    let store = SqliteStore::open(&folder.join("chat.db"), Duration::from_secs(5)).expect("the store");
    let token = Token::parse(application.rsplit('/').next().expect("a token")).expect("a token");
    let tenant = store.tenant(&token).await.expect("an answer").expect("the application");
    let chat = ChatPlace { application: tenant.id, chat: Number::FIRST };
    let body = Body::parse("one of many").expect("a body");
    let draft = || Draft {
        id: DraftId::fresh(),
        parent: Parent::Chat(chat),
        content: Content::Message(body.clone()),
        key: None,
        created_at: Timestamp::now(),
    };
    let numbers: Vec<u64> = (1..=count).collect();
    for portion in numbers.chunks(20_000) {
        let numbered =
            |number: &u64| Numbered { draft: draft(), number: Number::new(*number).expect("a number") };
        let batch: Arc<[Numbered]> = portion.iter().map(numbered).collect();
        store.keep(batch).await.expect("kept");
    }
}

/// Nothing of what was deleted waits to be removed.
async fn expect_purged(service: &Service) {
    let rows = Rows::of(service.folder());
    eventually(Duration::from_secs(15), "the end of deleted rows", async || {
        let left = rows.number("SELECT count(*) FROM purges", []);
        if left == 0 { Ok(()) } else { Err(format!("{left} parents are left")) }
    })
    .await;
}

/// It is not read, not edited and not deleted again.
async fn expect_gone(client: &Client, path: &str, why: &str) {
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::PUT, Method::PATCH] {
        let is_chat = path.rsplit('/').nth(1) == Some("chats");
        if is_chat && (method == Method::PUT || method == Method::PATCH) {
            continue;
        }
        let change = json!({"body": "changed", "name": "changed"});
        let reply = client.send(client.request(method.clone(), path).json(&change)).await.expect(404);
        if method != Method::HEAD {
            assert_eq!(reply.json()["message"], why, "{method} {path}");
            assert_eq!(reply.code(), "not_found");
        }
    }
}

/// Nothing is listed, found or created below a chat that is gone.
async fn expect_refused_below(client: &Client, messages: &str, why: &str) {
    let refused = [
        client.get(messages).await,
        client.post(messages, &json!({"body": "late"})).await,
        client.post(&format!("{messages}/search"), &json!({"query": "apples"})).await,
        client.get(&format!("{messages}/search?query=apples")).await,
    ];
    for reply in refused {
        let message = reply.expect(404).json()["message"].as_str().expect("a message").to_owned();
        assert!(message.starts_with(why), "{message}");
    }
}

async fn search(client: &Client, chat: &str) -> Vec<u64> {
    let found =
        client.post(&format!("{chat}/messages/search"), &json!({"query": "apples"})).await.expect(200).json();
    let hits = numbers(found["data"].as_array().expect("hits"));
    assert_eq!(found["number_of_messages"], hits.len());
    hits
}

async fn expect_hits(client: &Client, chat: &str, expected: &[u64]) {
    eventually(Duration::from_secs(5), "the hits", async || {
        let hits = search(client, chat).await;
        if hits == expected { Ok(()) } else { Err(format!("{hits:?}")) }
    })
    .await;
}

async fn expect_value(client: &Client, path: &str, field: &str, value: u64) {
    eventually(Duration::from_secs(5), field, async || {
        let shown = client.get(path).await.expect(200).json();
        if shown["data"][field] == value { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
}

fn numbers(items: &[Value]) -> Vec<u64> {
    items.iter().map(|item| item["number"].as_u64().expect("a number")).collect()
}
