//! PORT: the rows, which have the last word.
//!
//! Eight small ports in the order of a message's life; an engine keeps each in the file of the same name.
//! A store is durable: what a call has answered survives the death of any process.
//!
//! # Laws
//! 1. Numbers of one parent are dense: [`Keep::keep`] never leaves a gap and never overwrites a row; a number
//!    that is taken by another draft gives way to the next free one.
//! 2. A number is never used twice, not even after a delete: tombstones stay, so [`Keep::high_water`] never falls.
//! 3. A draft is kept once, however often it is delivered; so is the use of a key.
//! 4. Deleted is deleted: not listed, not counted, and its late children refused.
//! 5. No call with one tenant sees or changes another's rows.
//! 6. Everything that changes a message leaves a backlog entry in the same transaction.

/// What can go wrong, named by what the caller does next.
mod error;
/// What a look at the rows finds.
mod audit;
/// Who works on the same rows.
mod nodes;
/// Who may do what.
mod access;
/// How much applications may hold.
mod quotas;
/// What the search index has yet to learn.
mod backlog;
// Embedded: one file, one writer, readers beside it (WAL).
pub mod sqlite;
// Many nodes: a MySQL or MariaDB server.
pub mod mysql;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{
    Application, Body, Chat, Digest, DraftId, KeyUse, Listed, Message, MessagePlace, Name, NewApplication,
    Number, Numbered, Page, Parent, Tenant, Timestamp, Token,
};

pub use access::{ACCESS_KEYS_LIMIT, Access, KeyMade, NoKey};
pub use audit::{AuditPlace, Audited, HOLES_LIMIT, Hole, Uncounted};
pub use backlog::{Backlog, Claim, ClaimId, Range, Row, RowsOf, TURN_APPLICATIONS, Task};
pub use error::{Missing, StoreError, Unchanged};
pub use nodes::{Company, Entered, Nodes};
pub use quotas::Quotas;

pub trait Store: Keep + Read + Edit + Access + Quotas + Backlog + Count + Nodes {}

impl<S: Keep + Read + Edit + Access + Quotas + Backlog + Count + Nodes> Store for S {}

/// Making what was numbered last.
#[async_trait]
pub trait Keep: Send + Sync + 'static {
    /// What each use of a key made before, if anything.
    async fn recall(&self, uses: &[KeyUse]) -> Result<Vec<Option<Recalled>>, StoreError>;

    /// The greatest number ever used under each parent, tombstones included.
    async fn high_water(&self, parents: &[Parent]) -> Result<Vec<HighWater>, StoreError>;

    /// Inserts rows, backlog and keys in one transaction, and answers after its commit. All or nothing: an error
    /// leaves nothing, except [`StoreError::Unknown`], which keeping the same again settles.
    async fn keep(&self, batch: Arc<[Numbered]>) -> Result<Vec<Kept>, StoreError>;

    /// Closes numbers that nothing can be kept under with tombstones, where they have no row.
    async fn bury(&self, numbers: &[(Parent, Number)]) -> Result<(), StoreError>;
}

/// How long a use of a key is remembered.
pub const KEY_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What a use of a key made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    pub body: Digest,
    pub made: Made,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    Application(Token),
    Numbered(Number),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HighWater {
    /// The parent is there; `None` while it has no children.
    At(Option<Number>),
    /// The parent is unknown or deleted.
    NoParent,
}

/// What became of one draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Under this number; it differs from the draft's after a conflict.
    As(Number),
    /// This draft's row was there already, under this number.
    Before(Number),
    /// Its key was used before; a surplus number became a tombstone.
    Replay(Recalled),
    /// Its parent is unknown or deleted; nothing was kept.
    NoParent,
    /// The application holds as much as it may; the number became a tombstone.
    OverQuota,
}

/// Looking things up. Lists come in number order; a page ends early at [`PAGE_LIMIT_BYTES`].
#[async_trait]
pub trait Read: Send + Sync + 'static {
    async fn tenant(&self, token: &Token) -> Result<Option<Tenant>, StoreError>;
    /// Oldest first. `None` when a cursor names an application that never was.
    async fn applications(
        &self,
        page: &Page<Token>,
    ) -> Result<Option<Listed<Application, Token>>, StoreError>;
    async fn application(&self, tenant: &Tenant) -> Result<Result<Application, Missing>, StoreError>;
    async fn chats(
        &self,
        tenant: &Tenant,
        page: &Page<u64>,
    ) -> Result<Result<Listed<Chat, u64>, Missing>, StoreError>;
    async fn chat(&self, tenant: &Tenant, number: Number) -> Result<Result<Chat, Missing>, StoreError>;
    async fn messages(
        &self,
        tenant: &Tenant,
        chat: Number,
        page: &Page<u64>,
    ) -> Result<Result<Listed<Message, u64>, Missing>, StoreError>;
    async fn message(
        &self,
        tenant: &Tenant,
        chat: Number,
        number: Number,
    ) -> Result<Result<Message, Missing>, StoreError>;
    /// Those of these messages that are there, in the order asked for. At most [`PICK_LIMIT`].
    async fn pick(
        &self,
        tenant: &Tenant,
        chat: Number,
        numbers: &[Number],
    ) -> Result<Result<Vec<Message>, Missing>, StoreError>;
}

/// A page of a list ends early at this many bytes of bodies and names, as JSON writes them.
pub const PAGE_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// The bytes that JSON takes for this text: control characters take six.
#[must_use]
pub fn json_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 1,
        0..=0x1f => 5,
        _ => 0,
    };
    text.len() + text.bytes().map(escaped).sum::<usize>()
}

/// Most messages that [`Read::pick`] looks up at once.
pub const PICK_LIMIT: usize = 100;

/// Changes that readers asked for. Each is one transaction, answered after its commit.
#[async_trait]
pub trait Edit: Send + Sync + 'static {
    async fn create_application(&self, new: NewApplication) -> Result<Founded, StoreError>;
    /// A name equal to the present one changes nothing.
    async fn rename_application(
        &self,
        tenant: &Tenant,
        name: Name,
    ) -> Result<Result<Application, Missing>, StoreError>;
    /// Gone for readers at once; its rows go by [`Count::purge`].
    async fn delete_application(&self, tenant: &Tenant) -> Result<Result<(), Missing>, StoreError>;
    /// Gone for readers at once; its rows go by [`Count::purge`].
    async fn delete_chat(&self, tenant: &Tenant, number: Number) -> Result<Result<(), Missing>, StoreError>;
    /// A body equal to the present one changes nothing.
    async fn edit_message(
        &self,
        tenant: &Tenant,
        place: MessagePlace,
        body: Body,
        expected: Expected,
    ) -> Result<Result<Message, Unchanged>, StoreError>;
    /// Erases the body and its history; the number stays taken.
    async fn delete_message(
        &self,
        tenant: &Tenant,
        place: MessagePlace,
        expected: Expected,
    ) -> Result<Result<(), Unchanged>, StoreError>;
}

/// How [`Edit::create_application`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Founded {
    New(Application),
    /// Its key was used before.
    Replay(Recalled),
}

/// The version a change was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    Any,
    OneOf(Vec<u64>),
}

/// What follows from the rows by itself: counters, and the end of what was deleted.
#[async_trait]
pub trait Count: Send + Sync + 'static {
    /// Brings the counters of these parents up to their rows, and remembers that everything kept until `through`
    /// has been counted. Looks at no other parent.
    async fn count(&self, parents: &[Parent], through: Timestamp) -> Result<(), StoreError>;

    /// Parents of what was kept after the last counted moment and may have been missed by a crash: of the next
    /// `limit` rows after that place, in the order of their drafts.
    async fn uncounted(&self, after: Option<DraftId>, limit: usize) -> Result<Uncounted, StoreError>;

    /// Goes on from that place and looks at about `limit` rows, parent by parent, each application before its chats:
    /// corrects their counters, and names numbers below the greatest that have no row. Writers wait for none of the
    /// looking.
    async fn audit(&self, after: Option<AuditPlace>, limit: usize) -> Result<Audited, StoreError>;

    /// The holes below these parents.
    async fn holes(&self, parents: &[Parent]) -> Result<Vec<Hole>, StoreError>;

    /// Deletes up to `limit` rows that belong to deleted parents. Says how many it found.
    async fn purge(&self, limit: usize) -> Result<usize, StoreError>;

    /// Deletes up to `limit` uses of keys made before that moment. Says how many it found.
    async fn sweep_keys(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError>;
}
