use chat_system::search::Hits;
use tokio::task::JoinSet;

use super::*;
use crate::search::model::Dice as Chooser;
use crate::search::properties::{messages, queries};
use crate::support::servers::Kind;

/// Together 10,000 queries, each of all the texts of its chat.
const CHATS: u64 = 25;
const MESSAGES: usize = 60;
const LONG_WORDS: usize = 4;
const QUERIES: usize = 400;

/// A word about as long as words count, of letters of one to four bytes, some of them all different.
fn long_word(dice: &Chooser) -> String {
    let (first, letters) = *dice.one_of(&[('a', 26), ('а', 32), ('가', 11_000), ('\u{10428}', 40)]);
    let letter = |_| char::from_u32(first as u32 + dice.below(letters) as u32).unwrap_or(first);
    (0..58 + dice.below(14)).map(letter).collect()
}

/// Texts in several scripts, and what may be asked of them: words, beginnings, parts and typos, some of them together,
/// and words of more typos than are forgiven.
fn texts_and_queries(dice: &Chooser) -> (Vec<String>, Vec<Query>) {
    let messages = messages(dice, MESSAGES - LONG_WORDS);
    let long_words: Vec<String> = (0..LONG_WORDS).map(|_| long_word(dice)).collect();
    let known: Vec<String> = queries(dice, &messages);
    let mut asked = Vec::new();
    while asked.len() < QUERIES {
        let one = dice.one_of(&known);
        let query = match dice.below(40) {
            0 => {
                let word = dice.one_of(&long_words);
                typos(dice, word, dice.below(4))
            }
            1..8 => format!("{one} {}", dice.one_of(&known)),
            8..12 => format!("{one} {} {}", dice.one_of(&known), dice.one_of(&known)),
            12..18 => typos(dice, one, 2),
            18..22 => typos(dice, one, 3),
            _ => one.clone(),
        };
        asked.extend(Query::parse(&query));
    }
    let mut texts: Vec<String> = messages.into_iter().map(|(text, _)| text).collect();
    texts.extend(long_words.iter().map(|word| format!("{word} and more")));
    (texts, asked)
}

fn typos(dice: &Chooser, word: &str, count: usize) -> String {
    let mut word = word.to_owned();
    for _ in 0..count {
        // One letter less may be none.
        if word.chars().nth(1).is_some() {
            word = dice.typo(&word);
        }
    }
    word
}

async fn whole_answer(search: &dyn Search, chat: ChatPlace, query: &Query) -> Hits {
    search.find(chat, query, HitPage { after: None, limit: HITS_LIMIT }).await.expect("hits")
}

async fn is_like_tantivy(kind: Kind) {
    let Some(url) = kind.shared() else { return };
    let (one, other) = (fresh(&Tantivy).await, fresh(&Elasticsearch(url)).await);
    let dice = Chooser::seeded();
    let mut chats = JoinSet::new();
    for chat in (1..=CHATS).map(|chat| chat_of(1, chat)) {
        let (texts, queries) = texts_and_queries(&dice);
        let rows: Vec<Row> = (1..).zip(&texts).map(|(at, text)| row(chat, at, 1, text)).collect();
        index(&*one, rows.clone()).await;
        index(&*other, rows).await;
        let (one, other) = (Arc::clone(&one.search), Arc::clone(&other.search));
        chats.spawn(async move {
            let mut hits = 0;
            for query in queries {
                let expected = whole_answer(&*one, chat, &query).await;
                let found = whole_answer(&*other, chat, &query).await;
                assert_eq!(found, expected, "{query:?} in {texts:?}");
                hits += found.page.len();
            }
            hits
        });
    }
    let hits: usize = chats.join_all().await.into_iter().sum();
    println!("{} queries, {hits} hits", CHATS * QUERIES as u64);
    assert!(hits > 5_000, "the queries find something: {hits}");
}

#[tokio::test]
async fn elasticsearch_7_finds_what_tantivy_finds_in_the_same_order() {
    is_like_tantivy(Kind::Elasticsearch7).await;
}

#[tokio::test]
async fn elasticsearch_8_finds_what_tantivy_finds_in_the_same_order() {
    is_like_tantivy(Kind::Elasticsearch8).await;
}

#[tokio::test]
async fn elasticsearch_9_finds_what_tantivy_finds_in_the_same_order() {
    is_like_tantivy(Kind::Elasticsearch9).await;
}
