//! One round of the housekeeping of [`CounterSync`](super::counter_sync::CounterSync), apart from its loop.

use std::sync::Arc;
use std::time::Instant;

use super::counter_sync::Desk;
use super::holes::close;
use super::vitals::{INTAKE, STORE};
use crate::domain::{Parent, Timestamp};
use crate::store::{AuditPlace, Hole, KEY_LIFETIME, StoreError};

/// Rows of deleted parents, or stale keys, that go in one transaction: short, so that writers pass in between.
const PURGE_ROWS: usize = 500;
/// Messages that are counted in one transaction for the quota of their application, whose writers wait.
const TALLY_ROWS: usize = 2_000;
/// Rows that one step of the audit looks at.
const AUDIT_ROWS: usize = 20_000;

/// What one round of the housekeeping has to do.
pub(super) struct Chores {
    /// Where the audit goes on, if it is due.
    pub(super) audit_after: Option<Option<AuditPlace>>,
    /// Parents that may have holes.
    pub(super) suspects: Vec<Parent>,
    /// Holes that may be nobody's by now, and when they were seen first.
    pub(super) holes: Vec<(Hole, Instant)>,
}

/// What one round did.
pub(super) struct Done {
    pub(super) audited_to: Option<Option<AuditPlace>>,
    pub(super) seen: Vec<Hole>,
    pub(super) closed: Vec<Hole>,
}

/// Deletes what belongs to deleted parents, a portion at a time; counts what new quotas have yet to know of; deletes
/// stale keys; closes holes, looks at suspects,
/// and audits.
pub(super) async fn tend(desk: Arc<Desk>, chores: Chores) -> Option<Done> {
    match try_tend(&desk, chores).await {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::warn!(?error, "housekeeping failed; the next round goes on");
            None
        }
    }
}

async fn try_tend(desk: &Desk, chores: Chores) -> Result<Done, StoreError> {
    let store = &*desk.store;
    while store.purge(PURGE_ROWS).await? > 0 {
        tokio::task::yield_now().await;
    }
    while store.tally(TALLY_ROWS).await? > 0 {
        tokio::task::yield_now().await;
    }
    store.sweep_keys(Timestamp::now().before(KEY_LIFETIME), PURGE_ROWS).await?;
    let closed = close(desk, chores.holes).await?;
    let mut done = Done { audited_to: None, seen: Vec::new(), closed };
    if !chores.suspects.is_empty() {
        done.seen = store.holes(&chores.suspects).await?;
    }
    if let Some(after) = chores.audit_after {
        heed(desk).await;
        let audited = store.audit(after, AUDIT_ROWS).await?;
        if audited.repaired > 0 {
            tracing::warn!(repaired = audited.repaired, "the audit repaired counters of deleted things");
        }
        done.audited_to = Some(audited.next);
        done.seen.extend(audited.holes);
    }
    Ok(done)
}

/// Asks the engines how they are set. One that does not answer is asked with the next step of the audit.
async fn heed(desk: &Desk) {
    if let Ok(warnings) = desk.store.warnings().await {
        desk.vitals.warn(STORE, warnings);
    }
    if let Ok(warnings) = desk.intake.warnings().await {
        desk.vitals.warn(INTAKE, warnings);
    }
}
