//! PORT: finding messages by words, beginnings, parts and typos.
//!
//! What a word is, and which messages a query finds in which order, is decided once, in [`analysis`]; an engine
//! only looks up finished terms. It holds no bodies: what is shown is read from the store.
//!
//! # Laws
//! 1. For the same rows and query every engine gives the same messages in the same order: by the sum over the
//!    query's words of their best kind's weight, then newest first.
//! 2. Nothing of another chat is found.
//! 3. The newest version wins, in whatever order and however often versions arrive; a tombstone is a version.
//! 4. What [`Search::index`] has answered is found by the next [`Search::find`] and survives the process.

/// What can go wrong, named by what the caller does next.
mod error;
// Words, kinds, weights and highlights.
pub mod analysis;
// Embedded: an index in a folder.
pub mod tantivy;
// On a server that nodes share.
pub mod elasticsearch;

use async_trait::async_trait;

use crate::domain::{ChatPlace, MessagePlace, Number, Parent};
use crate::store::Row;

pub use analysis::{Kind, Query, QueryError};
pub use error::SearchError;

#[async_trait]
pub trait Search: Send + Sync + 'static {
    /// Which index answers; `None` when there is none. An index made anew, because it was missing, damaged or of
    /// another version, has another name, and knows nothing until the rows are walked again.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn name(&self) -> Result<Option<String>, SearchError>;

    /// Starts an empty index, and says its name. An engine of many nodes builds it beside the present one, which
    /// answers meanwhile; [`Search::index`] and [`Search::forget`] fill both. Only one node at a time does this.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn renew(&self) -> Result<String, SearchError>;

    /// The index that was begun last, by this name, takes the place of the present one, which goes.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn present(&self, name: &str) -> Result<(), SearchError>;

    /// Looks whether the index is sound: reads all of it and compares checksums, where the engine does not do that by
    /// itself.
    ///
    /// # Errors
    /// [`SearchError::Damaged`] when only building it anew helps.
    async fn verify(&self) -> Result<(), SearchError>;

    /// Takes these versions; answers when they are found and durable.
    ///
    /// # Errors
    /// [`SearchError::Away`]: index the same again later, which is harmless.
    async fn index(&self, rows: Vec<Row>) -> Result<(), SearchError>;

    /// Which of these versions the index holds neither as they are nor newer.
    ///
    /// # Errors
    /// When the engine does not answer.
    async fn missing(&self, rows: &[Row]) -> Result<Vec<MessagePlace>, SearchError>;

    /// Drops everything of a deleted parent.
    ///
    /// # Errors
    /// [`SearchError::Away`]: forget again later.
    async fn forget(&self, parents: Vec<Parent>) -> Result<(), SearchError>;

    /// One page of the hits in one chat.
    ///
    /// # Errors
    /// [`SearchError::Away`] when the engine does not answer.
    async fn find(&self, chat: ChatPlace, query: &Query, page: HitPage) -> Result<Hits, SearchError>;
}

/// Hits after this one, excluded; from the best where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HitPage {
    pub after: Option<Hit>,
    /// At least 1, at most [`HITS_LIMIT`].
    pub limit: usize,
}

/// Most hits on a page.
pub const HITS_LIMIT: usize = 100;

/// A hit's place in the order: greater weights first, then greater numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    pub weight: u32,
    pub number: Number,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hits {
    /// Of all pages, exact.
    pub total: u64,
    pub page: Vec<Hit>,
    /// Whether there are hits after this page.
    pub more: bool,
}
