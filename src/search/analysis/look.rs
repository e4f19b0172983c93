use std::cell::OnceCell;
use std::collections::BTreeMap;

use levenshtein_automata::{DFA, Distance};

use super::fold::{Folded, Span, fold_with_origin};
use super::query::{Query, QueryWord};
use super::snippet::snippet;
use super::words::{Word, pieces, whole_words};
use super::{Kind, WORD_LIMIT_CHARACTERS};

/// How one message matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The weakest among the query's words.
    pub kind: Kind,
    /// The sum over the query's words.
    pub weight: u32,
    /// In the order of the body, none over another.
    pub highlights: Vec<Highlight>,
    /// Up to [`super::SNIPPET_LIMIT_CODE_POINTS`] around the first highlight, HTML-escaped, matches in `<mark>`.
    pub snippet: String,
}

/// Where a query word stands in the body: code points, end excluded. The whole word for exact and typo, only the
/// matched letters for prefix and part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Highlight {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
}

impl Query {
    /// Looks at one message; for many, [`Query::looker`] does what is the same for all of them once.
    #[must_use]
    pub fn look_at(&self, body: &str) -> Option<Look> {
        self.looker().look_at(body)
    }

    #[must_use]
    pub fn looker(&self) -> Looker<'_> {
        Looker { words: self.words().iter().map(|word| Sought { word, near: OnceCell::new() }).collect() }
    }
}

/// Looks at one message after the other.
pub struct Looker<'q> {
    words: Vec<Sought<'q>>,
}

/// One word of the query.
struct Sought<'q> {
    word: &'q QueryWord,
    /// Tells words within its distance; made when it is first needed.
    near: OnceCell<Option<DFA>>,
}

impl Sought<'_> {
    fn is_near(&self, other: &str) -> bool {
        let near = self.near.get_or_init(|| self.word.automaton());
        near.as_ref().is_some_and(|near| matches!(near.eval(other), Distance::Exact(_)))
    }
}

impl Looker<'_> {
    /// How this message matches; `None` when it does not. Every engine finds exactly the messages that this
    /// finds, with this weight.
    #[must_use]
    pub fn look_at(&self, body: &str) -> Option<Look> {
        let message = Message::read(body);
        let mut found = Vec::new();
        let mut kind = Kind::Exact;
        let mut weight = 0;
        for sought in &self.words {
            let best = message.best(sought, &mut found)?;
            kind = kind.min(best);
            weight += best.weight();
        }
        if self.words.is_empty() {
            return None;
        }
        let highlights = without_overlaps(found);
        let snippet = snippet(body, &highlights);
        Some(Look { kind, weight, highlights, snippet })
    }
}

/// A body cut into words.
struct Message {
    folded: Folded,
    words: Vec<Whole>,
}

struct Whole {
    word: Word,
    pieces: Vec<Word>,
}

impl Message {
    fn read(body: &str) -> Self {
        let folded = fold_with_origin(body);
        let whole = |word| Whole { word, pieces: pieces(word, &folded.text) };
        let words = whole_words(&folded.text).into_iter().map(whole).collect();
        Self { folded, words }
    }

    /// The best kind that this query word is found in, and where.
    fn best(&self, sought: &Sought<'_>, found: &mut Vec<Highlight>) -> Option<Kind> {
        let before = found.len();
        self.find_letters(sought.word, found);
        if found.len() == before && sought.word.distance() > 0 {
            self.find_typos(sought, found);
        }
        found.get(before..)?.iter().map(|highlight| highlight.kind).max()
    }

    /// Every place where the letters themselves stand: exact, prefix and part.
    fn find_letters(&self, sought: &QueryWord, found: &mut Vec<Highlight>) {
        let letters = sought.text();
        if !self.folded.text.contains(letters) {
            return;
        }
        for whole in &self.words {
            let text = whole.word.text(&self.folded.text);
            let mut from = 0;
            while let Some(offset) = text.get(from..).and_then(|rest| rest.find(letters)) {
                let start = whole.word.start + from + offset;
                if let Some(kind) = self.kind_at(sought, whole, start) {
                    found.push(self.highlight(start, start + letters.len(), kind));
                }
                let first = letters.chars().next().map_or(1, char::len_utf8);
                from += offset + first;
            }
        }
    }

    /// What it means that the sought letters stand there, if anything: beyond a word's first characters it is
    /// nothing.
    fn kind_at(&self, sought: &QueryWord, whole: &Whole, start: usize) -> Option<Kind> {
        let end = start + sought.text().len();
        let in_word = |word: &Word| {
            let counted_end = word.start + word.counted(&self.folded.text).len();
            let end_of_parts = if word.run { word.end } else { counted_end };
            if start == word.start && end == counted_end {
                Some(Kind::Exact)
            } else if start == word.start && end < counted_end {
                Some(Kind::Prefix)
            } else if start > word.start && end <= end_of_parts && sought.in_parts() {
                Some(Kind::Part)
            } else {
                None
            }
        };
        std::iter::once(&whole.word).chain(&whole.pieces).filter_map(in_word).max()
    }

    fn find_typos(&self, sought: &Sought<'_>, found: &mut Vec<Highlight>) {
        let distance = usize::from(sought.word.distance());
        for word in self.words.iter().flat_map(|whole| std::iter::once(&whole.word).chain(&whole.pieces)) {
            let counted = word.counted(&self.folded.text);
            if counted.len() + 4 * distance < sought.word.text().len() {
                continue;
            }
            let longest = (sought.word.characters() + distance).min(WORD_LIMIT_CHARACTERS);
            let too_long = counted.chars().nth(longest).is_some();
            if !too_long && sought.is_near(counted) {
                found.push(self.highlight(word.start, word.start + counted.len(), Kind::Typo));
            }
        }
    }

    fn highlight(&self, start: usize, end: usize, kind: Kind) -> Highlight {
        let Span { start, end } = self.folded.origin(start, end);
        Highlight { start, end, kind }
    }
}

/// The stronger kind wins, then the longer, then the earlier.
fn without_overlaps(mut found: Vec<Highlight>) -> Vec<Highlight> {
    let rank = |highlight: &Highlight| (highlight.kind, highlight.end - highlight.start);
    found.sort_by(|one, other| rank(other).cmp(&rank(one)).then(one.start.cmp(&other.start)));
    let mut kept: BTreeMap<usize, Highlight> = BTreeMap::new();
    for highlight in found {
        let last_before_end = kept.range(..highlight.end).next_back();
        if last_before_end.is_none_or(|(_, other)| other.end <= highlight.start) {
            kept.insert(highlight.start, highlight);
        }
    }
    kept.into_values().collect()
}
