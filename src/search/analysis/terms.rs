use std::ops::Range;

use super::fold::fold;
use super::words::{Word, cut, is_han, pieces, whole_words};

/// What an engine indexes of one message: exact is a term among the words, prefix the beginning of one, typo one
/// nearby, and part the beginning of a suffix.
pub struct Terms {
    folded: String,
    words: Vec<Range<usize>>,
    suffixes: Vec<Range<usize>>,
}

impl Terms {
    /// Whole words and their pieces, each once.
    pub fn words(&self) -> impl ExactSizeIterator<Item = &str> {
        self.words.iter().map(|range| self.folded.get(range.clone()).unwrap_or_default())
    }

    /// What remains of the words from each character after the first on, of two characters or more, or one
    /// that is Han; each once.
    pub fn suffixes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.suffixes.iter().map(|range| self.folded.get(range.clone()).unwrap_or_default())
    }
}

/// The terms of a message.
#[must_use]
pub fn terms(body: &str) -> Terms {
    let folded = fold(body);
    let mut words = Vec::new();
    let mut suffixes = Vec::new();
    for whole in whole_words(&folded) {
        words.push(counted(whole, &folded));
        let covered = suffixes_of(whole, &folded, &mut suffixes);
        for piece in pieces(whole, &folded) {
            let piece_counted = counted(piece, &folded);
            // Else each of its suffixes begins one of the whole word's.
            if !whole.run && piece_counted.end > covered {
                suffixes_of(piece, &folded, &mut suffixes);
            }
            words.push(piece_counted);
        }
    }
    keep_each_once(&folded, &mut words);
    keep_each_once(&folded, &mut suffixes);
    Terms { folded, words, suffixes }
}

fn counted(word: Word, folded: &str) -> Range<usize> {
    word.start..word.start + word.counted(folded).len()
}

/// Adds the suffixes of one word; says where the part of it that they cover ends.
fn suffixes_of(word: Word, folded: &str, suffixes: &mut Vec<Range<usize>>) -> usize {
    let text = if word.run { word.text(folded) } else { word.counted(folded) };
    for (at, first) in text.char_indices().skip(1) {
        let suffix = text.get(at..).map_or("", cut);
        if suffix.len() > first.len_utf8() || is_han(first) {
            let start = word.start + at;
            suffixes.push(start..start + suffix.len());
        }
    }
    word.start + text.len()
}

/// Sorted by their first bytes, which mostly tell them apart; a comparison of the whole texts is dear.
fn keep_each_once(folded: &str, ranges: &mut Vec<Range<usize>>) {
    let text = |range: &Range<usize>| folded.as_bytes().get(range.clone()).unwrap_or_default();
    let mut keyed: Vec<(u64, Range<usize>)> =
        ranges.drain(..).map(|range| (first_bytes(text(&range)), range)).collect();
    keyed.sort_unstable_by(|(one_key, one), (other_key, other)| {
        one_key.cmp(other_key).then_with(|| text(one).cmp(text(other)))
    });
    keyed.dedup_by(|(one_key, one), (other_key, other)| one_key == other_key && text(one) == text(other));
    ranges.extend(keyed.into_iter().map(|(_, range)| range));
}

/// In the order of the texts themselves.
fn first_bytes(text: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.iter_mut().zip(text).for_each(|(place, &byte)| *place = byte);
    u64::from_be_bytes(first)
}
