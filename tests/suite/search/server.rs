use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_system::metrics::{METRICS, PortLabels};
use chat_system::search::elasticsearch::{ElasticsearchOptions, ElasticsearchSearch};
use chat_system::search::{HITS_LIMIT, HitPage, Query, Search, SearchError};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::chat::Chat;
use super::rebuild::{search, search_state};
use crate::contract::things::{chat_of, in_chat, row};
use crate::support::servers::{Kind, unique};
use crate::support::{Client, Service, eventually};

/// A server starts, and a small index is built, within this on a busy machine.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// A write that waits for nothing but the store.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

fn opened(server: &str, alias: &str) -> ElasticsearchSearch {
    let options = ElasticsearchOptions { timeout: Duration::from_secs(60), tls_ca: None };
    ElasticsearchSearch::new(&format!("{server}/{alias}"), &options).expect("a URL")
}

async fn begin(search: &dyn Search) -> String {
    let name = search.renew().await.expect("begun");
    search.present(&name).await.expect("presented");
    name
}

async fn numbers(search: &dyn Search, query: &str) -> Vec<u64> {
    let query = Query::parse(query).expect("a query");
    let page = HitPage { after: None, limit: HITS_LIMIT };
    let hits = search.find(chat_of(1, 1), &query, page).await.expect("hits");
    hits.page.iter().map(|hit| hit.number.get()).collect()
}

/// Waits until these are all that is found.
async fn finds_all(chat: &Chat, query: &str, count: usize) {
    eventually(BACK_WITHIN, &format!("{count} messages for {query:?}"), async || {
        let answer = search(chat, query).await;
        let all = answer.status.as_u16() == 200 && answer.json()["number_of_messages"] == count;
        if all { Ok(()) } else { Err(answer.text) }
    })
    .await;
}

#[tokio::test]
async fn a_row_that_the_server_never_takes_does_not_stop_the_others() {
    let Some(url) = Kind::Elasticsearch8.shared() else { return };
    let (server, alias) = (Client::new(&url), unique("poison-"));
    let search = opened(&url, &alias);
    let name = begin(&search).await;
    // The same index, but for numbers that fit one byte.
    let path = format!("/{name}");
    let told = server.send(server.request(Method::GET, &path)).await.expect(200).json();
    let mut mappings = told[&name]["mappings"].clone();
    mappings["properties"]["number"]["type"] = json!("byte");
    server.delete(&path).await.expect(200);
    let index = json!({ "mappings": mappings, "aliases": { &alias: {} } });
    server.send(server.request(Method::PUT, &path).json(&index)).await.expect(200);

    let before = METRICS.unindexable.get();
    let chat = chat_of(1, 1);
    let rows = vec![row(chat, 1, 1, "hello"), row(chat, 200, 1, "hello"), row(chat, 2, 1, "hello")];
    search.index(rows.clone()).await.expect("indexed");
    assert_eq!(numbers(&search, "hello").await, [2, 1]);
    assert_eq!(search.missing(&rows).await.expect("an answer"), [in_chat(chat, 200)]);
    assert!(METRICS.unindexable.get() > before);
    let damaged = search.verify().await.expect_err("another mapping");
    assert!(matches!(damaged, SearchError::Damaged(_)), "{damaged:?}");
}

#[tokio::test]
async fn without_an_index_nothing_is_taken_found_or_made() {
    let Some(url) = Kind::Elasticsearch8.shared() else { return };
    let (server, alias) = (Client::new(&url), unique("none-"));
    let search = opened(&url, &alias);
    let chat = chat_of(1, 1);
    assert_eq!(search.name().await.expect("an answer"), None);
    search.index(vec![row(chat, 1, 1, "hello")]).await.expect_err("nowhere to write");
    let page = HitPage { after: None, limit: 1 };
    search.find(chat, &Query::parse("hello").expect("a query"), page).await.expect_err("nowhere to look");
    search.verify().await.expect_err("nothing to verify");
    search.present(&format!("{alias}-v2-unknown")).await.expect_err("nothing to present");
    let known = server.send(server.request(Method::GET, "/_cat/indices?format=json")).await.expect(200);
    let known: Vec<Value> = serde_json::from_str(&known.text).expect("a list");
    let made = known.iter().filter(|index| index["index"].as_str().expect("a name").starts_with(&alias));
    assert_eq!(made.count(), 0);
}

#[tokio::test]
async fn an_index_that_is_deleted_is_built_anew() {
    let Some(url) = Kind::Elasticsearch8.shared() else { return };
    let (server, alias) = (Client::new(&url), unique("deleted-"));
    let service = Service::start_with(&["--search", &format!("{url}/{alias}"), "--engine-timeout", "20s"]);
    let chat = Chat::new(&service).await;
    for place in 0..20 {
        chat.say(&format!("stone {place}")).await;
    }
    finds_all(&chat, "stone", 20).await;
    let known = server.get(&format!("/_alias/{alias}")).await.expect(200).json();
    let name = known.as_object().expect("an object").keys().next().expect("an index").clone();
    server.delete(&format!("/{name}")).await.expect(200);
    chat.say("stone 20").await;
    finds_all(&chat, "stone", 21).await;
    assert_eq!(search_state(&chat.client).await, "up");
    let known = server.get(&format!("/_alias/{alias}")).await.expect(200).json();
    assert!(known.get(&name).is_none() && known.as_object().expect("an object").len() == 1, "{known}");
}

#[tokio::test]
async fn a_server_that_is_full_gone_and_back_costs_no_write_and_no_message() {
    const WRITERS: u64 = 24;
    let small = ["-E", "thread_pool.write.size=1", "-E", "thread_pool.write.queue_size=1"];
    let Some(server) = Kind::Elasticsearch8.start(&small) else { return };

    // Full.
    let search_alone = Arc::new(opened(&server.url(), "full"));
    begin(&*search_alone).await;
    let retries = || METRICS.retries.get_or_create(&PortLabels { port: "search" }).get();
    let before = retries();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let search = Arc::clone(&search_alone);
        writers.spawn(async move {
            let rows = (1..=100).map(|at| row(chat_of(1, 1), writer * 100 + at, 1, "hello"));
            // Away is an answer too: whoever gets it comes back.
            while search.index(rows.clone().collect()).await.is_err() {}
        });
    }
    writers.join_all().await;
    assert!(retries() > before, "the server had room for all at once");
    let query = Query::parse("hello").expect("a query");
    let page = HitPage { after: None, limit: 1 };
    let hits = search_alone.find(chat_of(1, 1), &query, page).await.expect("hits");
    assert_eq!(hits.total, WRITERS * 100);

    // Gone.
    let service =
        Service::start_with(&["--search", &format!("{}/gone", server.url()), "--engine-timeout", "2s"]);
    let chat = Chat::new(&service).await;
    chat.say("stone 0").await;
    finds_all(&chat, "stone", 1).await;
    server.kill();
    for place in 1..50 {
        let started = Instant::now();
        chat.say(&format!("stone {place}")).await;
        assert!(started.elapsed() < WRITTEN_WITHIN, "{:?} for a write", started.elapsed());
    }
    let started = Instant::now();
    assert_eq!(search(&chat, "stone").await.status.as_u16(), 503);
    assert!(started.elapsed() < WRITTEN_WITHIN, "{:?} for a refusal", started.elapsed());

    // Back, and then silent.
    let server = server.start_again();
    finds_all(&chat, "stone", 50).await;
    server.pause();
    let started = Instant::now();
    assert_eq!(search(&chat, "stone").await.status.as_u16(), 503);
    assert!(started.elapsed() < WRITTEN_WITHIN * 2, "{:?} for a refusal", started.elapsed());
    chat.say("stone 50").await;
    server.wake();
    finds_all(&chat, "stone", 51).await;
    assert_eq!(service.stop().code(), Some(0));
}
