use std::sync::Arc;

use chat_system::domain::{Body, ChatPlace, MessagePlace, Number, Order, Page, Token};
use chat_system::store::{Expected, Missing, PAGE_LIMIT_BYTES};
use tokio::task::JoinSet;

use super::super::things::{in_chat, message, new_chat, number, numbered};
use super::{ALL, Desk, StoreEngine, tenant_of};

/// What a list of these live numbers must show on this page.
fn expected_page(live: &[u64], page: &Page<u64>) -> (Vec<u64>, Option<u64>) {
    let within =
        |at: &&u64| page.after.is_none_or(|after| **at > after) && page.before.is_none_or(|to| **at < to);
    let mut all: Vec<u64> = live.iter().filter(within).copied().collect();
    if page.order == Order::Descending {
        all.reverse();
    }
    let more = all.len() > page.limit;
    all.truncate(page.limit);
    let next = if more { all.last().copied() } else { None };
    (all, next)
}

pub(crate) async fn lists_are_in_number_order_page_by_page(engine: &dyn StoreEngine) {
    const DELETED: [u64; 7] = [1, 5, 6, 7, 13, 19, 20];
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    desk.say(chat, &["a body"; 20]).await;
    desk.keep((2..=20).map(|at| numbered(new_chat(tenant.id), at)).collect()).await;
    for at in DELETED {
        let place = in_chat(chat, at);
        desk.store.delete_message(&tenant, place, Expected::Any).await.expect("an answer").expect("deleted");
    }
    for at in &DELETED[1..] {
        desk.store.delete_chat(&tenant, number(*at)).await.expect("an answer").expect("deleted");
    }
    let live: Vec<u64> = (1..=20).filter(|at| !DELETED.contains(at)).collect();
    let live_chats = [&[1], live.as_slice()].concat();
    let ends = [None, Some(1), Some(4), Some(6), Some(13), Some(20), Some(u64::MAX)];
    for order in [Order::Ascending, Order::Descending] {
        for (after, before) in ends.iter().flat_map(|&after| ends.map(|before| (after, before))) {
            for limit in [1, 3, 12, 13, 14, 1_000] {
                let page = Page { after, before, order, limit };
                let said =
                    desk.store.messages(&tenant, chat.chat, &page).await.expect("an answer").expect("a chat");
                let shown = said.items.iter().map(|it| it.number.get()).collect();
                assert_eq!((shown, said.next), expected_page(&live, &page), "messages {page:?}");
                let said =
                    desk.store.chats(&tenant, &page).await.expect("an answer").expect("an application");
                let shown = said.items.iter().map(|it| it.number.get()).collect();
                assert_eq!((shown, said.next), expected_page(&live_chats, &page), "chats {page:?}");
            }
        }
    }
}

pub(crate) async fn a_cursor_never_passes_a_number_that_is_still_to_come(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let cursor = async |after: Option<u64>, limit: usize| {
        let page = Page { after, before: None, order: Order::Ascending, limit };
        let listed =
            desk.store.messages(&tenant, chat.chat, &page).await.expect("an answer").expect("a chat");
        (listed.items.iter().map(|it| it.number.get()).collect::<Vec<_>>(), listed.cursor)
    };
    assert_eq!(cursor(None, 100).await, (vec![], None));
    desk.keep(vec![numbered(message(chat, "ahead"), 2)]).await;
    assert_eq!(cursor(None, 100).await, (vec![2], None), "1 is still to come");
    desk.keep([1, 3, 4, 6, 7].map(|at| numbered(message(chat, "a body"), at)).to_vec()).await;
    assert_eq!(cursor(None, 100).await, (vec![1, 2, 3, 4, 6, 7], Some(4)));
    assert_eq!(cursor(Some(4), 100).await, (vec![6, 7], Some(4)), "whoever comes back will see 5");
    desk.store
        .delete_message(&tenant, in_chat(chat, 4), Expected::Any)
        .await
        .expect("an answer")
        .expect("deleted");
    assert_eq!(cursor(Some(2), 100).await, (vec![3, 6, 7], Some(4)), "a tombstone is not to come");
    assert_eq!(cursor(None, 2).await.0, [1, 2]);
    desk.keep(vec![numbered(message(chat, "late"), 5)]).await;
    assert_eq!(cursor(Some(4), 100).await, (vec![5, 6, 7], Some(7)));
    assert_eq!(cursor(Some(7), 100).await, (vec![], Some(7)));
    desk.keep(vec![numbered(new_chat(tenant.id), 3)]).await;
    let chats = desk.store.chats(&tenant, &ALL).await.expect("an answer").expect("an application");
    assert_eq!((chats.items.len(), chats.cursor), (2, Some(1)));
}

pub(crate) async fn a_page_ends_early_when_it_is_heavy(engine: &dyn StoreEngine) {
    const BODY_BYTES: usize = 128 * 1024;
    const MESSAGES: u64 = 130;
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let body = "x".repeat(BODY_BYTES);
    desk.keep((1..=MESSAGES).map(|at| numbered(message(chat, &body), at)).collect()).await;
    for order in [Order::Ascending, Order::Descending] {
        let mut page = Page { order, ..ALL };
        let (mut pages, mut all) = (Vec::new(), Vec::new());
        loop {
            let listed =
                desk.store.messages(&tenant, chat.chat, &page).await.expect("an answer").expect("a chat");
            pages.push(listed.items.len());
            all.extend(listed.items.iter().map(|it| it.number.get()));
            let Some(next) = listed.next else { break };
            match order {
                Order::Ascending => page.after = Some(next),
                Order::Descending => page.before = Some(next),
            }
        }
        let full = PAGE_LIMIT_BYTES / BODY_BYTES;
        assert_eq!(pages, [full, full, 2], "a page ends at its bytes");
        if order == Order::Descending {
            all.reverse();
        }
        assert_eq!(all, (1..=MESSAGES).collect::<Vec<_>>());
    }
}

pub(crate) async fn applications_are_listed_oldest_first(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let page = |after: Option<&Token>, before: Option<&Token>, order, limit| Page {
        after: after.cloned(),
        before: before.cloned(),
        order,
        limit,
    };
    let mut tenants = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        tenants.push(desk.application(name).await);
    }
    desk.store.delete_application(&tenants[2]).await.expect("an answer").expect("deleted");
    let names = async |page: Page<Token>| {
        let listed = desk.store.applications(&page).await.expect("an answer").expect("a known cursor");
        let names: String = listed.items.iter().map(|it| it.name.as_str()).collect();
        (names, listed.next)
    };
    let token = |at: usize| Some(tenants[at].token.clone());
    assert_eq!(names(page(None, None, Order::Ascending, 10)).await, ("abde".to_owned(), None));
    assert_eq!(names(page(None, None, Order::Ascending, 2)).await, ("ab".to_owned(), token(1)));
    assert_eq!(names(page(token(1).as_ref(), None, Order::Ascending, 2)).await, ("de".to_owned(), None));
    assert_eq!(names(page(None, None, Order::Descending, 3)).await, ("edb".to_owned(), token(1)));
    let deleted = token(2);
    assert_eq!(names(page(None, deleted.as_ref(), Order::Descending, 3)).await, ("ba".to_owned(), None));
    assert_eq!(names(page(token(0).as_ref(), token(4).as_ref(), Order::Ascending, 9)).await.0, "bd");
    let unknown = Token::fresh().expect("random bits");
    for page in
        [page(Some(&unknown), None, Order::Ascending, 2), page(None, Some(&unknown), Order::Ascending, 2)]
    {
        assert_eq!(desk.store.applications(&page).await.expect("an answer"), None);
    }
}

pub(crate) async fn picking_gives_those_that_are_there_in_the_order_asked_for(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    desk.say(chat, &["one", "two", "three", "four"]).await;
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
    let asked: Vec<Number> = [4, 99, 2, 3, 1].map(number).to_vec();
    let picked = desk.store.pick(&tenant, chat.chat, &asked).await.expect("an answer").expect("a chat");
    let picked: Vec<_> = picked.iter().map(|it| (it.number.get(), it.body.as_str(), it.version)).collect();
    assert_eq!(picked, [(4, "four", 1), (2, "edited", 2), (1, "one", 1)]);
    assert_eq!(desk.store.pick(&tenant, chat.chat, &[]).await.expect("an answer"), Ok(vec![]));
}

pub(crate) async fn what_is_missing_first_is_named(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let gone = desk.application("gone").await;
    desk.chat(&gone).await;
    desk.store.delete_application(&gone).await.expect("an answer").expect("deleted");
    for (tenant, chat, missing) in [
        (&gone, number(1), Missing::Application),
        (&tenant, number(9), Missing::Chat),
        (&tenant, chat.chat, Missing::Message),
    ] {
        let place = MessagePlace { chat: ChatPlace { application: tenant.id, chat }, number: number(1) };
        assert_eq!(desk.message(place).await, Err(missing));
        if missing != Missing::Message {
            let store = &desk.store;
            assert_eq!(store.chat(tenant, chat).await.expect("an answer"), Err(missing));
            assert_eq!(store.messages(tenant, chat, &ALL).await.expect("an answer"), Err(missing));
            assert_eq!(store.pick(tenant, chat, &[number(1)]).await.expect("an answer"), Err(missing));
        }
    }
    assert_eq!(desk.store.chats(&gone, &ALL).await.expect("an answer"), Err(Missing::Application));
    assert_eq!(desk.store.application(&gone).await.expect("an answer"), Err(Missing::Application));
    assert_eq!(desk.store.tenant(&Token::fresh().expect("random bits")).await.expect("an answer"), None);
}

pub(crate) async fn who_reads_at_the_same_time_is_answered_what_each_asked(engine: &dyn StoreEngine) {
    let desk = Desk::fresh(engine).await;
    let (tenant, first) = desk.tenant_and_chat().await;
    let second = desk.chat(&tenant).await;
    let (gone, in_gone) = desk.tenant_and_chat().await;
    for chat in [first, second, in_gone] {
        desk.say(chat, &[format!("{chat:?}: one"), format!("{chat:?}: two")].each_ref().map(String::as_str))
            .await;
    }
    desk.store
        .delete_message(&tenant, in_chat(second, 2), Expected::Any)
        .await
        .expect("an answer")
        .expect("deleted");
    desk.store.delete_application(&gone).await.expect("an answer").expect("deleted");
    let no_chat = ChatPlace { chat: number(9), ..first };
    let told = |chat: ChatPlace, text| Ok(format!("{chat:?}: {text}"));
    let expected = [
        (in_chat(first, 1), told(first, "one")),
        (in_chat(first, 2), told(first, "two")),
        (in_chat(first, 3), Err(Missing::Message)),
        (in_chat(second, 1), told(second, "one")),
        (in_chat(second, 2), Err(Missing::Message)),
        (in_chat(no_chat, 1), Err(Missing::Chat)),
        (in_chat(in_gone, 1), Err(Missing::Application)),
    ];
    let mut readers = JoinSet::new();
    for (place, expected) in expected.iter().cycle().take(300).cloned() {
        let store = Arc::clone(&desk.store);
        readers.spawn(async move {
            let tenant = tenant_of(place.chat.application);
            let message = store.message(&tenant, place.chat.chat, place.number).await.expect("an answer");
            assert_eq!(message.map(|message| message.body.as_str().to_owned()), expected, "{place:?}");
        });
    }
    readers.join_all().await;
}
