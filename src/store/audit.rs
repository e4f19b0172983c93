//! What a look at the rows finds: see [`super::Count::audit`] and [`super::Count::uncounted`].

use std::collections::BTreeSet;

use crate::domain::{DraftId, Number, Parent};

/// Parents that may have been missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// Each once.
    pub parents: Vec<Parent>,
    /// Where to go on; `None` at the end.
    pub next: Option<DraftId>,
}

impl Uncounted {
    /// From the ids and parents of the next rows; a page that is not full is the last.
    pub(super) fn of<E>(
        rows: impl Iterator<Item = Result<(DraftId, Parent), E>>,
        limit: usize,
    ) -> Result<Self, E> {
        let (mut parents, mut last, mut seen) = (BTreeSet::new(), None, 0);
        for row in rows {
            let (id, parent) = row?;
            parents.insert(parent);
            (last, seen) = (Some(id), seen + 1);
        }
        Ok(Self { parents: parents.into_iter().collect(), next: last.filter(|_last| seen >= limit) })
    }
}

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

/// How far an audit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPlace {
    pub(super) parent: Parent,
    /// How far its numbers were looked at; `None` where all of them were.
    pub(super) look: Option<Look>,
}

/// A look at the numbers of one parent, from below. One at many numbers takes several steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) parent: Parent,
    /// The greatest number that was seen.
    pub(super) last: u64,
    tombstones: u64,
    /// The counter of deleted children when the look began. If it is another at the end, it was a moving target, and
    /// is left for the next time.
    counted: u64,
}

/// Counters of a parent; none while it has no row of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counters {
    pub(super) there: i64,
    pub(super) deleted: u64,
}

/// A parent whose counter of deleted children is off by so many.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) parent: Parent,
    pub(super) off_by: i64,
}

/// What one step of the audit saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) wrong: Vec<Wrong>,
    /// Parents whose count is behind their rows.
    pub(super) behind: Vec<Parent>,
    pub(super) holes: Vec<Hole>,
    pub(super) next: Option<AuditPlace>,
}

impl Look {
    pub(super) fn begin(parent: Parent, counters: Counters) -> Self {
        Self { parent, last: 0, tombstones: 0, counted: counters.deleted }
    }

    /// The next number that has a row. What lies between is a hole.
    pub(super) fn see(&mut self, number: Number, is_tombstone: bool, holes: &mut Vec<Hole>) {
        let parent = self.parent;
        if let (Some(first), Some(last)) = (Number::new(self.last + 1), Number::new(number.get() - 1))
            && first <= last
            && holes.len() < HOLES_LIMIT
        {
            holes.push(Hole { parent, first, last });
        }
        self.last = number.get();
        self.tombstones += u64::from(is_tombstone);
    }
}

impl Seen {
    /// Holds what a look at all numbers of a parent found against the counters as they are now.
    pub(super) fn compare(&mut self, look: Look, counters: Counters, greatest: Option<Number>) {
        let Look { parent, tombstones, counted, .. } = look;
        let Counters { there, deleted } = counters;
        if deleted == counted && deleted != tombstones {
            let off_by = tombstones.cast_signed() - deleted.cast_signed();
            self.wrong.push(Wrong { parent, off_by });
        }
        if there != greatest.map_or(0, Number::get).cast_signed() - deleted.cast_signed() {
            self.behind.push(parent);
        }
    }
}
