use std::collections::BTreeSet;

use serde_json::Value;

use super::chat::{Chat, check_snippet, highlights, kind};
use super::model::{Dice, distance, fold, hits};
use crate::support::Service;

/// Letters that one script's words are made of; a mark follows a letter and never begins a part.
struct Script {
    letters: &'static str,
    marks: &'static str,
    longest: usize,
}

const SCRIPTS: &[Script] = &[
    Script { letters: "abcdeorst", marks: "", longest: 9 },
    Script { letters: "aeinrstüéèÅñçİO", marks: "\u{301}\u{308}", longest: 8 },
    Script { letters: "абвеорстёйЖ", marks: "", longest: 8 },
    Script { letters: "αειορστάέΩΣΐ", marks: "", longest: 7 },
    Script { letters: "אבהולמרש", marks: "\u{5B8}\u{5BC}", longest: 6 },
    Script { letters: "ابتدرسلم", marks: "\u{64E}\u{651}", longest: 6 },
    Script { letters: "一上海工作人大", marks: "", longest: 6 },
    Script { letters: "あがくせいカタナー", marks: "", longest: 6 },
    Script { letters: "กขคนมยรลสอ", marks: "\u{E34}\u{E38}\u{E48}", longest: 6 },
    Script { letters: "कगतनमरल", marks: "\u{93F}\u{940}\u{947}", longest: 5 },
    Script { letters: "가나다라한국어", marks: "", longest: 5 },
];

const BETWEEN: &[&str] = &[" ", "  ", ", ", ". ", "\n", " <&> ", " \"'\" ", " – ", " 。"];

/// One word, and what it counts as: itself and its pieces.
struct Word {
    text: String,
    counted: Vec<String>,
}

fn word(dice: &Dice) -> Word {
    let script = dice.one_of(SCRIPTS);
    let letters: Vec<char> = script.letters.chars().collect();
    let marks: Vec<char> = script.marks.chars().collect();
    let piece = |dice: &Dice| {
        let mut text = String::new();
        for _ in 0..2 + dice.below(script.longest - 1) {
            text.push(*dice.one_of(&letters));
            if !marks.is_empty() && dice.below(3) == 0 {
                text.push(*dice.one_of(&marks));
            }
        }
        text
    };
    let text = piece(dice);
    // A name of two pieces, as of a file.
    if script.letters.starts_with('a') && script.marks.is_empty() && dice.below(4) == 0 {
        let other = piece(dice);
        let whole = format!("{text}_{other}");
        return Word { counted: vec![fold(&whole), fold(&text), fold(&other)], text: whole };
    }
    Word { counted: vec![fold(&text)], text }
}

/// Places before letters, and the end.
fn cuts(word: &str) -> Vec<usize> {
    let letters = word.char_indices().filter(|&(_, letter)| !is_mark(letter)).map(|(at, _)| at);
    letters.chain([word.len()]).collect()
}

/// Messages of a few words, some of which come back.
pub(crate) fn messages(dice: &Dice, count: usize) -> Vec<(String, Vec<String>)> {
    let mut known: Vec<Word> = Vec::new();
    let mut messages = Vec::new();
    for _ in 0..count {
        let (mut text, mut counted) = (String::new(), Vec::new());
        for place in 0..1 + dice.below(5) {
            if known.is_empty() || dice.below(3) > 0 {
                known.push(word(dice));
            }
            let newest = known.len() - 1;
            let chosen = if dice.below(3) > 0 { &known[newest] } else { &known[dice.below(known.len())] };
            if place > 0 {
                text.push_str(dice.one_of::<&str>(BETWEEN));
            }
            text.push_str(&chosen.text);
            counted.extend(chosen.counted.iter().cloned());
        }
        messages.push((text, counted));
    }
    messages
}

/// Every word, every beginning, every part of two letters or more, and typos in words of four or more.
pub(crate) fn queries(dice: &Dice, messages: &[(String, Vec<String>)]) -> Vec<String> {
    let mut queries = BTreeSet::new();
    for word in messages.iter().flat_map(|(_, words)| words) {
        let cuts = cuts(word);
        for (place, &start) in cuts.iter().enumerate() {
            for &end in &cuts[place + 1..] {
                queries.insert(word[start..end].to_owned());
            }
        }
        if word.chars().count() >= 4 && distance(word) > 0 && cuts.len() == word.chars().count() + 1 {
            queries.extend([dice.typo(word), dice.typo(word)]);
        }
    }
    // Punctuation alone asks for nothing, and at the ends of a query it is no part of a word.
    queries.retain(|query| !query.trim_matches('_').is_empty());
    queries.into_iter().collect()
}

/// Of a word: a letter, or a mark on one.
fn is_letter(letter: char) -> bool {
    letter.is_alphabetic() || is_mark(letter)
}

fn is_mark(letter: char) -> bool {
    SCRIPTS.iter().any(|script| script.marks.contains(letter))
}

/// Checks that each highlight is what its kind says, of one of the folded query words.
fn check_hits(hits: &[Value], words: &[String]) {
    for hit in hits {
        check_snippet(hit);
        let marked = highlights(hit);
        for highlight in &marked {
            let folded = fold(&highlight.text);
            let claimed = words.iter().any(|word| match highlight.kind.as_str() {
                "typo" => strsim::osa_distance(&folded, word) <= distance(word),
                // A mark goes with its letter.
                _ => folded.strip_prefix(word.as_str()).is_some_and(|rest| rest.chars().all(is_mark)),
            });
            assert!(claimed, "{highlight:?} for {words:?}: {hit}");
            let after_letter = highlight.before.is_some_and(is_letter);
            let after_joint = highlight.before == Some('_');
            match highlight.kind.as_str() {
                "part" => assert!(after_letter || after_joint, "{highlight:?}: {hit}"),
                _ => assert!(!after_letter, "{highlight:?}: {hit}"),
            }
        }
        if words.len() == 1 {
            assert!(marked.iter().any(|highlight| highlight.kind == kind(hit)), "{hit}");
        }
    }
}

#[tokio::test]
async fn every_word_beginning_part_and_typo_finds_its_messages_in_every_script() {
    let dice = Dice::seeded();
    let service = Service::start();
    let chat = Chat::new(&service).await;
    let messages = messages(&dice, 200);
    // In their order: the model numbers them so.
    for (text, _) in &messages {
        chat.say(text).await;
    }
    chat.settle().await;
    let words: Vec<Vec<String>> = messages.iter().map(|(_, words)| words.clone()).collect();
    let mut asked: Vec<Vec<String>> = queries(&dice, &messages).into_iter().map(|word| vec![word]).collect();
    for _ in 0..200 {
        let several = dice.one_of(&words);
        asked.push(vec![dice.one_of(several).clone(), dice.one_of(several).clone()]);
    }
    println!("{} messages, {} queries", messages.len(), asked.len());
    let find = |chat: Chat, query: Vec<String>| async move {
        let hits = chat.hits(&query.join(" ")).await;
        (query, hits)
    };
    for (query, found) in chat.each(asked, find).await {
        let shown: Vec<(u64, String)> =
            found.iter().map(|hit| (super::chat::number(hit), kind(hit))).collect();
        let expected = hits(&words, &query);
        assert_eq!(shown, expected, "{query:?} in {:?}", texts_of(&messages, &shown, &expected));
        check_hits(&found, &query);
    }
    for query in ways_to_type(&dice, &words) {
        let expected = hits(&words, &[fold(&query)]);
        assert!(!expected.is_empty(), "{query:?}");
        assert_eq!(chat.shown(&query).await, expected, "{query:?}");
    }
}

/// The same word in other cases and forms.
fn ways_to_type(dice: &Dice, words: &[Vec<String>]) -> Vec<String> {
    use unicode_normalization::UnicodeNormalization as _;
    let mut ways = Vec::new();
    for _ in 0..60 {
        let message = dice.one_of(words);
        let word = dice.one_of(message);
        ways.push(word.to_uppercase());
        ways.push(word.nfd().collect());
        let wide = |letter: char| match letter {
            'a'..='z' => char::from_u32(letter as u32 - 'a' as u32 + 'ａ' as u32).unwrap_or(letter),
            other => other,
        };
        ways.push(word.chars().map(wide).collect());
    }
    ways
}

/// The messages on which two answers differ.
fn texts_of<'a>(
    messages: &'a [(String, Vec<String>)],
    shown: &[(u64, String)],
    expected: &[(u64, String)],
) -> Vec<(u64, &'a str)> {
    let differ = |hit: &&(u64, String)| !shown.contains(hit) || !expected.contains(hit);
    let differing = shown.iter().chain(expected).filter(differ);
    differing.map(|&(number, _)| (number, messages[number as usize - 1].0.as_str())).collect()
}
