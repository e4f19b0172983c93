//! What waits, cut into batches: whoever is free takes everything that waits, up to its bound.

use std::collections::VecDeque;
use std::time::Instant;

use crate::metrics::{CutBy, Hop};

/// Work that waits while one batch is at work.
#[derive(Debug)]
pub struct Lane<T> {
    hop: Hop,
    waiting: VecDeque<(Instant, T)>,
    waiting_drafts: usize,
    busy: bool,
}

/// The size of one batch at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub drafts: usize,
    pub bytes: usize,
}

/// What one piece of work counts against a [`Cut`].
pub trait Weigh {
    fn drafts(&self) -> usize;
    fn bytes(&self) -> usize;
}

impl<T: Weigh> Lane<T> {
    /// Metrics know it by this name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { hop: Hop::new(name), waiting: VecDeque::new(), waiting_drafts: 0, busy: false }
    }

    pub fn push(&mut self, work: T) {
        self.waiting_drafts += work.drafts();
        self.waiting.push_back((Instant::now(), work));
        self.measure();
    }

    /// Work that was there before goes first.
    pub fn push_front(&mut self, work: Vec<T>) {
        for work in work.into_iter().rev() {
            self.waiting_drafts += work.drafts();
            self.waiting.push_front((Instant::now(), work));
        }
        self.measure();
    }

    /// The next batch, unless one is at work or nothing waits. At least one piece, however heavy.
    pub fn start(&mut self, cut: Cut) -> Option<Vec<T>> {
        if self.busy {
            return None;
        }
        let (mut drafts, mut bytes, mut taken) = (0, 0, 0);
        let mut cut_by = CutBy::Nothing;
        for (_since, work) in &self.waiting {
            let (more_drafts, more_bytes) = (drafts + work.drafts(), bytes + work.bytes());
            if taken > 0 && (more_drafts > cut.drafts || more_bytes > cut.bytes) {
                cut_by = if more_drafts > cut.drafts { CutBy::Drafts } else { CutBy::Bytes };
                break;
            }
            (drafts, bytes) = (more_drafts, more_bytes);
            taken += 1;
        }
        if taken == 0 {
            return None;
        }
        self.busy = true;
        self.waiting_drafts -= drafts;
        let batch = self.waiting.drain(..taken).map(|(_since, work)| work).collect();
        self.hop.batch(drafts, cut_by);
        self.measure();
        Some(batch)
    }

    fn measure(&self) {
        let oldest = self.waiting.front().map(|(since, _work)| since.elapsed());
        self.hop.waiting(self.waiting_drafts, oldest);
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

    impl Weigh for (usize, usize) {
        fn drafts(&self) -> usize {
            self.0
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
}
