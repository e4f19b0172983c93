//! Numbers without a row that readers met, remembered by [`CounterSync`](super::counter_sync::CounterSync).

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::domain::{Number, Parent};

/// Numbers remembered at most; the others are met again, or found by the audit.
const LIMIT: usize = 1_000;

/// Numbers are on their way all the time: only where one is met again after the patience, its parent is looked at.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// When each was met first.
    met: HashMap<(Parent, Number), Instant>,
    parents: HashSet<Parent>,
}

impl Suspects {
    pub(super) fn meet(&mut self, parent: Parent, number: Number, patience: Duration) {
        let Some(first_met) = self.met.get(&(parent, number)) else {
            self.met.retain(|_place, first_met| first_met.elapsed() < patience * 2);
            if self.met.len() < LIMIT {
                self.met.insert((parent, number), Instant::now());
            }
            return;
        };
        if first_met.elapsed() >= patience {
            self.met.remove(&(parent, number));
            self.parents.insert(parent);
        }
    }

    /// The parents to be looked at now.
    pub(super) fn take(&mut self) -> Vec<Parent> {
        self.parents.drain().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ApplicationId;

    #[test]
    fn a_parent_is_looked_at_when_the_same_number_is_missing_after_the_patience() {
        let parent = Parent::Application(ApplicationId(1));
        let mut suspects = Suspects::default();
        suspects.meet(parent, Number::FIRST, Duration::ZERO);
        suspects.meet(parent, Number::FIRST.next(), Duration::ZERO);
        assert_eq!(suspects.take(), []);
        suspects.meet(parent, Number::FIRST.next(), Duration::from_secs(60));
        assert_eq!(suspects.take(), [], "it may be on its way");
        suspects.meet(parent, Number::FIRST.next(), Duration::ZERO);
        assert_eq!(suspects.take(), [parent]);
        assert_eq!(suspects.take(), []);
    }
}
