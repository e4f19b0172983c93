use caseless::Caseless as _;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::canonical_combining_class;

use crate::support::Random;

/// Chooses.
pub struct Dice(Random);

impl Dice {
    pub fn seeded() -> Self {
        Self(Random::seeded())
    }

    /// Below `sides`.
    pub fn below(&self, sides: usize) -> usize {
        self.0.below(sides as u64) as usize
    }

    pub fn one_of<'a, T>(&self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len())]
    }

    /// One edit: a letter more, less or another, or neighbours swapped.
    pub fn typo(&self, word: &str) -> String {
        let mut letters: Vec<char> = word.chars().collect();
        let place = self.below(letters.len());
        let letter = letters[self.below(letters.len())];
        match self.below(4) {
            0 => letters.insert(place, letter),
            1 => letters[place] = letter,
            2 => letters.swap(place, (place + 1).min(word.chars().count() - 1)),
            _ => drop(letters.remove(place)),
        }
        letters.into_iter().collect()
    }
}

/// Case, width and accents taken away, accents only where they are none of the letter.
pub fn fold(text: &str) -> String {
    let mut drops_marks = false;
    let folded = text.nfkc().default_case_fold().nfkd().filter(|&letter| {
        let mark = canonical_combining_class(letter) != 0;
        if !mark {
            // Latin, Greek, Cyrillic, Hebrew and Arabic.
            drops_marks = letter < '\u{700}' || ('\u{1E00}'..'\u{2000}').contains(&letter);
        }
        !(mark && drops_marks)
    });
    folded.nfc().collect()
}

/// How many edits a query word forgives.
pub fn distance(query: &str) -> usize {
    match query.chars().count() {
        _ if query.chars().all(is_unspaced) => 0,
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    }
}

/// Han, kana, Thai.
fn is_unspaced(letter: char) -> bool {
    matches!(letter, '\u{E00}'..='\u{E7F}' | '\u{3040}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}')
}

fn is_han(letter: char) -> bool {
    matches!(letter, '\u{4E00}'..='\u{9FFF}')
}

pub const WEIGHTS: [(&str, u32); 4] = [("exact", 8), ("prefix", 4), ("part", 2), ("typo", 1)];

/// The best weight of one folded query word among the folded words of a message; zero where it is not found.
pub fn weight(words: &[String], query: &str) -> u32 {
    let length = query.chars().count();
    let in_parts = length >= 2 || query.chars().all(is_han);
    let forgiven = distance(query);
    let of_word = |word: &String| {
        if word == query {
            8
        } else if word.starts_with(query) {
            4
        } else if in_parts && word.contains(query) {
            2
        } else if forgiven > 0
            && word.chars().count().abs_diff(length) <= forgiven
            && strsim::osa_distance(word, query) <= forgiven
        {
            1
        } else {
            0
        }
    };
    words.iter().map(of_word).max().unwrap_or(0)
}

/// Name of the kind with this weight.
pub fn kind_of(weight: u32) -> String {
    let kind = WEIGHTS.iter().find(|&&(_, of_kind)| of_kind == weight).expect("a weight");
    kind.0.to_owned()
}

/// The hits in their order: numbers from 1 on, and the weakest kind.
pub fn hits(messages: &[Vec<String>], query: &[String]) -> Vec<(u64, String)> {
    let mut hits = Vec::new();
    for (number, words) in (1_u64..).zip(messages) {
        let weights: Vec<u32> = query.iter().map(|word| weight(words, word)).collect();
        let weakest = weights.iter().copied().min().unwrap_or(0);
        if weakest > 0 {
            hits.push((weights.iter().sum::<u32>(), number, weakest));
        }
    }
    hits.sort_unstable_by(|one, other| other.cmp(one));
    hits.into_iter().map(|(_, number, weakest)| (number, kind_of(weakest))).collect()
}
