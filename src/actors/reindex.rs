//! The search index built anew by walking all rows: by [`SearchIndexer`](super::search_indexer::SearchIndexer) when
//! the present one does not know every row, and by an operator who asks for it.

use std::time::Duration;

use tokio::time::timeout;

use crate::Source;
use crate::connections::Backoff;
use crate::domain::{MessagePlace, Order, Page};
use crate::metrics::{METRICS, PortLabels};
use crate::search::{Search, SearchError};
use crate::store::{PAGE_LIMIT_BYTES, Row, Store, StoreError};

/// Rows of one step of a walk.
const WALK_ROWS: usize = 2_000;
/// How often rows of a walk are given to an engine that is away, lest the whole walk begins again.
const ATTEMPTS: usize = 4;
/// How often a node says that it still leads; shorter than any lease.
const LEAD_INTERVAL: Duration = Duration::from_millis(300);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Applications, and chats, looked at in one step to count their messages.
const COUNT_PAGE: usize = 1_000;

/// Who looks on while all rows are walked.
pub trait Onlooker: Sync {
    /// Whether the walk should end early.
    fn has_enough(&self) -> bool {
        false
    }

    /// So many more rows have been walked.
    fn walked(&self, _rows: usize) {}

    /// There are about so many messages to walk.
    fn expects(&self, _messages: u64) {}

    /// The new index answers. All rows are walked once more, to see whether it knows them.
    fn switched(&self) {}
}

/// Why the index could not be built, or a round failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("an engine does not answer")]
    Away(#[source] Source),
    #[error("the search index is damaged")]
    Damaged(#[source] Source),
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Away(source) => Self::Away(source),
            SearchError::Damaged(source) => Self::Damaged(source),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Away(Box::new(error))
    }
}

/// An index that knows every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    pub index: String,
    pub messages: usize,
}

/// What an operator is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reindexed {
    pub built: Built,
    /// Messages that the new index did not know when it began to answer, and does now: what was written just then.
    pub missed: usize,
}

/// All live rows in the order of their keys, page by page.
#[derive(Default)]
struct Walk {
    after: Option<MessagePlace>,
    ended: bool,
}

impl Walk {
    async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<Row>>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let rows = store.walk(self.after, WALK_ROWS).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        self.after = Some(last.place);
        // To go on after the last page would follow the writers, for as long as they write.
        self.ended = is_last_page(&rows);
        Ok(Some(rows))
    }
}

/// Whether the walk had come to its end when it read these.
fn is_last_page(rows: &[Row]) -> bool {
    let bytes: usize = rows.iter().filter_map(|row| row.body.as_ref()).map(|body| body.as_str().len()).sum();
    rows.len() < WALK_ROWS && bytes < PAGE_LIMIT_BYTES
}

/// Walks all rows into an empty index, which then takes the place of the present one; what is written meanwhile is in
/// the backlog. `None` where it did not come to the end: the onlooker had enough, or another node took the lead while
/// this one was held up.
///
/// # Errors
/// When an engine is away for longer than some attempts; the present index stays.
pub(super) async fn rebuild(
    store: &dyn Store,
    search: &dyn Search,
    onlooker: &dyn Onlooker,
) -> Result<Option<Built>, Failure> {
    let index = search.renew().await?;
    let mut messages = 0;
    let mut walk = Walk::default();
    while let Some(rows) = walk.next(store).await? {
        if onlooker.has_enough() || !store.lead().await? {
            return Ok(None);
        }
        let count = rows.len();
        leading(store, give(search, rows, onlooker)).await??;
        messages += count;
        onlooker.walked(count);
    }
    search.present(&index).await?;
    store.remember_index(&index).await?;
    Ok(Some(Built { index, messages }))
}

/// Does the work, and says meanwhile that this node leads: it may take longer than a lease.
async fn leading<T>(store: &dyn Store, work: impl Future<Output = T>) -> Result<T, StoreError> {
    let mut work = std::pin::pin!(work);
    loop {
        match timeout(LEAD_INTERVAL, &mut work).await {
            Ok(done) => return Ok(done),
            // Whether it still leads is looked at before the next page.
            Err(_elapsed) => drop(store.lead().await?),
        }
    }
}

/// Indexes rows, and again where the engine was away.
async fn give(search: &dyn Search, rows: Vec<Row>, onlooker: &dyn Onlooker) -> Result<(), SearchError> {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    for _ in 1..ATTEMPTS {
        match search.index(rows.clone()).await {
            Err(SearchError::Away(error)) if !onlooker.has_enough() => {
                tracing::warn!(error, "rows of a walk were not indexed; they are tried again");
                METRICS.retries.get_or_create(&PortLabels { port: "search" }).inc();
                backoff.wait().await;
            }
            end => return end,
        }
    }
    search.index(rows).await
}

/// Builds the index anew, switches to it, and makes sure that it knows every row. `None` where another node leads.
///
/// # Errors
/// When an engine is away for longer than some attempts. Until the switch the present index answers, where the engine
/// can have two.
pub async fn reindex(
    store: &dyn Store,
    search: &dyn Search,
    onlooker: &dyn Onlooker,
) -> Result<Option<Reindexed>, Failure> {
    if !store.lead().await? {
        return Ok(None);
    }
    let expecting = async {
        match count_messages(store).await {
            Ok(messages) => onlooker.expects(messages),
            Err(error) => tracing::warn!(?error, "the messages cannot be counted beforehand"),
        }
    };
    let ((), built) = tokio::join!(expecting, rebuild(store, search, onlooker));
    let Some(built) = built? else { return Ok(None) };
    onlooker.switched();
    let missed = fill(store, search, onlooker).await?;
    search.verify().await?;
    Ok(Some(Reindexed { built, missed }))
}

/// Walks all rows and indexes those that the index does not know; says how many these were.
async fn fill(store: &dyn Store, search: &dyn Search, onlooker: &dyn Onlooker) -> Result<usize, Failure> {
    let mut missed = 0;
    let mut walk = Walk::default();
    while let Some(mut rows) = walk.next(store).await? {
        let count = rows.len();
        let missing = search.missing(&rows).await?;
        if !missing.is_empty() {
            missed += missing.len();
            rows.retain(|row| missing.contains(&row.place));
            give(search, rows, onlooker).await?;
        }
        onlooker.walked(count);
    }
    Ok(missed)
}

/// As the counters have it, which follow the rows within a second or so.
async fn count_messages(store: &dyn Store) -> Result<u64, StoreError> {
    let mut messages = 0;
    let mut applications = page();
    loop {
        let Some(listed) = store.applications(&applications).await? else { break };
        for application in listed.items.iter().filter(|application| application.chats_count > 0) {
            let Some(tenant) = store.tenant(&application.token).await? else { continue };
            let mut chats = page();
            while let Ok(listed) = store.chats(&tenant, &chats).await? {
                messages += listed.items.iter().map(|chat| chat.messages_count).sum::<u64>();
                chats.after = listed.next;
                if chats.after.is_none() {
                    break;
                }
            }
        }
        applications.after = listed.next;
        if applications.after.is_none() {
            break;
        }
    }
    Ok(messages)
}

fn page<C>() -> Page<C> {
    Page { after: None, before: None, order: Order::Ascending, limit: COUNT_PAGE }
}
