use std::time::Duration;

use serde_json::{Value, json};

use super::keys;
use crate::support::{Client, Service};

async fn chat_of(service: &Service, messages: u64) -> String {
    let application = service.new_application().await;
    let chat = service.new_chat(&application).await;
    for number in 1..=messages {
        assert_eq!(service.say(&chat, &format!("message {number}")).await, number);
    }
    format!("{chat}/messages")
}

fn numbers(page: &Value) -> Vec<u64> {
    let items = page["data"].as_array().expect("a list");
    items.iter().map(|item| item["number"].as_u64().expect("a number")).collect()
}

/// The pages from here on, followed by their links.
async fn follow(client: &Client, path: &str) -> Vec<Vec<u64>> {
    let mut pages = Vec::new();
    let mut path = path.to_owned();
    loop {
        let page = client.get(&path).await.expect(200);
        pages.push(numbers(&page.json()));
        assert!(pages.len() < 1000, "pages without end");
        let link = page.header("link").to_owned();
        assert_eq!(link.is_empty(), page.json()["next"].is_null(), "link and next differ: {link}");
        if link.is_empty() {
            return pages;
        }
        let (target, relation) = link.split_once('>').expect("a link");
        assert_eq!(relation, "; rel=\"next\"");
        path = target.strip_prefix('<').expect("a link").to_owned();
    }
}

#[tokio::test]
async fn hundreds_of_messages_are_paged_up_and_down_by_links() {
    let service = Service::start();
    let path = chat_of(&service, 230).await;
    let up: Vec<u64> = (1..=230).collect();
    let down: Vec<u64> = (1..=230).rev().collect();
    for (query, pages, expected) in [
        ("", 3, &up),
        ("?limit=100", 3, &up),
        ("?limit=46", 5, &up),
        ("?order=asc&limit=7", 33, &up),
        ("?limit=230", 1, &up),
        ("?limit=1000", 1, &up),
        ("?order=desc", 3, &down),
        ("?order=desc&limit=23", 10, &down),
        ("?limit=229&order=desc&unknown=%26+x", 2, &down),
    ] {
        let followed = follow(&service, &format!("{path}{query}")).await;
        assert_eq!((followed.len(), &followed.concat()), (pages, expected), "{query}");
    }
}

#[tokio::test]
async fn next_is_what_the_next_page_is_asked_by_and_cursors_make_ranges() {
    let service = Service::start();
    let path = chat_of(&service, 12).await;
    let get = async |query: &str| service.get(&format!("{path}?{query}")).await.expect(200).json();

    let first = get("limit=5").await;
    assert_eq!(keys(&first), ["cursor", "data", "message", "next"]);
    assert_eq!(
        (numbers(&first), &first["next"], &first["cursor"]),
        (vec![1, 2, 3, 4, 5], &json!(5), &json!(5))
    );
    assert_eq!(numbers(&get("limit=5&after=5").await), [6, 7, 8, 9, 10]);
    let last = get("limit=5&after=10").await;
    assert_eq!(keys(&last), ["cursor", "data", "message"]);
    assert_eq!((numbers(&last), &last["cursor"]), (vec![11, 12], &json!(12)));

    let newest = get("limit=5&order=desc").await;
    assert_eq!(keys(&newest), ["data", "message", "next"]);
    assert_eq!((numbers(&newest), &newest["next"]), (vec![12, 11, 10, 9, 8], &json!(8)));
    let oldest = get("limit=50&order=desc&before=8").await;
    assert_eq!((numbers(&oldest), keys(&oldest)), (vec![7, 6, 5, 4, 3, 2, 1], vec!["data", "message"]));

    for (query, expected) in [
        ("after=3&before=7", vec![4, 5, 6]),
        ("after=3&before=7&order=desc", vec![6, 5, 4]),
        ("after=3&before=7&limit=2", vec![4, 5]),
        ("after=3&before=7&limit=2&order=desc", vec![6, 5]),
        ("before=3", vec![1, 2]),
        ("after=10&order=desc", vec![12, 11]),
        ("after=6&before=7", vec![]),
        ("after=7&before=3", vec![]),
        ("after=12", vec![]),
        ("after=9999", vec![]),
        ("before=1", vec![]),
        ("before=0", vec![]),
        ("after=11&before=9223372036854775807", vec![12]),
    ] {
        assert_eq!(numbers(&get(query).await), expected, "{query}");
    }
    assert_eq!(
        follow(&service, &format!("{path}?after=2&before=9&limit=2")).await.concat(),
        [3, 4, 5, 6, 7, 8]
    );
    let down = follow(&service, &format!("{path}?after=2&before=9&limit=2&order=desc")).await;
    assert_eq!(down.concat(), [8, 7, 6, 5, 4, 3]);
}

#[tokio::test]
async fn a_reader_who_comes_back_to_the_cursor_misses_nothing_across_deleted_messages() {
    let service = Service::start();
    let path = chat_of(&service, 6).await;
    let empty = service.new_chat(path.split("/chats").next().expect("a path")).await;
    let at_rest = service.get(&format!("{empty}/messages")).await.expect(200).json();
    assert_eq!((numbers(&at_rest), at_rest["cursor"].is_number()), (vec![], true), "{at_rest}");
    for number in [1, 3, 5, 6] {
        service.delete(&format!("{path}/{number}")).await.expect(204);
    }
    let page = service.get(&path).await.expect(200).json();
    assert_eq!((numbers(&page), &page["next"]), (vec![2, 4], &Value::Null));
    let cursor = page["cursor"].as_u64().expect("a cursor");
    assert!((4..=6).contains(&cursor), "{cursor} passes what is to come, or stays behind what was read");
    let again = service.get(&format!("{path}?after={cursor}")).await.expect(200).json();
    assert_eq!(numbers(&again), Vec::<u64>::new());
    assert!(again["cursor"].as_u64() >= Some(cursor), "{again}");
    let beyond = service.get(&format!("{path}?after=1000")).await.expect(200).json();
    assert_eq!((numbers(&beyond), &beyond["cursor"]), (vec![], &json!(6)), "what is to come is not passed");
    service.post(&path, &json!({"body": "seventh"})).await.expect(201);
    for cursor in [cursor, again["cursor"].as_u64().expect("a cursor"), 6] {
        assert_eq!(numbers(&service.get(&format!("{path}?after={cursor}")).await.expect(200).json()), [7]);
    }
    let first = service.get(&format!("{path}?limit=1")).await.expect(200).json();
    assert_eq!((numbers(&first), &first["next"]), (vec![2], &json!(2)));
}

#[tokio::test]
async fn a_page_ends_early_at_8_mib_and_the_next_goes_on() {
    let service = Service::start();
    let path = chat_of(&service, 0).await;
    let body = json!({"body": "m".repeat(128 * 1024)});
    for _ in 0..70 {
        service.post(&path, &body).await.expect(201);
    }
    let heavier = chat_of(&service, 0).await;
    for _ in 0..14 {
        // As JSON writes it, this is six times as long.
        service.post(&heavier, &json!({"body": "\u{1}".repeat(128 * 1024)})).await.expect(201);
    }
    let first = service.get(&heavier).await.expect(200);
    assert!(first.text.len() <= 9 * 1024 * 1024, "{} bytes", first.text.len());
    assert_eq!(follow(&service, &heavier).await.concat(), (1..=14).collect::<Vec<u64>>());
    for (order, expected) in [("asc", (1..=70).collect::<Vec<u64>>()), ("desc", (1..=70).rev().collect())] {
        let first = service.get(&format!("{path}?order={order}")).await.expect(200);
        assert!(first.text.len() <= 9 * 1024 * 1024, "{} bytes", first.text.len());
        assert!(first.text.len() >= 7 * 1024 * 1024, "{} bytes", first.text.len());
        assert!(first.json()["next"].is_number(), "{order}");
        let pages = follow(&service, &format!("{path}?order={order}")).await;
        assert_eq!((pages.len(), pages.concat()), (2, expected), "{order}");
    }
}

#[tokio::test]
async fn counts_follow_and_leave_updated_at_alone() {
    let service = Service::start();
    let path = chat_of(&service, 3).await;
    let chat = path.trim_end_matches("/messages");
    let made = service.get(chat).await.expect(200).json()["data"]["updated_at"].clone();
    let application = chat.split("/chats").next().expect("a path");
    let renamed = service.get(application).await.expect(200).json()["data"]["updated_at"].clone();
    service.delete(&format!("{path}/2")).await.expect(204);
    let counted = crate::support::eventually(Duration::from_secs(5), "counts", async || {
        let chat = service.get(chat).await.expect(200).json()["data"].clone();
        let application = service.get(application).await.expect(200).json()["data"].clone();
        let right = chat["messages_count"] == 2 && application["chats_count"] == 1;
        if right { Ok((chat, application)) } else { Err(format!("{chat} {application}")) }
    });
    let (chat, application) = counted.await;
    assert_eq!((&chat["updated_at"], &application["updated_at"]), (&made, &renamed));
}
