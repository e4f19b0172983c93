use std::sync::Arc;

use chat_system::domain::{
    Account, ApplicationId, Body, ChatPlace, Counted, Numbered, Parent, Quota, Tenant, Usage,
};
use chat_system::store::{Expected, Kept, Missing, Store, Unchanged};

use super::super::side_by_side;
use super::super::things::{in_chat, message, new_chat, number, numbered};
use super::{Desk, StoreEngine};

async fn set(store: &dyn Store, tenant: &Tenant, quota: Quota) {
    store.set_quota(tenant, quota).await.expect("an answer").expect("set");
}

async fn account(store: &dyn Store, tenant: &Tenant) -> Account {
    store.account(tenant).await.expect("an answer").expect("an application").expect("an account")
}

async fn used(desk: &Desk, tenant: &Tenant) -> Usage {
    account(&*desk.store, tenant).await.used
}

/// What is really there, of messages and their bytes.
async fn held(desk: &Desk, chats: &[ChatPlace]) -> (u64, u64) {
    let mut held = (0, 0);
    for chat in chats {
        for message in desk.messages(*chat).await {
            held = (held.0 + 1, held.1 + message.body.as_str().len() as u64);
        }
    }
    held
}

pub(crate) async fn a_quota_is_exact_however_many_write_at_once(engine: &dyn StoreEngine) {
    const QUOTA: u64 = 50;
    let desk = Desk::fresh(engine).await;
    let (tenant, first) = desk.tenant_and_chat().await;
    let chats = [first, desk.chat(&tenant).await, desk.chat(&tenant).await];
    let (other_tenant, other) = desk.tenant_and_chat().await;
    set(&*desk.store, &tenant, Quota { messages: Some(QUOTA), ..Quota::default() }).await;
    assert_eq!(desk.store.account(&other_tenant).await.expect("an answer"), Ok(None));
    // Each batch has its own numbers, as the intake gives them, and something of another tenant's.
    let store = Arc::clone(&desk.store);
    let batches = move |batch: u64| {
        let mut drafts: Vec<Numbered> = (0..9)
            .map(|at| numbered(message(chats[at % 3], "hello"), batch * 3 + at as u64 / 3 + 1))
            .collect();
        drafts.push(numbered(message(other, "hello"), batch + 1));
        let store = Arc::clone(&store);
        async move { store.keep(drafts.into()).await.expect("kept") }
    };
    let kept: Vec<Kept> = side_by_side(12, batches).await.into_iter().flatten().collect();
    let count = |what: fn(&Kept) -> bool| kept.iter().filter(|kept| what(kept)).count() as u64;
    assert_eq!(count(|kept| matches!(kept, Kept::As(_))), QUOTA + 12, "and all of the other's");
    assert_eq!(count(|kept| *kept == Kept::OverQuota), 12 * 9 - QUOTA);
    assert_eq!(held(&desk, &chats).await.0, QUOTA);
    assert_eq!(used(&desk, &tenant).await, Usage { chats: 3, messages: QUOTA, bytes: QUOTA * 5 });
    for chat in chats {
        assert_eq!(desk.greatest(Parent::Chat(chat)).await, 36, "what was refused left a tombstone");
    }
    let mut parents: Vec<Parent> = chats.into_iter().chain([other]).map(Parent::Chat).collect();
    parents.extend([tenant.id, other_tenant.id].map(Parent::Application));
    desk.count(&parents).await;
    assert_eq!(
        desk.messages_count(chats[0]).await
            + desk.messages_count(chats[1]).await
            + desk.messages_count(chats[2]).await,
        QUOTA
    );
    assert_eq!(desk.audit(1_000).await, 0, "the counters and the numbers are right");
}

pub(crate) async fn chats_messages_and_bytes_have_quotas_and_what_is_deleted_makes_room(
    engine: &dyn StoreEngine,
) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let gone = desk.chat(&tenant).await;
    desk.say(gone, &["123", "45"]).await;
    set(&*desk.store, &tenant, Quota { chats: Some(2), messages: None, bytes: Some(20) }).await;
    assert_eq!(used(&desk, &tenant).await, Usage { chats: 2, messages: 2, bytes: 5 }, "it was there before");
    assert_eq!(desk.keep(vec![numbered(new_chat(tenant.id), 3)]).await, [Kept::OverQuota]);
    let batch = ["0123456789", "012345", "01234"].map(|body| message(chat, body));
    let batch = (1..).zip(batch).map(|(at, draft)| numbered(draft, at)).collect();
    let expected = [Kept::As(number(1)), Kept::OverQuota, Kept::As(number(3))];
    assert_eq!(desk.keep(batch).await, expected, "what fits is kept");
    assert_eq!(used(&desk, &tenant).await, Usage { chats: 2, messages: 4, bytes: 20 });

    let edit = async |at, body: &str| {
        let body = Body::parse(body).expect("a body");
        let edited = desk.store.edit_message(&tenant, in_chat(chat, at), body, Expected::Any).await;
        edited.expect("an answer").map(|message| message.version)
    };
    assert_eq!(edit(3, "012345").await, Err(Unchanged::OverQuota));
    assert_eq!(edit(1, "01234567").await, Ok(2), "a shorter one");
    assert_eq!(edit(3, "0123456").await, Ok(2), "into the room that it made");
    assert_eq!(edit(3, "0123456").await, Ok(2), "nothing to change");
    assert_eq!(used(&desk, &tenant).await.bytes, 20);

    let delete = desk.store.delete_message(&tenant, in_chat(chat, 3), Expected::Any).await;
    delete.expect("an answer").expect("deleted");
    assert_eq!(used(&desk, &tenant).await, Usage { chats: 2, messages: 3, bytes: 13 });
    desk.store.delete_chat(&tenant, gone.chat).await.expect("an answer").expect("deleted");
    assert_eq!(used(&desk, &tenant).await, Usage { chats: 1, messages: 3, bytes: 13 }, "the chat at once");
    while desk.store.purge(1).await.expect("purged") > 0 {}
    assert_eq!(used(&desk, &tenant).await, Usage { chats: 1, messages: 1, bytes: 8 }, "its rows as they go");
    assert_eq!(desk.keep(vec![numbered(new_chat(tenant.id), 4)]).await, [Kept::As(number(4))]);

    set(&*desk.store, &tenant, Quota { chats: Some(1), ..Quota::default() }).await;
    assert_eq!(used(&desk, &tenant).await.chats, 2, "what is there beyond a new quota stays");
    assert_eq!(desk.keep(vec![numbered(new_chat(tenant.id), 5)]).await, [Kept::OverQuota]);
    desk.say(chat, &["a body of more than twenty bytes"]).await;
    set(&*desk.store, &tenant, Quota::default()).await;
    assert_eq!(desk.store.account(&tenant).await.expect("an answer"), Ok(None));
    assert_eq!(desk.keep(vec![numbered(new_chat(tenant.id), 6)]).await, [Kept::As(number(6))]);

    desk.store.delete_application(&tenant).await.expect("an answer").expect("deleted");
    let missing = Err(Missing::Application);
    assert_eq!(desk.store.account(&tenant).await.expect("an answer"), missing);
    let set = desk.store.set_quota(&tenant, Quota { chats: Some(1), ..Quota::default() }).await;
    assert_eq!(set.expect("an answer"), Err(Missing::Application));
}

pub(crate) async fn what_a_quota_refused_stays_refused_and_what_it_let_in_stays(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    set(&*desk.store, &tenant, Quota { chats: Some(1), messages: Some(1), bytes: None }).await;
    let mut batch: Vec<Numbered> = (1..=2).map(|at| numbered(message(chat, "hello"), at)).collect();
    batch.push(numbered(new_chat(tenant.id), 2));
    let first = [Kept::As(number(1)), Kept::OverQuota, Kept::OverQuota];
    assert_eq!(desk.keep(batch.clone()).await, first);
    set(&*desk.store, &tenant, Quota { messages: Some(9), ..Quota::default() }).await;
    let deleted = desk.store.delete_message(&tenant, in_chat(chat, 1), Expected::Any).await;
    deleted.expect("an answer").expect("deleted");
    let again = [Kept::Before(number(1)), Kept::OverQuota, Kept::OverQuota];
    assert_eq!(desk.keep(batch.clone()).await, again, "delivered again, where there is room");
    set(&*desk.store, &tenant, Quota::default()).await;
    assert_eq!(desk.keep(batch).await, again, "and where there is no quota");
    assert_eq!(desk.bodies(chat).await, []);
    set(&*desk.store, &tenant, Quota { messages: Some(1), ..Quota::default() }).await;
    let conflict = numbered(message(chat, "late"), 2);
    assert_eq!(desk.keep(vec![conflict]).await, [Kept::As(number(3))], "a conflict is kept within the quota");
    assert_eq!(used(&desk, &tenant).await.messages, 1);
}

pub(crate) async fn what_was_there_before_a_quota_is_counted_while_writers_go_on(engine: &dyn StoreEngine) {
    const BATCH: usize = 500;
    let desk = Desk::fresh(engine).await;
    let (tenant, first) = desk.tenant_and_chat().await;
    let chats = [first, desk.chat(&tenant).await, desk.chat(&tenant).await];
    for chat in chats {
        for _ in 0..3 {
            desk.say(chat, &vec!["hello"; BATCH]).await;
        }
    }
    set(&*desk.store, &tenant, Quota { messages: Some(10_000), ..Quota::default() }).await;
    let mut told = account(&*desk.store, &tenant).await;
    assert!(told.counted > Counted::NONE && told.counted < Counted::ALL, "{told:?}");
    let mut round = 1;
    while told.counted != Counted::ALL {
        for (at, chat) in (0_u64..).zip(chats) {
            desk.say(chat, &["one more"]).await;
            let place = in_chat(chat, round * 7 + at);
            let body = Body::parse("another body").expect("a body");
            let edited = desk.store.edit_message(&tenant, place, body, Expected::Any).await;
            edited.expect("an answer").expect("edited");
            let deleted =
                desk.store.delete_message(&tenant, in_chat(chat, round * 7 + at + 3), Expected::Any).await;
            deleted.expect("an answer").expect("deleted");
        }
        assert!(desk.store.tally(300).await.expect("counted") > 0);
        told = account(&*desk.store, &tenant).await;
        round += 1;
    }
    assert!(round > 5, "{round}");
    assert_eq!(desk.store.tally(300).await.expect("counted"), 0, "nothing is left to count");
    desk.say(first, &["the last"]).await;
    let (messages, bytes) = held(&desk, &chats).await;
    assert_eq!(used(&desk, &tenant).await, Usage { chats: 3, messages, bytes });
    let several = desk.store.accounts(&[tenant.id, ApplicationId(1_000_000)]).await.expect("accounts");
    assert_eq!(several, [(tenant.id, account(&*desk.store, &tenant).await)]);
}
