use super::*;

pub(crate) async fn the_newest_version_wins_in_any_order_of_arrival(engine: &dyn SearchEngine) {
    let search = &*fresh(engine).await;
    let orders = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
    for (chat, order) in (1..).zip(orders) {
        let chat = chat_of(1, chat);
        for version in order.into_iter().chain(order) {
            index(search, vec![row(chat, 7, version, &format!("same v{version}"))]).await;
        }
        assert_eq!(numbers(search, chat, "v3").await, [7], "{order:?}");
        assert_eq!(numbers(search, chat, "same").await, [7], "{order:?}");
        for old in ["v1", "v2"] {
            assert_eq!(numbers(search, chat, old).await, NONE, "{order:?}");
        }
    }
}

pub(crate) async fn the_newest_version_wins_within_one_batch(engine: &dyn SearchEngine) {
    let search = &*fresh(engine).await;
    let chat = chat_of(1, 1);
    let version = |at: u64, version: u64| row(chat, at, version, &format!("same v{version}"));
    let batch =
        vec![version(1, 2), version(2, 1), version(1, 1), version(2, 3), version(2, 2), version(1, 2)];
    for _ in 0..2 {
        index(search, batch.clone()).await;
        assert_eq!(numbers(search, chat, "same").await, [2, 1]);
        assert_eq!(numbers(search, chat, "v1").await, NONE);
        assert_eq!(numbers(search, chat, "v2").await, [1]);
        assert_eq!(numbers(search, chat, "v3").await, [2]);
    }
}

pub(crate) async fn what_was_deleted_is_not_found_and_does_not_come_back(engine: &dyn SearchEngine) {
    let search = &*fresh(engine).await;
    let chat = chat_of(1, 1);
    say(search, chat, &["hello", "hello", "hello"]).await;
    index(search, vec![tombstone(chat, 1, 3)]).await;
    assert_eq!(numbers(search, chat, "hello").await, [3, 2]);
    index(search, vec![row(chat, 1, 2, "hello")]).await;
    assert_eq!(numbers(search, chat, "hello").await, [3, 2], "an older version comes late");
    index(search, vec![tombstone(chat, 4, 2)]).await;
    index(search, vec![row(chat, 4, 1, "hello")]).await;
    assert_eq!(numbers(search, chat, "hello").await, [3, 2], "the tombstone came first");
    index(search, vec![row(chat, 2, 2, "hello"), tombstone(chat, 2, 3), row(chat, 2, 1, "hello")]).await;
    assert_eq!(numbers(search, chat, "hello").await, [3], "in one batch");
}

pub(crate) async fn a_forgotten_chat_is_gone_and_the_others_are_there(engine: &dyn SearchEngine) {
    let search = &*fresh(engine).await;
    let chats = [chat_of(1, 1), chat_of(1, 2), chat_of(2, 1), chat_of(1, 11)];
    for chat in chats {
        say(search, chat, &["hello", "hello"]).await;
    }
    search.forget(vec![Parent::Chat(chats[0]), Parent::Chat(chat_of(9, 9))]).await.expect("forgotten");
    assert_eq!(numbers(search, chats[0], "hello").await, NONE);
    for chat in &chats[1..] {
        assert_eq!(numbers(search, *chat, "hello").await, [2, 1], "{chat:?}");
    }
    search.forget(vec![Parent::Chat(chats[0])]).await.expect("forgetting again is harmless");
}

pub(crate) async fn a_forgotten_application_is_gone_and_the_others_are_there(engine: &dyn SearchEngine) {
    let search = &*fresh(engine).await;
    let (gone, others) = ([chat_of(1, 1), chat_of(1, 2)], [chat_of(2, 1), chat_of(11, 1), chat_of(256, 1)]);
    for chat in gone.into_iter().chain(others) {
        say(search, chat, &["hello"]).await;
    }
    search.forget(vec![Parent::Application(ApplicationId(1))]).await.expect("forgotten");
    for chat in gone {
        assert_eq!(numbers(search, chat, "hello").await, NONE);
    }
    for chat in others {
        assert_eq!(numbers(search, chat, "hello").await, [1], "{chat:?}");
    }
}

pub(crate) async fn whatever_arrives_at_once_the_newest_version_is_found(engine: &dyn SearchEngine) {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 5;
    let search = fresh(engine).await;
    let chat = chat_of(1, 1);
    let writer = Arc::clone(&search.search);
    side_by_side(THREADS, move |thread| {
        let search = Arc::clone(&writer);
        async move {
            for round in 1..=ROUNDS {
                let version = (round * THREADS + thread * 7) % (THREADS * ROUNDS) + 1;
                let rows = (1..=10).map(|at| row(chat, at, version, &format!("same v{version}"))).collect();
                index(&*search, rows).await;
                let found = numbers(&*search, chat, "same").await;
                assert_eq!(found, (1..=10).rev().collect::<Vec<_>>(), "each once");
            }
        }
    })
    .await;
    let arrived = (0..THREADS).flat_map(|thread| {
        (1..=ROUNDS).map(move |round| (round * THREADS + thread * 7) % (THREADS * ROUNDS) + 1)
    });
    let newest = arrived.max().expect("some");
    let found = numbers(&*search, chat, &format!("v{newest}")).await;
    assert_eq!(found, (1..=10).rev().collect::<Vec<_>>());
}
