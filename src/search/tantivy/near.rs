use levenshtein_automata::{DFA, Distance, SINK_STATE};
use tantivy_fst::Automaton;

use crate::search::analysis::QueryWord;

/// Words of the chat within the word's distance: the chat's bytes as they are, then a Levenshtein automaton, so
/// that only that part of the dictionary is walked.
pub(super) struct Near {
    chat: Vec<u8>,
    word: DFA,
}

#[derive(Clone, Copy)]
pub(super) enum Walk {
    /// So many bytes of the chat have been read.
    Chat(usize),
    Word(u32),
    Nowhere,
}

impl Near {
    pub(super) fn new(chat: &[u8], word: &QueryWord) -> Option<Self> {
        Some(Self { chat: chat.to_vec(), word: word.automaton()? })
    }
}

impl Automaton for &Near {
    type State = Walk;

    fn start(&self) -> Walk {
        Walk::Chat(0)
    }

    fn is_match(&self, state: &Walk) -> bool {
        matches!(state, Walk::Word(word) if matches!(self.word.distance(*word), Distance::Exact(_)))
    }

    fn can_match(&self, state: &Walk) -> bool {
        !matches!(state, Walk::Nowhere)
    }

    fn accept(&self, state: &Walk, byte: u8) -> Walk {
        match *state {
            Walk::Chat(read) if self.chat.get(read) != Some(&byte) => Walk::Nowhere,
            Walk::Chat(read) if read + 1 == self.chat.len() => Walk::Word(self.word.initial_state()),
            Walk::Chat(read) => Walk::Chat(read + 1),
            Walk::Word(word) => match self.word.transition(word, byte) {
                SINK_STATE => Walk::Nowhere,
                next => Walk::Word(next),
            },
            Walk::Nowhere => Walk::Nowhere,
        }
    }
}
