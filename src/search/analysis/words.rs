use unicode_script::{Script, UnicodeScript as _};
use unicode_segmentation::UnicodeSegmentation as _;

use super::WORD_LIMIT_CHARACTERS;
use super::fold::{is_emoji, is_mark};

/// A word in a folded text, by bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) start: usize,
    pub(super) end: usize,
    /// In a script without spaces, where the words are not known: every part of the run counts.
    pub(super) run: bool,
}

impl Word {
    /// The whole word, however long.
    pub(super) fn text(self, folded: &str) -> &str {
        folded.get(self.start..self.end).unwrap_or_default()
    }

    /// What the word counts by.
    pub(super) fn counted(self, folded: &str) -> &str {
        cut(self.text(folded))
    }
}

/// The first [`WORD_LIMIT_CHARACTERS`].
pub(super) fn cut(text: &str) -> &str {
    if text.len() <= WORD_LIMIT_CHARACTERS {
        return text;
    }
    text.char_indices().nth(WORD_LIMIT_CHARACTERS).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// The whole words of a folded text (UAX #29), runs of a script without spaces joined.
pub(super) fn whole_words(folded: &str) -> Vec<Word> {
    let mut words = Vec::with_capacity(folded.len() / 4);
    let mut open: Option<(Word, Nature)> = None;
    for (start, segment) in folded.split_word_bound_indices() {
        let end = start + segment.len();
        // What extends an emoji, without its emoji, extends the space before it.
        let segment = segment.trim_start();
        let start = end - segment.len();
        let nature = nature(segment);
        if let (Some((word, Nature::Run(script))), Nature::Run(other)) = (&mut open, nature)
            && *script == other
        {
            word.end = end;
            continue;
        }
        words.extend(open.take().map(|(word, _)| word));
        open = match nature {
            Nature::Nothing => None,
            Nature::Spaced => Some((Word { start, end, run: false }, nature)),
            Nature::Run(_) => Some((Word { start, end, run: true }, nature)),
        };
    }
    words.extend(open.map(|(word, _)| word));
    words
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nature {
    Nothing,
    Spaced,
    Run(Unspaced),
}

/// Scripts without spaces. Han and kana are written in one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unspaced {
    HanAndKana,
    Thai,
    Lao,
    Khmer,
    Burmese,
}

fn nature(segment: &str) -> Nature {
    if segment.is_ascii() {
        let word = segment.bytes().any(|byte| byte.is_ascii_alphanumeric());
        return if word { Nature::Spaced } else { Nature::Nothing };
    }
    // A mark without its letter is none: it may stand on a space.
    let counts = |character: &char| character.is_alphanumeric() && !is_mark(*character);
    let mut scripts = segment.chars().filter(counts).map(unspaced);
    match scripts.next() {
        Some(Some(first)) if scripts.all(|script| script == Some(first)) => Nature::Run(first),
        Some(_) => Nature::Spaced,
        None if segment.chars().any(is_emoji) => Nature::Spaced,
        None => Nature::Nothing,
    }
}

fn unspaced(character: char) -> Option<Unspaced> {
    if character < '\u{E00}' {
        return None;
    }
    match character.script() {
        Script::Han | Script::Hiragana | Script::Katakana => Some(Unspaced::HanAndKana),
        Script::Thai => Some(Unspaced::Thai),
        Script::Lao => Some(Unspaced::Lao),
        Script::Khmer => Some(Unspaced::Khmer),
        Script::Myanmar => Some(Unspaced::Burmese),
        Script::Common | Script::Inherited => {
            let scripts = character.script_extension();
            let kana = scripts.contains_script(Script::Hiragana) || scripts.contains_script(Script::Katakana);
            (kana && !scripts.is_common() && !scripts.is_inherited()).then_some(Unspaced::HanAndKana)
        }
        _ => None,
    }
}

/// Han, where one character is a word's part.
pub(super) fn is_han(character: char) -> bool {
    character >= '\u{2E80}' && character.script() == Script::Han
}

/// What a word is cut into at every character that is neither letter nor digit, and between letters and
/// digits. Nothing where that is the word itself.
pub(super) fn pieces(word: Word, folded: &str) -> Vec<Word> {
    let text = word.text(folded);
    let one_piece = text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if one_piece {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    let mut open: Option<(Word, bool)> = None;
    for (at, character) in text.char_indices() {
        let start = word.start + at;
        let end = start + character.len_utf8();
        if is_mark(character) {
            if let Some((piece, _)) = &mut open {
                piece.end = end;
            }
            continue;
        }
        let digit = character.is_numeric();
        if !digit && !character.is_alphabetic() {
            pieces.extend(open.take().map(|(piece, _)| piece));
            continue;
        }
        match &mut open {
            Some((piece, of_digits)) if *of_digits == digit => piece.end = end,
            _ => {
                let began = (Word { start, end, run: word.run }, digit);
                pieces.extend(open.replace(began).map(|(piece, _)| piece));
            }
        }
    }
    pieces.extend(open.map(|(piece, _)| piece));
    pieces.retain(|piece| (piece.start, piece.end) != (word.start, word.end));
    pieces
}
