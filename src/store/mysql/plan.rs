//! Where each draft of a batch goes, decided in the order of the batch and in memory, from what was read of the rows.

use std::collections::{HashMap, HashSet};

use crate::domain::{
    Account, ApplicationId, ChatPlace, Content, Digest, Draft, DraftId, Key, KeyUse, Number, Numbered, Parent,
};
use crate::store::{Kept, Made, Range, Recalled};

/// A batch that mixes more chats than this gets shorter ranges, not wrong ones.
const RANGES_LOOKED_BACK: usize = 64;

/// A use of a key, whatever its body.
pub(super) type Use = (ApplicationId, Key, Digest);

pub(super) fn use_of(key: &KeyUse) -> Use {
    (key.application, key.key.clone(), key.path)
}

/// What is known of the rows.
#[derive(Debug, Default, Clone)]
pub(super) struct Known {
    /// Parents that are there, and are kept there.
    pub(super) present: HashSet<Parent>,
    pub(super) recalled: HashMap<Use, Recalled>,
    /// Of those applications that have a quota.
    pub(super) accounts: HashMap<ApplicationId, Account>,
    /// Where drafts of this batch were kept before.
    pub(super) before: HashMap<DraftId, Number>,
    /// Those of them that were refused.
    pub(super) refused: HashSet<DraftId>,
    /// Numbers that have a row.
    pub(super) taken: HashSet<(Parent, Number)>,
    pub(super) greatest: HashMap<Parent, Number>,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Plan<'b> {
    pub(super) kept: Vec<Kept>,
    pub(super) rows: Vec<(&'b Draft, Number)>,
    pub(super) tombstones: Vec<(Parent, Number, DraftId)>,
    pub(super) keys: Vec<(&'b KeyUse, Number, &'b Draft)>,
    pub(super) ranges: Vec<Range>,
    /// As the batch leaves them.
    pub(super) accounts: HashMap<ApplicationId, Account>,
}

impl<'b> Plan<'b> {
    pub(super) fn of(batch: &'b [Numbered], known: Known) -> Self {
        let mut planner = Planner { known, plan: Self::default() };
        for numbered in batch {
            let kept = planner.place(numbered);
            planner.plan.kept.push(kept);
        }
        planner.plan.accounts = planner.known.accounts;
        planner.plan
    }

    /// Whether every draft goes where its number says, so that nothing had to be known of the rows but the parents.
    pub(super) fn is_plain(&self, batch: &[Numbered]) -> bool {
        self.kept.iter().zip(batch).all(|(kept, numbered)| match kept {
            Kept::As(number) => *number == numbered.number,
            Kept::NoParent => true,
            Kept::Before(_) | Kept::Replay(_) | Kept::OverQuota => false,
        })
    }
}

struct Planner<'b> {
    known: Known,
    plan: Plan<'b>,
}

impl<'b> Planner<'b> {
    fn place(&mut self, numbered: &'b Numbered) -> Kept {
        let Numbered { draft, number } = numbered;
        if !self.known.present.contains(&draft.parent) {
            return Kept::NoParent;
        }
        if let Some(before) = self.known.before.get(&draft.id).copied() {
            if before != *number {
                self.bury(draft.parent, *number, DraftId::fresh());
            }
            let refused = self.known.refused.contains(&draft.id);
            return if refused { Kept::OverQuota } else { Kept::Before(before) };
        }
        if let Some(recalled) = draft.key.as_ref().and_then(|key| self.known.recalled.get(&use_of(key))) {
            let recalled = recalled.clone();
            self.bury(draft.parent, *number, DraftId::fresh());
            return Kept::Replay(recalled);
        }
        let is_taken = self.known.taken.contains(&(draft.parent, *number));
        let free = if is_taken { self.next_free(draft.parent) } else { *number };
        let account = self.known.accounts.get_mut(&draft.parent.application());
        if !account.is_none_or(|account| account.admit(draft, free)) {
            // Under its own id, so that it is refused for good.
            self.bury(draft.parent, *number, draft.id);
            self.known.before.insert(draft.id, *number);
            self.known.refused.insert(draft.id);
            return Kept::OverQuota;
        }
        let number = free;
        self.take(draft.parent, number);
        self.known.before.insert(draft.id, number);
        self.plan.rows.push((draft, number));
        if let Some(key) = &draft.key {
            let made = Made::Numbered(number);
            self.known.recalled.insert(use_of(key), Recalled { body: key.body, made });
            self.plan.keys.push((key, number, draft));
        }
        match (draft.parent, &draft.content) {
            (Parent::Chat(chat), _) => self.extend_range(chat, number),
            (Parent::Application(application), Content::Chat) => {
                self.known.present.insert(Parent::Chat(ChatPlace { application, chat: number }));
            }
            (Parent::Application(_), Content::Message(_)) => {}
        }
        Kept::As(number)
    }

    fn next_free(&self, parent: Parent) -> Number {
        self.known.greatest.get(&parent).map_or(Number::FIRST, |greatest| greatest.next())
    }

    /// Closes a number with a tombstone, unless it has a row.
    fn bury(&mut self, parent: Parent, number: Number, id: DraftId) {
        if !self.known.taken.contains(&(parent, number)) {
            self.take(parent, number);
            self.plan.tombstones.push((parent, number, id));
        }
    }

    fn take(&mut self, parent: Parent, number: Number) {
        self.known.taken.insert((parent, number));
        let greatest = self.known.greatest.entry(parent).or_insert(number);
        *greatest = number.max(*greatest);
    }

    /// Joins a number to its chat's last range where it follows it.
    fn extend_range(&mut self, chat: ChatPlace, number: Number) {
        let ranges = &mut self.plan.ranges;
        match ranges.iter_mut().rev().take(RANGES_LOOKED_BACK).find(|range| range.chat == chat) {
            Some(range) if range.last.next() == number => range.last = number,
            _ => ranges.push(Range { chat, first: number, last: number }),
        }
    }
}
