use std::collections::BTreeSet;
use std::time::Duration;

use chat_system::domain::{Body, ChatPlace, MessagePlace, Parent, Timestamp};
use chat_system::store::{Claim, Expected, PAGE_LIMIT_BYTES, Range, Row, TURN_APPLICATIONS, Task};

use super::super::things::{in_chat, message, number, numbered, row, tombstone};
use super::{Desk, LONG, StoreEngine};

fn range(chat: ChatPlace, first: u64, last: u64) -> Range {
    Range { chat, first: number(first), last: number(last) }
}

/// The messages that these tasks ask to index, and the parents to forget.
fn asked(tasks: &[Task]) -> (BTreeSet<MessagePlace>, Vec<Parent>) {
    let (mut messages, mut forgotten) = (BTreeSet::new(), Vec::new());
    for task in tasks {
        match *task {
            Task::Index(range) => {
                messages.extend((range.first.get()..=range.last.get()).map(|at| in_chat(range.chat, at)));
            }
            Task::Forget(parent) => forgotten.push(parent),
        }
    }
    (messages, forgotten)
}

pub(crate) async fn all_that_changes_a_message_leaves_a_backlog_entry(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let other = desk.chat(&tenant).await;
    assert_eq!(desk.drain().await, [], "a chat is nothing to index");
    let batch = [(chat, 1), (other, 1), (chat, 2), (other, 5), (chat, 3), (other, 2), (chat, 9)];
    desk.keep(batch.map(|(chat, at)| numbered(message(chat, "hello"), at)).to_vec()).await;
    let expected: BTreeSet<_> = batch.iter().map(|&(chat, at)| in_chat(chat, at)).collect();
    assert_eq!(asked(&desk.drain().await), (expected, vec![]), "kept");
    desk.keep(vec![numbered(message(chat, "conflict"), 1)]).await;
    assert_eq!(asked(&desk.drain().await).0, [in_chat(chat, 10)].into(), "kept after a conflict");
    let body = Body::parse("edited").expect("a body");
    desk.store
        .edit_message(&tenant, in_chat(chat, 2), body, Expected::Any)
        .await
        .expect("an answer")
        .expect("edited");
    assert_eq!(asked(&desk.drain().await).0, [in_chat(chat, 2)].into(), "edited");
    desk.store
        .delete_message(&tenant, in_chat(chat, 3), Expected::Any)
        .await
        .expect("an answer")
        .expect("deleted");
    assert_eq!(asked(&desk.drain().await).0, [in_chat(chat, 3)].into(), "deleted");
    desk.store.delete_chat(&tenant, other.chat).await.expect("an answer").expect("deleted");
    assert_eq!(desk.drain().await, [Task::Forget(Parent::Chat(other))]);
    desk.store.delete_application(&tenant).await.expect("an answer").expect("deleted");
    assert_eq!(desk.drain().await, [Task::Forget(Parent::Application(tenant.id))]);
}

pub(crate) async fn a_claimed_entry_is_handed_out_again_only_when_its_moment_has_passed(
    engine: &dyn StoreEngine,
) {
    let desk = Desk::fresh(engine).await;
    let (_, chat) = desk.tenant_and_chat().await;
    for _ in 0..4 {
        desk.say(chat, &["hello"]).await;
    }
    let claims = desk.claim(1_000, LONG).await;
    let tasks = |of: &[chat_system::store::Claim]| of.iter().map(|it| it.task).collect::<Vec<_>>();
    let expected = [1, 2, 3, 4].map(|at| Task::Index(range(chat, at, at)));
    assert_eq!(tasks(&claims), expected, "oldest first");
    assert_eq!(desk.claim(1_000, LONG).await, [], "claimed");
    desk.say(chat, &["hello"]).await;
    assert_eq!(tasks(&desk.claim(1_000, LONG).await), [Task::Index(range(chat, 5, 5))]);
    desk.store.finish(&[claims[0].id, claims[2].id]).await.expect("finished");
    desk.store.finish(&[claims[0].id]).await.expect("finishing again is harmless");
    desk.say(chat, &["hello"]).await;
    let past = Timestamp::now().before(Duration::from_secs(1));
    let lapsed = desk.store.claim(None, 1_000, past).await.expect("claims");
    assert_eq!(lapsed.len(), 1);
    let again = desk.store.claim(None, 1_000, past).await.expect("claims");
    assert_eq!(again, lapsed, "its moment has passed");
    desk.store.finish(&[lapsed[0].id]).await.expect("finished");
    assert_eq!(desk.store.claim(None, 1_000, past).await.expect("claims"), []);
}

pub(crate) async fn claims_hold_about_as_many_messages_as_asked_for(engine: &dyn StoreEngine) {
    const BATCHES: u64 = 12;
    let desk = Desk::fresh(engine).await;
    let (_, chat) = desk.tenant_and_chat().await;
    for _ in 0..BATCHES {
        desk.say(chat, &["hello"; 10]).await;
    }
    let (mut claimed, mut rounds) = (BTreeSet::new(), 0);
    loop {
        let claims = desk.claim(25, LONG).await;
        if claims.is_empty() {
            break;
        }
        let tasks: Vec<_> = claims.iter().map(|it| it.task).collect();
        let messages = asked(&tasks).0;
        assert!((20..=30).contains(&messages.len()), "{} messages", messages.len());
        let before = claimed.len();
        claimed.extend(messages.iter().copied());
        assert_eq!(claimed.len(), before + messages.len(), "each once");
        rounds += 1;
    }
    assert!(rounds >= 4, "{rounds}");
    assert_eq!(claimed, (1..=BATCHES * 10).map(|at| in_chat(chat, at)).collect());
}

pub(crate) async fn applications_take_turns(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let mut chats = Vec::new();
    for _ in 0..3 {
        chats.push(desk.tenant_and_chat().await.1);
    }
    let [busy, late, last] = chats[..] else { panic!("three chats") };
    for _ in 0..40 {
        desk.say(busy, &["hello"; 5]).await;
    }
    desk.say(late, &["hello"]).await;
    desk.say(late, &["hello"]).await;
    desk.say(last, &["hello"]).await;
    let places = |claims: &[Claim]| -> Vec<(ChatPlace, u64)> {
        let place = |claim: &Claim| match claim.task {
            Task::Index(range) => (range.chat, range.first.get()),
            Task::Forget(_) => panic!("nothing was deleted"),
        };
        claims.iter().map(place).collect()
    };
    let claims = desk.claim(12, LONG).await;
    let expected = [(busy, 1), (late, 1), (last, 1), (busy, 6)];
    assert_eq!(places(&claims), expected, "the oldest of each, one after the other");
    desk.store.release(&claims).await.expect("released");
    let behind = |application| desk.store.claim(Some(application), 12, Timestamp::now().after(LONG));
    let claims = behind(busy.application).await.expect("claims");
    assert_eq!(places(&claims), [(late, 1), (last, 1), (busy, 1), (late, 2), (busy, 6)]);
    desk.store.release(&claims).await.expect("released");
    let claims = behind(last.application).await.expect("claims");
    assert_eq!(places(&claims), [(busy, 1), (late, 1), (last, 1), (busy, 6)], "and from the beginning");
}

pub(crate) async fn more_applications_than_one_claim_serves_are_served_by_the_next(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let mut expected = Vec::new();
    for _ in 0..=TURN_APPLICATIONS {
        let (_, chat) = desk.tenant_and_chat().await;
        desk.say(chat, &["hello"]).await;
        expected.push(chat);
    }
    let chats_of = |claims: &[Claim]| -> Vec<ChatPlace> {
        claims.iter().flat_map(|claim| asked(&[claim.task]).0).map(|place| place.chat).collect()
    };
    let first = desk.claim(1_000, LONG).await;
    assert_eq!(chats_of(&first), expected[..TURN_APPLICATIONS]);
    let after = expected[TURN_APPLICATIONS - 1].application;
    let until = Timestamp::now().after(LONG);
    let next = desk.store.claim(Some(after), 1_000, until).await.expect("claims");
    assert_eq!(chats_of(&next), expected[TURN_APPLICATIONS..]);
}

pub(crate) async fn rows_are_as_they_are_now_without_deleted_chats(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let gone = desk.chat(&tenant).await;
    let (other_tenant, of_gone_application) = desk.tenant_and_chat().await;
    desk.say(chat, &["one", "two", "three", "four"]).await;
    desk.say(gone, &["gone"]).await;
    desk.say(of_gone_application, &["gone"]).await;
    let body = Body::parse("edited").expect("a body");
    desk.store
        .edit_message(&tenant, in_chat(chat, 2), body, Expected::Any)
        .await
        .expect("an answer")
        .expect("edited");
    desk.store
        .delete_message(&tenant, in_chat(chat, 3), Expected::Any)
        .await
        .expect("an answer")
        .expect("deleted");
    desk.store.delete_chat(&tenant, gone.chat).await.expect("an answer").expect("deleted");
    desk.store.delete_application(&other_tenant).await.expect("an answer").expect("deleted");
    let ranges = [range(gone, 1, 1), range(chat, 2, 99), range(of_gone_application, 1, 1), range(chat, 1, 1)];
    let found = desk.store.rows(&ranges).await.expect("rows");
    assert_eq!(found.rest, []);
    let expected =
        [row(chat, 2, 2, "edited"), tombstone(chat, 3, 2), row(chat, 4, 1, "four"), row(chat, 1, 1, "one")];
    assert_eq!(found.rows, expected);
}

pub(crate) async fn heavy_rows_come_in_parts(engine: &dyn StoreEngine) {
    const BODY_BYTES: usize = 128 * 1024;
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let other = desk.chat(&tenant).await;
    let body = "x".repeat(BODY_BYTES);
    desk.keep((1..=40).map(|at| numbered(message(chat, &body), at)).collect()).await;
    desk.keep((1..=40).map(|at| numbered(message(other, &body), at)).collect()).await;
    let mut rest = vec![range(chat, 1, 40), range(other, 1, 30), range(other, 31, 40)];
    let (mut all, mut parts) = (Vec::new(), 0);
    while !rest.is_empty() {
        let found = desk.store.rows(&rest).await.expect("rows");
        assert!(found.rows.len() <= PAGE_LIMIT_BYTES / BODY_BYTES, "{} rows", found.rows.len());
        all.extend(found.rows.iter().map(|row| row.place));
        rest = found.rest;
        parts += 1;
    }
    let expected: Vec<_> =
        [chat, other].iter().flat_map(|&chat| (1..=40).map(move |at| in_chat(chat, at))).collect();
    assert_eq!(all, expected);
    assert_eq!(parts, 2);
}

pub(crate) async fn a_walk_meets_every_live_row_once_in_order(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let mut expected: Vec<Row> = Vec::new();
    let mut chats = Vec::new();
    for _ in 0..2 {
        let tenant = desk.application("an application").await;
        for _ in 0..3 {
            let chat = desk.chat(&tenant).await;
            desk.say(chat, &["one", "two", "three", "four", "five"]).await;
            chats.push((tenant.clone(), chat));
            expected.extend(
                [(1, "one"), (3, "three"), (4, "four"), (5, "five")].map(|(at, it)| row(chat, at, 1, it)),
            );
            desk.store
                .delete_message(&tenant, in_chat(chat, 2), Expected::Any)
                .await
                .expect("an answer")
                .expect("deleted");
        }
    }
    let (gone, of_gone) = desk.tenant_and_chat().await;
    desk.say(of_gone, &["gone"]).await;
    let (tenant, first) = &chats[0];
    let edited = Body::parse("edited").expect("a body");
    desk.store
        .edit_message(tenant, in_chat(*first, 3), edited, Expected::Any)
        .await
        .expect("an answer")
        .expect("edited");
    expected[1] = row(*first, 3, 2, "edited");
    let (tenant, deleted) = &chats[4];
    desk.store.delete_chat(tenant, deleted.chat).await.expect("an answer").expect("deleted");
    desk.store.delete_application(&gone).await.expect("an answer").expect("deleted");
    expected.retain(|row| row.place.chat != *deleted);
    for limit in [1, 3, 4, 1_000] {
        let (mut met, mut after) = (Vec::new(), None);
        loop {
            let rows = desk.store.walk(after, limit).await.expect("rows");
            assert!(rows.len() <= limit);
            let Some(last) = rows.last() else { break };
            after = Some(last.place);
            met.extend(rows);
        }
        assert_eq!(met, expected, "{limit} at a time");
    }
}

pub(crate) async fn the_known_index_is_remembered(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    assert_eq!(desk.store.known_index().await.expect("an answer"), None);
    for name in ["one", "another"] {
        desk.store.remember_index(name).await.expect("remembered");
        assert_eq!(desk.store.known_index().await.expect("an answer").as_deref(), Some(name));
    }
    let desk = desk.reopen().await;
    assert_eq!(desk.store.known_index().await.expect("an answer").as_deref(), Some("another"));
}

pub(crate) async fn what_is_given_back_is_handed_out_again(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (_, chat) = desk.tenant_and_chat().await;
    desk.say(chat, &["one", "two", "three"]).await;
    desk.say(chat, &["four"]).await;
    let claimed = desk.claim(100, LONG).await;
    assert_eq!((claimed.len(), desk.claim(100, LONG).await), (2, vec![]));
    desk.store.release(&claimed[1..]).await.expect("released");
    assert_eq!(desk.claim(100, LONG).await, [claimed[1].clone()]);
    let Task::Index(all) = claimed[0].task else { panic!("nothing was deleted") };
    let rest = Claim { id: claimed[0].id, task: Task::Index(Range { first: all.first.next(), ..all }) };
    desk.store.release(std::slice::from_ref(&rest)).await.expect("released");
    assert_eq!(desk.claim(100, LONG).await, [rest], "what is in the index is not handed out again");
    desk.store.finish(&[claimed[0].id, claimed[1].id]).await.expect("finished");
    desk.store.release(&claimed[..1]).await.expect("harmless");
    assert_eq!(desk.claim(100, LONG).await, []);
}
