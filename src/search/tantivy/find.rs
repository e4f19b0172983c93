use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tantivy::postings::{BlockSegmentPostings, TermInfo};
use tantivy::schema::IndexRecordOption;
use tantivy::termdict::TermDictionary;
use tantivy::{DocId, InvertedIndexReader, Searcher, SegmentReader};

use super::near::Near;
use super::schema::{Fields, NUMBER, chat_bytes};
use crate::domain::{ChatPlace, Number};
use crate::search::analysis::{Kind, Query, QueryWord};
use crate::search::{Hit, HitPage, Hits};

/// One page of the hits in one chat, and how many there are in all.
pub(super) fn find(
    searcher: &Searcher,
    fields: &Fields,
    chat: ChatPlace,
    query: &Query,
    page: HitPage,
) -> tantivy::Result<Hits> {
    let chat = chat_bytes(chat);
    let sought: Vec<Sought> = query.words().iter().map(|word| Sought::new(&chat, word)).collect();
    let mut best = Best::new(page);
    // The newest are mostly last, and where they come first the older ones need no place among the best.
    for segment in searcher.segment_readers().iter().rev() {
        find_in(segment, fields, &sought, &mut best)?;
    }
    Ok(best.into_hits())
}

fn find_in(
    segment: &SegmentReader,
    fields: &Fields,
    sought: &[Sought],
    best: &mut Best,
) -> tantivy::Result<()> {
    let words = segment.inverted_index(fields.words)?;
    let suffixes = segment.inverted_index(fields.suffixes)?;
    let mut hits: Option<Vec<Weighed>> = None;
    for word in sought {
        let of_word = word.weigh(&words, &suffixes, segment.max_doc())?;
        let of_all = match hits {
            None => of_word,
            Some(before) => in_both(&before, &of_word),
        };
        if of_all.is_empty() {
            return Ok(());
        }
        hits = Some(of_all);
    }
    let numbers = segment.fast_fields().u64(NUMBER)?;
    let alive = segment.alive_bitset();
    for (document, weight) in hits.unwrap_or_default().into_iter().rev() {
        if alive.is_none_or(|alive| alive.is_alive(document)) {
            best.offer(weight, || numbers.first(document));
        }
    }
    Ok(())
}

/// A document and its weight.
type Weighed = (DocId, u32);

/// Documents in both, which are in order; their weights added.
fn in_both(one: &[Weighed], other: &[Weighed]) -> Vec<Weighed> {
    let mut others = other.iter().copied().peekable();
    let mut both = Vec::with_capacity(one.len().min(other.len()));
    for &(document, weight) in one {
        while others.next_if(|&(behind, _)| behind < document).is_some() {}
        if let Some((_, more)) = others.next_if(|&(same, _)| same == document) {
            both.push((document, weight + more));
        }
    }
    both
}

/// One query word in one chat.
struct Sought {
    /// The chat and the word.
    term: Vec<u8>,
    in_parts: bool,
    near: Option<Near>,
}

impl Sought {
    fn new(chat: &[u8], word: &QueryWord) -> Self {
        let term = [chat, word.text().as_bytes()].concat();
        Self { term, in_parts: word.in_parts(), near: Near::new(chat, word) }
    }

    /// Every document that has the word in some kind, in order, with the best kind's weight.
    fn weigh(
        &self,
        words: &InvertedIndexReader,
        suffixes: &InvertedIndexReader,
        documents: DocId,
    ) -> tantivy::Result<Vec<Weighed>> {
        let exact = words.terms().term_ord(&self.term)?;
        let mut found = Found::default();
        if let Some(near) = &self.near {
            let mut nearby = words.terms().search(near).without_keys().into_stream()?;
            while nearby.advance() {
                if Some(nearby.term_ord()) != exact {
                    found.add(Kind::Typo, nearby.value());
                }
            }
        }
        let parts_from = found.terms.len();
        if self.in_parts {
            found.add_beginning_with(Kind::Part, suffixes.terms(), &self.term, None)?;
        }
        let parts_to = found.terms.len();
        found.add_beginning_with(Kind::Prefix, words.terms(), &self.term, exact)?;
        if let Some(term) = words.terms().get(&self.term)? {
            found.add(Kind::Exact, &term);
        }
        let postings = |place: usize| {
            if (parts_from..parts_to).contains(&place) { suffixes } else { words }
        };
        found.read(postings, documents)
    }
}

/// Terms of the dictionary, the weaker kinds first.
#[derive(Default)]
struct Found {
    terms: Vec<(Kind, TermInfo)>,
    /// Of all these terms together.
    documents: u64,
}

impl Found {
    fn add(&mut self, kind: Kind, term: &TermInfo) {
        self.documents += u64::from(term.doc_freq);
        self.terms.push((kind, term.clone()));
    }

    fn add_beginning_with(
        &mut self,
        kind: Kind,
        dictionary: &TermDictionary,
        beginning: &[u8],
        except: Option<u64>,
    ) -> tantivy::Result<()> {
        let from = dictionary.range().ge(beginning);
        let range = match end_of_prefix(beginning) {
            Some(end) => from.lt(end),
            None => from,
        };
        let mut terms = range.without_keys().into_stream()?;
        while terms.advance() {
            if Some(terms.term_ord()) != except {
                self.add(kind, terms.value());
            }
        }
        Ok(())
    }

    /// Few documents are sorted; where there are many of the segment's, a place for each is faster. Either way
    /// the cost follows what was found, not what the segment holds.
    fn read<'a>(
        &self,
        postings: impl Fn(usize) -> &'a InvertedIndexReader,
        documents: DocId,
    ) -> tantivy::Result<Vec<Weighed>> {
        if self.documents > u64::from(documents) / DENSE_FROM_ONE_IN {
            let mut weights = vec![0_u8; documents as usize];
            self.each(postings, |document, weight| {
                if let Some(place) = weights.get_mut(document as usize) {
                    *place = weight;
                }
            })?;
            let weighed = (0..).zip(weights).filter(|&(_, weight)| weight > 0);
            return Ok(weighed.map(|(document, weight)| (document, u32::from(weight))).collect());
        }
        let mut weighed = Vec::with_capacity(usize::try_from(self.documents).unwrap_or(0));
        self.each(postings, |document, weight| weighed.push((document, u32::from(weight))))?;
        weighed.sort_unstable_by_key(|&(document, weight)| (document, Reverse(weight)));
        weighed.dedup_by_key(|&mut (document, _)| document);
        Ok(weighed)
    }

    /// Documents of the weaker kinds come first.
    fn each<'a>(
        &self,
        postings: impl Fn(usize) -> &'a InvertedIndexReader,
        mut visit: impl FnMut(DocId, u8),
    ) -> tantivy::Result<()> {
        let mut blocks: Option<BlockSegmentPostings> = None;
        for (place, (kind, term)) in self.terms.iter().enumerate() {
            let postings = postings(place);
            let blocks = match &mut blocks {
                Some(blocks) => {
                    postings.reset_block_postings_from_terminfo(term, blocks)?;
                    blocks
                }
                None => {
                    let first = postings.read_block_postings_from_terminfo(term, IndexRecordOption::Basic)?;
                    blocks.insert(first)
                }
            };
            let weight = u8::try_from(kind.weight()).unwrap_or(u8::MAX);
            while !blocks.docs().is_empty() {
                blocks.docs().iter().for_each(|&document| visit(document, weight));
                blocks.advance();
            }
        }
        Ok(())
    }
}

const DENSE_FROM_ONE_IN: u64 = 16;

/// The first term after all that begin so.
fn end_of_prefix(beginning: &[u8]) -> Option<Vec<u8>> {
    let mut end = beginning.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// The best hits after the page's start, as many as it takes to know whether there are more.
struct Best {
    page: HitPage,
    total: u64,
    /// The worst on top.
    hits: BinaryHeap<Reverse<(u32, u64)>>,
}

impl Best {
    fn new(page: HitPage) -> Self {
        Self { page, total: 0, hits: BinaryHeap::with_capacity(page.limit + 2) }
    }

    fn offer(&mut self, weight: u32, number: impl FnOnce() -> Option<u64>) {
        self.total += 1;
        let worst = match self.hits.peek() {
            Some(&Reverse(worst)) if self.hits.len() > self.page.limit => Some(worst),
            _ => None,
        };
        let too_light = worst.is_some_and(|(worst, _)| weight < worst);
        let too_heavy = self.page.after.is_some_and(|after| weight > after.weight);
        if too_light || too_heavy {
            return;
        }
        let Some(number) = number() else { return };
        let hit = (weight, number);
        let shown_before = self.page.after.is_some_and(|after| hit >= (after.weight, after.number.get()));
        if shown_before || worst.is_some_and(|worst| hit < worst) {
            return;
        }
        self.hits.push(Reverse(hit));
        if worst.is_some() {
            self.hits.pop();
        }
    }

    fn into_hits(self) -> Hits {
        let more = self.hits.len() > self.page.limit;
        let best_first = self.hits.into_sorted_vec().into_iter().take(self.page.limit);
        let hit = |Reverse((weight, number))| Number::new(number).map(|number| Hit { weight, number });
        Hits { total: self.total, page: best_first.filter_map(hit).collect(), more }
    }
}
