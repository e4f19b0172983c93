use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

#[tokio::test]
async fn the_order_is_exact_prefix_part_typo_and_then_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let search = open(folder.path());
    let here = chat(1, 1);
    let bodies = ["a cat", "cats", "concat", "a car", "cat again", "cats again", "dog", "bobcat", "act"];
    let rows = (1..).zip(bodies).map(|(number, body)| row(here, number, 1, body)).collect();
    search.index(rows).await.unwrap();
    let expected = [(8, 5), (8, 1), (4, 6), (4, 2), (2, 8), (2, 3), (1, 9), (1, 4)];
    assert_eq!(hits(&search, here, "cat").await, expected);
    assert_eq!(hits(&search, here, "again cat").await, [(16, 5), (12, 6)]);
    assert_eq!(hits(&search, here, "!!").await, [(0, 0); 0]);
}

#[tokio::test]
async fn nothing_of_another_chat_or_application_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let search = open(folder.path());
    let chats =
        [chat(1, 1), chat(1, 2), chat(1, 256), chat(2, 1), chat(256, 1), chat(-1, 1), chat(1, 65_536)];
    let rows = (1..).zip(chats).map(|(number, chat)| row(chat, number, 1, "hello secret")).collect();
    search.index(rows).await.unwrap();
    for (number, chat) in (1..).zip(chats) {
        for query in ["hello", "hel", "ell", "helol", "secret hello"] {
            assert_eq!(numbers(&search, chat, query).await, [number], "{query}");
        }
    }
    assert_eq!(numbers(&search, chat(1, 3), "hello").await, NONE);
}

#[tokio::test]
async fn what_is_forgotten_is_not_found_and_the_others_are() {
    let folder = tempfile::tempdir().unwrap();
    let search = open(folder.path());
    let chats = [chat(1, 1), chat(1, 2), chat(2, 1)];
    search.index(chats.iter().map(|&chat| row(chat, 1, 1, "hello")).collect()).await.unwrap();
    search.forget(vec![Parent::Chat(chats[0])]).await.unwrap();
    assert_eq!(numbers(&search, chats[0], "hello").await, NONE);
    assert_eq!(numbers(&search, chats[1], "hello").await, [1]);
    search.forget(vec![Parent::Application(ApplicationId(1)), Parent::Chat(chat(9, 9))]).await.unwrap();
    assert_eq!(numbers(&search, chats[1], "hello").await, NONE);
    assert_eq!(numbers(&search, chats[2], "hello").await, [1]);
}

#[tokio::test]
async fn a_tombstone_is_a_version_that_a_late_one_does_not_undo() {
    let folder = tempfile::tempdir().unwrap();
    let search = open(folder.path());
    let here = chat(1, 1);
    search.index(vec![row(here, 1, 1, "hello"), row(here, 2, 1, "hello")]).await.unwrap();
    search.index(vec![tombstone(here, 1, 3), row(here, 2, 2, "world")]).await.unwrap();
    search.index(vec![row(here, 1, 2, "hello"), row(here, 2, 1, "hello")]).await.unwrap();
    assert_eq!(numbers(&search, here, "hello").await, NONE);
    assert_eq!(numbers(&search, here, "world").await, [2]);
    search.index(vec![tombstone(here, 3, 2)]).await.unwrap();
    search.index(vec![row(here, 3, 1, "hello")]).await.unwrap();
    assert_eq!(numbers(&search, here, "hello").await, NONE);
}

#[test]
fn the_newest_version_wins_in_any_order_of_arrival() {
    let folder = tempfile::tempdir().unwrap();
    let search = open(folder.path());
    let places = std::cell::Cell::new(0);
    let arrivals = prop::collection::vec(prop::collection::vec((1_u64..4, 1_u64..6), 1..5), 1..5);
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&arrivals, |batches| {
            let place = places.replace(places.get() + 1) + 1;
            let here = chat(1, place);
            let version = |number: u64, version: u64| match (number + version) % 3 {
                0 => tombstone(here, number, version),
                _ => row(here, number, version, &format!("word same v{version}n{number}")),
            };
            let found = in_runtime(async {
                for batch in &batches {
                    let rows = batch.iter().map(|&(number, at)| version(number, at)).collect();
                    search.index(rows).await.unwrap();
                }
                numbers(&search, here, "same").await
            });
            let mut expected = Vec::new();
            for number in (1..4).rev() {
                let newest = batches
                    .iter()
                    .flatten()
                    .filter(|arrival| arrival.0 == number)
                    .map(|arrival| arrival.1)
                    .max();
                if let Some(newest) = newest
                    && version(number, newest).body.is_some()
                {
                    expected.push(number);
                    let own = in_runtime(numbers(&search, here, &format!("v{newest}n{number}")));
                    prop_assert!(own.contains(&number));
                }
            }
            prop_assert_eq!(found, expected);
            Ok(())
        })
        .unwrap();
}

/// Words near to each other, so that all kinds meet.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[abc]{1,7}",
        2 => "[a-cé]{2,5}[._'-][a-c0-2]{1,4}",
        1 => "[абв]{1,6}",
        1 => "[上海東京]{1,5}",
        1 => "[กขคา่]{1,5}",
        1 => "[かがカｶﾞ]{1,5}",
        1 => "[कखि्]{1,4}",
        1 => "[가나다]{1,4}",
        1 => "[אבג]{1,4}|[ابت]{1,4}|[αβά]{1,5}",
        1 => "[0-2]{1,4}",
        1 => "[a-b]{60,70}|[a-b]{62,66}[._][a-b]{1,4}|[上海]{62,70}",
        1 => prop::sample::select(vec!["👍", "👍🏽", "❤️", "👩‍💻", "ﬁ", "ß"]).prop_map(str::to_owned),
    ]
}

#[test]
fn the_engine_finds_what_looking_at_each_message_finds_in_the_same_order_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let search = open(folder.path());
    let places = std::cell::Cell::new(0);
    let text = || prop::collection::vec(word(), 1..6).prop_map(|words| words.join(" "));
    let queries = prop::collection::vec(prop::collection::vec(word(), 1..4), 1..8);
    let strategy = (prop::collection::vec(text(), 1..30), queries, 1_usize..8, 1_usize..4);
    let config = Config { cases: 120, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&strategy, |(bodies, queries, limit, batches)| {
            let place = places.replace(places.get() + 1) + 1;
            let here = chat(1, place);
            let rows: Vec<Row> =
                (1..).zip(&bodies).map(|(number, body)| row(here, number, 1, body)).collect();
            for batch in rows.chunks(rows.len().div_ceil(batches)) {
                in_runtime(search.index(batch.to_vec())).unwrap();
            }
            for query in queries {
                let Ok(query) = Query::parse(&query.join(" ")) else {
                    continue;
                };
                let mut expected: Vec<Hit> = (1..)
                    .zip(&bodies)
                    .filter_map(|(at, body)| {
                        query.look_at(body).map(|look| Hit { weight: look.weight, number: number(at) })
                    })
                    .collect();
                expected.sort_by_key(|hit| std::cmp::Reverse((hit.weight, hit.number)));
                let mut found = Vec::new();
                let mut after = None;
                loop {
                    let page = in_runtime(search.find(here, &query, HitPage { after, limit })).unwrap();
                    prop_assert_eq!(page.total as usize, expected.len(), "{:?}", &query);
                    prop_assert!(page.page.len() <= limit);
                    found.extend(page.page);
                    if !page.more {
                        break;
                    }
                    after = found.last().copied();
                }
                prop_assert_eq!(&found, &expected, "{:?}", &query);
            }
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn beyond_its_bound_a_search_is_refused_and_the_others_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let search = open(folder.path());
    let held: Vec<_> = (0..FINDS_AT_WORK + FINDS_WAITING)
        .map(|_| Arc::clone(&search.finds.places).try_acquire_owned().unwrap())
        .collect();
    let query = Query::parse("hello").unwrap();
    assert!(matches!(search.find(chat(1, 1), &query, FIRST_PAGE).await, Err(SearchError::Away(_))));
    drop(held);
    assert!(search.find(chat(1, 1), &query, FIRST_PAGE).await.is_ok());
}
