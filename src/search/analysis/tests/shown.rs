use super::*;

#[test]
fn highlights_are_code_points_of_the_original() {
    use Kind::{Exact, Part, Prefix, Typo};
    let marked = |text: &str, kind| vec![(text.to_owned(), kind)];
    assert_eq!(highlighted("la Re\u{301}union!", "reunion"), marked("Re\u{301}union", Exact));
    assert_eq!(highlighted("die Straße", "strasse"), marked("Straße", Exact));
    assert_eq!(highlighted("ein ﬁlm", "film"), marked("ﬁlm", Exact));
    assert_eq!(highlighted("ein ﬁlm", "fi"), marked("ﬁ", Prefix));
    assert_eq!(highlighted("say ｶﾞｷﾞ", "ガギ"), marked("ｶﾞｷﾞ", Exact));
    assert_eq!(highlighted("👩‍💻 works ❤️!", "❤"), marked("❤️", Exact));
    assert_eq!(highlighted("Oberfräse", "fras"), marked("fräs", Part));
    assert_eq!(highlighted("我在上海工作", "上海"), marked("上海", Part));
    assert_eq!(highlighted("hello world", "wrold"), marked("world", Typo));
    assert_eq!(highlighted("flag_check.exe", "chekc"), marked("check", Typo));
    let look = look("é 👍 tête-à-tête", "tete").unwrap();
    let places: Vec<_> = look.highlights.iter().map(|highlight| (highlight.start, highlight.end)).collect();
    assert_eq!(places, [(4, 8), (11, 15)]);
}

#[test]
fn every_better_kind_is_marked_and_typos_only_where_there_is_none() {
    use Kind::{Exact, Part, Prefix, Typo};
    let all = highlighted("cat concat cats car", "cat");
    let expected =
        [("cat", Exact), ("cat", Part), ("cat", Prefix)].map(|(text, kind)| (text.to_owned(), kind));
    assert_eq!(all, expected);
    assert_eq!(highlighted("car act", "cat"), [("car".to_owned(), Typo), ("act".to_owned(), Typo)]);
}

#[test]
fn where_highlights_overlap_the_stronger_wins_then_the_longer() {
    use Kind::{Exact, Prefix};
    assert_eq!(highlighted("foo.png", "foo foo.png"), [("foo.png".to_owned(), Exact)]);
    assert_eq!(highlighted("hello", "hel hell"), [("hell".to_owned(), Prefix)]);
    assert_eq!(highlighted("hello", "hel hello"), [("hello".to_owned(), Exact)]);
}

#[test]
fn a_snippet_is_escaped_and_marked() {
    let snippet = |body: &str, query: &str| look(body, query).unwrap().snippet;
    assert_eq!(
        snippet("<b>\"Tom\" & 'Jerry'</b>", "tom"),
        "&lt;b&gt;&quot;<mark>Tom</mark>&quot; &amp; &#39;Jerry&#39;&lt;/b&gt;"
    );
    assert_eq!(snippet("hello, shell", "hel"), "<mark>hel</mark>lo, s<mark>hel</mark>l");
    assert_eq!(snippet("上海上海", "上海"), "<mark>上海</mark><mark>上海</mark>");
}

#[test]
fn a_snippet_has_up_to_160_characters_around_the_first_match() {
    let body = format!("{} needle {}", "lorem ipsum ".repeat(50), "dolor sit ".repeat(50));
    let snippet = look(&body, "needle").unwrap().snippet;
    let shown = snippet.replace("<mark>", "").replace("</mark>", "");
    assert!(snippet.contains(" <mark>needle</mark> "), "{snippet}");
    assert!(shown.starts_with('…') && shown.ends_with('…'), "{snippet}");
    let length = shown.chars().count();
    assert!((130..=160).contains(&length), "{length}: {snippet}");
    let text = shown.trim_matches('…');
    assert!(
        text.split(' ').filter(|word| !word.is_empty()).all(|word| body.split(' ').any(|one| one == word))
    );

    for long in
        ["x".repeat(500), format!("{}needle", "界".repeat(400)), format!("needle{}", "👩‍💻".repeat(100))]
    {
        let query: String = if long.contains("needle") { "needle".to_owned() } else { "xx".to_owned() };
        let snippet = look(&long, &query).unwrap().snippet;
        assert!(snippet.contains("<mark>"), "{snippet}");
        assert!(snippet.replace("<mark>", "").replace("</mark>", "").chars().count() <= 160);
    }
}
