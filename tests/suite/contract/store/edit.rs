use chat_system::domain::{ApplicationId, Body, Digest, Key, KeyUse, Name, NewApplication, Number, Parent};
use chat_system::store::{Expected, Founded, HighWater, Made, Missing, Recalled, Unchanged};

use super::super::things::{in_chat, message, number, numbered};
use super::{ALL, Desk, StoreEngine, new_application, pairs};

fn body(text: &str) -> Body {
    Body::parse(text).expect("a body")
}

pub(crate) async fn an_edit_makes_a_new_version_and_the_same_body_none(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    desk.say(chat, &["one", "two"]).await;
    let place = in_chat(chat, 1);
    let before = desk.message(place).await.expect("kept");
    for (version, text) in [(2, "first"), (3, "second")] {
        let edited =
            desk.store.edit_message(&tenant, place, body(text), Expected::Any).await.expect("an answer");
        let edited = edited.expect("edited");
        assert_eq!((edited.body.as_str(), edited.version), (text, version));
        assert_eq!(edited.created_at, before.created_at);
        assert!(edited.updated_at >= before.updated_at);
        assert_eq!(desk.message(place).await, Ok(edited), "what was answered is what is read");
    }
    assert_eq!(desk.place.history(place).await, [Some("one".to_owned()), Some("first".to_owned())]);
    let before = desk.message(place).await;
    desk.drain().await;
    let same =
        desk.store.edit_message(&tenant, place, body("second"), Expected::Any).await.expect("an answer");
    assert_eq!(same.ok(), before.clone().ok());
    assert_eq!(desk.message(place).await, before, "nothing changed");
    assert_eq!(desk.drain().await, [], "nothing to index");
    assert_eq!(desk.place.history(place).await.len(), 2, "no history");
    assert_eq!(desk.bodies(chat).await, pairs(&[(1, "second"), (2, "two")]));
}

pub(crate) async fn a_change_for_another_version_is_refused(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    desk.say(chat, &["one"]).await;
    let place = in_chat(chat, 1);
    let edit = async |text: &str, expected: Vec<u64>| {
        let expected = Expected::OneOf(expected);
        let edited = desk.store.edit_message(&tenant, place, body(text), expected).await.expect("an answer");
        edited.map(|it| it.version)
    };
    let delete = async |expected: Vec<u64>| {
        desk.store.delete_message(&tenant, place, Expected::OneOf(expected)).await.expect("an answer")
    };
    assert_eq!(edit("two", vec![1]).await, Ok(2));
    assert_eq!(edit("three", vec![1]).await, Err(Unchanged::Stale));
    assert_eq!(edit("two", vec![1]).await, Err(Unchanged::Stale), "also with nothing to change");
    assert_eq!(edit("three", vec![]).await, Err(Unchanged::Stale));
    assert_eq!(delete(vec![1, 3]).await, Err(Unchanged::Stale));
    assert_eq!(desk.bodies(chat).await, pairs(&[(1, "two")]));
    assert_eq!(edit("three", vec![7, 2]).await, Ok(3));
    assert_eq!(delete(vec![3]).await, Ok(()));
    assert_eq!(delete(vec![3]).await, Err(Unchanged::Missing(Missing::Message)));
    assert_eq!(edit("four", vec![4]).await, Err(Unchanged::Missing(Missing::Message)));
}

pub(crate) async fn a_deleted_message_is_gone_with_its_history_and_its_number_stays_taken(
    engine: &dyn StoreEngine,
) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    desk.say(chat, &["secret", "two"]).await;
    let (first, second) = (in_chat(chat, 1), in_chat(chat, 2));
    for place in [first, second] {
        desk.store
            .edit_message(&tenant, place, body("edited"), Expected::Any)
            .await
            .expect("an answer")
            .expect("edited");
    }
    let delete = async || desk.store.delete_message(&tenant, first, Expected::Any).await.expect("an answer");
    assert_eq!(delete().await, Ok(()));
    assert_eq!(desk.message(first).await, Err(Missing::Message));
    assert_eq!(desk.bodies(chat).await, pairs(&[(2, "edited")]));
    assert_eq!(desk.place.history(first).await, [None], "that it was deleted, and nothing of what it was");
    assert_eq!(desk.place.history(second).await, [Some("two".to_owned())]);
    assert_eq!(delete().await, Err(Unchanged::Missing(Missing::Message)));
    let edited =
        desk.store.edit_message(&tenant, first, body("back"), Expected::Any).await.expect("an answer");
    assert_eq!(edited, Err(Unchanged::Missing(Missing::Message)));
    let late = desk.keep(vec![numbered(message(chat, "late"), 1)]).await;
    assert_eq!(late, [chat_system::store::Kept::As(number(3))]);
}

pub(crate) async fn renaming_changes_the_name_and_the_same_name_nothing(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, other) = (desk.application("before").await, desk.application("other").await);
    let name = |text: &str| Name::parse(text).expect("a name");
    let created = desk.store.application(&tenant).await.expect("an answer").expect("an application");
    let renamed =
        desk.store.rename_application(&tenant, name("after")).await.expect("an answer").expect("renamed");
    assert_eq!((renamed.name.as_str(), renamed.created_at), ("after", created.created_at));
    assert!(renamed.updated_at > created.updated_at);
    let again = desk.store.rename_application(&tenant, name("after")).await.expect("an answer");
    assert_eq!(again.as_ref(), Ok(&renamed));
    assert_eq!(desk.store.application(&tenant).await.expect("an answer"), Ok(renamed));
    let other = desk.store.application(&other).await.expect("an answer").expect("an application");
    assert_eq!(other.name.as_str(), "other");
    desk.store.delete_application(&tenant).await.expect("an answer").expect("deleted");
    let renamed = desk.store.rename_application(&tenant, name("late")).await.expect("an answer");
    assert_eq!(renamed, Err(Missing::Application));
}

pub(crate) async fn an_application_is_created_once_a_key(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let key = |name: &str| KeyUse {
        application: ApplicationId(0),
        key: Key::parse(name.as_bytes()).expect("a key"),
        path: Digest::of(&["applications"]),
        body: Digest::of(&[name]),
    };
    let with_key = |name: &str| NewApplication { key: Some(key(name)), ..new_application(name) };
    let first = with_key("once");
    let founded = desk.store.create_application(first.clone()).await.expect("created");
    let Founded::New(created) = founded else { panic!("{founded:?}") };
    assert_eq!((&created.token, created.chats_count), (&first.token, 0));
    let recalled = Recalled { body: key("once").body, made: Made::Application(first.token.clone()) };
    for _ in 0..2 {
        let again = desk.store.create_application(with_key("once")).await.expect("an answer");
        assert_eq!(again, Founded::Replay(recalled.clone()));
    }
    assert_eq!(
        desk.store.recall(&[key("once"), key("other")]).await.expect("an answer"),
        [Some(recalled), None]
    );
    let other = desk.store.create_application(with_key("other")).await.expect("created");
    assert!(matches!(other, Founded::New(_)));
    let page = chat_system::domain::Page { after: None, before: None, order: ALL.order, limit: 10 };
    let listed = desk.store.applications(&page).await.expect("an answer").expect("a list");
    assert_eq!(listed.items.len(), 2);
    let tenant = desk.store.tenant(&first.token).await.expect("an answer").expect("a tenant");
    assert_eq!(desk.store.application(&tenant).await.expect("an answer"), Ok(created));
}

pub(crate) async fn a_deleted_chat_is_gone_at_once(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let other = desk.chat(&tenant).await;
    desk.say(chat, &["one"]).await;
    desk.say(other, &["two"]).await;
    let delete = async |at: Number| desk.store.delete_chat(&tenant, at).await.expect("an answer");
    assert_eq!(delete(number(9)).await, Err(Missing::Chat));
    assert_eq!(delete(chat.chat).await, Ok(()));
    assert_eq!(delete(chat.chat).await, Err(Missing::Chat));
    let listed = desk.store.chats(&tenant, &ALL).await.expect("an answer").expect("an application");
    assert_eq!(listed.items.iter().map(|it| it.number).collect::<Vec<_>>(), [other.chat]);
    assert_eq!(desk.store.chat(&tenant, chat.chat).await.expect("an answer"), Err(Missing::Chat));
    assert_eq!(desk.message(in_chat(chat, 1)).await, Err(Missing::Chat));
    let missing = Err(Unchanged::Missing(Missing::Chat));
    let store = &desk.store;
    let edited = store.edit_message(&tenant, in_chat(chat, 1), body("late"), Expected::Any).await;
    assert_eq!(edited.expect("an answer").map(|_| ()), missing);
    assert_eq!(
        store.delete_message(&tenant, in_chat(chat, 1), Expected::Any).await.expect("an answer"),
        missing
    );
    assert_eq!(desk.high_water(Parent::Chat(chat)).await, HighWater::NoParent);
    assert_eq!(desk.bodies(other).await, pairs(&[(1, "two")]));
}

pub(crate) async fn a_deleted_application_is_gone_at_once_and_its_token_unknown(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let (_, other) = desk.tenant_and_chat().await;
    desk.say(chat, &["one"]).await;
    desk.say(other, &["two"]).await;
    assert_eq!(desk.store.delete_application(&tenant).await.expect("an answer"), Ok(()));
    assert_eq!(desk.store.delete_application(&tenant).await.expect("an answer"), Err(Missing::Application));
    assert_eq!(desk.store.tenant(&tenant.token).await.expect("an answer"), None);
    let store = &desk.store;
    assert_eq!(store.application(&tenant).await.expect("an answer"), Err(Missing::Application));
    assert_eq!(store.delete_chat(&tenant, chat.chat).await.expect("an answer"), Err(Missing::Application));
    let missing = Err(Unchanged::Missing(Missing::Application));
    let edited = store.edit_message(&tenant, in_chat(chat, 1), body("late"), Expected::Any).await;
    assert_eq!(edited.expect("an answer").map(|_| ()), missing);
    assert_eq!(
        store.delete_message(&tenant, in_chat(chat, 1), Expected::Any).await.expect("an answer"),
        missing
    );
    for parent in [Parent::Application(tenant.id), Parent::Chat(chat)] {
        assert_eq!(desk.high_water(parent).await, HighWater::NoParent);
    }
    while desk.store.purge(100).await.expect("purged") > 0 {}
    assert_eq!(
        desk.store.tenant(&tenant.token).await.expect("an answer"),
        None,
        "also when its rows are gone"
    );
    let again = NewApplication { token: tenant.token, ..new_application("thief") };
    assert!(desk.store.create_application(again).await.is_err(), "a token is never given again");
    assert_eq!(desk.bodies(other).await, pairs(&[(1, "two")]));
}
