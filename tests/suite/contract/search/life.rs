use super::*;

pub(crate) async fn what_was_indexed_is_found_at_once_and_after_opening_again(engine: &dyn SearchEngine) {
    let place = engine.fresh();
    let search = place.open().await;
    let chat = chat_of(1, 1);
    for at in 1..=5 {
        index(&*search, vec![row(chat, at, 1, "hello")]).await;
        assert_eq!(numbers(&*search, chat, "hello").await, (1..=at).rev().collect::<Vec<_>>());
    }
    index(&*search, vec![tombstone(chat, 2, 2), row(chat, 3, 2, "edited")]).await;
    let (name, before) = (search.name().await.expect("a name"), hits(&*search, chat, "hello").await);
    drop(search);
    let search = place.open().await;
    assert_eq!(search.name().await.expect("a name"), name, "the same index");
    assert_eq!(hits(&*search, chat, "hello").await, before);
    assert_eq!(numbers(&*search, chat, "hello").await, [5, 4, 1]);
    index(&*search, vec![row(chat, 2, 1, "hello"), row(chat, 3, 1, "hello")]).await;
    assert_eq!(numbers(&*search, chat, "hello").await, [5, 4, 1], "it still knows the versions");
    assert_eq!(numbers(&*search, chat, "edited").await, [3]);
}

pub(crate) async fn an_index_made_anew_is_empty_under_another_name(engine: &dyn SearchEngine) {
    let place = engine.fresh();
    let search = place.open().await;
    let chat = chat_of(1, 1);
    say(&*search, chat, &["hello"]).await;
    let mut names = vec![search.name().await.expect("an answer").expect("a name")];
    for _ in 0..2 {
        let name = search.renew().await.expect("renewed");
        search.present(&name).await.expect("presented");
        assert_eq!(search.name().await.expect("an answer").as_ref(), Some(&name));
        names.push(name);
        assert_eq!(numbers(&*search, chat, "hello").await, NONE);
        index(&*search, vec![row(chat, 1, 1, "hello again")]).await;
        assert_eq!(
            numbers(&*search, chat, "again").await,
            [1],
            "an old version of another index is forgotten"
        );
    }
    drop(search);
    let search = place.open().await;
    assert_eq!(search.name().await.expect("an answer").as_ref(), names.last());
    assert_eq!(numbers(&*search, chat, "again").await, [1]);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
}

pub(crate) async fn a_sound_index_is_verified(engine: &dyn SearchEngine) {
    let search = &*fresh(engine).await;
    search.verify().await.expect("sound when empty");
    for at in 1..=10 {
        index(search, vec![row(chat_of(1, 1), at, 1, "hello"), tombstone(chat_of(1, 1), at, 2)]).await;
    }
    search.verify().await.expect("sound");
}

pub(crate) async fn versions_that_the_index_does_not_hold_are_missing(engine: &dyn SearchEngine) {
    let search = &*fresh(engine).await;
    let chat = chat_of(1, 1);
    assert_eq!(search.missing(&[]).await.expect("an answer"), []);
    index(search, vec![row(chat, 1, 2, "hello"), row(chat, 2, 1, "hello"), tombstone(chat, 3, 3)]).await;
    let rows = [
        row(chat, 1, 1, "an older version"),
        row(chat, 1, 2, "hello"),
        row(chat, 1, 3, "a newer version"),
        row(chat, 2, 1, "hello"),
        row(chat, 3, 2, "before it was deleted"),
        tombstone(chat, 3, 3),
        row(chat, 4, 1, "hello"),
        row(chat_of(1, 2), 1, 1, "hello"),
    ];
    let expected = [in_chat(chat, 1), in_chat(chat, 4), in_chat(chat_of(1, 2), 1)];
    assert_eq!(search.missing(&rows).await.expect("an answer"), expected);
    index(search, rows.to_vec()).await;
    assert_eq!(search.missing(&rows).await.expect("an answer"), []);
    search.forget(vec![Parent::Chat(chat)]).await.expect("forgotten");
    assert_eq!(search.missing(&rows).await.expect("an answer").len(), 7);
}

pub(crate) async fn what_is_written_while_an_index_is_begun_is_in_the_one_that_answers(
    engine: &dyn SearchEngine,
) {
    let search = &*fresh(engine).await;
    let (chat, gone) = (chat_of(1, 1), chat_of(1, 2));
    say(search, chat, &["hello"]).await;
    // Whoever begins twice never comes to the first.
    let abandoned = search.renew().await.expect("begun");
    let name = search.renew().await.expect("begun again");
    assert_ne!(abandoned, name);
    index(search, vec![row(chat, 2, 1, "hello"), row(chat, 3, 1, "hello"), row(gone, 1, 1, "hello")]).await;
    index(search, vec![tombstone(chat, 3, 2)]).await;
    search.forget(vec![Parent::Chat(gone)]).await.expect("forgotten");
    search.present(&name).await.expect("presented");
    assert_eq!(search.name().await.expect("an answer"), Some(name));
    assert_eq!(numbers(search, chat, "hello").await, [2], "the first row was not walked again");
    assert_eq!(numbers(search, gone, "hello").await, NONE);
    index(search, vec![row(chat, 3, 1, "hello"), row(chat, 4, 1, "hello")]).await;
    assert_eq!(numbers(search, chat, "hello").await, [4, 2]);
}
