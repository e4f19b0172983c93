use super::number::{ApplicationId, Number};
use super::text::{Body, Name};
use super::time::Timestamp;
use super::token::Token;

/// The right to look into one application: every query below an application takes one, and only
/// [`crate::store::Read::tenant`] and [`crate::store::Access::holder`] make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: ApplicationId,
    pub token: Token,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    pub token: Token,
    pub name: Name,
    pub chats_count: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    pub number: Number,
    pub messages_count: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub number: Number,
    pub body: Body,
    /// 1 when kept, one more with each edit; the `ETag`.
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Ascending,
    Descending,
}

/// Which part of a list is asked for. `C` is what a place in that list is named by: a number, or a token for
/// applications. Both ends are excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<C> {
    pub after: Option<C>,
    pub before: Option<C>,
    pub order: Order,
    /// At least 1.
    pub limit: usize,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T, C> {
    pub items: Vec<T>,
    /// Where the next page starts, while there is more.
    pub next: Option<C>,
    /// The place to come back to later: it never passes a number that is still to come (law 10). `None` stands
    /// for the beginning of the list. Meaningful for ascending pages only.
    pub cursor: Option<C>,
}
