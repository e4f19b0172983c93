//! What one round of [`SearchIndexer`](super::search_indexer::SearchIndexer) has claimed, on its way into the index:
//! whoever has had the fewest bytes goes next, so that nobody waits for all that another has written (fair queueing,
//! Nagle, RFC 970).

use std::collections::{HashMap, VecDeque};

use crate::domain::{ApplicationId, ChatPlace, Number};
use crate::store::{Claim, ClaimId, Range, Row, RowsOf, Task};

/// Bytes of bodies that are indexed in one go: all short messages of a round by one commit, and neither a drain nor another
/// application waits for more.
const STEP_BYTES: usize = 512 * 1024;
/// Messages of one application that are read before the next one's.
const SLICE_MESSAGES: u64 = 16;

pub(super) struct Portion {
    /// Yet to be read.
    ranges: Vec<Range>,
    /// Read, one an application, in the order of their turns.
    lines: Vec<Line>,
    /// The last of these that went.
    last: Option<usize>,
}

struct Line {
    application: ApplicationId,
    rows: VecDeque<Row>,
    gone_bytes: usize,
}

impl Portion {
    pub(super) fn of(claims: &[Claim]) -> Self {
        Self { ranges: slices(claims), lines: Vec::new(), last: None }
    }

    /// What is to be read before the next step.
    pub(super) fn to_read(&self) -> Option<&[Range]> {
        let is_wanting = self.lines.iter().all(|line| line.rows.is_empty());
        (is_wanting && !self.ranges.is_empty()).then_some(&self.ranges)
    }

    pub(super) fn read(&mut self, found: RowsOf) {
        self.ranges = found.rest;
        for row in found.rows {
            let application = row.place.chat.application;
            match self.lines.iter_mut().find(|line| line.application == application) {
                Some(line) => line.rows.push_back(row),
                None => self.lines.push(Line { application, rows: [row].into(), gone_bytes: 0 }),
            }
        }
    }

    /// Rows that are soon indexed, however long their bodies are; none when all that was read has gone.
    pub(super) fn step(&mut self) -> Vec<Row> {
        let (mut step, mut bytes) = (Vec::new(), 0);
        while bytes < STEP_BYTES {
            let waiting = self.lines.iter_mut().enumerate().filter(|(_place, line)| !line.rows.is_empty());
            let Some((place, line)) = waiting.min_by_key(|(_place, line)| line.gone_bytes) else { break };
            let Some(row) = line.rows.pop_front() else { break };
            let row_bytes = row.body.as_ref().map_or(0, |body| body.as_str().len()).max(1);
            line.gone_bytes += row_bytes;
            bytes += row_bytes;
            self.last = self.last.max(Some(place));
            step.push(row);
        }
        step
    }

    /// The application behind which the next round begins.
    pub(super) fn last_served(&self) -> Option<ApplicationId> {
        self.last.and_then(|place| self.lines.get(place)).map(|line| line.application)
    }

    /// Which claims are in the index, and what is left of the others.
    pub(super) fn part(self, claims: &[Claim]) -> (Vec<ClaimId>, Vec<Claim>) {
        let mut left_of: HashMap<ChatPlace, Vec<Range>> = HashMap::new();
        let unread = self.ranges.into_iter();
        let waiting = self.lines.into_iter().flat_map(|line| line.rows).map(|row| row.place);
        let waiting = waiting.map(|it| Range { chat: it.chat, first: it.number, last: it.number });
        for range in unread.chain(waiting) {
            left_of.entry(range.chat).or_default().push(range);
        }
        let (mut done, mut left) = (Vec::new(), Vec::new());
        for claim in claims {
            match claim.task {
                Task::Index(range) => match first_left(range, left_of.get(&range.chat)) {
                    Some(first) => {
                        left.push(Claim { id: claim.id, task: Task::Index(Range { first, ..range }) });
                    }
                    None => done.push(claim.id),
                },
                Task::Forget(_) => done.push(claim.id),
            }
        }
        (done, left)
    }
}

/// The first message of a range that is left.
fn first_left(range: Range, left: Option<&Vec<Range>>) -> Option<Number> {
    let overlapping = left?.iter().filter(|it| it.first <= range.last && range.first <= it.last);
    overlapping.map(|it| it.first.max(range.first)).min()
}

/// The ranges of these claims, applications in turn.
fn slices(claims: &[Claim]) -> Vec<Range> {
    let mut lines: Vec<VecDeque<Range>> = Vec::new();
    for claim in claims {
        let Task::Index(range) = claim.task else { continue };
        let is_its = |line: &&mut VecDeque<Range>| {
            line.front().is_some_and(|it| it.chat.application == range.chat.application)
        };
        match lines.iter_mut().find(is_its) {
            Some(line) => line.push_back(range),
            None => lines.push([range].into()),
        }
    }
    if let [line] = lines.as_mut_slice() {
        return std::mem::take(line).into();
    }
    let mut slices = Vec::new();
    while !lines.is_empty() {
        for line in &mut lines {
            let Some(range) = line.pop_front() else { continue };
            let end = range.first.get().saturating_add(SLICE_MESSAGES);
            match Number::new(end) {
                Some(rest) if rest <= range.last => {
                    let last = Number::new(end - 1).unwrap_or(range.first);
                    slices.push(Range { last, ..range });
                    line.push_front(Range { first: rest, ..range });
                }
                _ => slices.push(range),
            }
        }
        lines.retain(|line| !line.is_empty());
    }
    slices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Body, MessagePlace};

    fn number(number: u64) -> Number {
        Number::new(number).unwrap()
    }

    fn range(application: i64, first: u64, last: u64) -> Range {
        let chat = ChatPlace { application: ApplicationId(application), chat: Number::FIRST };
        Range { chat, first: number(first), last: number(last) }
    }

    fn claims(ranges: &[Range]) -> Vec<Claim> {
        let claim =
            |(id, range): (usize, &Range)| Claim { id: ClaimId(id as i64), task: Task::Index(*range) };
        ranges.iter().enumerate().map(claim).collect()
    }

    /// What a store answers whose pages end after so many rows.
    fn rows(ranges: &[Range], page: usize, body: impl Fn(i64) -> String) -> RowsOf {
        let (mut rows, mut rest) = (Vec::new(), Vec::new());
        for range in ranges {
            for at in range.first.get()..=range.last.get() {
                if rows.len() == page {
                    rest.push(Range { first: number(at), ..*range });
                    break;
                }
                let place = MessagePlace { chat: range.chat, number: number(at) };
                let body = Body::parse(&body(range.chat.application.0)).unwrap();
                rows.push(Row { place, version: 1, body: Some(body) });
            }
        }
        RowsOf { rows, rest }
    }

    /// Application and number, in the order in which they are indexed.
    fn order(step: &[Row]) -> Vec<(i64, u64)> {
        step.iter().map(|row| (row.place.chat.application.0, row.place.number.get())).collect()
    }

    #[test]
    fn who_has_had_the_fewest_bytes_goes_next() {
        let mut portion = Portion::of(&claims(&[range(1, 1, 40), range(2, 1, 3), range(1, 41, 50)]));
        let ranges = portion.to_read().unwrap().to_vec();
        let long =
            |application: i64| if application == 1 { "x".repeat(STEP_BYTES / 4) } else { "hello".to_owned() };
        portion.read(rows(&ranges, usize::MAX, long));
        assert_eq!(portion.to_read(), None);
        assert_eq!(order(&portion.step()), [(1, 1), (2, 1), (2, 2), (2, 3), (1, 2), (1, 3), (1, 4)]);
        assert_eq!(portion.last_served(), Some(ApplicationId(2)));
        assert_eq!(order(&portion.step()), [(1, 5), (1, 6), (1, 7), (1, 8)]);
    }

    #[test]
    fn what_is_left_begins_where_its_first_message_is_not_in_the_index() {
        let claimed =
            claims(&[range(1, 1, 4), range(2, 1, 2), range(1, 5, 6), range(1, 2, 2), range(3, 7, 9)]);
        let mut portion = Portion::of(&claimed);
        let ranges = portion.to_read().unwrap().to_vec();
        portion.read(rows(&ranges, 8, |_application| "x".repeat(STEP_BYTES.div_ceil(6))));
        assert_eq!(order(&portion.step()), [(1, 1), (2, 1), (3, 7), (1, 2), (2, 2), (3, 8)]);
        let (done, left) = portion.part(&claimed);
        assert_eq!(done, [ClaimId(1)]);
        // The second message was claimed twice, and is left once.
        let expected = [(0, range(1, 2, 4)), (2, range(1, 5, 6)), (3, range(1, 2, 2)), (4, range(3, 9, 9))];
        assert_eq!(left, expected.map(|(id, range)| Claim { id: ClaimId(id), task: Task::Index(range) }));
    }

    #[test]
    fn all_that_was_claimed_is_read_and_goes_once_whatever_the_pages() {
        let claimed = claims(&[range(1, 1, 100), range(2, 5, 50), range(3, 1, 1), range(1, 101, 120)]);
        for page in [1, 3, 7, 1_000] {
            let mut portion = Portion::of(&claimed);
            let mut gone = Vec::new();
            loop {
                if let Some(ranges) = portion.to_read() {
                    let found = rows(ranges, page, |_application| "hello".to_owned());
                    portion.read(found);
                }
                let step = portion.step();
                if step.is_empty() {
                    break;
                }
                gone.extend(order(&step));
            }
            let mut expected: Vec<(i64, u64)> = (1..=120).map(|at| (1, at)).collect();
            expected.extend((5..=50).map(|at| (2, at)));
            expected.push((3, 1));
            gone.sort_unstable();
            assert_eq!(gone, expected, "pages of {page}");
            assert_eq!(portion.part(&claimed), (claimed.iter().map(|claim| claim.id).collect(), vec![]));
        }
    }

    #[test]
    fn one_application_alone_is_read_as_it_was_claimed() {
        let ranges = [range(1, 1, 100), range(1, 101, 120)];
        assert_eq!(Portion::of(&claims(&ranges)).to_read(), Some(&ranges[..]));
    }
}
