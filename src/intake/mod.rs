//! PORT: where a draft gets its number and waits to be kept.
//!
//! Number and queue are one fact: [`Intake::accept`] gives the numbers of a whole batch and remembers the batch
//! in one atomic step, so that a process that dies leaves either both or nothing.
//!
//! # Laws
//! 1. Numbers of one parent follow each other without gap or repeat, in the order of acceptance.
//! 2. A parent without a counter is handed back to be seeded; the rest of its batch does not wait. A counter is
//!    only ever raised.
//! 3. Accepting a batch again returns its first receipt and takes no number.
//! 4. Of drafts with one key, only the first is numbered; the others are held off while it is on its way.
//! 5. A retired parent refuses.
//! 6. What a durable intake accepted is handed out by [`Intake::adopt`] once its node is dead, until it is settled.

/// What can go wrong, named by what the caller does next.
mod error;
// Embedded: numbers and keys in memory, gone with the process.
pub mod memory;
// Redis: numbers and keys of many nodes, and a stream for what each of them accepted.
pub mod redis;

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{BatchId, Draft, Number, Numbered, Parent};

pub use error::IntakeError;

#[async_trait]
pub trait Intake: Send + Sync + 'static {
    /// Whether what was accepted outlives this process.
    fn durability(&self) -> Durability;

    /// Numbers the drafts of a batch, in order, and remembers them as one entry.
    ///
    /// # Errors
    /// [`IntakeError::Away`] when nothing was taken, [`IntakeError::Unknown`] when the answer got lost:
    /// accepting the same batch again settles it.
    async fn accept(&self, batch: BatchId, drafts: &[Draft]) -> Result<Receipt, IntakeError>;

    /// Makes each parent's counter at least this high, creating it where it is missing: after a seed from the
    /// store (`None`: the parent has no children yet), and after a conflict.
    ///
    /// # Errors
    /// When the engine does not answer; raising again is harmless.
    async fn raise(&self, marks: &[(Parent, Option<Number>)]) -> Result<(), IntakeError>;

    /// Forgets entries whose drafts are all kept. Their keys are held off for a while longer, until the store is
    /// sure to know them.
    ///
    /// # Errors
    /// When the engine does not answer; the entries are then adopted and kept once more, which is harmless.
    async fn settle(&self, entries: &[EntryId]) -> Result<(), IntakeError>;

    /// Refuses creations under a deleted parent from now on.
    ///
    /// # Errors
    /// When the engine does not answer; the store refuses them too.
    async fn retire(&self, parent: Parent) -> Result<(), IntakeError>;

    /// Says that this node lives, and takes entries that nobody holds: those of dead nodes, and own ones whose
    /// receipt got lost. Called several times a lease; a node that is silent for longer counts as dead. Takes no
    /// more than memory is meant for while what it took before is not settled.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn adopt(&self) -> Result<Vec<Adopted>, IntakeError>;

    /// Says that this node lives, and takes nothing: what it could not pass on is for others to take.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn stay(&self) -> Result<(), IntakeError> {
        Ok(())
    }

    /// How long ago the oldest entry that is not settled was accepted, on whichever node: what was numbered before
    /// that is kept or lost. An age, since no two clocks agree; [`Duration::MAX`] where it cannot be told.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn oldest(&self) -> Result<Option<Duration>, IntakeError>;

    /// This node accepts nothing more, and what it did not settle may be adopted at once.
    ///
    /// # Errors
    /// When the engine does not answer; others then wait for the end of the lease.
    async fn leave(&self) -> Result<(), IntakeError>;

    /// Settings of the engine under which it may lose what it accepted, a sentence for the operator each.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn warnings(&self) -> Result<Vec<String>, IntakeError> {
        Ok(Vec::new())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Gone with the process: a create is answered after its commit or not at all.
    Volatile,
    /// Survives the process: a create may be answered before its commit.
    Durable,
}

/// Names one accepted batch in the intake.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryId(pub String);

/// The answer to one accept: a place for each draft, in the batch's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub entry: EntryId,
    pub places: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Numbered(Number),
    /// The parent has no counter: seed it and accept this draft again, in another batch.
    Unseeded,
    /// The parent was deleted.
    Retired,
    /// Another draft with this key is on its way.
    Held,
}

/// A batch that lost its node.
#[derive(Debug, Clone)]
pub struct Adopted {
    pub entry: EntryId,
    pub drafts: Vec<Numbered>,
}
