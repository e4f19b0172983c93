//! What waits, cut into batches: whoever is free takes everything that waits, up to its bound.

use std::collections::btree_map::{Entry, OccupiedEntry};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::{Duration, Instant};

use crate::domain::ApplicationId;
use crate::metrics::{CutBy, Hop};

/// Work that waits while one batch is at work. Where more waits than a batch takes, applications take turns, so that
/// nobody waits for all that another has sent; what is of one application stays in its order.
#[derive(Debug)]
pub struct Lane<T> {
    hop: Hop,
    /// One line an application; none is empty.
    waiting: BTreeMap<ApplicationId, VecDeque<(Instant, T)>>,
    /// Who was served last.
    served: ApplicationId,
    waiting_drafts: usize,
    oldest: Option<Instant>,
    busy: bool,
}

/// The size of one batch at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub drafts: usize,
    pub bytes: usize,
}

/// What one piece of work is to a [`Lane`].
pub trait Work {
    /// Whose turn it takes.
    fn application(&self) -> ApplicationId;
    /// What it counts against a [`Cut`].
    fn drafts(&self) -> usize;
    fn bytes(&self) -> usize;
}

impl<T: Work> Lane<T> {
    /// Metrics know it by this name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            hop: Hop::new(name),
            waiting: BTreeMap::new(),
            served: ApplicationId(0),
            waiting_drafts: 0,
            oldest: None,
            busy: false,
        }
    }

    pub fn push(&mut self, work: T) {
        let now = Instant::now();
        self.waiting_drafts += work.drafts();
        self.waiting.entry(work.application()).or_default().push_back((now, work));
        match self.oldest {
            Some(_) => self.hop.queued(self.waiting_drafts),
            None => {
                self.oldest = Some(now);
                self.measure();
            }
        }
    }

    /// Work that was there before goes first, of its application.
    pub fn push_front(&mut self, work: Vec<T>) {
        let now = Instant::now();
        for work in work.into_iter().rev() {
            self.waiting_drafts += work.drafts();
            self.waiting.entry(work.application()).or_default().push_front((now, work));
            self.oldest.get_or_insert(now);
        }
        self.measure();
    }

    /// The next batch, unless one is at work or nothing waits. At least one piece, however heavy.
    pub fn start(&mut self, cut: Cut) -> Option<Vec<T>> {
        if self.busy {
            return None;
        }
        let (mut batch, mut drafts, mut bytes) = (Vec::new(), 0, 0);
        let mut cut_by = CutBy::Nothing;
        while let Some(mut line) = self.next_line() {
            let Some((_since, work)) = line.get().front() else { break };
            let (more_drafts, more_bytes) = (drafts + work.drafts(), bytes + work.bytes());
            if !batch.is_empty() && (more_drafts > cut.drafts || more_bytes > cut.bytes) {
                cut_by = if more_drafts > cut.drafts { CutBy::Drafts } else { CutBy::Bytes };
                break;
            }
            (drafts, bytes) = (more_drafts, more_bytes);
            batch.extend(line.get_mut().pop_front().map(|(_since, work)| work));
            let served = *line.key();
            if line.get().is_empty() {
                line.remove();
            }
            self.served = served;
        }
        if batch.is_empty() {
            return None;
        }
        self.busy = true;
        self.waiting_drafts -= drafts;
        self.oldest = self.waiting.values().filter_map(|line| Some(line.front()?.0)).min();
        self.hop.batch(drafts, cut_by);
        self.measure();
        Some(batch)
    }

    /// Whose turn it is.
    fn next_line(&mut self) -> Option<OccupiedEntry<'_, ApplicationId, VecDeque<(Instant, T)>>> {
        let behind = (Bound::Excluded(self.served), Bound::Unbounded);
        let next = self.waiting.range(behind).next().or_else(|| self.waiting.first_key_value());
        let application = *next?.0;
        match self.waiting.entry(application) {
            Entry::Occupied(line) => Some(line),
            Entry::Vacant(_) => None,
        }
    }

    fn measure(&self) {
        self.hop.queued(self.waiting_drafts);
        self.hop.oldest(self.oldest.map(|since| since.elapsed()));
    }

    /// How long the first of this application has waited.
    #[must_use]
    pub fn waited(&self, application: ApplicationId) -> Duration {
        let first = self.waiting.get(&application).and_then(VecDeque::front);
        first.map_or(Duration::ZERO, |(since, _work)| since.elapsed())
    }

    pub fn finish(&mut self) {
        self.busy = false;
    }

    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.busy && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An application, and the bytes of one draft of it.
    impl Work for (i64, usize) {
        fn application(&self) -> ApplicationId {
            ApplicationId(self.0)
        }
        fn drafts(&self) -> usize {
            1
        }
        fn bytes(&self) -> usize {
            self.1
        }
    }

    const CUT: Cut = Cut { drafts: 4, bytes: 100 };

    #[test]
    fn everything_that_waits_goes_in_one_batch_up_to_the_bound() {
        let mut lane = Lane::new("test");
        for _ in 0..6 {
            lane.push((1, 10));
        }
        assert_eq!(lane.start(CUT).unwrap().len(), 4);
        assert!(lane.start(CUT).is_none(), "one batch at a time");
        lane.finish();
        assert_eq!(lane.start(CUT).unwrap().len(), 2);
        lane.finish();
        assert!(lane.start(CUT).is_none() && lane.is_idle());
    }

    #[test]
    fn bytes_cut_a_batch_but_never_below_one_piece() {
        let mut lane = Lane::new("test");
        for weight in [500, 60, 60] {
            lane.push((1, weight));
        }
        for expected in [500, 60, 60] {
            assert_eq!(lane.start(CUT).unwrap(), vec![(1, expected)]);
            lane.finish();
        }
    }

    #[test]
    fn what_was_there_before_goes_first() {
        let mut lane = Lane::new("test");
        lane.push((1, 3));
        lane.push_front(vec![(1, 1), (1, 2)]);
        assert_eq!(lane.start(CUT).unwrap(), vec![(1, 1), (1, 2), (1, 3)]);
    }

    #[test]
    fn applications_take_turns_and_each_stays_in_its_order() {
        let mut lane = Lane::new("test");
        (1..=5).for_each(|at| lane.push((7, at)));
        lane.push((2, 1));
        lane.push((9, 1));
        lane.push((9, 2));
        assert_eq!(lane.start(CUT).unwrap(), [(2, 1), (7, 1), (9, 1), (7, 2)]);
        lane.finish();
        lane.push((2, 2));
        lane.push_front(vec![(7, 1), (7, 2)]);
        assert_eq!(lane.start(CUT).unwrap(), [(9, 2), (2, 2), (7, 1), (7, 2)]);
        lane.finish();
        assert_eq!(lane.start(CUT).unwrap(), [(7, 3), (7, 4), (7, 5)]);
        lane.finish();
        assert!(lane.is_idle());
    }
}
