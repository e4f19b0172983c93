//! One tick of [`CounterSync`](super::counter_sync::CounterSync), apart from its loop.

use std::sync::Arc;

use super::counter_sync::Desk;
use crate::domain::{Parent, Timestamp};
use crate::intake::Intake;
use crate::store::{Store, StoreError, Uncounted};

/// Parents counted in one transaction.
const COUNT_PARENTS: usize = 500;
/// Rows looked at in one step for what a crash left uncounted.
const UNCOUNTED_ROWS: usize = 20_000;
/// Before everything.
pub(super) const NOT_YET: Timestamp = Timestamp::from_micros(0);

/// What a tick has to count.
pub(super) struct Changes {
    /// The store is to look for what was kept after the last counted moment.
    pub(super) missed: bool,
    pub(super) parents: Vec<Parent>,
}

/// What was accepted until then is kept or lost, on whichever node.
pub(super) async fn settled_through(intake: &dyn Intake) -> Timestamp {
    let now = Timestamp::now();
    match intake.oldest().await {
        Ok(oldest) => now.before(oldest.unwrap_or_default()),
        Err(error) => {
            tracing::debug!(?error, "the intake does not say what is on its way");
            NOT_YET
        }
    }
}

/// Counts in portions; gives back what could not be counted.
pub(super) async fn count(desk: Arc<Desk>, changes: Changes, through: Timestamp) -> Changes {
    match try_count(&*desk.store, &changes, through).await {
        Ok(()) => Changes { missed: false, parents: Vec::new() },
        Err(error) => {
            tracing::warn!(
                ?error,
                "counters could not be brought up to their rows; the next tick tries again"
            );
            changes
        }
    }
}

/// The moment is remembered only with the last portion: after a crash in between, the next start finds the rest.
async fn try_count(store: &dyn Store, changes: &Changes, through: Timestamp) -> Result<(), StoreError> {
    let mut look = changes.missed.then_some(None);
    while let Some(after) = look {
        let Uncounted { parents, next } = store.uncounted(after, UNCOUNTED_ROWS).await?;
        for portion in parents.chunks(COUNT_PARENTS) {
            store.count(portion, NOT_YET).await?;
        }
        look = next.map(Some);
    }
    let mut rest = changes.parents.as_slice();
    while let Some((portion, later)) = rest.split_at_checked(COUNT_PARENTS) {
        store.count(portion, NOT_YET).await?;
        rest = later;
    }
    store.count(rest, through).await
}
