use super::*;

pub(crate) async fn better_kinds_come_first_and_then_newer_messages(engine: &dyn SearchEngine) {
    let search = &*fresh(engine).await;
    let chat = chat_of(1, 1);
    say(search, chat, &["a cat", "cats", "concat", "a car", "cat again", "cats", "dog", "bobcat", "act"])
        .await;
    let expected = [(8, 5), (8, 1), (4, 6), (4, 2), (2, 8), (2, 3), (1, 9), (1, 4)];
    assert_eq!(hits(search, chat, "cat").await, expected);
    assert_eq!(hits(search, chat, "CAT").await, expected);
}

pub(crate) async fn every_word_of_the_query_counts(engine: &dyn SearchEngine) {
    let search = &*fresh(engine).await;
    let chat = chat_of(1, 1);
    say(search, chat, &["hello world", "hello", "world", "hello worlds", "helo shell world"]).await;
    assert_eq!(hits(search, chat, "hello world").await, [(16, 1), (12, 4), (9, 5)]);
    assert_eq!(hits(search, chat, "world hello").await, [(16, 1), (12, 4), (9, 5)]);
    assert_eq!(numbers(search, chat, "hello missing").await, NONE);
}

pub(crate) async fn a_query_without_words_finds_nothing(engine: &dyn SearchEngine) {
    let search = &*fresh(engine).await;
    let chat = chat_of(1, 1);
    say(search, chat, &["hello!", "?!"]).await;
    assert_eq!(numbers(search, chat, "?!").await, NONE);
    assert_eq!(numbers(search, chat, "hello ?!").await, [1]);
}

pub(crate) async fn nothing_of_another_chat_is_found(engine: &dyn SearchEngine) {
    let search = &*fresh(engine).await;
    let chats = [(1, 1), (1, 2), (2, 1), (1, 256), (256, 1), (1, 11), (11, 1), (65_536, 1), (1, 65_536)];
    let chats = chats.map(|(application, chat)| chat_of(application, chat));
    index(search, (1..).zip(chats).map(|(at, chat)| row(chat, at, 1, "hello secret")).collect()).await;
    for (at, chat) in (1..).zip(chats) {
        for query in ["hello", "hel", "ell", "helol", "secret hello"] {
            assert_eq!(numbers(search, chat, query).await, [at], "{query} in {chat:?}");
        }
    }
    assert_eq!(numbers(search, chat_of(1, 3), "hello").await, NONE);
}

pub(crate) async fn a_word_with_thousands_of_neighbours_is_found_in_each(engine: &dyn SearchEngine) {
    const MESSAGES: u64 = 90;
    const WORDS: usize = 120;
    let search = &*fresh(engine).await;
    let chat = chat_of(1, 1);
    let letters: Vec<char> = ('b'..='z').collect();
    let mut neighbours = Vec::new();
    for (first, second) in (0..8).flat_map(|first| (first + 1..8).map(move |second| (first, second))) {
        for (&one, &other) in letters.iter().flat_map(|one| letters.iter().map(move |other| (one, other))) {
            let mut word = ['a'; 8];
            (word[first], word[second]) = (one, other);
            neighbours.push(String::from_iter(word));
        }
    }
    let texts = neighbours.chunks(WORDS).map(|words| words.join(" "));
    let rows = (1..=MESSAGES).zip(texts).map(|(at, text)| row(chat, at, 1, &text)).collect();
    index(search, rows).await;
    let expected: Vec<_> = (1..=MESSAGES).rev().map(|at| (1, at)).collect();
    assert_eq!(hits(search, chat, "aaaaaaaa").await, expected);
}

/// All hits, page by page, each page's claims compared.
async fn all_pages(
    search: &dyn Search,
    chat: ChatPlace,
    query: &Query,
    limit: usize,
    total: usize,
) -> Vec<Hit> {
    let mut found: Vec<Hit> = Vec::new();
    loop {
        let page = HitPage { after: found.last().copied(), limit };
        let hits = search.find(chat, query, page).await.expect("hits");
        assert_eq!(hits.total, total as u64, "of all pages, on every page: {query:?}");
        assert!(hits.page.len() <= limit);
        assert!(!hits.more || hits.page.len() == limit, "no short page before the last");
        found.extend(hits.page);
        assert_eq!(hits.more, found.len() < total, "{query:?} {limit} at a time");
        if !hits.more {
            return found;
        }
    }
}

pub(crate) async fn totals_are_exact_and_pages_have_no_repeat_and_no_gap(engine: &dyn SearchEngine) {
    const MESSAGES: u64 = 230;
    let search = &*fresh(engine).await;
    let chat = chat_of(1, 1);
    let bodies = ["cat", "cats", "bobcat", "car", "dog"];
    let rows: Vec<Row> =
        (1..=MESSAGES).zip(bodies.iter().cycle()).map(|(at, body)| row(chat, at, 1, body)).collect();
    for part in rows.chunks(50) {
        index(search, part.to_vec()).await;
    }
    let query = Query::parse("cat").expect("a query");
    let mut expected: Vec<Hit> = rows
        .iter()
        .filter_map(|row| {
            let look = query.look_at(row.body.as_ref()?.as_str())?;
            Some(Hit { weight: look.weight, number: row.place.number })
        })
        .collect();
    expected.sort_by_key(|hit| Reverse((hit.weight, hit.number)));
    assert_eq!(expected.len(), 184);
    for limit in [1, 7, 46, 92, 100] {
        let found = all_pages(search, chat, &query, limit, expected.len()).await;
        assert_eq!(found, expected, "{limit} at a time");
    }
}

/// Words near to each other, so that all kinds meet.
fn word(dice: &mut Dice) -> String {
    let alphabets: [&[&str]; 8] = [
        &["a", "b", "c"],
        &["a", "b", "c"],
        &["a", "É", "e", "_", ".", "1"],
        &["а", "б", "Б"],
        &["上", "海", "東", "京"],
        &["か", "が", "カ", "ｶﾞ"],
        &["ก", "ข", "ค", "่"],
        &["👍", "👍🏽", "ß", "ﬁ", "0", "12"],
    ];
    let alphabet = alphabets[dice.roll(alphabets.len())];
    (0..=dice.roll(7)).map(|_| dice.pick(alphabet)).collect()
}

fn text(dice: &mut Dice, words: usize) -> String {
    let words: Vec<String> = (0..=dice.roll(words)).map(|_| word(dice)).collect();
    words.join(" ")
}

pub(crate) async fn it_finds_what_looking_at_each_message_finds(engine: &dyn SearchEngine) {
    const CHATS: u64 = 6;
    const MESSAGES: u64 = 40;
    const QUERIES: usize = 60;
    let search = &*fresh(engine).await;
    let mut dice = Dice::new(20_240_601);
    let mut matches = 0;
    for chat in (1..=CHATS).map(|chat| chat_of(1, chat)) {
        let bodies: Vec<String> = (0..MESSAGES).map(|_| text(&mut dice, 5)).collect();
        let rows: Vec<Row> = (1..).zip(&bodies).map(|(at, body)| row(chat, at, 1, body)).collect();
        for part in rows.chunks(1 + dice.roll(30)) {
            index(search, part.to_vec()).await;
        }
        for _ in 0..QUERIES {
            let Ok(query) = Query::parse(&text(&mut dice, 2)) else { continue };
            let look = |(at, body): (u64, &String)| {
                query.look_at(body).map(|look| Hit { weight: look.weight, number: number(at) })
            };
            let mut expected: Vec<Hit> = (1..).zip(&bodies).filter_map(look).collect();
            expected.sort_by_key(|hit| Reverse((hit.weight, hit.number)));
            let limit = 1 + dice.roll(12);
            let found = all_pages(search, chat, &query, limit, expected.len()).await;
            assert_eq!(found, expected, "{query:?} in {bodies:?}");
            matches += expected.len();
        }
    }
    assert!(matches > 500, "the texts meet: {matches}");
}
