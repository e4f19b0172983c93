use std::time::Duration;

use chat_system::domain::{Draft, Parent, Timestamp};
use chat_system::store::{Expected, Kept, Uncounted};

use super::super::things::{in_chat, key, message, number, numbered, with_key};
use super::{ALL, Desk, StoreEngine, pairs};

pub(crate) async fn counting_brings_counters_up_to_their_rows_and_looks_at_no_other_parent(
    engine: &dyn StoreEngine,
) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let other = desk.chat(&tenant).await;
    desk.say(chat, &["one", "two", "three"]).await;
    desk.say(other, &["one"]).await;
    let before = desk.store.chat(&tenant, chat.chat).await.expect("an answer").expect("a chat");
    desk.count(&[Parent::Chat(chat)]).await;
    assert_eq!(desk.messages_count(chat).await, 3);
    assert_eq!((desk.messages_count(other).await, desk.chats_count(&tenant).await), (0, 0), "not asked for");
    desk.store
        .delete_message(&tenant, in_chat(chat, 3), Expected::Any)
        .await
        .expect("an answer")
        .expect("deleted");
    desk.say(chat, &["four"]).await;
    let parents = [Parent::Chat(chat), Parent::Chat(other), Parent::Application(tenant.id)];
    for _ in 0..2 {
        desk.count(&parents).await;
        assert_eq!((desk.messages_count(chat).await, desk.messages_count(other).await), (3, 1));
        assert_eq!(desk.chats_count(&tenant).await, 2);
    }
    let listed = desk.store.chats(&tenant, &ALL).await.expect("an answer").expect("an application");
    assert_eq!(
        listed.items.iter().map(|it| it.messages_count).collect::<Vec<_>>(),
        [3, 1],
        "in the list too"
    );
    let after = desk.store.chat(&tenant, chat.chat).await.expect("an answer").expect("a chat");
    assert_eq!(after.updated_at, before.updated_at, "a counter is no update");
    desk.store.delete_chat(&tenant, other.chat).await.expect("an answer").expect("deleted");
    desk.count(&parents).await;
    assert_eq!(desk.chats_count(&tenant).await, 1);
    assert_eq!(desk.audit(10).await, 0, "the audit agrees");
}

/// Every parent that the store says may not have been counted, looked for a few rows at a time.
async fn uncounted(desk: &Desk, limit: usize) -> Vec<Parent> {
    let (mut parents, mut after): (Vec<Parent>, _) = (Vec::new(), None);
    loop {
        let Uncounted { parents: more, next } = desk.store.uncounted(after, limit).await.expect("parents");
        assert!(more.len() <= limit);
        assert!(next.is_none() || next > after, "it goes on");
        parents.extend(more);
        if next.is_none() {
            parents.sort_unstable();
            parents.dedup();
            return parents;
        }
        after = next;
    }
}

pub(crate) async fn what_a_crash_left_uncounted_is_found(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let chats = [chat, desk.chat(&tenant).await, desk.chat(&tenant).await];
    let other = desk.application("another").await;
    let of_other = desk.chat(&other).await;
    for chat in [chats[0], chats[2], of_other] {
        desk.say(chat, &["one", "two"]).await;
    }
    let desk = desk.reopen().await;
    for limit in [1, 2, 100] {
        let found = uncounted(&desk, limit).await;
        for parent in [
            Parent::Application(tenant.id),
            Parent::Chat(chats[0]),
            Parent::Chat(chats[2]),
            Parent::Application(other.id),
            Parent::Chat(of_other),
        ] {
            assert!(found.contains(&parent), "{parent:?} is missing in {found:?}, {limit} at a time");
        }
    }
    desk.count(&uncounted(&desk, 2).await).await;
    assert_eq!((desk.chats_count(&tenant).await, desk.chats_count(&other).await), (3, 1));
    assert_eq!((desk.messages_count(chats[0]).await, desk.messages_count(chats[1]).await), (2, 0));
}

pub(crate) async fn what_was_counted_is_not_looked_for_again(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    desk.say(chat, &["one"]).await;
    let long_after = Timestamp::now().after(Duration::from_secs(3_600));
    desk.store
        .count(&[Parent::Chat(chat), Parent::Application(tenant.id)], long_after)
        .await
        .expect("counted");
    assert_eq!(uncounted(&desk, 10).await, []);
    desk.store.count(&[], Timestamp::now()).await.expect("counted");
    assert_eq!(uncounted(&desk, 10).await, [], "the moment never goes back");
}

pub(crate) async fn counters_converge_after_a_crash_between_a_delete_and_its_count(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let gone = desk.chat(&tenant).await;
    desk.say(chat, &["one", "two", "three"]).await;
    let long_after = Timestamp::now().after(Duration::from_secs(3_600));
    let parents = [Parent::Chat(chat), Parent::Chat(gone), Parent::Application(tenant.id)];
    desk.store.count(&parents, long_after).await.expect("counted");
    desk.store
        .delete_message(&tenant, in_chat(chat, 2), Expected::Any)
        .await
        .expect("an answer")
        .expect("deleted");
    desk.store.delete_chat(&tenant, gone.chat).await.expect("an answer").expect("deleted");
    let desk = desk.reopen().await;
    desk.count(&uncounted(&desk, 10).await).await;
    desk.audit(10).await;
    assert_eq!((desk.messages_count(chat).await, desk.chats_count(&tenant).await), (2, 1));
}

pub(crate) async fn the_audit_closes_holes_and_corrects_counters(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let chats = [chat, desk.chat(&tenant).await, desk.chat(&tenant).await];
    let (_, of_other) = desk.tenant_and_chat().await;
    desk.keep([2, 5, 6].map(|at| numbered(message(chats[0], "a body"), at)).to_vec()).await;
    desk.say(chats[1], &["one", "two"]).await;
    desk.count(&[Parent::Chat(chats[1])]).await;
    desk.say(of_other, &["one"]).await;
    assert!(desk.audit(1).await >= 4, "three holes, and the counter of another chat");
    assert_eq!(desk.audit(2).await, 0, "nothing is left to repair");
    let counts = [3, 2, 0];
    for (chat, count) in chats.into_iter().zip(counts) {
        assert_eq!(desk.messages_count(chat).await, count);
    }
    assert_eq!(desk.messages_count(of_other).await, 1);
    assert_eq!(desk.bodies(chats[0]).await, pairs(&[(2, "a body"), (5, "a body"), (6, "a body")]));
    let listed = desk.store.messages(&tenant, chat.chat, &ALL).await.expect("an answer").expect("a chat");
    assert_eq!(listed.cursor, Some(6), "nothing is still to come");
    let late = desk.keep(vec![numbered(message(chats[0], "late"), 3)]).await;
    assert_eq!(late, [Kept::As(number(7))], "a closed number stays closed");
}

pub(crate) async fn the_audit_leaves_what_was_deleted_alone(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let (gone, of_gone) = desk.tenant_and_chat().await;
    for chat in [chat, of_gone] {
        desk.keep(vec![numbered(message(chat, "after a hole"), 9)]).await;
    }
    desk.store.delete_chat(&tenant, chat.chat).await.expect("an answer").expect("deleted");
    desk.store.delete_application(&gone).await.expect("an answer").expect("deleted");
    desk.count(&[Parent::Application(tenant.id)]).await;
    assert_eq!(desk.audit(10).await, 0, "its rows are to go, not to become more");
}

pub(crate) async fn the_audit_looks_at_so_many_rows_at_a_time_and_misses_none(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let holes = [3, 4, 90, 151, 199];
    let numbers = (1..=200).filter(|at| !holes.contains(at));
    desk.keep(numbers.map(|at| numbered(message(chat, "hello"), at)).collect()).await;
    desk.count(&[Parent::Application(tenant.id), Parent::Chat(chat)]).await;
    let (mut after, mut steps, mut seen) = (None, 0, Vec::new());
    loop {
        let audited = desk.store.audit(after, 10).await.expect("audited");
        assert!(audited.next.is_none() || audited.next != after, "it goes on");
        seen.extend(audited.holes.iter().map(|hole| (hole.first.get(), hole.last.get())));
        (after, steps) = (audited.next, steps + 1);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [(3, 4), (90, 90), (151, 151), (199, 199)]);
    assert!(steps >= 195 / 10, "{steps} steps");
    let holes = desk.store.holes(&[Parent::Chat(chat)]).await.expect("holes");
    assert_eq!(holes.iter().map(|hole| (hole.first.get(), hole.last.get())).collect::<Vec<_>>(), seen);
}

pub(crate) async fn a_purge_comes_to_its_end_in_portions_and_takes_nothing_else(engine: &dyn StoreEngine) {
    const PORTION: usize = 70;
    let desk = Desk::fresh(engine).await;
    let (tenant, gone) = desk.tenant_and_chat().await;
    let kept = desk.chat(&tenant).await;
    let (gone_tenant, of_gone) = desk.tenant_and_chat().await;
    desk.chat(&gone_tenant).await;
    for chat in [gone, kept, of_gone] {
        desk.say(chat, &["hello"; 400]).await;
    }
    let keyed = [(kept, "kept"), (gone, "gone"), (of_gone, "gone")];
    desk.keep(keyed.map(|(chat, name)| numbered(with_key(message(chat, name), name), 401)).to_vec()).await;
    let edited = chat_system::domain::Body::parse("edited").expect("a body");
    for (tenant, chat) in [(&tenant, gone), (&tenant, kept), (&gone_tenant, of_gone)] {
        let edit = desk.store.edit_message(tenant, in_chat(chat, 7), edited.clone(), Expected::Any);
        edit.await.expect("an answer").expect("edited");
    }
    assert_eq!(desk.store.purge(PORTION).await.expect("purged"), 0, "nothing is deleted yet");
    let before = desk.messages(kept).await;
    let purge = async || {
        let mut all = 0;
        loop {
            let found = desk.store.purge(PORTION).await.expect("purged");
            assert!(found <= PORTION, "{found} rows in one portion");
            if found == 0 {
                return all;
            }
            all += found;
        }
    };
    desk.store.delete_chat(&tenant, gone.chat).await.expect("an answer").expect("deleted");
    let rows = purge().await;
    assert!(rows > 401, "{rows} rows");
    desk.store.delete_application(&gone_tenant).await.expect("an answer").expect("deleted");
    let rows = purge().await;
    assert!(rows > 401 + 2, "{rows} rows, the chats among them");
    for chat in [gone, of_gone] {
        assert_eq!(desk.place.history(in_chat(chat, 7)).await, []);
    }
    assert_eq!(desk.messages(kept).await, before);
    assert_eq!(desk.place.history(in_chat(kept, 7)).await, [Some("hello".to_owned())]);
    let recalled = desk.store.recall(&[key(Parent::Chat(kept), "kept")]).await.expect("an answer");
    assert!(recalled[0].is_some());
    desk.count(&[Parent::Application(tenant.id), Parent::Chat(kept)]).await;
    assert_eq!((desk.chats_count(&tenant).await, desk.messages_count(kept).await), (1, 401));
    assert_eq!(desk.greatest(Parent::Application(tenant.id)).await, 2);
}

pub(crate) async fn old_keys_are_swept_in_portions(engine: &dyn StoreEngine) {
    const DAY: Duration = Duration::from_secs(24 * 3_600);
    let desk = Desk::fresh(engine).await;
    let (_, chat) = desk.tenant_and_chat().await;
    let now = Timestamp::now();
    let old = |name: &str| Draft { created_at: now.before(DAY * 2), ..with_key(message(chat, name), name) };
    let mut drafts: Vec<Draft> = ["a", "b", "c", "d", "e"].map(old).to_vec();
    drafts.push(with_key(message(chat, "new"), "new"));
    desk.keep((1..).zip(drafts).map(|(at, draft)| numbered(draft, at)).collect()).await;
    let mut swept = Vec::new();
    for _ in 0..4 {
        swept.push(desk.store.sweep_keys(now.before(DAY), 2).await.expect("swept"));
    }
    assert_eq!(swept, [2, 2, 1, 0]);
    let recalled = desk.store.recall(&[key(Parent::Chat(chat), "new")]).await.expect("an answer");
    assert!(recalled[0].is_some(), "a new one stays");
    assert_eq!(desk.messages(chat).await.len(), 6, "and what the old ones made");
}
