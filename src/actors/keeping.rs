//! Keeping one batch of [`PersistenceActor`](super::persistence_actor::PersistenceActor), apart from its loop: until there
//! is an end for each draft.

use std::sync::Arc;
use std::time::Duration;

use super::contain::contain;
use super::vitals::{EngineState, STORE, Vitals};
use crate::Source;
use crate::connections::Backoff;
use crate::domain::{Number, Numbered, Parent};
use crate::metrics::{METRICS, PortLabels};
use crate::store::{Kept, Store, StoreError};

/// Between two tries while the store is away, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A draft that the store cannot keep; its number is buried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost;

/// Keeps until there is an answer for each draft, however long the store is away.
pub(super) async fn keep_surely(
    store: &Arc<dyn Store>,
    vitals: &Vitals,
    drafts: &Arc<[Numbered]>,
) -> Vec<Result<Kept, Lost>> {
    let mut ends = Vec::with_capacity(drafts.len());
    let mut parts = vec![Arc::clone(drafts)];
    while let Some(part) = parts.pop() {
        match keep_part(store, vitals, &part).await {
            Ok(kept) => ends.extend(kept.into_iter().map(Ok)),
            Err(error) if part.len() > 1 => {
                tracing::error!(error, drafts = part.len(), "a batch cannot be kept; trying its halves");
                let (first, second) = part.split_at(part.len() / 2);
                parts.push(second.into());
                parts.push(first.into());
            }
            Err(error) => {
                for Numbered { draft, number } in part.iter() {
                    let (id, parent) = (draft.id, draft.parent);
                    tracing::error!(
                        error,
                        ?id,
                        ?parent,
                        ?number,
                        "a draft cannot be kept; burying its number"
                    );
                }
                bury_surely(
                    &**store,
                    vitals,
                    part.iter().map(|lost| (lost.draft.parent, lost.number)).collect(),
                )
                .await;
                ends.push(Err(Lost));
            }
        }
    }
    ends
}

/// Waits while the store is away; the error is one that waiting does not cure. A panic is one of these: it is
/// contained here, so that the line goes on and no number is left open.
async fn keep_part(
    store: &Arc<dyn Store>,
    vitals: &Vitals,
    part: &Arc<[Numbered]>,
) -> Result<Vec<Kept>, Source> {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let (store, drafts) = (Arc::clone(store), Arc::clone(part));
        let kept = contain(async move { store.keep(drafts).await }).await;
        match kept.unwrap_or_else(|panicked| Err(StoreError::Broken(Box::new(panicked)))) {
            Ok(kept) => {
                vitals.set(STORE, EngineState::Up);
                return Ok(kept);
            }
            Err(StoreError::Broken(error)) => return Err(error),
            Err(StoreError::Away(error) | StoreError::Unknown(error)) => {
                vitals.set(STORE, EngineState::Away);
                METRICS.retries.get_or_create(&PortLabels { port: STORE }).inc();
                tracing::warn!(error, drafts = part.len(), "the store is away; the line waits");
                backoff.wait().await;
            }
        }
    }
}

async fn bury_surely(store: &dyn Store, vitals: &Vitals, numbers: Vec<(Parent, Number)>) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    while let Err(error) = store.bury(&numbers).await {
        vitals.set(STORE, EngineState::Away);
        tracing::warn!(?error, "a number could not be buried; the line waits");
        backoff.wait().await;
    }
    vitals.set(STORE, EngineState::Up);
}
