//! The embedded intake: counters, keys and receipts in this process. It dies with it, and so does every number
//! that was not kept, so that the next process seeds its counters from the store and leaves no gap.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Adopted, Durability, EntryId, Intake, IntakeError, Place, Receipt};
use crate::domain::{ApplicationId, BatchId, Digest, Draft, DraftId, Key, Number, Parent};

/// Idle counters remembered at most; beyond it they are forgotten and seeded again when needed.
const COUNTERS_LIMIT: usize = 200_000;
/// Receipts remembered for an accept that is repeated.
const RECEIPTS_LIMIT: usize = 64;

/// Where a draft's number comes from on a single node.
pub struct MemoryIntake {
    /// Keys are held this long after their entry was settled, so that a copy which looked into the store just
    /// before the commit is still held off.
    key_hold: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counters: HashMap<Parent, Counter>,
    keys: HashMap<HeldKey, DraftId>,
    released: VecDeque<(Instant, HeldKey, DraftId)>,
    entries: HashMap<EntryId, Entry>,
    receipts: HashMap<BatchId, Receipt>,
    receipt_order: VecDeque<BatchId>,
}

#[derive(Clone, Copy)]
enum Counter {
    Counting { last: Option<Number>, on_the_way: usize },
    Retired,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct HeldKey {
    application: ApplicationId,
    key: Key,
    path: Digest,
}

/// What settling an entry gives back.
struct Entry {
    accepted_at: Instant,
    parents: Vec<Parent>,
    keys: Vec<(HeldKey, DraftId)>,
}

impl MemoryIntake {
    #[must_use]
    pub fn new(key_hold: Duration) -> Self {
        Self { key_hold, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Intake for MemoryIntake {
    fn durability(&self) -> Durability {
        Durability::Volatile
    }

    async fn accept(&self, batch: BatchId, drafts: &[Draft]) -> Result<Receipt, IntakeError> {
        Ok(self.state().accept(batch, drafts))
    }

    async fn raise(&self, marks: &[(Parent, Option<Number>)]) -> Result<(), IntakeError> {
        self.state().raise(marks);
        Ok(())
    }

    async fn settle(&self, entries: &[EntryId]) -> Result<(), IntakeError> {
        let mut state = self.state();
        entries.iter().for_each(|entry| state.settle(entry, self.key_hold));
        Ok(())
    }

    async fn retire(&self, parent: Parent) -> Result<(), IntakeError> {
        self.state().retire(parent);
        Ok(())
    }

    async fn adopt(&self) -> Result<Vec<Adopted>, IntakeError> {
        Ok(Vec::new())
    }

    async fn oldest(&self) -> Result<Option<Duration>, IntakeError> {
        Ok(self.state().entries.values().map(|entry| entry.accepted_at.elapsed()).max())
    }

    async fn leave(&self) -> Result<(), IntakeError> {
        Ok(())
    }
}

impl State {
    fn accept(&mut self, batch: BatchId, drafts: &[Draft]) -> Receipt {
        if let Some(first) = self.receipts.get(&batch) {
            return first.clone();
        }
        self.release_keys();
        let mut entry = Entry {
            accepted_at: Instant::now(),
            parents: Vec::with_capacity(drafts.len()),
            keys: Vec::new(),
        };
        let places = drafts.iter().map(|draft| self.place(draft, &mut entry)).collect();
        let receipt = Receipt { entry: EntryId(batch.0.to_string()), places };
        self.entries.insert(receipt.entry.clone(), entry);
        self.remember(batch, receipt.clone());
        receipt
    }

    fn place(&mut self, draft: &Draft, entry: &mut Entry) -> Place {
        let (last, on_the_way) = match self.counters.get_mut(&draft.parent) {
            None => return Place::Unseeded,
            Some(Counter::Retired) => return Place::Retired,
            Some(Counter::Counting { last, on_the_way }) => (last, on_the_way),
        };
        let held = draft.key.as_ref().map(|key| HeldKey {
            application: key.application,
            key: key.key.clone(),
            path: key.path,
        });
        if held.as_ref().is_some_and(|held| self.keys.contains_key(held)) {
            return Place::Held;
        }
        let number = last.map_or(Number::FIRST, Number::next);
        *last = Some(number);
        *on_the_way += 1;
        entry.parents.push(draft.parent);
        if let Some(held) = held {
            self.keys.insert(held.clone(), draft.id);
            entry.keys.push((held, draft.id));
        }
        Place::Numbered(number)
    }

    fn remember(&mut self, batch: BatchId, receipt: Receipt) {
        self.receipts.insert(batch, receipt);
        self.receipt_order.push_back(batch);
        if self.receipt_order.len() > RECEIPTS_LIMIT
            && let Some(oldest) = self.receipt_order.pop_front()
        {
            self.receipts.remove(&oldest);
        }
    }

    fn raise(&mut self, marks: &[(Parent, Option<Number>)]) {
        for (parent, mark) in marks {
            let fresh = Counter::Counting { last: None, on_the_way: 0 };
            if let Counter::Counting { last, .. } = self.counters.entry(*parent).or_insert(fresh) {
                *last = (*last).max(*mark);
            }
        }
        self.forget_idle(|| marks.iter().map(|(parent, _)| *parent).collect());
    }

    fn retire(&mut self, parent: Parent) {
        self.counters.insert(parent, Counter::Retired);
        self.forget_idle(|| HashSet::from([parent]));
    }

    /// Keeps the counters within their bound: those just set stay, and those with a number on the way. The store
    /// refuses what is created under a retired parent that was forgotten.
    fn forget_idle(&mut self, just_set: impl FnOnce() -> HashSet<Parent>) {
        if self.counters.len() <= COUNTERS_LIMIT {
            return;
        }
        let just_set = just_set();
        self.counters.retain(|parent, counter| {
            just_set.contains(parent) || matches!(counter, Counter::Counting { on_the_way: 1.., .. })
        });
    }

    fn settle(&mut self, entry: &EntryId, key_hold: Duration) {
        let Some(entry) = self.entries.remove(entry) else { return };
        for parent in entry.parents {
            if let Some(Counter::Counting { on_the_way, .. }) = self.counters.get_mut(&parent) {
                *on_the_way = on_the_way.saturating_sub(1);
            }
        }
        let release_at = Instant::now() + key_hold;
        self.released.extend(entry.keys.into_iter().map(|(held, draft)| (release_at, held, draft)));
    }

    fn release_keys(&mut self) {
        let now = Instant::now();
        while let Some((release_at, held, draft)) = self.released.front() {
            if *release_at > now {
                return;
            }
            if self.keys.get(held) == Some(draft) {
                self.keys.remove(held);
            }
            self.released.pop_front();
        }
    }
}
