//! What the search index has yet to learn: see [`Backlog`].

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{ApplicationId, Body, ChatPlace, MessagePlace, Number, Parent, Timestamp};

/// Entries are written in the same transaction as the rows, and forgotten when the index has taken them.
#[async_trait]
pub trait Backlog: Send + Sync + 'static {
    /// Entries that nobody has claimed, now claimed until then; as many as hold about `limit` messages. They come
    /// back when that moment passes without [`Backlog::finish`]. Applications take turns, the oldest entry of each:
    /// first those behind `after`, in the order of their ids, at most [`TURN_APPLICATIONS`].
    async fn claim(
        &self,
        after: Option<ApplicationId>,
        limit: u64,
        until: Timestamp,
    ) -> Result<Vec<Claim>, StoreError>;

    /// The rows of these ranges as they are now, tombstones included, deleted chats left out. Ends early at
    /// [`PAGE_LIMIT_BYTES`](super::PAGE_LIMIT_BYTES).
    async fn rows(&self, ranges: &[Range]) -> Result<RowsOf, StoreError>;

    /// Gives claimed entries back: whoever comes next may have them. A range may begin later than what was claimed
    /// did, where its first messages are in the index.
    async fn release(&self, claims: &[Claim]) -> Result<(), StoreError>;

    /// Forgets entries that the index has taken.
    async fn finish(&self, claims: &[ClaimId]) -> Result<(), StoreError>;

    /// All live rows in key order, for an index built anew: the next `limit` after that place. A page that ends
    /// before both that and [`PAGE_LIMIT_BYTES`](super::PAGE_LIMIT_BYTES) is the last.
    async fn walk(&self, after: Option<MessagePlace>, limit: usize) -> Result<Vec<Row>, StoreError>;

    /// The index that last held every row of this store, as [`Backlog::remember_index`] was told.
    async fn known_index(&self) -> Result<Option<String>, StoreError>;

    async fn remember_index(&self, index: &str) -> Result<(), StoreError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimId(pub i64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub id: ClaimId,
    pub task: Task,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Messages were kept, edited or deleted.
    Index(Range),
    /// A chat or an application was deleted.
    Forget(Parent),
}

/// Messages of one chat, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub chat: ChatPlace,
    pub first: Number,
    pub last: Number,
}

/// The rows of some ranges, and what is still to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsOf {
    pub rows: Vec<Row>,
    pub rest: Vec<Range>,
}

/// A message as the index needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub place: MessagePlace,
    pub version: u64,
    /// `None` for a tombstone.
    pub body: Option<Body>,
}

/// Applications that one claim serves at most.
pub const TURN_APPLICATIONS: usize = 64;

/// Entries that one of these applications needs to offer, so that all together have enough for a claim.
pub(super) fn share(limit: u64, applications: usize) -> u64 {
    let applications = u64::try_from(applications).unwrap_or(u64::MAX).max(1);
    limit.div_ceil(applications).max(1)
}

/// An entry of each application after the other, until they hold `limit` messages.
pub(super) fn in_turn(applications: Vec<Vec<Claim>>, limit: u64) -> Vec<Claim> {
    let mut lines: Vec<_> = applications.into_iter().map(Vec::into_iter).collect();
    let (mut claims, mut messages) = (Vec::new(), 0);
    loop {
        let before = claims.len();
        for line in &mut lines {
            if messages >= limit {
                return claims;
            }
            if let Some(claim) = line.next() {
                messages += claim.task.messages();
                claims.push(claim);
            }
        }
        if claims.len() == before {
            return claims;
        }
    }
}

impl Task {
    /// What it counts against the size of a claim.
    #[must_use]
    pub fn messages(&self) -> u64 {
        match self {
            Self::Index(range) => range.last.get() - range.first.get() + 1,
            Self::Forget(_) => 1,
        }
    }
}
