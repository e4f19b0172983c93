use std::sync::LazyLock;

use levenshtein_automata::{DFA, LevenshteinAutomatonBuilder};

use super::query::QueryWord;

static ONE_EDIT: LazyLock<LevenshteinAutomatonBuilder> =
    LazyLock::new(|| LevenshteinAutomatonBuilder::new(1, true));
static TWO_EDITS: LazyLock<LevenshteinAutomatonBuilder> =
    LazyLock::new(|| LevenshteinAutomatonBuilder::new(2, true));

impl QueryWord {
    /// Tells words within [`QueryWord::distance`] (Schulz and Mihov, Fast string correction with Levenshtein automata,
    /// 2002). `None` where only the word itself is.
    #[must_use]
    pub fn automaton(&self) -> Option<DFA> {
        let edits = match self.distance() {
            0 => return None,
            1 => &ONE_EDIT,
            _ => &TWO_EDITS,
        };
        Some(edits.build_dfa(self.text()))
    }
}
