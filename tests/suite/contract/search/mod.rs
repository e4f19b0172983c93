/// Which messages are found, in which order.
mod order;
/// What is found of a message that changes.
mod versions;
/// Starting, stopping and beginning anew.
mod life;
/// Different engines give the same answers.
mod alike;

use std::cmp::Reverse;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chat_system::domain::{ApplicationId, ChatPlace, Parent};
use chat_system::search::elasticsearch::{ElasticsearchOptions, ElasticsearchSearch};
use chat_system::search::tantivy::TantivySearch;
use chat_system::search::{HITS_LIMIT, Hit, HitPage, Query, Search};
use chat_system::store::Row;
use tempfile::TempDir;

use crate::contract::side_by_side;
use crate::contract::things::{Dice, chat_of, in_chat, number, row, tombstone};
use crate::support::servers::{Kind, unique};
use life::*;
use order::*;
use versions::*;

/// A kind of index.
pub(crate) trait SearchEngine: Sync {
    /// A new one, with nothing in it.
    fn fresh(&self) -> Box<dyn SearchPlace>;

    /// Where its server is not installed it is not tried, which was said.
    fn is_there(&self) -> bool {
        true
    }
}

/// Where the index is.
#[async_trait]
pub(crate) trait SearchPlace: Send + Sync {
    /// Opens it; once, or again after the one before was dropped.
    async fn open(&self) -> Arc<dyn Search>;
}

struct Tantivy;

struct InFolder(TempDir);

impl SearchEngine for Tantivy {
    fn fresh(&self) -> Box<dyn SearchPlace> {
        Box::new(InFolder(tempfile::tempdir().expect("a folder")))
    }
}

#[async_trait]
impl SearchPlace for InFolder {
    async fn open(&self) -> Arc<dyn Search> {
        Arc::new(TantivySearch::open(self.0.path()).expect("an index"))
    }
}

/// On the server of this URL.
pub(crate) struct Elasticsearch(pub(crate) String);

/// Behind an alias of its own, by URL.
struct BehindAlias(String);

impl SearchEngine for Elasticsearch {
    fn fresh(&self) -> Box<dyn SearchPlace> {
        Box::new(BehindAlias(format!("{}/{}", self.0, unique("laws-"))))
    }
}

/// On the server of this kind that all tests share.
pub(crate) struct Shared(Kind);

const ELASTICSEARCH_7: Shared = Shared(Kind::Elasticsearch7);
pub(crate) const ELASTICSEARCH_8: Shared = Shared(Kind::Elasticsearch8);
const ELASTICSEARCH_9: Shared = Shared(Kind::Elasticsearch9);

impl SearchEngine for Shared {
    fn fresh(&self) -> Box<dyn SearchPlace> {
        Elasticsearch(self.0.shared().expect("it is there")).fresh()
    }

    fn is_there(&self) -> bool {
        self.0.shared().is_some()
    }
}

#[async_trait]
impl SearchPlace for BehindAlias {
    async fn open(&self) -> Arc<dyn Search> {
        // Busy machines are slow, and how long a call may take is no law.
        let options = ElasticsearchOptions { timeout: Duration::from_secs(60), tls_ca: None };
        let search = ElasticsearchSearch::new(&self.0, &options).expect("a URL");
        if search.name().await.expect("an answer").is_none() {
            let name = search.renew().await.expect("begun");
            search.present(&name).await.expect("presented");
        }
        Arc::new(search)
    }
}

/// An index that the laws hold for, to plant bugs in.
pub(crate) const RIGHT: &dyn SearchEngine = &Tantivy;

laws! {
    dyn SearchEngine;
    engines [
        tantivy = Tantivy,
        elasticsearch_7 = ELASTICSEARCH_7,
        elasticsearch_8 = ELASTICSEARCH_8,
        elasticsearch_9 = ELASTICSEARCH_9,
    ];
    laws [
        better_kinds_come_first_and_then_newer_messages,
        every_word_of_the_query_counts,
        a_query_without_words_finds_nothing,
        nothing_of_another_chat_is_found,
        a_word_with_thousands_of_neighbours_is_found_in_each,
        the_newest_version_wins_in_any_order_of_arrival,
        the_newest_version_wins_within_one_batch,
        what_was_deleted_is_not_found_and_does_not_come_back,
        a_forgotten_chat_is_gone_and_the_others_are_there,
        a_forgotten_application_is_gone_and_the_others_are_there,
        totals_are_exact_and_pages_have_no_repeat_and_no_gap,
        what_was_indexed_is_found_at_once_and_after_opening_again,
        an_index_made_anew_is_empty_under_another_name,
        a_sound_index_is_verified,
        versions_that_the_index_does_not_hold_are_missing,
        what_is_written_while_an_index_is_begun_is_in_the_one_that_answers,
        it_finds_what_looking_at_each_message_finds,
        whatever_arrives_at_once_the_newest_version_is_found,
    ]
}

/// An open index in a place of its own.
struct Open {
    search: Arc<dyn Search>,
    _place: Box<dyn SearchPlace>,
}

impl Deref for Open {
    type Target = dyn Search;

    fn deref(&self) -> &Self::Target {
        &*self.search
    }
}

async fn fresh(engine: &dyn SearchEngine) -> Open {
    let place = engine.fresh();
    Open { search: place.open().await, _place: place }
}

/// The weights and numbers of all hits, which fit one page.
async fn hits(search: &dyn Search, chat: ChatPlace, query: &str) -> Vec<(u32, u64)> {
    let query = Query::parse(query).expect("a query");
    let page = HitPage { after: None, limit: HITS_LIMIT };
    let found = search.find(chat, &query, page).await.expect("hits");
    assert_eq!((found.total, found.more), (found.page.len() as u64, false), "{found:?}");
    found.page.iter().map(|hit| (hit.weight, hit.number.get())).collect()
}

async fn numbers(search: &dyn Search, chat: ChatPlace, query: &str) -> Vec<u64> {
    hits(search, chat, query).await.into_iter().map(|(_, number)| number).collect()
}

async fn index(search: &dyn Search, rows: Vec<Row>) {
    search.index(rows).await.expect("indexed");
}

async fn say(search: &dyn Search, chat: ChatPlace, bodies: &[&str]) {
    index(search, (1..).zip(bodies).map(|(at, body)| row(chat, at, 1, body)).collect()).await;
}

const NONE: [u64; 0] = [];
