//! The one analysis: what a word is, which messages a query finds, how well, and where.
//!
//! A text is folded, cut into words, and the words into terms; both engines index the same terms and look up
//! the same query words. [`Query::look_at`] says what they must answer: it reads one message as it is.

/// Case, accents and width taken away, with the way back to the original.
mod fold;
/// Words by Unicode's rules, and their pieces.
mod words;
/// What an engine indexes.
mod terms;
/// What a person asked for.
mod query;
/// Words within some edits.
mod edits;
/// How a message matches, and where.
mod look;
/// The part of a message that is shown.
mod snippet;

#[cfg(test)]
mod tests;

pub use look::{Highlight, Look, Looker};
pub use query::{QUERY_LIMIT_CODE_POINTS, QUERY_LIMIT_WORDS, Query, QueryError, QueryWord};
pub use snippet::SNIPPET_LIMIT_CODE_POINTS;
pub use terms::{Terms, terms};

/// A word counts by this many of its first characters.
pub const WORD_LIMIT_CHARACTERS: usize = 64;

/// How a query word is found in a message, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A word is within [`QueryWord::distance`] of it.
    Typo,
    /// It stands inside a word.
    Part,
    /// A word begins with it.
    Prefix,
    /// It is a word.
    Exact,
}

impl Kind {
    /// As readers see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Prefix => "prefix",
            Self::Part => "part",
            Self::Typo => "typo",
        }
    }

    /// What it adds to a hit's weight.
    #[must_use]
    pub const fn weight(self) -> u32 {
        match self {
            Self::Exact => 8,
            Self::Prefix => 4,
            Self::Part => 2,
            Self::Typo => 1,
        }
    }
}
