use std::path::Path;

use super::*;
use crate::domain::{ApplicationId, Body, MessagePlace, Number};
use crate::search::{HITS_LIMIT, Hit};

/// The laws of the port, over generated texts.
mod laws;
/// Starting, stopping and damage.
mod life;

fn number(value: u64) -> Number {
    Number::new(value).unwrap()
}

fn chat(application: i64, value: u64) -> ChatPlace {
    ChatPlace { application: ApplicationId(application), chat: number(value) }
}

fn row(chat: ChatPlace, value: u64, version: u64, body: &str) -> Row {
    Row { place: MessagePlace { chat, number: number(value) }, version, body: Some(Body::kept(body)) }
}

fn tombstone(chat: ChatPlace, value: u64, version: u64) -> Row {
    Row { place: MessagePlace { chat, number: number(value) }, version, body: None }
}

fn open(folder: &Path) -> TantivySearch {
    TantivySearch::open(folder).unwrap()
}

const NONE: [u64; 0] = [];

const FIRST_PAGE: HitPage = HitPage { after: None, limit: HITS_LIMIT };

async fn hits(search: &TantivySearch, chat: ChatPlace, query: &str) -> Vec<(u32, u64)> {
    let found = search.find(chat, &Query::parse(query).unwrap(), FIRST_PAGE).await.unwrap();
    assert_eq!(found.total as usize, found.page.len());
    assert!(!found.more);
    found.page.iter().map(|hit| (hit.weight, hit.number.get())).collect()
}

async fn numbers(search: &TantivySearch, chat: ChatPlace, query: &str) -> Vec<u64> {
    hits(search, chat, query).await.into_iter().map(|(_, number)| number).collect()
}

fn in_runtime<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}
