//! Numbers without a row, remembered by [`CounterSync`](super::counter_sync::CounterSync) until they are nobody's.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::counter_sync::Desk;
use crate::domain::{Number, Parent};
use crate::metrics::METRICS;
use crate::store::{Hole, StoreError};

/// Holes remembered at most; the audit finds the others again.
const HOLES_LIMIT: usize = 10_000;
/// Numbers of one piece; a round ends with the piece that reaches it.
const CLOSE_NUMBERS: usize = 1_000;

/// Each hole and when it was seen first.
#[derive(Debug, Default)]
pub(super) struct Holes {
    seen: HashMap<Hole, Instant>,
}

impl Holes {
    /// Wide holes are remembered in pieces that one round closes.
    pub(super) fn remember(&mut self, holes: Vec<Hole>, now: Instant) {
        for piece in holes.into_iter().flat_map(pieces) {
            if self.seen.len() >= HOLES_LIMIT {
                return;
            }
            self.seen.entry(piece).or_insert(now);
        }
    }

    /// Those that were seen first so long ago.
    pub(super) fn older_than(&self, patience: Duration, now: Instant) -> Vec<(Hole, Instant)> {
        let old = self.seen.iter().filter(|(_, seen_at)| now.duration_since(**seen_at) > patience);
        old.map(|(hole, seen_at)| (*hole, *seen_at)).collect()
    }

    pub(super) fn forget(&mut self, holes: &[Hole]) {
        for hole in holes {
            self.seen.remove(hole);
        }
    }
}

fn pieces(hole: Hole) -> impl Iterator<Item = Hole> {
    let starts = (hole.first.get()..=hole.last.get()).step_by(CLOSE_NUMBERS);
    starts.filter_map(Number::new).map(move |first| {
        let end = first.get().saturating_add(CLOSE_NUMBERS as u64 - 1);
        Hole { first, last: Number::new(end).map_or(hole.last, |end| end.min(hole.last)), ..hole }
    })
}

/// Closes holes that nobody will fill: their numbers were handed out before they were seen, and everything that was
/// accepted until then is settled. Gives back those that are no holes any more.
pub(super) async fn close(desk: &Desk, holes: Vec<(Hole, Instant)>) -> Result<Vec<Hole>, StoreError> {
    if holes.is_empty() {
        return Ok(Vec::new());
    }
    let asked_at = Instant::now();
    let oldest = match desk.intake.oldest().await {
        Ok(oldest) => oldest,
        Err(error) => {
            tracing::warn!(?error, "the intake does not say what is on its way; holes stay open");
            return Ok(Vec::new());
        }
    };
    let mut numbers: Vec<(Parent, Number)> = Vec::new();
    let mut closed = Vec::new();
    for (hole, seen_at) in holes {
        if oldest.is_some_and(|age| age >= asked_at.duration_since(seen_at)) {
            continue;
        }
        if numbers.len() >= CLOSE_NUMBERS {
            break;
        }
        let all = hole.first.get()..=hole.last.get();
        numbers.extend(all.filter_map(Number::new).map(|number| (hole.parent, number)));
        closed.push(hole);
    }
    if !numbers.is_empty() {
        desk.store.bury(&numbers).await?;
        METRICS.closed_holes.inc_by(numbers.len() as u64);
        tracing::warn!(numbers = numbers.len(), "closed numbers that nobody will fill");
    }
    Ok(closed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ApplicationId;

    fn hole(first: u64, last: u64) -> Hole {
        let number = |value| Number::new(value).unwrap();
        Hole { parent: Parent::Application(ApplicationId(1)), first: number(first), last: number(last) }
    }

    #[test]
    fn a_hole_is_old_from_its_first_sight_on() {
        let patience = Duration::from_secs(7);
        let (first, second) = (Instant::now(), Instant::now() + Duration::from_secs(5));
        let mut holes = Holes::default();
        holes.remember(vec![hole(3, 4)], first);
        holes.remember(vec![hole(3, 4), hole(7, 7)], second);
        assert_eq!(holes.older_than(patience, first + patience), []);
        let later = first + patience + Duration::from_millis(1);
        assert_eq!(holes.older_than(patience, later), [(hole(3, 4), first)]);
        holes.forget(&[hole(3, 4)]);
        assert_eq!(holes.older_than(patience, second + patience * 2).len(), 1);
    }

    #[test]
    fn wide_holes_are_remembered_in_pieces_and_not_without_end() {
        let pieces: Vec<Hole> = pieces(hole(5, 2_504)).collect();
        assert_eq!(pieces, [hole(5, 1_004), hole(1_005, 2_004), hole(2_005, 2_504)]);
        let mut holes = Holes::default();
        let now = Instant::now();
        holes.remember(vec![hole(1, i64::MAX as u64)], now);
        assert_eq!(holes.older_than(Duration::ZERO, now + Duration::from_secs(1)).len(), HOLES_LIMIT);
    }
}
