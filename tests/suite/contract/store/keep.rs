use std::time::Duration;

use chat_system::domain::{ApplicationId, ChatPlace, Draft, Parent, Timestamp};
use chat_system::store::{Expected, HighWater, Kept, Made, Missing, Recalled};

use super::super::things::{child, in_chat, key, message, new_chat, number, numbered, with_key};
use super::{Desk, StoreEngine, pairs};

pub(crate) async fn what_is_kept_is_read_at_once_as_it_was_written(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let texts =
        ["plain", " spaces kept \n", "nul \0 inside", "上海 👩‍💻 e\u{301}", "'; DROP TABLE messages; --"];
    let drafts = desk.say(chat, &texts).await;
    for ((at, draft), text) in (1..).zip(&drafts).zip(texts) {
        let kept = desk.message(in_chat(chat, at)).await.expect("kept");
        assert_eq!(kept.body.as_str(), text);
        assert_eq!((kept.number.get(), kept.version), (at, 1));
        assert_eq!((kept.created_at, kept.updated_at), (draft.created_at, draft.created_at));
    }
    let read = desk.store.chat(&tenant, chat.chat).await.expect("an answer").expect("a chat");
    assert_eq!((read.number, read.created_at), (chat.chat, read.updated_at));
    let application = desk.store.application(&tenant).await.expect("an answer").expect("an application");
    assert_eq!((application.name.as_str(), application.token), ("an application", tenant.token));
}

pub(crate) async fn a_batch_is_kept_whole_or_not_at_all(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    desk.drain().await;
    let impossible = Draft { parent: Parent::Application(tenant.id), ..message(chat, "nowhere") };
    let batch = vec![
        numbered(message(chat, "one"), 1),
        numbered(with_key(message(chat, "two"), "once"), 2),
        numbered(impossible, 2),
        numbered(message(chat, "three"), 3),
    ];
    let uses = [key(Parent::Chat(chat), "once")];
    desk.store.keep(batch.clone().into()).await.expect_err("a message is no chat");
    assert_eq!(desk.bodies(chat).await, pairs(&[]));
    assert_eq!(desk.high_water(Parent::Chat(chat)).await, HighWater::At(None));
    assert_eq!(desk.store.recall(&uses).await.expect("an answer"), [None]);
    assert!(desk.drain().await.is_empty());
    let possible = batch.into_iter().filter(|it| it.draft.parent == Parent::Chat(chat)).collect();
    let expected = [1, 2, 3].map(|at| Kept::As(number(at)));
    assert_eq!(desk.keep(possible).await, expected);
    assert_eq!(desk.bodies(chat).await, pairs(&[(1, "one"), (2, "two"), (3, "three")]));
}

pub(crate) async fn a_draft_delivered_again_is_kept_once(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let drafts = ["one", "two", "three"].map(|body| with_key(message(chat, body), body));
    let batch: Vec<_> = (1..).zip(drafts).map(|(at, draft)| numbered(draft, at)).collect();
    desk.keep(batch.clone()).await;
    let before = desk.messages(chat).await;
    let again = desk.keep(batch.clone()).await;
    assert_eq!(again, [1, 2, 3].map(|at| Kept::Before(number(at))));
    assert_eq!(desk.messages(chat).await, before);
    let body = chat_system::domain::Body::parse("edited").expect("a body");
    desk.store
        .edit_message(&tenant, in_chat(chat, 1), body, Expected::Any)
        .await
        .expect("an answer")
        .expect("edited");
    desk.store
        .delete_message(&tenant, in_chat(chat, 2), Expected::Any)
        .await
        .expect("an answer")
        .expect("deleted");
    let more = [batch, vec![numbered(message(chat, "four"), 4)]].concat();
    let expected =
        [Kept::Before(number(1)), Kept::Before(number(2)), Kept::Before(number(3)), Kept::As(number(4))];
    assert_eq!(desk.keep(more).await, expected);
    assert_eq!(desk.bodies(chat).await, pairs(&[(1, "edited"), (3, "three"), (4, "four")]));
    let next = numbered(new_chat(tenant.id), 2);
    assert_eq!(desk.keep(vec![next.clone()]).await, [Kept::As(number(2))]);
    assert_eq!(desk.keep(vec![next.clone(), next]).await, [Kept::Before(number(2)), Kept::Before(number(2))]);
    assert_eq!(desk.greatest(Parent::Application(tenant.id)).await, 2);
}

pub(crate) async fn a_draft_delivered_again_under_another_number_leaves_a_tombstone_there(
    engine: &dyn StoreEngine,
) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    for parent in [Parent::Chat(chat), Parent::Application(tenant.id)] {
        let first = desk.greatest(parent).await + 1;
        let (plain, keyed) = (child(parent), with_key(child(parent), "once"));
        desk.keep(vec![numbered(plain.clone(), first), numbered(keyed.clone(), first + 1)]).await;
        let again =
            vec![numbered(plain, first + 2), numbered(keyed, first + 3), numbered(child(parent), first + 4)];
        let expected =
            [Kept::Before(number(first)), Kept::Before(number(first + 1)), Kept::As(number(first + 4))];
        assert_eq!(desk.keep(again).await, expected);
        for surplus in [first + 2, first + 3] {
            let late = desk.keep(vec![numbered(child(parent), surplus)]).await;
            let Kept::As(late) = late[0] else { panic!("{late:?}") };
            assert!(late.get() > first + 4, "{surplus} of {parent:?} is closed, and was given to {late}");
        }
    }
    assert_eq!(
        desk.messages(chat).await.iter().map(|it| it.number.get()).collect::<Vec<_>>(),
        [1, 2, 5, 6, 7]
    );
}

pub(crate) async fn a_number_that_is_taken_gives_way_to_the_next_free_one_and_nothing_is_overwritten(
    engine: &dyn StoreEngine,
) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    desk.say(chat, &["one", "two", "three"]).await;
    desk.store
        .delete_message(&tenant, in_chat(chat, 3), Expected::Any)
        .await
        .expect("an answer")
        .expect("deleted");
    let late = ["a", "b", "c", "d"].map(|body| message(chat, body));
    let batch = [2, 3, 4, 9].into_iter().zip(late).map(|(at, draft)| numbered(draft, at)).collect();
    let expected = [4, 5, 6, 9].map(|at| Kept::As(number(at)));
    assert_eq!(desk.keep(batch).await, expected);
    let expected = pairs(&[(1, "one"), (2, "two"), (4, "a"), (5, "b"), (6, "c"), (9, "d")]);
    assert_eq!(desk.bodies(chat).await, expected);
    let keyed = with_key(message(chat, "keyed"), "once");
    assert_eq!(desk.keep(vec![numbered(keyed, 1)]).await, [Kept::As(number(10))]);
    let recalled = desk.store.recall(&[key(Parent::Chat(chat), "once")]).await.expect("an answer");
    let made = recalled[0].as_ref().map(|it| it.made.clone());
    assert_eq!(made, Some(Made::Numbered(number(10))), "the key names what was kept");
    assert_eq!(desk.keep(vec![numbered(new_chat(tenant.id), 1)]).await, [Kept::As(number(2))], "chats too");
    assert_eq!(desk.bodies(chat).await.len(), 7);
}

pub(crate) async fn what_has_no_parent_is_not_kept_and_the_rest_of_its_batch_is(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let deleted_chat = desk.chat(&tenant).await;
    desk.say(deleted_chat, &["one"]).await;
    desk.store.delete_chat(&tenant, deleted_chat.chat).await.expect("an answer").expect("deleted");
    let gone = desk.application("gone").await;
    let chat_of_gone = desk.chat(&gone).await;
    desk.store.delete_application(&gone).await.expect("an answer").expect("deleted");
    let unknown = ApplicationId(tenant.id.0 + 1_000);
    let parents = [
        Parent::Chat(deleted_chat),
        Parent::Chat(ChatPlace { application: tenant.id, chat: number(99) }),
        Parent::Chat(ChatPlace { application: unknown, ..chat }),
        Parent::Chat(chat_of_gone),
        Parent::Application(gone.id),
        Parent::Application(unknown),
    ];
    let orphans = parents.iter().map(|&parent| numbered(with_key(child(parent), "orphan"), 2));
    let batch = std::iter::once(numbered(message(chat, "first"), 1))
        .chain(orphans)
        .chain([numbered(message(chat, "last"), 2)])
        .collect();
    let mut expected = vec![Kept::NoParent; 8];
    (expected[0], expected[7]) = (Kept::As(number(1)), Kept::As(number(2)));
    assert_eq!(desk.keep(batch).await, expected);
    assert_eq!(desk.bodies(chat).await, pairs(&[(1, "first"), (2, "last")]));
    let marks = desk.store.high_water(&parents).await.expect("marks");
    assert_eq!(marks, [HighWater::NoParent; 6]);
    let uses = parents.map(|parent| key(parent, "orphan"));
    assert_eq!(desk.store.recall(&uses).await.expect("an answer"), [None, None, None, None, None, None]);
}

pub(crate) async fn a_key_makes_one_thing(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    for parent in [Parent::Chat(chat), Parent::Application(tenant.id)] {
        let first = desk.greatest(parent).await + 1;
        let uses = [key(parent, "once"), key(parent, "never")];
        assert_eq!(desk.store.recall(&uses).await.expect("an answer"), [None, None]);
        let copies = [0, 1, 2].map(|after| numbered(with_key(child(parent), "once"), first + after));
        let recalled = Recalled { body: uses[0].body, made: Made::Numbered(number(first)) };
        let replay = Kept::Replay(recalled.clone());
        let kept = desk.keep(copies.to_vec()).await;
        assert_eq!(kept, [Kept::As(number(first)), replay.clone(), replay.clone()], "in one batch");
        assert_eq!(desk.store.recall(&uses).await.expect("an answer"), [Some(recalled), None]);
        let later = numbered(with_key(child(parent), "once"), first + 3);
        assert_eq!(desk.keep(vec![later]).await, [replay], "in the next");
        assert_eq!(desk.greatest(parent).await, first + 3, "surplus numbers are closed");
        assert_eq!(desk.keep(vec![numbered(child(parent), first + 2)]).await, [Kept::As(number(first + 4))]);
    }
    assert_eq!(desk.messages(chat).await.len(), 2);
}

pub(crate) async fn the_same_key_elsewhere_is_another_key(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let other_chat = desk.chat(&tenant).await;
    let (other_tenant, foreign_chat) = desk.tenant_and_chat().await;
    let places = [
        (Parent::Chat(chat), 1),
        (Parent::Chat(other_chat), 1),
        (Parent::Chat(foreign_chat), 1),
        (Parent::Application(tenant.id), 3),
        (Parent::Application(other_tenant.id), 2),
    ];
    let uses = places.map(|(parent, _)| key(parent, "once"));
    for ((parent, at), key) in places.into_iter().zip(&uses) {
        assert_eq!(desk.store.recall(std::slice::from_ref(key)).await.expect("an answer"), [None]);
        assert_eq!(
            desk.keep(vec![numbered(with_key(child(parent), "once"), at)]).await,
            [Kept::As(number(at))]
        );
    }
    let recalled = desk.store.recall(&uses).await.expect("an answer");
    let made: Vec<_> = recalled.into_iter().map(|it| it.expect("used").made).collect();
    assert_eq!(made, places.map(|(_, at)| Made::Numbered(number(at))));
    let stolen = chat_system::domain::KeyUse { application: other_tenant.id, ..uses[0].clone() };
    assert_eq!(desk.store.recall(&[stolen]).await.expect("an answer"), [None], "another tenant's");
}

pub(crate) async fn a_key_is_forgotten_after_a_day(engine: &dyn StoreEngine) {
    const HOUR: Duration = Duration::from_secs(3_600);
    let desk = Desk::fresh(engine).await;
    let (_, chat) = desk.tenant_and_chat().await;
    let parent = Parent::Chat(chat);
    let aged = |name: &str, age: Duration| Draft {
        created_at: Timestamp::now().before(age),
        ..with_key(message(chat, name), name)
    };
    let (fresh, stale) = (aged("fresh", HOUR * 23), aged("stale", HOUR * 24 + HOUR / 60));
    desk.keep(vec![numbered(fresh, 1), numbered(stale, 2)]).await;
    let uses = [key(parent, "fresh"), key(parent, "stale")];
    let recalled = desk.store.recall(&uses).await.expect("an answer");
    assert!(recalled[0].is_some() && recalled[1].is_none(), "{recalled:?}");
    let again = vec![numbered(with_key(message(chat, "anew"), "stale"), 3)];
    assert_eq!(desk.keep(again).await, [Kept::As(number(3))]);
    let recalled = desk.store.recall(&uses[1..]).await.expect("an answer");
    assert_eq!(recalled[0].as_ref().map(|it| it.made.clone()), Some(Made::Numbered(number(3))));
}

pub(crate) async fn the_high_water_mark_never_falls(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let empty = desk.chat(&tenant).await;
    let (of_chat, of_application) = (Parent::Chat(chat), Parent::Application(tenant.id));
    assert_eq!(desk.high_water(Parent::Chat(empty)).await, HighWater::At(None));
    desk.say(chat, &["one", "two", "three"]).await;
    desk.store.bury(&[(of_chat, number(4))]).await.expect("buried");
    assert_eq!(desk.greatest(of_chat).await, 4, "a tombstone counts");
    desk.say(chat, &["five"]).await;
    for at in [5, 3] {
        desk.store
            .delete_message(&tenant, in_chat(chat, at), Expected::Any)
            .await
            .expect("an answer")
            .expect("deleted");
        assert_eq!(desk.greatest(of_chat).await, 5, "so does a deleted message");
    }
    desk.store.delete_chat(&tenant, empty.chat).await.expect("an answer").expect("deleted");
    assert_eq!(desk.greatest(of_application).await, 2, "so does a deleted chat");
    while desk.store.purge(100).await.expect("purged") > 0 {}
    assert_eq!(desk.greatest(of_application).await, 2, "also when its rows are gone");
    let desk = desk.reopen().await;
    let marks = desk.store.high_water(&[of_chat, of_application]).await.expect("marks");
    assert_eq!(marks, [HighWater::At(Some(number(5))), HighWater::At(Some(number(2)))]);
    assert_eq!(desk.keep(vec![numbered(new_chat(tenant.id), 2)]).await, [Kept::As(number(3))]);
}

pub(crate) async fn burying_closes_what_has_no_row_and_nothing_else(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    desk.say(chat, &["one", "two"]).await;
    let unknown = Parent::Chat(ChatPlace { chat: number(50), ..chat });
    let of_chat = Parent::Chat(chat);
    let graves = [
        (of_chat, number(2)),
        (of_chat, number(3)),
        (of_chat, number(3)),
        (unknown, number(1)),
        (Parent::Application(tenant.id), number(1)),
        (Parent::Application(tenant.id), number(2)),
    ];
    desk.store.bury(&graves).await.expect("buried");
    desk.store.bury(&graves).await.expect("burying again is harmless");
    assert_eq!(desk.bodies(chat).await, pairs(&[(1, "one"), (2, "two")]));
    assert_eq!(desk.message(in_chat(chat, 3)).await, Err(Missing::Message));
    assert_eq!(desk.keep(vec![numbered(message(chat, "late"), 3)]).await, [Kept::As(number(4))]);
    let buried = desk.store.chat(&tenant, number(2)).await.expect("an answer");
    assert_eq!(buried, Err(Missing::Chat));
    let of_buried = Parent::Chat(ChatPlace { chat: number(2), ..chat });
    assert_eq!(desk.high_water(of_buried).await, HighWater::NoParent, "a closed number is no chat");
    desk.count(&[of_chat, Parent::Application(tenant.id)]).await;
    assert_eq!((desk.messages_count(chat).await, desk.chats_count(&tenant).await), (3, 1));
}
