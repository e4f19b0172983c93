use serde_json::json;

use super::chat::{Chat, body, check_snippet, highlights, kind, number};
use crate::support::Service;

const EXACT: &str = "exact";
const PREFIX: &str = "prefix";
const PART: &str = "part";
const TYPO: &str = "typo";
/// Not found.
const NOT: &str = "";

/// What people have filed against chat products, and one case for every clause of the rules.
const CASES: &[(&str, &str, &str)] = &[
    // Why not the obvious query.
    ("help", "hel", PREFIX),
    ("hello", "hel", PREFIX),
    ("shell", "hel", PART),
    ("messages", "mess", PREFIX),
    ("payment", "pay", PREFIX),
    ("elasticsearch", "elast", PREFIX),
    ("qwen3.6", "qwen", EXACT),
    ("foo.png", "foo", EXACT),
    ("foo.png", "png", EXACT),
    ("the cat sat", "cat", EXACT),
    ("a car", "cat", TYPO),
    ("an act", "cat", TYPO),
    ("world", "wrold", TYPO),
    ("hello", "helo", TYPO),
    ("help", "helo", TYPO),
    // Words are cut, and whole and pieces all count.
    ("foo.png", "foo.png", EXACT),
    ("flag_check.exe", "flag_check.exe", EXACT),
    ("flag_check.exe", "check", EXACT),
    ("flag_check.exe", "exe", EXACT),
    ("flag_check.exe", "flag_check", PREFIX),
    ("flag_check.exe", "check.exe", PART),
    ("flag_check.exe", "heck", PART),
    ("qwen3.6", "qwen3.6", EXACT),
    ("qwen3.6", "3.6", PART),
    ("qwen3.6", "wen", PART),
    ("written in C++20", "C++20", EXACT),
    ("written in C++20", "20", EXACT),
    ("don't", "don", EXACT),
    ("don't", "don't", EXACT),
    ("écoute l’appel", "appel", EXACT),
    ("écoute l’appel", "appe", PREFIX),
    ("écoute l'appel", "appel", EXACT),
    ("see https://example.com/path/to-file?x=1#top", "example", EXACT),
    ("see https://example.com/path/to-file?x=1#top", "example.com", EXACT),
    ("see https://example.com/path/to-file?x=1#top", "path", EXACT),
    ("see https://example.com/path/to-file?x=1#top", "file", EXACT),
    ("see https://example.com/path/to-file?x=1#top", "https", EXACT),
    ("see https://example.com/path/to-file?x=1#top", "xamp", PART),
    ("see https://example.com/path/to-file?x=1#top", "https://example.com/path/to-file?x=1#top", EXACT),
    // Parts in the middle of a word.
    ("upgrade", "upg", PREFIX),
    ("upgrade", "grad", PART),
    ("upgrade", "de", PART),
    ("upgrade", "e", NOT),
    ("upgrade", "u", PREFIX),
    ("Oberfräse", "fräs", PART),
    ("Oberfräse", "FRAS", PART),
    // Case, accents and width.
    ("la réunion", "REUNION", EXACT),
    ("la reunion", "RÉUNION", EXACT),
    ("la re\u{301}union", "réunion", EXACT),
    ("ｗｉｄｅ ｔｅｘｔ", "wide", EXACT),
    ("narrow", "ｎａｒｒｏｗ", EXACT),
    ("straße", "STRASSE", EXACT),
    ("ὈΔΥΣΣΕΎΣ", "οδυσσευς", EXACT),
    ("Ёлка", "елка", EXACT),
    ("שָׁלוֹם", "שלום", EXACT),
    ("مُحَمَّد", "محمد", EXACT),
    ("co\u{AD}operate", "cooperate", EXACT),
    // Marks that are letters stay.
    ("がくせい", "がく", PREFIX),
    ("がくせい", "かく", NOT),
    ("हिन्दी में", "हिन्दी", EXACT),
    // Scripts without spaces.
    ("我在上海工作", "上海", PART),
    ("我在上海工作", "我在", PREFIX),
    ("我在上海工作", "海", PART),
    ("我在上海工作", "我在上海工作", EXACT),
    ("我在上海工作", "北京", NOT),
    ("上海東京", "上海東亰", NOT),
    ("ｶﾞｷﾞｸﾞ", "ガギ", PREFIX),
    ("東京タワーへ", "タワー", PART),
    ("ภาษาไทยง่าย", "ไทย", PART),
    ("한국어를 배우다", "국어", PART),
    ("한국어를 배우다", "한국", PREFIX),
    // Emoji are words.
    ("👍🏽 great", "👍", PREFIX),
    ("I ❤️ it", "❤", EXACT),
    ("👨‍👩‍👧 family", "👨‍👩‍👧", EXACT),
    ("🇩🇪🇫🇷", "🇫🇷", EXACT),
    // Typos by the length of the word; a swap is one; the first letter may be wrong.
    ("xylem", "yylem", TYPO),
    ("xyz", "xzy", TYPO),
    ("xyz", "yzx", NOT),
    ("ok", "oj", NOT),
    ("abcde", "abdce", TYPO),
    ("abcde", "abfge", NOT),
    ("klmnop", "kxmnxp", TYPO),
    ("klmnop", "xxmnxp", NOT),
];

#[tokio::test]
async fn every_filed_case_is_found_as_its_kind_and_never_in_another_chat() {
    let service = Service::start();
    let application = service.new_application().await;
    let elsewhere = [service.new_chat(&application).await, {
        let other = service.new_application().await;
        service.new_chat(&other).await;
        service.new_chat(&other).await
    }];
    let here = Chat { client: service.client(), path: service.new_chat(&application).await };
    let mut texts: Vec<String> = CASES.iter().map(|(text, ..)| (*text).to_owned()).collect();
    texts.dedup();
    // Other numbers there, so that a hit from there could not be taken for one from here.
    let mut other_texts: Vec<String> = (0..3).flat_map(|_| texts.iter().rev().cloned()).collect();
    other_texts.push("onlyelsewhere".to_owned());
    for path in elsewhere {
        let there = Chat { client: service.client(), path };
        there.say_all(&other_texts).await;
        there.settle().await;
    }
    let numbers = here.say_all(&texts).await;
    here.settle().await;
    for &(text, query, expected) in CASES {
        let hits = here.hits(query).await;
        let mut found = NOT.to_owned();
        for hit in &hits {
            let place = numbers.iter().position(|&said| said == number(hit));
            let place = place.unwrap_or_else(|| panic!("{query:?} finds what was not said here: {hit}"));
            assert_eq!(body(hit), texts[place], "{query:?}: another message's body");
            check_snippet(hit);
            if texts[place] == text {
                found = kind(hit);
            }
        }
        assert_eq!(found, expected, "{query:?} in {text:?}");
    }
    assert!(here.hits("onlyelsewhere").await.is_empty());
}

#[tokio::test]
async fn a_query_of_only_punctuation_finds_nothing_and_is_no_error() {
    let service = Service::start();
    let chat = Chat::new(&service).await;
    chat.say("!!! ? * -- * … ‼ 〰 #* and a word").await;
    chat.settle().await;
    assert_eq!(chat.numbers("word").await, [1]);
    for query in ["!", "!!!", "?", "* -- *", "…", "‼ 〰", "#*", "\"", "'", "%", "_", "\\", "(", "[^-]*?+:"]
    {
        let found = chat.search(&json!({"query": query})).await;
        assert_eq!(found, json!({"message": "success", "number_of_messages": 0, "data": []}), "{query}");
    }
}

#[tokio::test]
async fn exact_goes_before_prefix_before_part_before_typo_and_then_the_newest_first() {
    let service = Service::start();
    let chat = Chat::new(&service).await;
    // Weights of "stone"; said in an order that is not theirs.
    let said = [
        ("a milestone", 2),
        ("the stone", 8),
        ("some stome", 1),
        ("stones, many", 4),
        ("nothing at all", 0),
        ("STONE", 8),
        ("a touchstone", 2),
        ("a stoen", 1),
        ("stonework and a milestone", 4),
        ("stome and stone and stones", 8),
    ];
    let mut expected = Vec::new();
    for (text, weight) in said {
        let number = chat.say(text).await;
        let kind = ["", TYPO, PART, "", PREFIX, "", "", "", EXACT][weight];
        expected.push((weight, number, kind));
    }
    chat.settle().await;
    expected.retain(|&(weight, ..)| weight > 0);
    expected.sort_by_key(|&(weight, number, _)| std::cmp::Reverse((weight, number)));
    let expected: Vec<_> = expected.into_iter().map(|(_, number, kind)| (number, kind.to_owned())).collect();
    assert_eq!(chat.shown("stone").await, expected);
}

#[tokio::test]
async fn every_word_of_a_query_must_match_and_their_weights_add_up() {
    let service = Service::start();
    let chat = Chat::new(&service).await;
    let said = [
        ("red stone", Some((16, EXACT))),
        ("redder milestone", Some((6, PART))),
        ("red only", None),
        ("stone red", Some((16, EXACT))),
        ("red stome", Some((9, TYPO))),
        ("bored stone", Some((10, PART))),
        ("reds stones", Some((8, PREFIX))),
        ("infrared stone", Some((10, PART))),
        ("stone only", None),
        ("red stones", Some((12, PREFIX))),
    ];
    let mut expected = Vec::new();
    for (text, matched) in said {
        let number = chat.say(text).await;
        expected.extend(matched.map(|(weight, kind)| (weight, number, kind.to_owned())));
    }
    chat.settle().await;
    expected.sort_by_key(|&(weight, number, _)| std::cmp::Reverse((weight, number)));
    let expected: Vec<_> = expected.into_iter().map(|(_, number, kind)| (number, kind)).collect();
    assert_eq!(chat.shown("red stone").await, expected);
    assert_eq!(chat.shown("RED, stone!").await, expected);
    let both = chat.hits("red stone").await;
    assert_eq!(
        highlights(&both[0]).iter().map(|found| found.text.as_str()).collect::<Vec<_>>(),
        ["stone", "red"]
    );
}
