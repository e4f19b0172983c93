use crate::domain::text::is_blank;

use super::WORD_LIMIT_CHARACTERS;
use super::fold::fold;
use super::words::{Word, is_han, whole_words};

/// Longest query.
pub const QUERY_LIMIT_CODE_POINTS: usize = 256;
/// Most words in a query.
pub const QUERY_LIMIT_WORDS: usize = 16;

/// Why a query was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("can't be empty")]
    Blank,
    #[error("is too long (maximum is {QUERY_LIMIT_CODE_POINTS} characters)")]
    TooLong,
    #[error("has too many words (maximum is {QUERY_LIMIT_WORDS})")]
    TooManyWords,
}

/// Words that must all be found. One without words, of punctuation only, finds nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    words: Vec<QueryWord>,
}

impl Query {
    /// # Errors
    /// When the text is blank, too long, or has too many words.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if is_blank(text) {
            return Err(QueryError::Blank);
        }
        if text.chars().nth(QUERY_LIMIT_CODE_POINTS).is_some() {
            return Err(QueryError::TooLong);
        }
        let folded = fold(text);
        let words = whole_words(&folded);
        if words.len() > QUERY_LIMIT_WORDS {
            return Err(QueryError::TooManyWords);
        }
        Ok(Self { words: words.into_iter().map(|word| QueryWord::new(word, &folded)).collect() })
    }

    /// In the order they were written in.
    #[must_use]
    pub fn words(&self) -> &[QueryWord] {
        &self.words
    }
}

/// One word of a query, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryWord {
    text: String,
    characters: usize,
    run: bool,
}

impl QueryWord {
    fn new(word: Word, folded: &str) -> Self {
        let text = word.counted(folded).to_owned();
        let characters = text.chars().count();
        debug_assert!(characters <= WORD_LIMIT_CHARACTERS);
        Self { text, characters, run: word.run }
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is looked for inside words: from two characters on, in Han from one.
    #[must_use]
    pub fn in_parts(&self) -> bool {
        self.characters >= 2 || self.text.chars().all(is_han)
    }

    /// How many edits a word may be away: insertions, deletions, replacements, and swaps of neighbours (optimal
    /// string alignment). Lucene's `AUTO`; zero in scripts without spaces, where a word is not a word.
    #[must_use]
    pub fn distance(&self) -> u8 {
        match self.characters {
            _ if self.run => 0,
            0..=2 => 0,
            3..=5 => 1,
            _ => 2,
        }
    }

    pub(super) const fn characters(&self) -> usize {
        self.characters
    }
}
