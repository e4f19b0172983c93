use caseless::Caseless as _;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};
use unicode_properties::{GeneralCategory, UnicodeEmoji as _, UnicodeGeneralCategory as _};
use unicode_script::{Script, UnicodeScript as _};

use crate::domain::text::BODY_LIMIT_BYTES;

/// Code points of the original text, end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A folded text, and where each of its characters came from.
pub(super) struct Folded {
    pub(super) text: String,
    /// Each character's first byte and origin; `None` where every byte is a character at its own place.
    origins: Option<Vec<(usize, Span)>>,
}

impl Folded {
    /// Where the bytes from `start` up to `end`, excluded, came from.
    pub(super) fn origin(&self, start: usize, end: usize) -> Span {
        let Some(origins) = &self.origins else {
            return Span { start, end };
        };
        let holding = |byte: usize| {
            let after = origins.partition_point(|&(at, _)| at <= byte);
            after.checked_sub(1).and_then(|place| origins.get(place)).map(|&(_, span)| span)
        };
        let first = holding(start).unwrap_or(Span { start: 0, end: 0 });
        let last = holding(end.saturating_sub(1)).unwrap_or(first);
        Span { start: first.start, end: last.end }
    }
}

/// Folds a text. What is beyond [`BODY_LIMIT_BYTES`] does not count.
pub(super) fn fold(text: &str) -> String {
    let text = bounded(text);
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    fold_into(text, |character, _| folded.push(character));
    folded
}

/// [`fold`], with the way back.
pub(super) fn fold_with_origin(text: &str) -> Folded {
    let text = bounded(text);
    if text.is_ascii() {
        return Folded { text: text.to_ascii_lowercase(), origins: None };
    }
    let mut folded = String::with_capacity(text.len());
    let mut origins = Vec::with_capacity(text.len());
    fold_into(text, |character, span| {
        origins.push((folded.len(), span));
        folded.push(character);
    });
    Folded { text: folded, origins: Some(origins) }
}

fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(BODY_LIMIT_BYTES)).unwrap_or(text)
}

/// NFKC, full case folding, NFKC, and marks dropped: chunk by chunk, since nothing of this reaches over a
/// boundary of normalisation (UAX #15, 9.1), so that each folded character knows its chunk.
fn fold_into(text: &str, mut emit: impl FnMut(char, Span)) {
    let mut characters = text.chars().enumerate().peekable();
    let mut chunk = String::new();
    let mut after_emoji = false;
    while let Some((start, first)) = characters.next() {
        let next_starts = |next: Option<&(usize, char)>| next.is_none_or(|&(_, next)| starts_chunk(next));
        if is_plain(first) && next_starts(characters.peek()) {
            emit(first.to_ascii_lowercase(), Span { start, end: start + 1 });
            after_emoji = false;
            continue;
        }
        if first == JOINER {
            let before_emoji = characters.peek().is_some_and(|&(_, next)| is_emoji(next));
            if after_emoji && before_emoji {
                emit(JOINER, Span { start, end: start + 1 });
            }
            continue;
        }
        chunk.clear();
        let mut end = start + 1;
        if !is_ignored(first) {
            chunk.push(first);
        }
        while let Some((at, next)) = characters.next_if(|&(_, next)| !starts_chunk(next)) {
            end = at + 1;
            if !is_ignored(next) {
                chunk.push(next);
            }
        }
        fold_chunk(&chunk, |character| {
            emit(character, Span { start, end });
            after_emoji = is_emoji(character);
        });
    }
}

fn fold_chunk(chunk: &str, emit: impl FnMut(char)) {
    let mut base_drops_marks = false;
    let without_marks = chunk.nfkc().default_case_fold().nfkd().filter(|&character| {
        if character.is_ascii() {
            base_drops_marks = character.is_ascii_alphabetic();
            return true;
        }
        match character.general_category() {
            GeneralCategory::NonspacingMark => !base_drops_marks,
            GeneralCategory::SpacingMark | GeneralCategory::EnclosingMark => true,
            _ => {
                base_drops_marks = matches!(
                    character.script(),
                    Script::Latin | Script::Greek | Script::Cyrillic | Script::Hebrew | Script::Arabic
                );
                true
            }
        }
    });
    without_marks.nfc().for_each(emit);
}

/// Characters that fold to their ASCII lower case, or to themselves: most of what people write.
fn is_plain(character: char) -> bool {
    matches!(character, '\0'..='\u{7F}' | '\u{4E00}'..='\u{9FFF}')
}

/// Whether nothing of this character joins what stands before it.
fn starts_chunk(character: char) -> bool {
    if is_plain(character) {
        return true;
    }
    if is_ignored(character) {
        return false;
    }
    let mut first = None;
    decompose_compatible(character, |part| {
        first.get_or_insert(part);
    });
    let first = first.unwrap_or(character);
    canonical_combining_class(first) == 0 && is_nfc_quick(std::iter::once(first)) != IsNormalized::Maybe
}

const JOINER: char = '\u{200D}';

/// What is not seen and means nothing: soft hyphens, marks of direction, non-joiners, variation selectors. The
/// joiner of emoji is not among them, nor is the zero width space, which parts words.
fn is_ignored(character: char) -> bool {
    matches!(
        character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180B}'..='\u{180F}' | '\u{200C}' | '\u{200E}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206F}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0100}'..='\u{E01EF}'
    )
}

/// An emoji, and not a digit or a punctuation mark that may become one.
pub(super) fn is_emoji(character: char) -> bool {
    !character.is_ascii()
        && character.is_emoji_char()
        && matches!(
            character.general_category(),
            GeneralCategory::OtherSymbol | GeneralCategory::ModifierSymbol | GeneralCategory::MathSymbol
        )
}

/// A mark or a joiner: it belongs to the letter before it.
pub(super) fn is_mark(character: char) -> bool {
    !character.is_ascii()
        && matches!(
            character.general_category(),
            GeneralCategory::NonspacingMark
                | GeneralCategory::SpacingMark
                | GeneralCategory::EnclosingMark
                | GeneralCategory::Format
        )
}
