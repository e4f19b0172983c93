//! What a look at the rows finds: see [`super::Count::audit`].

use crate::domain::{ChatPlace, Number, Parent};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// Where to go on; `None` at the end.
    pub next: Option<AuditPlace>,
    /// Parents whose counters of deleted children were wrong.
    pub repaired: usize,
    /// Parents whose count was behind their rows; it may just have been on its way.
    pub counted: usize,
    /// At most [`HOLES_LIMIT`]; what is beyond is seen again when these are closed.
    pub holes: Vec<Hole>,
}

/// How far an audit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditPlace {
    pub chat: ChatPlace,
    pub reached: Reached,
}

/// A chat of many rows is looked at in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// This number. Until it there were so many tombstones, and so many were counted when the look began: if the
    /// counter is another at the end, it was a moving target, and is left for the next time.
    Number {
        last: u64,
        tombstones: u64,
        counted: u64,
    },
    End,
}

/// Numbers below a parent's greatest that have no row, both ends included. They may be on their way still: whoever
/// is sure that they are not closes them by [`super::Keep::bury`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hole {
    pub parent: Parent,
    pub first: Number,
    pub last: Number,
}

/// Most holes that one look names.
pub const HOLES_LIMIT: usize = 1_000;
