use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use chat_system::domain::{ChatPlace, MessagePlace, Number, Parent};
use chat_system::search::{HITS_LIMIT, HitPage, Hits, Query, Search, SearchError};
use chat_system::store::Row;

use super::planted;
use crate::contract::search::{ELASTICSEARCH_8, LAWS, RIGHT, SearchEngine, SearchPlace};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    LetsAnOldVersionWin,
    ForgetsTombstones,
    FindsInAnotherChat,
    AnswersInAnotherOrder,
    LosesEverythingWhenItCloses,
    ForgetsOnlyChats,
    CountsOnlyThePage,
    RepeatsAHitOnTheNextPage,
    KeepsItsRowsWhenMadeAnew,
    MissesOneInAHundred,
}

/// The same bugs around each right engine.
macro_rules! around {
    ($($name:ident = $engine:ident),* $(,)?) => {$(
        mod $name {
            use super::*;

            planted! {
                LAWS, Bug, $engine;
                an_index_that_lets_an_old_version_win_is_caught: LetsAnOldVersionWin by the_newest_version_wins_in_any_order_of_arrival;
                an_index_that_lets_an_old_version_win_within_a_batch_is_caught: LetsAnOldVersionWin by the_newest_version_wins_within_one_batch;
                an_index_that_forgets_tombstones_is_caught: ForgetsTombstones by what_was_deleted_is_not_found_and_does_not_come_back;
                an_index_that_finds_in_another_chat_is_caught: FindsInAnotherChat by nothing_of_another_chat_is_found;
                an_index_that_answers_in_another_order_is_caught: AnswersInAnotherOrder by better_kinds_come_first_and_then_newer_messages;
                an_index_that_loses_everything_when_it_closes_is_caught: LosesEverythingWhenItCloses by what_was_indexed_is_found_at_once_and_after_opening_again;
                an_index_that_forgets_only_chats_is_caught: ForgetsOnlyChats by a_forgotten_application_is_gone_and_the_others_are_there;
                an_index_that_counts_only_the_page_is_caught: CountsOnlyThePage by totals_are_exact_and_pages_have_no_repeat_and_no_gap;
                an_index_that_repeats_a_hit_is_caught: RepeatsAHitOnTheNextPage by totals_are_exact_and_pages_have_no_repeat_and_no_gap;
                an_index_that_keeps_its_rows_when_made_anew_is_caught: KeepsItsRowsWhenMadeAnew by an_index_made_anew_is_empty_under_another_name;
                an_index_that_misses_one_in_a_hundred_is_caught: MissesOneInAHundred by it_finds_what_looking_at_each_message_finds;
            }
        }
    )*};
}

around!(tantivy = on_tantivy, elasticsearch_8 = on_elasticsearch);

fn on_tantivy(bug: Bug) -> Bent {
    Bent(bug, RIGHT)
}

fn on_elasticsearch(bug: Bug) -> Bent {
    Bent(bug, &ELASTICSEARCH_8)
}

struct Bent(Bug, &'static dyn SearchEngine);

struct BentPlace {
    bug: Bug,
    right: Box<dyn SearchPlace>,
    opened: AtomicBool,
}

struct BentSearch {
    bug: Bug,
    right: Arc<dyn Search>,
    /// Goes up with each row, so that what came last is the newest.
    arrivals: AtomicU64,
}

impl SearchEngine for Bent {
    fn fresh(&self) -> Box<dyn SearchPlace> {
        Box::new(BentPlace { bug: self.0, right: self.1.fresh(), opened: AtomicBool::new(false) })
    }

    fn is_there(&self) -> bool {
        self.1.is_there()
    }
}

#[async_trait]
impl SearchPlace for BentPlace {
    async fn open(&self) -> Arc<dyn Search> {
        let right = self.right.open().await;
        if self.opened.swap(true, Ordering::SeqCst) && self.bug == Bug::LosesEverythingWhenItCloses {
            let name = right.renew().await.expect("renewed");
            right.present(&name).await.expect("presented");
        }
        Arc::new(BentSearch { bug: self.bug, right, arrivals: AtomicU64::new(1) })
    }
}

#[async_trait]
impl Search for BentSearch {
    async fn name(&self) -> Result<Option<String>, SearchError> {
        self.right.name().await
    }

    async fn renew(&self) -> Result<String, SearchError> {
        if self.bug == Bug::KeepsItsRowsWhenMadeAnew {
            return Ok(self.right.name().await?.unwrap_or_default());
        }
        self.right.renew().await
    }

    async fn present(&self, name: &str) -> Result<(), SearchError> {
        self.right.present(name).await
    }

    async fn verify(&self) -> Result<(), SearchError> {
        self.right.verify().await
    }

    async fn index(&self, mut rows: Vec<Row>) -> Result<(), SearchError> {
        match self.bug {
            Bug::LetsAnOldVersionWin => {
                for row in &mut rows {
                    row.version = self.arrivals.fetch_add(1, Ordering::SeqCst);
                }
            }
            Bug::ForgetsTombstones => rows.retain(|row| row.body.is_some()),
            Bug::MissesOneInAHundred => rows.retain(|row| row.place.number.get() % 100 != 33),
            _ => {}
        }
        self.right.index(rows).await
    }

    async fn missing(&self, rows: &[Row]) -> Result<Vec<MessagePlace>, SearchError> {
        self.right.missing(rows).await
    }

    async fn forget(&self, mut parents: Vec<Parent>) -> Result<(), SearchError> {
        if self.bug == Bug::ForgetsOnlyChats {
            parents.retain(|parent| matches!(parent, Parent::Chat(_)));
        }
        self.right.forget(parents).await
    }

    async fn find(&self, chat: ChatPlace, query: &Query, page: HitPage) -> Result<Hits, SearchError> {
        let mut hits = self.right.find(chat, query, page).await?;
        match self.bug {
            Bug::FindsInAnotherChat if hits.total == 0 => {
                let first = ChatPlace { chat: Number::FIRST, ..chat };
                return self.right.find(first, query, page).await;
            }
            Bug::AnswersInAnotherOrder => hits.page.sort_by_key(|hit| (hit.number, hit.weight)),
            Bug::CountsOnlyThePage => hits.total = hits.page.len() as u64,
            Bug::RepeatsAHitOnTheNextPage => {
                if let Some(after) = page.after
                    && page.limit < HITS_LIMIT
                    && hits.page.pop().is_some()
                {
                    hits.page.insert(0, after);
                }
            }
            _ => {}
        }
        Ok(hits)
    }
}
