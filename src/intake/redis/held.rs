//! What this process holds in memory of what stands in streams.
//!
//! A stream that has more entries than are held here, or are just being accepted, has some that nobody holds: the
//! receipt got lost, or settling failed.

use std::collections::{HashMap, HashSet};

use super::entry::Hold;
use crate::intake::EntryId;

#[derive(Default)]
pub(super) struct Held {
    entries: HashMap<EntryId, Lot>,
    /// Entries that this version cannot read, each reported once.
    unreadable: HashSet<EntryId>,
    /// Accepts whose answer is still to come.
    pub(super) accepts_in_flight: usize,
    /// Of adopted entries that are not settled.
    pub(super) adopted_bytes: usize,
}

/// One entry.
struct Lot {
    holds: Vec<Hold>,
    /// None where it was accepted here: its drafts are within the bound of the door.
    adopted_bytes: usize,
}

impl Held {
    pub(super) fn accepted(&mut self, entry: EntryId, holds: Vec<Hold>) {
        self.insert(entry, Lot { holds, adopted_bytes: 0 });
    }

    pub(super) fn adopted(&mut self, entry: EntryId, holds: Vec<Hold>, bytes: usize) {
        self.insert(entry, Lot { holds, adopted_bytes: bytes });
    }

    fn insert(&mut self, entry: EntryId, lot: Lot) {
        self.settled(&entry);
        self.adopted_bytes += lot.adopted_bytes;
        self.entries.insert(entry, lot);
    }

    /// Whether it is the first time that this entry is met.
    pub(super) fn leave_alone(&mut self, entry: EntryId) -> bool {
        self.unreadable.insert(entry)
    }

    pub(super) fn settled(&mut self, entry: &EntryId) {
        if let Some(lot) = self.entries.remove(entry) {
            self.adopted_bytes -= lot.adopted_bytes;
        }
    }

    pub(super) fn holds(&self, entry: &EntryId) -> &[Hold] {
        self.entries.get(entry).map_or(&[], |lot| &lot.holds)
    }

    pub(super) fn knows(&self, entry: &EntryId) -> bool {
        self.entries.contains_key(entry) || self.unreadable.contains(entry)
    }

    /// How many entries of a node's stream are known here.
    pub(super) fn known_of(&self, node: &str) -> usize {
        let of_node = |entry: &&EntryId| place(entry).is_some_and(|(of, _id)| of == node);
        self.entries.keys().filter(of_node).count() + self.unreadable.iter().filter(of_node).count()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &EntryId> {
        self.entries.keys()
    }
}

/// The node of an entry and the entry's id in its stream. None for what names no entry.
pub(super) fn place(entry: &EntryId) -> Option<(&str, &str)> {
    entry.0.split_once('/')
}

pub(super) fn entry_id(node: &str, id: &str) -> EntryId {
    EntryId(format!("{node}/{id}"))
}
