use proptest::prelude::*;

use super::*;

/// A word in one script, and how that script may be typed.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-ZéèüÖßñçÅşıİ]{1,12}",
        "[а-яА-ЯёЁїЎ]{1,10}",
        "[α-ωΑ-ΩάέΐῧᾳΌς]{1,10}",
        "[א-ת]{1,8}",
        "[ا-غف-ي]{1,8}",
        "[ก-ฮ][ก-ฮะาิีุูเแโ่้]{1,10}",
        "[क-ह][क-हािीुे्]{1,8}",
        "[一-龥]{1,8}",
        "[ぁ-ゖァ-ヺー]{1,8}",
        "[ｦ-ﾝ]ﾞ?[ｦ-ﾝ]{0,4}",
        "[가-힣]{1,6}",
        "[0-9]{1,6}",
        "[ab]{60,70}([._][ab]{1,70})?",
        "[上海]{60,140}",
        "[a-z]{1,5}[_.'-][a-z0-9]{1,6}",
        prop::sample::select(vec!["👍", "👍🏽", "❤️", "👩‍💻", "🇩🇪", "ﬁn", "Ⅷ", "ｗｉｄｅ"])
            .prop_map(str::to_owned),
    ]
}

fn body() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(word(), 1..8)
}

fn found(body: &str, query: &str) -> bool {
    // A query of marks alone, or cut so that none of its letters are left, asks for nothing.
    Query::parse(query).is_ok_and(|query| query.words().is_empty() || query.look_at(body).is_some())
}

/// Letters and digits: what a part consists of. Punctuation at its ends is no part of it.
fn letters(word: &str) -> usize {
    let counts = |character: &char| character.is_alphanumeric() && !super::super::fold::is_mark(*character);
    fold(word).chars().filter(counts).count()
}

/// The beginnings and parts of a folded word, cut before letters and not before their marks.
fn cuts(word: &str) -> Vec<usize> {
    let mut cuts: Vec<usize> = word
        .char_indices()
        .filter(|&(_, character)| !super::super::fold::is_mark(character))
        .map(|(at, _)| at)
        .collect();
    cuts.push(word.len());
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_word_finds_its_message(words in body()) {
        let text = words.join(" ");
        for word in &words {
            prop_assert!(found(&text, word), "{word:?} in {text:?}");
            // The upper case of a dotless ı is I, which is no case of ı in Unicode's default folding.
            prop_assert!(word.contains('ı') || found(&text, &word.to_uppercase()), "upper {word:?} in {text:?}");
        }
    }

    #[test]
    fn every_prefix_and_every_part_of_two_letters_finds_its_message(words in body()) {
        let text = words.join(" ");
        for word in terms(&text).words() {
            let cuts = cuts(word);
            // Not every pair of the thousands in a long word.
            let stride = 1 + cuts.len() / 16;
            for (place, &start) in cuts.iter().enumerate().step_by(stride) {
                for &end in cuts.iter().skip(place + 1).step_by(stride) {
                    let part = &word[start..end];
                    if start == 0 || letters(part) >= 2 {
                        prop_assert!(found(&text, part), "{part:?} of {word:?} in {text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn one_typo_in_a_word_of_four_letters_finds_its_message(
        words in prop::collection::vec("[a-z]{4,12}|[а-я]{4,10}|[가-힣]{4,6}", 1..6),
        place in 0_usize..12, letter in proptest::char::range('a', 'z'), edit in 0..4,
    ) {
        let text = words.join(" ");
        for word in &words {
            let mut characters: Vec<char> = word.chars().collect();
            let place = place % characters.len();
            match edit {
                0 => characters.insert(place, letter),
                1 => characters[place] = letter,
                2 => characters.swap(place, (place + 1) % word.chars().count().min(place + 2)),
                _ => { characters.remove(place); }
            }
            let typo: String = characters.iter().collect();
            let swapped_far = edit == 2 && strsim::osa_distance(word, &typo) > 1;
            prop_assert!(swapped_far || found(&text, &typo), "{typo:?} for {word:?} in {text:?}");
        }
    }

    #[test]
    fn a_body_finds_itself_by_its_words_however_often_it_is_folded(words in body()) {
        let text = words.join(" ");
        let folded = fold(&text);
        prop_assert_eq!(&fold(&folded), &folded);
        prop_assert_eq!(fold(&text.to_uppercase().to_lowercase()).len(), fold(&text.to_uppercase()).len());
    }

    #[test]
    fn highlights_lie_within_the_text_in_order_and_hold_what_they_claim(
        words in body(), query in prop::collection::vec(word(), 1..3),
    ) {
        let text = words.join(" ");
        let Ok(query) = Query::parse(&query.join(" ")) else { return Ok(()) };
        let Some(look) = query.look_at(&text) else { return Ok(()) };
        prop_assert!(!look.highlights.is_empty());
        let mut before = 0;
        for highlight in &look.highlights {
            prop_assert!(before <= highlight.start && highlight.start < highlight.end);
            before = highlight.end;
            let marked: String = text.chars().skip(highlight.start).take(highlight.end - highlight.start).collect();
            let marked = fold(&marked);
            let claimed = query.words().iter().any(|word| match highlight.kind {
                Kind::Typo => strsim::osa_distance(word.text(), &marked) <= usize::from(word.distance()),
                Kind::Exact | Kind::Prefix | Kind::Part => marked.contains(word.text()),
            });
            prop_assert!(claimed, "{marked:?} as {:?} for {query:?} in {text:?}", highlight.kind);
        }
        prop_assert!(before <= text.chars().count());
    }

    #[test]
    fn the_terms_find_exactly_what_looking_at_the_message_finds(
        words in body(), query in prop::collection::vec(word(), 1..3), between in "[ 、_.'\u{200D}-]?",
    ) {
        let text = words.join(&between);
        let Ok(query) = Query::parse(&query.join(" ")) else { return Ok(()) };
        let terms = terms(&text);
        let weights: Option<u32> = query.words().iter().map(|word| by_terms(&terms, word).map(Kind::weight)).sum();
        prop_assert_eq!(query.look_at(&text).map(|look| look.weight), weights.filter(|&weight| weight > 0));
    }

    #[test]
    fn nothing_panics_on_any_text(body in "\\PC{0,400}|.{0,60}", query in "\\PC{1,20}|.{1,40}") {
        if let Ok(query) = Query::parse(&query)
            && let Some(look) = query.look_at(&body)
        {
            prop_assert!(look.highlights.iter().all(|highlight| highlight.end <= body.chars().count()));
        }
        let terms = terms(&body);
        let sound = |term: &str| !term.is_empty() && !term.contains(char::is_whitespace);
        prop_assert!(terms.words().chain(terms.suffixes()).all(sound));
    }
}

/// The best kind by the terms alone, as an engine finds it.
fn by_terms(terms: &Terms, word: &QueryWord) -> Option<Kind> {
    let sought = word.text();
    let near = |term: &str| strsim::osa_distance(term, sought) <= usize::from(word.distance());
    if terms.words().any(|term| term == sought) {
        Some(Kind::Exact)
    } else if terms.words().any(|term| term.starts_with(sought)) {
        Some(Kind::Prefix)
    } else if word.in_parts() && terms.suffixes().any(|term| term.starts_with(sought)) {
        Some(Kind::Part)
    } else if word.distance() > 0 && terms.words().any(near) {
        Some(Kind::Typo)
    } else {
        None
    }
}

#[test]
fn a_query_is_read_or_refused_and_finds_what_the_terms_find_whatever_comes() {
    crate::tests::fuzz("queries", |input| {
        let text = String::from_utf8_lossy(input);
        let (query, body) = text.split_once('\n').unwrap_or((&text, &text));
        let terms = terms(body);
        let sound = |term: &str| !term.is_empty() && !term.contains(char::is_whitespace);
        assert!(terms.words().chain(terms.suffixes()).all(sound));
        let Ok(query) = Query::parse(query) else { return };
        assert!(query.words().len() <= QUERY_LIMIT_WORDS);
        let look = query.look_at(body);
        let weights: Option<u32> =
            query.words().iter().map(|word| by_terms(&terms, word).map(Kind::weight)).sum();
        assert_eq!(look.as_ref().map(|look| look.weight), weights.filter(|&weight| weight > 0));
        let mut before = 0;
        for highlight in look.iter().flat_map(|look| &look.highlights) {
            assert!(before <= highlight.start && highlight.start < highlight.end);
            before = highlight.end;
        }
        assert!(before <= body.chars().count());
    });
}
