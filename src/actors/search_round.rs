//! One round of [`SearchIndexer`](super::search_indexer::SearchIndexer), apart from its loop: from the backlog of
//! the store into the index.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::reindex::{Built, Failure, Onlooker, rebuild};
use super::vitals::{EngineState, SEARCH, Vitals};
use crate::domain::Timestamp;
use crate::metrics::METRICS;
use crate::search::Search;
use crate::store::{Claim, ClaimId, Range, Row, Store, Task};

/// Messages of one round, about.
const ROUND_MESSAGES: u64 = 2_000;

/// Bytes of bodies that are indexed in one go, so that a drain does not wait for more.
const STEP_BYTES: usize = 256 * 1024;

/// From switching to an index until the store knows of it, about.
const SWITCH_TIME: Duration = Duration::from_millis(200);

/// What a round works with.
pub(super) struct Desk {
    pub(super) store: Arc<dyn Store>,
    pub(super) search: Arc<dyn Search>,
    pub(super) vitals: Arc<Vitals>,
    /// A claim of a node that died comes back after this.
    pub(super) lease: Duration,
    /// Set by a drain: a walk over all rows ends early, and starts again with the next process.
    pub(super) stopping: AtomicBool,
}

impl Onlooker for Desk {
    fn has_enough(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// The backlog holds more.
    Full,
    /// Some was taken; there may be more by now.
    Some,
    /// There was nothing.
    Empty,
    /// Another node builds the index anew.
    Elsewhere,
    Failed,
    /// The index has to be built anew.
    Damaged,
}

/// Says whether the index knows every row. Called before the first request, so that an empty store is searchable
/// at once and nobody is shown half an index. An index that this store does not know may be of another store, and
/// hold messages of the same places: an empty one takes its place. Where an engine is away, the first round says it.
pub async fn compare(store: &dyn Store, search: &dyn Search, vitals: &Vitals) {
    match try_compare(store, search).await {
        Ok(state) => vitals.set(SEARCH, state),
        Err(Failure::Away(error) | Failure::Damaged(error)) => {
            tracing::warn!(error, "the search index cannot be compared with the rows yet");
            vitals.set(SEARCH, EngineState::Away);
        }
    }
}

async fn try_compare(store: &dyn Store, search: &dyn Search) -> Result<EngineState, Failure> {
    if knows_every_row(store, search).await? {
        return Ok(EngineState::Up);
    }
    if store.walk(None, 1).await?.is_empty() && store.lead().await? {
        let name = search.renew().await?;
        search.present(&name).await?;
        store.remember_index(&name).await?;
        return Ok(EngineState::Up);
    }
    Ok(EngineState::Rebuilding)
}

/// Whether the index that answers is the one that the store remembers. Whoever built one switches to it and then says
/// so: a difference is looked at again a moment later.
async fn knows_every_row(store: &dyn Store, search: &dyn Search) -> Result<bool, Failure> {
    let name = search.name().await?;
    if name.is_none() || store.known_index().await? == name {
        return Ok(name.is_some());
    }
    tokio::time::sleep(SWITCH_TIME).await;
    Ok(store.known_index().await? == search.name().await?)
}

/// One round: 1. an index that does not know every row is built anew; 2. claim; 3. index the rows as they are now;
/// 4. forget what was deleted; 5. finish the claims.
pub(super) async fn round(desk: Arc<Desk>, renew: bool) -> Round {
    match try_round(&desk, renew).await {
        Ok(Round::Elsewhere) => {
            desk.vitals.set(SEARCH, EngineState::Rebuilding);
            Round::Elsewhere
        }
        Ok(end) => {
            desk.vitals.set(SEARCH, EngineState::Up);
            end
        }
        Err(Failure::Damaged(error)) => {
            tracing::warn!(error, "the search index is damaged; building it anew");
            desk.vitals.set(SEARCH, EngineState::Rebuilding);
            Round::Damaged
        }
        Err(Failure::Away(error)) => {
            tracing::warn!(error, "a round of indexing failed; it is tried again");
            if desk.vitals.get(SEARCH) == EngineState::Up {
                desk.vitals.set(SEARCH, EngineState::Away);
            }
            Round::Failed
        }
    }
}

async fn try_round(desk: &Desk, renew: bool) -> Result<Round, Failure> {
    if renew || !knows_every_row(&*desk.store, &*desk.search).await? {
        if !desk.store.lead().await? {
            return Ok(Round::Elsewhere);
        }
        desk.vitals.set(SEARCH, EngineState::Rebuilding);
        match rebuild(&*desk.store, &*desk.search, desk).await? {
            Some(Built { messages: 0, .. }) => {}
            Some(Built { index, messages }) => {
                tracing::info!(messages, index, "the search index was built anew")
            }
            None => return Ok(Round::Elsewhere),
        }
    }
    let claims = desk.store.claim(ROUND_MESSAGES, Timestamp::now().after(desk.lease)).await?;
    if claims.is_empty() {
        return Ok(Round::Empty);
    }
    let ids: Vec<ClaimId> = claims.iter().map(|claim| claim.id).collect();
    match take(desk, &claims).await {
        Ok(Some(messages)) => {
            desk.store.finish(&ids).await?;
            Ok(if messages >= ROUND_MESSAGES { Round::Full } else { Round::Some })
        }
        Ok(None) => {
            desk.store.release(&ids).await?;
            Ok(Round::Some)
        }
        Err(failure) => {
            // Else nobody would try them again before the claims lapse.
            desk.store.release(&ids).await?;
            Err(failure)
        }
    }
}

/// Brings what was claimed into the index; says of about how many messages. `None` where a drain ended it before.
async fn take(desk: &Desk, claims: &[Claim]) -> Result<Option<u64>, Failure> {
    let mut ranges: Vec<Range> = Vec::new();
    let (mut forgotten, mut messages) = (Vec::new(), 0);
    for claim in claims {
        match claim.task {
            Task::Index(range) => {
                messages += range.last.get() - range.first.get() + 1;
                ranges.push(range);
            }
            Task::Forget(parent) => forgotten.push(parent),
        }
    }
    while !ranges.is_empty() {
        let found = desk.store.rows(&ranges).await?;
        for step in steps(found.rows) {
            if desk.has_enough() {
                return Ok(None);
            }
            METRICS.indexed.inc_by(step.len() as u64);
            desk.search.index(step).await?;
        }
        ranges = found.rest;
    }
    if !forgotten.is_empty() {
        desk.search.forget(forgotten).await?;
    }
    Ok(Some(messages))
}

/// Rows in portions that are soon indexed, however long their bodies are.
fn steps(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut steps: Vec<Vec<Row>> = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let row_bytes = row.body.as_ref().map_or(0, |body| body.as_str().len());
        bytes += row_bytes;
        match steps.last_mut() {
            Some(step) if bytes <= STEP_BYTES => step.push(row),
            _ => {
                bytes = row_bytes;
                steps.push(vec![row]);
            }
        }
    }
    steps
}
