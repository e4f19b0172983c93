use super::*;

#[test]
fn every_filed_case_is_found_as_its_kind() {
    use Kind::{Exact, Part, Prefix, Typo};
    let cases = [
        ("help", "hel", Some(Prefix)),
        ("hello", "hel", Some(Prefix)),
        ("shell", "hel", Some(Part)),
        ("messages", "mess", Some(Prefix)),
        ("payment", "pay", Some(Prefix)),
        ("elasticsearch", "elast", Some(Prefix)),
        ("qwen3.6", "qwen", Some(Exact)),
        ("foo.png", "foo", Some(Exact)),
        ("foo.png", "png", Some(Exact)),
        ("foo.png", "foo.png", Some(Exact)),
        ("flag_check.exe", "check", Some(Exact)),
        ("flag_check.exe", "flag_check.exe", Some(Exact)),
        ("flag_check.exe", "flag_check", Some(Prefix)),
        ("flag_check.exe", "check.exe", Some(Part)),
        ("the cat sat", "cat", Some(Exact)),
        ("a car", "cat", Some(Typo)),
        ("an act", "cat", Some(Typo)),
        ("world", "wrold", Some(Typo)),
        ("hello", "helo", Some(Typo)),
        ("help", "helo", Some(Typo)),
        ("yello there", "hello", Some(Typo)),
        ("written in C++20", "C++20", Some(Exact)),
        ("written in C++20", "20", Some(Exact)),
        ("see https://example.com/path/to-file?x=1#top", "example", Some(Exact)),
        ("see https://example.com/path/to-file?x=1#top", "example.com", Some(Exact)),
        ("see https://example.com/path/to-file?x=1#top", "path", Some(Exact)),
        ("see https://example.com/path/to-file?x=1#top", "file", Some(Exact)),
        ("see https://example.com/path/to-file?x=1#top", "https", Some(Exact)),
        (
            "see https://example.com/path/to-file?x=1#top",
            "https://example.com/path/to-file?x=1#top",
            Some(Exact),
        ),
        ("écoute l’appel", "appel", Some(Exact)),
        ("écoute l'appel", "appel", Some(Exact)),
        ("la réunion", "REUNION", Some(Exact)),
        ("la reunion", "RÉUNION", Some(Exact)),
        ("la re\u{301}union", "réunion", Some(Exact)),
        ("我在上海工作", "上海", Some(Part)),
        ("我在上海工作", "我在", Some(Prefix)),
        ("我在上海工作", "海", Some(Part)),
        ("我在上海工作", "作", Some(Part)),
        ("我在上海工作", "我在上海工作", Some(Exact)),
        ("upgrade", "upg", Some(Prefix)),
        ("Oberfräse", "fräs", Some(Part)),
        ("Oberfräse", "FRAS", Some(Part)),
        ("ｗｉｄｅ ｔｅｘｔ", "wide", Some(Exact)),
        ("wide", "ｗｉｄｅ", Some(Exact)),
        ("ｶﾞｷﾞｸﾞ", "ガギ", Some(Prefix)),
        ("がくせい", "かく", None),
        ("straße", "STRASSE", Some(Exact)),
        ("ὈΔΥΣΣΕΎΣ", "οδυσσευς", Some(Exact)),
        ("Ёлка", "елка", Some(Exact)),
        ("שָׁלוֹם", "שלום", Some(Exact)),
        ("مُحَمَّد", "محمد", Some(Exact)),
        ("ภาษาไทยง่าย", "ไทย", Some(Part)),
        ("हिन्दी में", "हिन्दी", Some(Exact)),
        ("한국어를 배우다", "국어", Some(Part)),
        ("👍🏽 great", "👍", Some(Prefix)),
        ("I ❤️ it", "❤", Some(Exact)),
        ("👨‍👩‍👧 family", "👨‍👩‍👧", Some(Exact)),
        ("🇩🇪🇫🇷", "🇫🇷", Some(Exact)),
        ("co\u{AD}operate", "cooperate", Some(Exact)),
        ("hello", "h", Some(Prefix)),
        ("hello", "o", None),
        ("hello", "lo", Some(Part)),
        ("hello", "!", None),
        ("ab", "ac", None),
    ];
    for (body, query, expected) in cases {
        assert_eq!(kind(body, query), expected, "{query:?} in {body:?}");
    }
}

#[test]
fn a_query_of_only_punctuation_finds_nothing_and_is_no_error() {
    for query in ["!!!", "?", "* -- *", "…", "‼ 〰", "#*"] {
        let parsed = Query::parse(query).unwrap();
        assert!(parsed.words().is_empty(), "{query}");
        assert_eq!(parsed.look_at("!!! ? * -- * … ‼ 〰 #*"), None);
    }
}

#[test]
fn a_query_says_why_it_was_refused() {
    assert_eq!(Query::parse(" \u{3000}\n").unwrap_err().to_string(), "can't be empty");
    assert_eq!(Query::parse("").unwrap_err(), QueryError::Blank);
    assert!(Query::parse(&"é".repeat(256)).is_ok());
    let too_long = Query::parse(&"é".repeat(257)).unwrap_err();
    assert_eq!(too_long.to_string(), "is too long (maximum is 256 characters)");
    assert_eq!(Query::parse(&"a ".repeat(16)).unwrap().words().len(), 16);
    let too_many = Query::parse(&"a ".repeat(17)).unwrap_err();
    assert_eq!(too_many.to_string(), "has too many words (maximum is 16)");
}

#[test]
fn whole_words_and_their_pieces_all_count() {
    assert_eq!(words_of("flag_check.exe"), ["check", "exe", "flag", "flag_check.exe"]);
    assert_eq!(words_of("qwen3.6"), ["3", "6", "qwen", "qwen3.6"]);
    assert_eq!(words_of("don't"), ["don", "don't", "t"]);
    assert_eq!(words_of("a a A á"), ["a"]);
    assert_eq!(words_of("我在上海、東京タワー"), ["我在上海", "東京タワー"]);
    assert_eq!(words_of("a \u{FE72} \u{B4} \u{64C} b"), ["a", "b"], "a mark without its letter");
    assert_eq!(words_of("ok‼ 〰 5 # *"), ["5", "ok"]);
    assert_eq!(words_of("हिन्दी"), ["हिन्दी"]);
    assert_eq!(words_of("ภาษาไทยที่"), ["ภาษาไทยที่"]);
}

#[test]
fn suffixes_have_two_characters_or_one_that_is_han() {
    assert_eq!(suffixes_of("hello"), ["ello", "llo", "lo"]);
    assert_eq!(suffixes_of("a.b"), [".b"]);
    assert_eq!(suffixes_of("上海"), ["海"]);
    assert_eq!(suffixes_of("カナ"), [""; 0]);
}

#[test]
fn long_words_count_by_their_first_characters_and_long_runs_by_all_their_parts() {
    let long = "ab".repeat(50);
    let first = long.get(..64).unwrap();
    assert_eq!(words_of(&long), [first]);
    assert_eq!(kind(&long, &long), Some(Kind::Exact));
    assert_eq!(kind(&long, first), Some(Kind::Exact));
    let pieces = format!("{}-x_{}7", "a".repeat(70), "b".repeat(70));
    assert_eq!(kind(&pieces, &"b".repeat(64)), Some(Kind::Exact));
    assert_eq!(kind(&format!("{}.needle", "a".repeat(80)), "eedl"), Some(Kind::Part));
    assert_eq!(kind(&format!("{}needle", "a".repeat(80)), "needle"), None);

    let run: String = ('\u{4E00}'..).take(300).collect();
    for start in [0, 1, 63, 64, 65, 150, 236] {
        let part: String = run.chars().skip(start).take(64).collect();
        let expected = if start == 0 { Kind::Exact } else { Kind::Part };
        assert_eq!(kind(&run, &part), Some(expected), "from {start}");
        assert!(suffixes_of(&run).iter().any(|suffix| suffix.starts_with(&part)) || start == 0);
    }
}

#[test]
fn kinds_have_their_weights_and_every_word_must_match() {
    let exact = look("hello shell", "hello hel").unwrap();
    assert_eq!((exact.kind, exact.weight), (Kind::Prefix, 12));
    let weakest = look("hello world", "hello wrold").unwrap();
    assert_eq!((weakest.kind, weakest.weight), (Kind::Typo, 9));
    assert_eq!(look("hello world", "hello moon"), None);
    let names = [Kind::Exact, Kind::Prefix, Kind::Part, Kind::Typo].map(|kind| (kind.name(), kind.weight()));
    assert_eq!(names, [("exact", 8), ("prefix", 4), ("part", 2), ("typo", 1)]);
}

#[test]
fn a_swap_is_one_edit_and_the_distance_grows_with_the_word() {
    for (body, query, found) in [
        ("ab", "ba", false),
        ("abc", "acb", true),
        ("abc", "bca", false),
        ("abcde", "abdce", true),
        ("abcde", "abfge", false),
        ("abcdef", "abfgef", true),
        ("abcdef", "xbcdex", true),
        ("abcdef", "abc", true),
        ("上海東京", "上海東亰", false),
    ] {
        assert_eq!(kind(body, query).is_some(), found, "{query} in {body}");
    }
}

#[test]
fn work_is_bounded_for_the_largest_body() {
    for body in
        ["上".repeat(43_000), "a".repeat(128 * 1024), "a.".repeat(64 * 1024), "\u{FDFA}".repeat(43_000)]
    {
        let terms = terms(&body);
        assert!(
            terms.words().chain(terms.suffixes()).all(|term| term.chars().count() <= WORD_LIMIT_CHARACTERS)
        );
        let _ = look(&body, "上上 aa");
        let _ = look(&body, "aaaaaaab");
    }
    assert_eq!(fold("ÀB"), "ab");
}
