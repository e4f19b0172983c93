//! What the edge may ask of the actors: the one way in.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::counter_sync::{Changed, CounterSync, Suspect};
use super::full::Full;
use super::inlet::{Inlet, InletError};
use super::number_allocator::{Create, NumberAllocator, Retire};
use super::reply::Reply;
use super::search_indexer::{Damaged, SearchIndexer, Wake};
use super::vitals::{EngineState, STORE, Vitals};
use crate::connections::Backoff;
use crate::domain::{Draft, Number, Parent};
use crate::intake::Durability;
use crate::store::Recalled;

/// The edge's side of the actors. Cloning shares it.
#[derive(Clone)]
pub struct Door {
    pub allocator: Inlet<NumberAllocator>,
    pub indexer: Inlet<SearchIndexer>,
    pub counters: Inlet<CounterSync>,
    pub full: Arc<Full>,
    pub vitals: Arc<Vitals>,
    pub durability: Durability,
    /// How long a creation is waited for.
    pub ack_wait: Duration,
}

/// How a creation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// Committed: readable at once.
    Kept(Number),
    /// Numbered and durably queued; it will be kept.
    Queued(Number),
    /// Its key was used before, with the same body.
    Replay(Recalled),
}

/// Why nothing was created, or nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    #[error("the parent is unknown or deleted")]
    NoParent,
    #[error("the application holds as much as it may")]
    OverQuota,
    #[error("the first request with this key is still at work")]
    KeyHeld,
    #[error("the key was used with another body")]
    KeyReused,
    #[error("nothing was taken: too much is waiting")]
    Full,
    #[error("nothing was taken: an engine is away")]
    Away,
    #[error("nobody knows whether this was kept")]
    Unknown,
}

/// How long a creation is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until it is kept, or `ack_wait` is over.
    UntilKept,
    /// Until it is durably queued (`Prefer: respond-async`); a volatile intake waits until it is kept.
    UntilQueued,
}

/// A copy of a request at work asks again after this, and then twice as long each time.
const KEY_HELD_PAUSE: Duration = Duration::from_millis(5);
const KEY_HELD_LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Door {
    /// Creates a chat or a message.
    ///
    /// # Errors
    /// At once when too much is waiting or nothing could be kept; otherwise within `ack_wait`.
    pub async fn create(&self, draft: Draft, patience: Patience) -> Result<Created, CreateError> {
        let deadline = Instant::now() + self.ack_wait;
        if draft.key.is_none() {
            return self.create_once(draft, patience, deadline).await;
        }
        let mut backoff = Backoff::new(KEY_HELD_PAUSE, KEY_HELD_LONGEST_PAUSE);
        let mut held = false;
        loop {
            match self.create_once(draft.clone(), patience, deadline).await {
                Err(CreateError::KeyHeld) => held = true,
                // There is no room to ask just now.
                Err(CreateError::Full) if held => {}
                // The deadline passed while asking again: the first is still at work, as far as anyone knows.
                Err(CreateError::Unknown) if held => return Err(CreateError::KeyHeld),
                end => return end,
            }
            let pause = backoff.step();
            if Instant::now() + pause >= deadline {
                return Err(CreateError::KeyHeld);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn create_once(
        &self,
        draft: Draft,
        patience: Patience,
        deadline: Instant,
    ) -> Result<Created, CreateError> {
        // Without a durable queue, waiting behind a store that is away would end in an unknown: say no instead.
        if self.durability == Durability::Volatile && self.vitals.get(STORE) == EngineState::Away {
            return Err(CreateError::Away);
        }
        let place = self.allocator.bounds().enter(draft.weight_bytes()).map_err(refused)?;
        let (reply, waiter) = Reply::new(place);
        self.allocator.tell(Create { draft, reply }).map_err(refused)?;
        waiter.wait(patience, deadline).await
    }

    /// Refuses creations under a deleted parent at the door; the store refuses them in any case.
    pub fn retire(&self, parent: Parent) {
        self.follow(self.allocator.tell(Retire(parent)));
    }

    /// The rows of these parents changed: their counters follow.
    pub fn changed(&self, parents: Vec<Parent>) {
        self.follow(self.counters.tell(Changed(parents)));
    }

    /// A reader met a number without a row below this parent: while it is not on its way, the audit looks at it.
    pub fn suspect(&self, parent: Parent, hole: Number) {
        self.follow(self.counters.tell(Suspect { parent, hole }));
    }

    /// The backlog of the search index grew.
    pub fn backlog_grew(&self) {
        self.follow(self.indexer.tell(Wake));
    }

    /// A reader found the search index damaged: it is built anew.
    pub fn index_is_damaged(&self) {
        self.follow(self.indexer.tell(Damaged));
    }

    /// What follows from the rows by itself catches up later.
    fn follow(&self, told: Result<(), InletError>) {
        if let Err(error) = told {
            tracing::debug!(%error, "a follower was not told");
        }
    }
}

fn refused(error: InletError) -> CreateError {
    match error {
        InletError::Full => CreateError::Full,
        InletError::Gone => CreateError::Away,
    }
}
