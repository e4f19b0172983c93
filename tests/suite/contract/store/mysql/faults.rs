use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_system::connections::MysqlOptions;
use chat_system::domain::{MessagePlace, Numbered, Order, Page, Parent};
use chat_system::store::{Edit as _, Expected, Keep as _, Kept, Missing, Nodes as _, Read as _, StoreError};

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use super::proxy::{Fate, Proxy};
use super::{Desk, InDatabase, ask, options, tenant_of};
use crate::contract::side_by_side;
use crate::contract::things::{message, number, numbered, with_key};
use crate::support::eventually;
use crate::support::servers::Kind;

on_servers! {
    a_commit_whose_answer_is_lost_is_unknown_and_keeping_again_settles_it,
    a_connection_that_ends_before_the_commit_changes_nothing,
    a_node_that_is_stopped_in_the_middle_of_a_transaction_loses_its_locks_with_its_lease,
    a_server_that_is_paused_is_waited_for_no_longer_than_the_time_out,
    a_server_that_is_killed_comes_back_with_all_that_was_answered,
    keeps_that_cross_end_dense,
    a_keep_waits_for_whoever_changes_its_parents,
    a_session_that_broke_is_nobody_elses,
    pages_over_deleted_rows_keep_their_connection,
    a_chat_that_is_deleted_between_two_looks_for_a_page_is_not_there,
    a_server_that_takes_smaller_packets_than_before_is_sent_smaller_ones,
}

const SOON: Duration = Duration::from_secs(30);

/// A desk beside the proxy, and one whose words go through it.
async fn by_proxy(place: &InDatabase) -> (Desk, Desk, Proxy) {
    let proxy = Proxy::to(&place.server).await;
    let beside = place.desk(place.node(options())).await;
    let through = place.by(proxy.port);
    let through = through.desk(through.node(options())).await;
    (beside, through, proxy)
}

/// Waits until somebody is in the trap.
async fn sprung(proxy: &Proxy, what: &str) {
    let is_sprung = async || if proxy.is_sprung() { Ok(()) } else { Err("not yet".to_owned()) };
    eventually(SOON, what, is_sprung).await;
}

async fn a_commit_whose_answer_is_lost_is_unknown_and_keeping_again_settles_it(kind: Kind) {
    let Some(place) = InDatabase::shared(kind).await else { return };
    let (beside, through, proxy) = by_proxy(&place).await;
    let (_, chat) = beside.tenant_and_chat().await;
    through.say(chat, &["one"]).await;
    let batch: Arc<[Numbered]> = (2..=4).map(|at| numbered(message(chat, "again"), at)).collect();
    proxy.set(";COMMIT", Fate::AnswerIsLost);
    let lost = through.store.keep(Arc::clone(&batch)).await.expect_err("no answer");
    assert!(matches!(lost, StoreError::Unknown(_)), "{lost:?}");
    let keep = async || through.store.keep(Arc::clone(&batch)).await.map_err(|error| super::said(&error));
    let settled = eventually(SOON, "the keep is settled", keep).await;
    assert_eq!(settled, [2, 3, 4].map(|at| Kept::Before(number(at))));
    assert_eq!(beside.messages(chat).await.len(), 4);
    proxy.set("DELETE", Fate::AnswerIsLost);
    let claims = beside.claim(1_000, super::LONG).await;
    let lost = through.store.finish(&[claims[0].id]).await.expect_err("no answer");
    assert!(matches!(lost, StoreError::Unknown(_)), "a statement that commits itself: {lost:?}");
}

async fn a_connection_that_ends_before_the_commit_changes_nothing(kind: Kind) {
    let Some(place) = InDatabase::shared(kind).await else { return };
    let (beside, through, proxy) = by_proxy(&place).await;
    let (_, chat) = beside.tenant_and_chat().await;
    through.say(chat, &["one"]).await;
    proxy.set("START TRANSACTION", Fate::AnswerIsLost);
    // With a key there are two round trips.
    let batch: Arc<[Numbered]> = Arc::new([numbered(with_key(message(chat, "two"), "two"), 2)]);
    let cut = through.store.keep(Arc::clone(&batch)).await.expect_err("no answer");
    assert!(matches!(cut, StoreError::Away(_)), "nothing was changed: {cut:?}");
    proxy.set("SELECT", Fate::Cut);
    let tenant = tenant_of(chat.application);
    let read = async || through.store.chat(&tenant, chat.chat).await.map_err(|error| super::said(&error));
    let _ = read().await;
    eventually(SOON, "reads go on", read).await.expect("a chat");
    let keep = async || through.store.keep(Arc::clone(&batch)).await.map_err(|error| super::said(&error));
    assert_eq!(eventually(SOON, "kept", keep).await, [Kept::As(number(2))]);
}

async fn a_node_that_is_stopped_in_the_middle_of_a_transaction_loses_its_locks_with_its_lease(kind: Kind) {
    const LEASE: Duration = Duration::from_secs(2);
    let Some(place) = InDatabase::shared(kind).await else { return };
    let proxy = Proxy::to(&place.server).await;
    let beside = place.desk(place.node(options())).await;
    let through = place.by(proxy.port);
    let stopped = through.node(MysqlOptions { lease: LEASE, ..options() });
    let (tenant, chat) = beside.tenant_and_chat().await;
    stopped.keep(Arc::new([numbered(message(chat, "one"), 1)])).await.expect("kept");
    proxy.set(";COMMIT", Fate::Frozen);
    let store = Arc::clone(&stopped);
    // With a key there are two round trips: it has its locks before the second.
    let two: Arc<[Numbered]> = Arc::new([numbered(with_key(message(chat, "two"), "two"), 2)]);
    let hangs = tokio::spawn(async move { store.keep(two).await });
    sprung(&proxy, "it holds its locks").await;
    assert_eq!(
        beside.store.keep(Arc::new([numbered(message(chat, "three"), 3)])).await.expect("kept"),
        [Kept::As(number(3))],
        "keepers do not wait for each other"
    );
    let started = Instant::now();
    let delete =
        async || beside.store.delete_chat(&tenant, chat.chat).await.map_err(|error| super::said(&error));
    eventually(SOON, "the chat is deleted", delete).await.expect("deleted");
    let waited = started.elapsed();
    assert!(waited < LEASE + Duration::from_secs(8), "{waited:?}");
    let end = hangs.await.expect("an end");
    assert!(matches!(end, Err(StoreError::Unknown(_))), "it hears nothing: {end:?}");
}

async fn a_keep_waits_for_whoever_changes_its_parents(kind: Kind) {
    let Some(place) = InDatabase::shared(kind).await else { return };
    for what in ["application", "chat", "quota"] {
        let store = place.node(options());
        let desk = place.desk(Arc::clone(&store)).await;
        let (tenant, chat) = desk.tenant_and_chat().await;
        desk.say(chat, &["one"]).await;
        let (id, number) = (tenant.id.0, chat.chat);
        let (change, expected) = match what {
            "application" => {
                (format!("UPDATE applications SET deleted_at = 1 WHERE id = {id}"), Kept::NoParent)
            }
            "chat" => (
                format!("UPDATE chats SET deleted_at = 1 WHERE application_id = {id} AND number = {number}"),
                Kept::NoParent,
            ),
            _ => (
                format!(
                    "SELECT id FROM applications WHERE id = {id} FOR UPDATE;
                     INSERT INTO quotas (application_id, max_bytes, chats) VALUES ({id}, 0, 1)"
                ),
                Kept::OverQuota,
            ),
        };
        let mut changes = Conn::from_url(place.url()).await.expect("a connection");
        changes.query_drop(format!("START TRANSACTION; {change}")).await.expect("a lock");
        let late =
            tokio::spawn(async move { store.keep(Arc::new([numbered(message(chat, "late"), 2)])).await });
        let waiting = format!(
            "SELECT trx_id FROM information_schema.innodb_trx t
             JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
             WHERE t.trx_state = 'LOCK WAIT' AND p.db = '{}'",
            place.database
        );
        let waits = async || {
            // The server tells the same again to whoever asks within 100 ms of the last.
            ask(&place.server, "DO SLEEP(0.2)").await;
            match ask(&place.server, &waiting).await.is_empty() {
                true => Err("not yet".to_owned()),
                false => Ok(()),
            }
        };
        eventually(SOON, "the keep waits", waits).await;
        assert!(!late.is_finished());
        changes.query_drop("COMMIT").await.expect("changed");
        assert_eq!(late.await.expect("an end").expect("kept"), [expected], "{what}");
    }
}

async fn a_server_that_is_paused_is_waited_for_no_longer_than_the_time_out(kind: Kind) {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let Some(server) = kind.start(&[]) else { return };
    let place = InDatabase::on(&server.url()).await;
    let store = place.node(options());
    let desk = place.desk(Arc::clone(&store)).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let hasty = place.node(MysqlOptions { timeout: TIMEOUT, ..options() });
    eventually(SOON, "it opens", async || {
        hasty.tenant(&tenant.token).await.map_err(|error| super::said(&error))
    })
    .await;
    server.pause();
    let started = Instant::now();
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let (store, tenant) = (Arc::clone(&hasty), tenant.clone());
            tokio::spawn(async move { store.chat(&tenant, number(1)).await })
        })
        .collect();
    for call in calls {
        let error = call.await.expect("an end").expect_err("no answer");
        assert!(matches!(error, StoreError::Away(_)), "{error:?}");
    }
    let waited = started.elapsed();
    assert!(waited < TIMEOUT * 3, "{waited:?}");
    let started = Instant::now();
    hasty.chat(&tenant, number(1)).await.expect_err("it is known to be gone");
    hasty.chat(&tenant, number(1)).await.expect_err("it is known to be gone");
    assert!(started.elapsed() < TIMEOUT * 2, "one of them may have tried");
    let late = hasty.keep(Arc::new([numbered(message(chat, "late"), 1)])).await.expect_err("no answer");
    assert!(matches!(late, StoreError::Away(_)), "{late:?}");
    server.wake();
    let keep = async || {
        hasty.keep(Arc::new([numbered(message(chat, "one"), 1)])).await.map_err(|error| super::said(&error))
    };
    assert_eq!(eventually(SOON, "it is back", keep).await, [Kept::As(number(1))]);
}

async fn a_server_that_is_killed_comes_back_with_all_that_was_answered(kind: Kind) {
    let Some(server) = kind.start(&[]) else { return };
    let place = InDatabase::on(&server.url()).await;
    let store = place.node(options());
    let desk = place.desk(Arc::clone(&store)).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let keeper = Arc::clone(&store);
    let keeping = tokio::spawn(async move {
        let mut answered = 0;
        loop {
            let next = numbered(message(chat, "hello"), answered + 1);
            match keeper.keep(Arc::new([next])).await {
                Ok(_kept) => answered += 1,
                Err(error) => return (answered, error),
            }
        }
    });
    let some = async || match desk.greatest(Parent::Chat(chat)).await {
        0..20 => Err("not yet".to_owned()),
        _ => Ok(()),
    };
    eventually(SOON, "some are kept", some).await;
    server.kill();
    let (answered, error) = keeping.await.expect("an end");
    assert!(!matches!(error, StoreError::Broken(_)), "{error:?}");
    let _server = server.start_again();
    let reads = async || store.chat(&tenant, chat.chat).await.map_err(|error| super::said(&error));
    eventually(SOON, "reads go on", reads).await.expect("a chat");
    let there = desk.messages(chat).await.len() as u64;
    assert!((answered..=answered + 1).contains(&there), "{answered} answered, {there} there");
    let next = numbered(message(chat, "after"), there + 1);
    assert_eq!(store.keep(Arc::new([next])).await.expect("kept"), [Kept::As(number(there + 1))]);
}

/// Batches that meet in two chats in opposite orders, all of them after the same numbers.
async fn keeps_that_cross_end_dense(kind: Kind) {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 10;
    let Some(place) = InDatabase::shared(kind).await else { return };
    let desk = place.desk(place.node(options())).await;
    let (tenant, one) = desk.tenant_and_chat().await;
    let other = desk.chat(&tenant).await;
    let store = Arc::clone(&desk.store);
    side_by_side(THREADS, move |thread| {
        let store = Arc::clone(&store);
        async move {
            let chats = if thread % 2 == 0 { [one, other] } else { [other, one] };
            for round in 0..ROUNDS {
                let at = round * 2 + 1;
                let batch: Vec<Numbered> = chats
                    .iter()
                    .flat_map(|chat| (at..at + 2).map(|at| numbered(message(*chat, "hello"), at)))
                    .collect();
                let kept = store.keep(batch.into()).await.expect("kept");
                assert!(kept.iter().all(|kept| matches!(kept, Kept::As(_))), "{kept:?}");
            }
        }
    })
    .await;
    for chat in [one, other] {
        let numbers: Vec<u64> = desk.messages(chat).await.iter().map(|it| it.number.get()).collect();
        assert_eq!(numbers, (1..=THREADS * ROUNDS * 2).collect::<Vec<_>>());
    }
}

/// A page that is broken off leaves rows in its connection, which goes with them.
async fn a_session_that_broke_is_nobody_elses(kind: Kind) {
    const BODY_BYTES: usize = 128 * 1024;
    let Some(place) = InDatabase::shared(kind).await else { return };
    let store = place.node(MysqlOptions { connections: 1, ..options() });
    let desk = place.desk(Arc::clone(&store)).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    let body = "x".repeat(BODY_BYTES);
    desk.keep((1..=70).map(|at| numbered(message(chat, &body), at)).collect()).await;
    for _ in 0..3 {
        let page = store.messages(&tenant, chat.chat, &super::ALL).await.expect("an answer").expect("a chat");
        assert!(page.next.is_some());
        let read = store.chat(&tenant, chat.chat).await.expect("an answer").expect("a chat");
        assert_eq!(read.number, chat.chat);
    }
}

async fn pages_over_deleted_rows_keep_their_connection(kind: Kind) {
    let Some(place) = InDatabase::shared(kind).await else { return };
    let store = place.node(MysqlOptions { connections: 1, lease: SOON, ..options() });
    let desk = place.desk(Arc::clone(&store)).await;
    let (tenant, chat) = desk.tenant_and_chat().await;
    desk.say(chat, &["hello"; 300]).await;
    let connections =
        format!("SELECT id FROM information_schema.processlist WHERE db = '{}'", place.database);
    let mut seen: HashSet<u64> = HashSet::new();
    // One of a page, half of another, and most of a third.
    let gone = [3].into_iter().chain((51..100).step_by(2)).chain(110..140);
    let gone: HashSet<u64> = gone.collect();
    for at in &gone {
        let place = MessagePlace { chat, number: number(*at) };
        store.delete_message(&tenant, place, Expected::Any).await.expect("an answer").expect("deleted");
    }
    for order in [Order::Ascending, Order::Descending] {
        for after in (0..300).step_by(10) {
            let page = Page { limit: 50, after: Some(after), before: None, order };
            let listed = store.messages(&tenant, chat.chat, &page).await.expect("an answer").expect("a chat");
            let left: Vec<u64> = (after + 1..=300).filter(|at| !gone.contains(at)).collect();
            let expected: Vec<u64> = match order {
                Order::Ascending => left.into_iter().take(50).collect(),
                Order::Descending => left.into_iter().rev().take(50).collect(),
            };
            let numbers: Vec<u64> = listed.items.iter().map(|it| it.number.get()).collect();
            assert_eq!(numbers, expected, "{order:?} after {after}");
            // Whoever reads next makes a connection where this page has closed its own.
            store.chat(&tenant, chat.chat).await.expect("an answer").expect("a chat");
            seen.extend(ask(&place.server, &connections).await.into_iter().map(mysql_async::from_row::<u64>));
        }
    }
    assert!(seen.len() <= 2, "one that reads and one that writes: {seen:?}");
}

/// A page that the first look left short does not pass for the end of a list that is gone.
async fn a_chat_that_is_deleted_between_two_looks_for_a_page_is_not_there(kind: Kind) {
    /// Ends the greatest number, then 32 rows, as the second look asks for them in binary.
    const SECOND_LOOK: &str = "\u{7f} \0\0\0\0\0\0\0";
    let Some(place) = InDatabase::shared(kind).await else { return };
    let (beside, through, proxy) = by_proxy(&place).await;
    let (tenant, chat) = beside.tenant_and_chat().await;
    beside.say(chat, &["hello"; 20]).await;
    for at in 6..=11 {
        let place = MessagePlace { chat, number: number(at) };
        beside
            .store
            .delete_message(&tenant, place, Expected::Any)
            .await
            .expect("an answer")
            .expect("deleted");
    }
    let page = Page { limit: 10, after: None, before: None, order: Order::Ascending };
    let there = through.store.messages(&tenant, chat.chat, &page).await.expect("an answer").expect("a chat");
    assert_eq!(there.items.len(), page.limit);
    proxy.set(SECOND_LOOK, Fate::Frozen);
    let delete = async {
        sprung(&proxy, "it has had its first look").await;
        beside.store.delete_chat(&tenant, chat.chat).await.expect("an answer").expect("deleted");
        proxy.thaw();
    };
    let (listed, ()) = tokio::join!(through.store.messages(&tenant, chat.chat, &page), delete);
    assert_eq!(listed.expect("an answer").expect_err("it is gone"), Missing::Chat);
}

async fn a_server_that_takes_smaller_packets_than_before_is_sent_smaller_ones(kind: Kind) {
    const BODY_BYTES: usize = 128 * 1024;
    let Some(server) = kind.start(&[]) else { return };
    let place = InDatabase::on(&server.url()).await;
    let store = place.node(options());
    let desk = place.desk(Arc::clone(&store)).await;
    let (_, chat) = desk.tenant_and_chat().await;
    ask(&place.server, "SET GLOBAL max_allowed_packet = 1048576").await;
    // A connection goes on with what was set when it was made.
    for connection in ask(&place.url(), "SHOW PROCESSLIST").await {
        let in_database: Option<String> = connection.get("db").expect("a column");
        if in_database.as_ref() == Some(&place.database) {
            let id: u64 = connection.get("Id").expect("an id");
            // Its own is gone by now.
            let _ = Conn::from_url(&place.server)
                .await
                .expect("a connection")
                .query_drop(format!("KILL {id}"))
                .await;
        }
    }
    let body = "x".repeat(BODY_BYTES);
    let batch: Arc<[Numbered]> = (1..=20).map(|at| numbered(message(chat, &body), at)).collect();
    let keep = async || match store.keep(Arc::clone(&batch)).await {
        Err(StoreError::Broken(error)) => panic!("it would be buried: {error:?}"),
        Err(error) => {
            // As the audit asks, again and again.
            let _ = store.warnings().await;
            Err(super::said(&error))
        }
        Ok(kept) => Ok(kept),
    };
    let kept = eventually(SOON, "the batch is kept", keep).await;
    assert!(kept.iter().all(|kept| matches!(kept, Kept::As(_) | Kept::Before(_))), "{kept:?}");
    assert_eq!(desk.messages(chat).await.len(), 20);
}
