//! Law 5: counters converge to the rows, at the cost of what changed.

use std::time::Duration;

use chat_system::domain::Parent;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::in_process::InProcess;
use crate::support::rows::Rows;
use crate::support::watched::{Kind, Watch};
use crate::support::{Client, Service, eventually};

/// What the design allows a repair after a crash.
const AFTER_A_CRASH: Duration = Duration::from_secs(10);
/// A whole step of the audit after the start.
const AFTER_AN_AUDIT: Duration = Duration::from_secs(15);

#[tokio::test]
async fn right_after_a_tick_every_parent_that_changed_has_the_count_of_its_rows() {
    let service = Service::start_with(&["--counter-interval", "100ms"]);
    let mut applications = Vec::new();
    for chats in [0, 1, 4] {
        let application = service.new_application().await;
        for index in 0..chats {
            let chat = service.new_chat(&application).await;
            for _ in 0..index * 3 {
                service.say(&chat, "hello").await;
            }
        }
        applications.push(application);
    }
    expect_true_counts(&service, &applications, Duration::from_secs(2)).await;

    let [_, _, last] = applications.as_slice() else { panic!("three applications") };
    service.delete(&format!("{last}/chats/4/messages/9")).await.expect(204);
    service.delete(&format!("{last}/chats/4/messages/1")).await.expect(204);
    service.delete(&format!("{last}/chats/2")).await.expect(204);
    service.delete(&format!("{last}/chats/1")).await.expect(204);
    service.say(&format!("{last}/chats/4"), "one more").await;
    expect_true_counts(&service, &applications, Duration::from_secs(2)).await;
    let counts = counts(&service, last).await;
    assert_eq!(counts, (2, vec![6, 8]), "two chats are left, of 6 and of 9 - 2 + 1 messages");
}

#[tokio::test]
async fn a_tick_counts_exactly_the_parents_that_changed_and_none_when_nothing_did() {
    let watch = Watch::new();
    let service = InProcess::start(&["--counter-interval", "100ms"], watch.over());
    let client = &service.client;
    let application = client.new_application().await;
    make_chats(client, &application, 1_000).await;
    expect_quiet(&watch).await;
    watch.take_counted();

    for chat in [7, 400, 1_000] {
        client.say(&format!("{application}/chats/{chat}"), "hello").await;
    }
    for chat in [7, 400, 1_000] {
        expect_messages(client, &format!("{application}/chats/{chat}"), 1, Duration::from_secs(2)).await;
    }
    expect_quiet(&watch).await;
    let mut counted: Vec<u64> = watch.take_counted().into_iter().map(chat_of).collect();
    counted.sort_unstable();
    assert_eq!(counted, [7, 400, 1_000]);

    let calls = watch.calls(Kind::Count);
    expect_quiet(&watch).await;
    assert_eq!(watch.calls(Kind::Count), calls, "nothing changed");
}

#[tokio::test]
async fn what_a_crash_left_uncounted_is_counted_after_the_next_start() {
    let service = Service::start_with(&["--counter-interval", "1h"]);
    let application = service.new_application().await;
    for messages in 0..5 {
        let chat = service.new_chat(&application).await;
        for _ in 0..messages {
            service.say(&chat, "hello").await;
        }
    }
    service.delete(&format!("{application}/chats/5/messages/2")).await.expect(204);
    service.delete(&format!("{application}/chats/1")).await.expect(204);
    let service = service.kill_and_start_again();
    expect_true_counts(&service, std::slice::from_ref(&application), AFTER_A_CRASH).await;
    assert_eq!(counts(&service, &application).await, (4, vec![1, 2, 3, 3]));
}

#[tokio::test]
async fn what_a_crash_left_uncounted_is_repaired_in_time_also_where_only_old_things_were_deleted() {
    let mut service = Service::start_with(&["--counter-interval", "100ms"]);
    let application = service.new_application().await;
    // More than the audit looks at in its first round.
    make_chats(&service, &application, 300).await;
    let chat = format!("{application}/chats/300");
    for _ in 0..5 {
        service.say(&chat, "hello").await;
    }
    expect_true_counts(&service, std::slice::from_ref(&application), Duration::from_secs(5)).await;

    // As if all that had been counted an hour after it was made.
    service.terminate();
    service.wait();
    forget_that_it_is_new(&service);
    let service = service.start_again_with(&["--counter-interval", "1h"]);
    service.delete(&format!("{chat}/messages/3")).await.expect(204);
    service.delete(&format!("{application}/chats/1")).await.expect(204);
    let service = service.kill_and_start_again();
    expect_messages(&service, &chat, 4, AFTER_A_CRASH).await;
    expect_true_counts(&service, std::slice::from_ref(&application), AFTER_A_CRASH).await;
}

#[tokio::test]
async fn the_audit_repairs_counters_that_do_not_fit_the_rows() {
    let mut service = Service::start_with(&["--counter-interval", "100ms"]);
    let application = service.new_application().await;
    for _ in 0..3 {
        let chat = service.new_chat(&application).await;
        for _ in 0..4 {
            service.say(&chat, "hello").await;
        }
    }
    service.delete(&format!("{application}/chats/2/messages/4")).await.expect(204);
    service.delete(&format!("{application}/chats/3")).await.expect(204);
    expect_true_counts(&service, std::slice::from_ref(&application), Duration::from_secs(2)).await;

    service.terminate();
    service.wait();
    forget_that_it_is_new(&service);
    let rows = Rows::of(service.folder());
    assert_eq!(rows.change("UPDATE chat_counters SET messages_count = 77 WHERE number = 1", []), 1);
    let change = "UPDATE chat_counters SET messages_count = 5, deleted_messages = 0 WHERE number = 2";
    assert_eq!(rows.change(change, []), 1);
    assert_eq!(rows.change("UPDATE application_counters SET chats_count = 9, deleted_chats = 0", []), 1);
    drop(rows);
    let service = service.start_again();
    expect_true_counts(&service, std::slice::from_ref(&application), AFTER_AN_AUDIT).await;
    assert_eq!(counts(&service, &application).await, (2, vec![4, 3]));

    // The tombstones are counted right too: what is counted from now on starts from them.
    service.say(&format!("{application}/chats/2"), "one more").await;
    service.new_chat(&application).await;
    expect_true_counts(&service, std::slice::from_ref(&application), Duration::from_secs(2)).await;
}

#[tokio::test]
async fn the_audit_closes_holes_that_nobody_will_fill() {
    let mut service = Service::start_with(&["--counter-interval", "100ms"]);
    let application = service.new_application().await;
    let chat = service.new_chat(&application).await;
    service.new_chat(&application).await;
    service.new_chat(&application).await;
    for _ in 0..5 {
        service.say(&chat, "hello").await;
    }
    service.terminate();
    service.wait();
    let rows = Rows::of(service.folder());
    assert_eq!(rows.change("DELETE FROM messages WHERE number = 3", []), 1);
    assert_eq!(rows.change("DELETE FROM chats WHERE number = 2", []), 1);
    drop(rows);

    let service = service.start_again();
    let (chats, messages) = (format!("{application}/chats"), format!("{chat}/messages"));
    let page = service.get(&messages).await.expect(200).json();
    assert_eq!(page["cursor"], 2, "3 may still come");
    assert_eq!(
        walk(&service, &format!("{messages}?limit=1")).await,
        (vec![1, 2, 4, 5], 2),
        "page by page too"
    );
    for (list, last) in [(&messages, 5), (&chats, 3)] {
        eventually(AFTER_AN_AUDIT, "a closed hole", async || {
            let page = service.get(list).await.expect(200).json();
            if page["cursor"] == last { Ok(()) } else { Err(page.to_string()) }
        })
        .await;
    }
    expect_true_counts(&service, std::slice::from_ref(&application), Duration::from_secs(2)).await;
    assert_eq!(counts(&service, &application).await, (2, vec![4, 0]));
    service.get(&format!("{messages}/3")).await.expect(404);
    service.get(&format!("{chats}/2")).await.expect(404);
    assert_eq!(service.say(&chat, "next").await, 6);
    assert_eq!(service.new_chat(&application).await, format!("{chats}/4"));
}

#[tokio::test]
async fn counting_does_not_change_when_a_parent_was_updated() {
    let service = Service::start_with(&["--counter-interval", "50ms"]);
    let application = service.new_application().await;
    let founded = service.get(&application).await.expect(200).json()["data"].clone();
    let chat = service.new_chat(&application).await;
    let made = service.get(&chat).await.expect(200).json()["data"].clone();
    for _ in 0..3 {
        service.say(&chat, "hello").await;
    }
    service.delete(&format!("{chat}/messages/2")).await.expect(204);
    expect_messages(&service, &chat, 2, Duration::from_secs(2)).await;
    expect_true_counts(&service, std::slice::from_ref(&application), Duration::from_secs(2)).await;
    for (path, before) in [(&application, founded), (&chat, made)] {
        let now = service.get(path).await.expect(200).json()["data"].clone();
        assert_eq!((&now["created_at"], &now["updated_at"]), (&before["created_at"], &before["updated_at"]));
    }
}

/// Follows the links of a list to its end: its numbers, and the cursor of its last page.
async fn walk(client: &Client, list: &str) -> (Vec<u64>, u64) {
    let (mut numbers, mut path) = (Vec::new(), list.to_owned());
    loop {
        let reply = client.get(&path).await.expect(200);
        let page = reply.json();
        numbers.extend(page["data"].as_array().expect("a list").iter().map(|item| number(&item["number"])));
        match reply.header("link").split_once('>') {
            Some((target, _rel)) => path = target.trim_start_matches('<').to_owned(),
            None => return (numbers, number(&page["cursor"])),
        }
    }
}

fn chat_of(parent: Parent) -> u64 {
    match parent {
        Parent::Chat(place) => place.chat.get(),
        Parent::Application(_) => panic!("no application changed"),
    }
}

/// Everything that is there counts as counted long ago, so that only what happens from now on can be uncounted.
fn forget_that_it_is_new(service: &Service) {
    let hour_micros = 60 * 60 * 1_000_000_i64;
    let change = "UPDATE followers SET counted_through = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?1";
    assert_eq!(Rows::of(service.folder()).change(change, [hour_micros]), 1);
}

/// Waits until a tick has gone by whole: housekeeping is part of each.
async fn expect_quiet(watch: &Watch) {
    let ticks = watch.calls(Kind::Tend);
    eventually(Duration::from_secs(10), "some ticks", async || {
        let now = watch.calls(Kind::Tend);
        if now >= ticks + 5 { Ok(()) } else { Err(format!("{ticks} were {now}")) }
    })
    .await;
}

/// From fifty clients at once.
async fn make_chats(client: &Client, application: &str, count: usize) {
    let mut clients = JoinSet::new();
    for _ in 0..50 {
        let (client, application) = (client.clone(), application.to_owned());
        clients.spawn(async move {
            for _ in 0..count / 50 {
                client.new_chat(&application).await;
            }
        });
    }
    clients.join_all().await;
}

/// `chats_count`, and each chat's `messages_count`, as they are shown.
async fn counts(client: &Client, application: &str) -> (u64, Vec<u64>) {
    let shown = client.get(application).await.expect(200).json()["data"]["chats_count"].clone();
    let chats = client.all(&format!("{application}/chats")).await;
    let messages = chats.iter().map(|chat| number(&chat["messages_count"])).collect();
    (number(&shown), messages)
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

async fn expect_messages(client: &Client, chat: &str, count: u64, within: Duration) {
    eventually(within, "the count", async || {
        let chat = client.get(chat).await.expect(200).json();
        if chat["data"]["messages_count"] == count { Ok(()) } else { Err(chat.to_string()) }
    })
    .await;
}

/// Every count is the number of things that the list has.
async fn expect_true_counts(client: &Client, applications: &[String], within: Duration) {
    for application in applications {
        let chats = client.all(&format!("{application}/chats")).await;
        let mut truth = Vec::new();
        for chat in &chats {
            let list = format!("{application}/chats/{}/messages", chat["number"]);
            truth.push(client.all(&list).await.len() as u64);
        }
        let truth = (chats.len() as u64, truth);
        eventually(within, "true counts", async || {
            let shown = counts(client, application).await;
            if shown == truth { Ok(()) } else { Err(json!({"shown": shown, "true": truth}).to_string()) }
        })
        .await;
    }
}
