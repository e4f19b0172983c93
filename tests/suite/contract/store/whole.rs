use std::collections::BTreeMap;
use std::sync::Arc;

use chat_system::domain::{Application, Body, Chat, ChatPlace, Message, MessagePlace, Name, Parent, Tenant};
use chat_system::store::{Expected, HighWater, Kept, Missing, Recalled, Unchanged};

use super::super::side_by_side;
use super::super::things::{Dice, in_chat, key, message, number, numbered, with_key};
use super::{ALL, Desk, StoreEngine};

/// What readers see of one application.
#[derive(Debug, PartialEq)]
struct Seen {
    application: Result<Application, Missing>,
    chats: Vec<(Chat, Vec<Message>, HighWater)>,
    recalled: Vec<Option<Recalled>>,
}

async fn look(desk: &Desk, tenant: &Tenant) -> Seen {
    let application = desk.store.application(tenant).await.expect("an answer");
    let listed = desk.store.chats(tenant, &ALL).await.expect("an answer");
    let (mut chats, mut uses) = (Vec::new(), Vec::new());
    for chat in listed.map(|it| it.items).unwrap_or_default() {
        let place = ChatPlace { application: tenant.id, chat: chat.number };
        uses.push(key(Parent::Chat(place), "once"));
        chats.push((chat, desk.messages(place).await, desk.high_water(Parent::Chat(place)).await));
    }
    let recalled = desk.store.recall(&uses).await.expect("an answer");
    Seen { application, chats, recalled }
}

/// Every call that takes a tenant, with the number of a thing that only another tenant has.
pub(crate) async fn no_call_with_one_tenant_sees_or_changes_anothers(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (intruder, own) = desk.tenant_and_chat().await;
    desk.say(own, &["own"]).await;
    let owner = desk.application("the owner's").await;
    desk.chat(&owner).await;
    let chat = desk.chat(&owner).await;
    desk.say(chat, &["secret", "secret too"]).await;
    desk.keep(vec![numbered(with_key(message(chat, "keyed"), "once"), 3)]).await;
    desk.count(&[Parent::Application(owner.id), Parent::Chat(chat)]).await;
    let before = look(&desk, &owner).await;
    let store = &desk.store;
    let place = in_chat(chat, 1);
    let none = Err(Unchanged::Missing(Missing::Chat));
    let body = || Body::parse("changed").expect("a body");

    assert_eq!(store.chat(&intruder, chat.chat).await.expect("an answer"), Err(Missing::Chat));
    assert_eq!(store.messages(&intruder, chat.chat, &ALL).await.expect("an answer"), Err(Missing::Chat));
    assert_eq!(store.message(&intruder, chat.chat, number(1)).await.expect("an answer"), Err(Missing::Chat));
    assert_eq!(store.pick(&intruder, chat.chat, &[number(1)]).await.expect("an answer"), Err(Missing::Chat));
    assert_eq!(store.delete_chat(&intruder, chat.chat).await.expect("an answer"), Err(Missing::Chat));
    let edited = store.edit_message(&intruder, place, body(), Expected::Any).await.expect("an answer");
    assert_eq!(edited.map(|_| ()), none, "a place of another's is no place");
    assert_eq!(store.delete_message(&intruder, place, Expected::Any).await.expect("an answer"), none);
    let same_numbers = MessagePlace { chat: ChatPlace { application: intruder.id, ..chat }, ..place };
    let edited = store.edit_message(&intruder, same_numbers, body(), Expected::Any).await.expect("an answer");
    assert_eq!(edited.map(|_| ()), none);
    assert_eq!(store.delete_message(&intruder, same_numbers, Expected::Any).await.expect("an answer"), none);
    let chats = store.chats(&intruder, &ALL).await.expect("an answer").expect("an application");
    assert_eq!(chats.items.len(), 1);
    let own_messages = store.messages(&intruder, own.chat, &ALL).await.expect("an answer").expect("a chat");
    assert_eq!(own_messages.items.len(), 1, "the owner's chat of this number has none of its own");
    let stolen = chat_system::domain::KeyUse { application: intruder.id, ..key(Parent::Chat(chat), "once") };
    assert_eq!(store.recall(&[stolen]).await.expect("an answer"), [None]);
    let name = Name::parse("renamed").expect("a name");
    let renamed = store.rename_application(&intruder, name).await.expect("an answer").expect("renamed");
    assert_eq!(renamed.token, intruder.token);
    assert_eq!(look(&desk, &owner).await, before);
    store.delete_application(&intruder).await.expect("an answer").expect("deleted");
    while store.purge(10).await.expect("purged") > 0 {}
    assert_eq!(look(&desk, &owner).await, before);
    assert_eq!(desk.store.tenant(&owner.token).await.expect("an answer"), Some(owner));
}

pub(crate) async fn all_of_it_survives_closing_and_a_crash(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let gone_chat = desk.chat(&tenant).await;
    let (gone, _) = desk.tenant_and_chat().await;
    desk.drain().await;
    desk.say(chat, &["one", "two", "three"]).await;
    desk.keep(vec![numbered(with_key(message(chat, "keyed"), "once"), 4)]).await;
    let body = Body::parse("edited").expect("a body");
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
    desk.store.bury(&[(Parent::Chat(chat), number(5))]).await.expect("buried");
    desk.store.delete_chat(&tenant, gone_chat.chat).await.expect("an answer").expect("deleted");
    desk.store.delete_application(&gone).await.expect("an answer").expect("deleted");
    desk.count(&[Parent::Application(tenant.id), Parent::Chat(chat)]).await;
    desk.store.remember_index("an index").await.expect("remembered");
    let before = look(&desk, &tenant).await;
    assert_eq!(before.chats.len(), 1);
    let crashed = match desk.place.after_crash() {
        Some(place) => Some(Desk { store: place.open().await, place }),
        None => None,
    };
    for desk in [Some(desk.reopen().await), crashed].into_iter().flatten() {
        assert_eq!(look(&desk, &tenant).await, before);
        assert_eq!(desk.store.tenant(&gone.token).await.expect("an answer"), None);
        assert_eq!(desk.store.known_index().await.expect("an answer").as_deref(), Some("an index"));
        assert_eq!(desk.drain().await.len(), 6, "two batches, an edit, three deletes");
        assert!(desk.store.purge(1_000).await.expect("purged") > 0, "what was deleted is still to go");
        assert_eq!(desk.keep(vec![numbered(message(chat, "six"), 6)]).await, [Kept::As(number(6))]);
    }
}

/// Many threads keep, edit and delete in two chats, their numbers colliding now and then.
pub(crate) async fn whatever_happens_at_once_numbers_are_dense_and_versions_add_up(engine: &dyn StoreEngine) {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 12;
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let chats = [chat, desk.chat(&tenant).await];
    let store = Arc::clone(&desk.store);
    let user = tenant.clone();
    let histories = side_by_side(THREADS, move |thread| {
        let (store, user) = (Arc::clone(&store), user.clone());
        async move {
            let mut dice = Dice::new(thread + 1);
            let (mut mine, mut deleted, mut edits) =
                (Vec::new(), Vec::new(), BTreeMap::<MessagePlace, u64>::new());
            for round in 0..ROUNDS {
                let chat = chats[dice.roll(2)];
                let greatest = match store.high_water(&[Parent::Chat(chat)]).await.expect("marks")[0] {
                    HighWater::At(Some(greatest)) => greatest.get(),
                    _ => 0,
                };
                // Whoever looked at the same moment takes the same numbers.
                let batch: Vec<_> = (1..=3)
                    .map(|n| numbered(message(chat, &format!("{thread} {round} {n}")), greatest + n))
                    .collect();
                let kept = store.keep(batch.clone().into()).await.expect("kept");
                assert_eq!(kept.len(), batch.len());
                for kept in kept {
                    let Kept::As(number) = kept else { panic!("{kept:?}") };
                    mine.push(MessagePlace { chat, number });
                }
                let others =
                    in_chat(chat, 1 + dice.roll(usize::try_from(greatest + 1).expect("small")) as u64);
                if dice.roll(2) == 0 {
                    let body = Body::parse(&format!("edit {thread} {round}")).expect("a body");
                    match store.edit_message(&user, others, body, Expected::Any).await.expect("an answer") {
                        Ok(_) => *edits.entry(others).or_default() += 1,
                        Err(Unchanged::Missing(Missing::Message)) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                } else if store.delete_message(&user, others, Expected::Any).await.expect("an answer").is_ok()
                {
                    deleted.push(others);
                }
                let again = store.keep(batch.into()).await.expect("kept");
                assert!(again.iter().all(|it| matches!(it, Kept::Before(_))), "{again:?}");
            }
            (mine, edits, deleted)
        }
    })
    .await;
    let mut kept: Vec<MessagePlace> = histories.iter().flat_map(|(kept, ..)| kept.clone()).collect();
    let mut deleted: Vec<MessagePlace> = histories.iter().flat_map(|(.., deleted)| deleted.clone()).collect();
    for list in [&mut kept, &mut deleted] {
        let all = list.len();
        list.sort_unstable();
        list.dedup();
        assert_eq!(list.len(), all, "no number twice, nothing deleted twice");
    }
    assert_eq!(kept.len() as u64, THREADS * ROUNDS * 3);
    desk.count(&[Parent::Application(tenant.id)]).await;
    desk.count(&chats.map(Parent::Chat)).await;
    for chat in chats {
        let messages = desk.messages(chat).await;
        let mut expected: Vec<u64> =
            kept.iter().filter(|it| it.chat == chat).map(|it| it.number.get()).collect();
        expected.retain(|at| !deleted.contains(&in_chat(chat, *at)));
        assert_eq!(messages.iter().map(|it| it.number.get()).collect::<Vec<_>>(), expected);
        for message in &messages {
            let place = MessagePlace { chat, number: message.number };
            let edits: u64 = histories.iter().filter_map(|(_, edits, _)| edits.get(&place)).sum();
            assert_eq!(message.version, 1 + edits, "{place:?}");
        }
        assert_eq!(desk.messages_count(chat).await, messages.len() as u64);
        let page = desk.store.messages(&tenant, chat.chat, &ALL).await.expect("an answer").expect("a chat");
        let greatest = desk.greatest(Parent::Chat(chat)).await;
        assert_eq!(page.cursor, Some(greatest), "no hole");
    }
    assert_eq!(desk.audit(10).await, 0);
}
