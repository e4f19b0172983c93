//! One round of [`SearchIndexer`](super::search_indexer::SearchIndexer), apart from its loop: from the backlog of
//! the store into the index.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::portion::Portion;
use super::reindex::{Built, Failure, Onlooker, rebuild};
use super::vitals::{EngineState, SEARCH, Vitals};
use crate::domain::{ApplicationId, Parent, Timestamp};
use crate::metrics::METRICS;
use crate::search::Search;
use crate::store::{Claim, Store, Task};

/// Messages of one round, about.
const ROUND_MESSAGES: u64 = 4_000;

/// A round that took longer is the last to know who else has written something: it ends after a step.
const ROUND_TIME: Duration = Duration::from_millis(500);

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
    /// The application that was served last: the next round begins behind it.
    pub(super) served: AtomicI64,
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

/// One round: 1. an index that does not know every row is built anew; 2. claim; 3. forget what was deleted, and
/// index the rows as they are now; 4. finish the claims, and give back what there was no time for.
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
    let after = desk.served.load(Ordering::Relaxed);
    let until = Timestamp::now().after(desk.lease);
    let claims = desk.store.claim(Some(ApplicationId(after)), ROUND_MESSAGES, until).await?;
    if claims.is_empty() {
        return Ok(Round::Empty);
    }
    let (done, left) = match take(desk, &claims).await {
        Ok(portion) => {
            if let Some(application) = portion.last_served() {
                desk.served.store(application.0, Ordering::Relaxed);
            }
            portion.part(&claims)
        }
        Err(failure) => {
            // Else nobody would try them again before the claims lapse.
            desk.store.release(&claims).await?;
            return Err(failure);
        }
    };
    if !left.is_empty() {
        desk.store.release(&left).await?;
    }
    desk.store.finish(&done).await?;
    let messages: u64 = claims.iter().map(|claim| claim.task.messages()).sum();
    let is_full = !left.is_empty() || messages >= ROUND_MESSAGES;
    Ok(if is_full { Round::Full } else { Round::Some })
}

/// Brings what was claimed into the index, or as much of it as [`ROUND_TIME`] or a drain leaves time for.
async fn take(desk: &Desk, claims: &[Claim]) -> Result<Portion, Failure> {
    let started = Instant::now();
    let forgotten = claims.iter().filter_map(|claim| match claim.task {
        Task::Forget(parent) => Some(parent),
        Task::Index(_) => None,
    });
    let forgotten: Vec<Parent> = forgotten.collect();
    if !forgotten.is_empty() {
        desk.search.forget(forgotten).await?;
    }
    let mut portion = Portion::of(claims);
    while !desk.has_enough() {
        if let Some(ranges) = portion.to_read() {
            portion.read(desk.store.rows(ranges).await?);
            continue;
        }
        let step = portion.step();
        if step.is_empty() {
            break;
        }
        let versions = step.len() as u64;
        desk.search.index(step).await?;
        METRICS.indexed.inc_by(versions);
        if started.elapsed() >= ROUND_TIME {
            break;
        }
    }
    Ok(portion)
}
