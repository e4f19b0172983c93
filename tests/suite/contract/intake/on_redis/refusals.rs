use std::time::Instant;

use chat_system::intake::IntakeError;

use super::*;
use crate::contract::things::message;
use crate::support::servers::free_port;

/// Of a call, where a server that hangs is waited for.
const SHORT: Duration = Duration::from_millis(300);

on_servers! {
    a_server_that_hangs_is_an_unknown_and_then_away_at_once_and_the_batch_is_accepted_once,
    an_entry_whose_receipt_got_lost_is_adopted_by_its_own_node,
    a_full_memory_takes_nothing_and_leaves_no_gap,
    a_full_memory_lets_a_node_live_adopt_and_settle,
    a_server_that_writes_nothing_takes_nothing,
    a_server_that_was_started_again_is_reached_at_once_by_all_connections,
}

async fn a_server_that_hangs_is_an_unknown_and_then_away_at_once_and_the_batch_is_accepted_once(
    server: Server,
) {
    let intake = impatient_node(&server);
    seed(&intake, &[chat()]).await;
    assert_eq!(places(&intake, &[child(chat())]).await, [at(1)]);
    let (id, drafts) = (batch(), children(chat(), 3));
    server.pause();
    assert!(matches!(intake.accept(id, &drafts).await, Err(IntakeError::Unknown(_))));
    let started = Instant::now();
    assert!(matches!(intake.accept(id, &drafts).await, Err(IntakeError::Away(_))));
    assert!(started.elapsed() < SHORT, "nobody waits again on a server that is gone");
    server.wake();
    let receipt = accept_again(&intake, id, &drafts).await;
    assert_eq!(receipt.places, [at(2), at(3), at(4)]);
    assert_eq!(accept_again(&intake, batch(), &[child(chat())]).await.places, [at(5)]);
}

async fn an_entry_whose_receipt_got_lost_is_adopted_by_its_own_node(server: Server) {
    let intake = impatient_node(&server);
    seed(&intake, &[chat()]).await;
    let held = accept(&intake, &[child(chat())]).await;
    let lost = [child(chat())];
    server.pause();
    assert!(matches!(intake.accept(batch(), &lost).await, Err(IntakeError::Unknown(_))));
    server.wake();
    let adopted = adopted(&intake).await;
    let found: Vec<_> =
        adopted.iter().flat_map(|it| &it.drafts).map(|it| (it.draft.id, it.number.get())).collect();
    assert_eq!(found, [(lost[0].id, 2)], "and nothing that is held");
    assert!(intake.adopt().await.expect("adopted").is_empty(), "once");
    intake.settle(&[held.entry, adopted[0].entry.clone()]).await.expect("settled");
    assert!(intake.adopt().await.expect("adopted").is_empty());
}

async fn a_full_memory_takes_nothing_and_leaves_no_gap(server: Server) {
    let intake = node(&server);
    let (mut last, mut entries) = (0, Vec::new());
    seed(&intake, &[chat()]).await;
    let used = operate::<redis::InfoDict>(&server, "INFO memory").get::<u64>("used_memory").expect("a size");
    operate::<()>(&server, &format!("CONFIG SET maxmemory {}", used + 8 * 1024 * 1024));
    let large = "x".repeat(100 * 1024);
    loop {
        let drafts = [message(chat_of(1, 1), &large), with_key(child(chat()), &format!("key-{last}"))];
        match intake.accept(batch(), &drafts).await {
            Ok(receipt) => {
                assert_eq!(receipt.places, [at(last + 1), at(last + 2)]);
                last += 2;
                entries.push(receipt.entry);
            }
            Err(error) => {
                assert!(matches!(error, IntakeError::Away(_)), "{error:?}");
                break;
            }
        }
    }
    assert!(last > 0);
    intake.settle(&entries).await.expect("settling frees memory");
    let next = accept_again(&intake, batch(), &[with_key(child(chat()), &format!("key-{last}"))]).await;
    assert_eq!(next.places, [at(last + 1)], "nor does the refused batch hold its key");
}

async fn a_full_memory_lets_a_node_live_adopt_and_settle(server: Server) {
    let (dead, other) = (node(&server), node(&server));
    seed(&dead, &[chat()]).await;
    let left = accept(&dead, &[child(chat())]).await;
    assert!(other.adopt().await.expect("adopted").is_empty());
    operate::<()>(&server, "CONFIG SET maxmemory 1");
    assert!(matches!(other.accept(batch(), &[child(chat())]).await, Err(IntakeError::Away(_))));
    assert!(matches!(other.raise(&[(chat(), None)]).await, Err(IntakeError::Away(_))));
    assert!(dead.adopt().await.expect("it says that it lives").is_empty());
    dead.leave().await.expect("left");
    let adopted = other.adopt().await.expect("adopted");
    assert_eq!(adopted.into_iter().map(|it| it.entry).collect::<Vec<_>>(), std::slice::from_ref(&left.entry));
    other.settle(&[left.entry]).await.expect("settled");
    assert_eq!(other.oldest().await.expect("an answer"), None);
    operate::<()>(&server, "CONFIG SET maxmemory 0");
    assert_eq!(places(&other, &[child(chat())]).await, [at(2)]);
}

async fn a_server_that_writes_nothing_takes_nothing(server: Server) {
    let intake = node(&server);
    seed(&intake, &[chat()]).await;
    operate::<()>(&server, &format!("REPLICAOF 127.0.0.1 {}", free_port()));
    let refused = intake.accept(batch(), &[child(chat())]).await;
    assert!(matches!(refused, Err(IntakeError::Away(_))), "{refused:?}");
    operate::<()>(&server, "REPLICAOF NO ONE");
    assert_eq!(accept_again(&intake, batch(), &[child(chat())]).await.places, [at(1)]);
}

async fn a_server_that_was_started_again_is_reached_at_once_by_all_connections(server: Server) {
    let intake = Arc::new(node(&server));
    seed(&*intake, &[chat()]).await;
    let side_by_side_accepts = async || {
        let intake = Arc::clone(&intake);
        side_by_side(16, move |_thread| {
            let intake = Arc::clone(&intake);
            async move { intake.accept(batch(), &[child(chat())]).await }
        })
        .await
    };
    side_by_side_accepts().await.into_iter().for_each(|receipt| drop(receipt.expect("a receipt")));
    server.kill();
    assert!(matches!(
        intake.accept(batch(), &[child(chat())]).await,
        Err(IntakeError::Unknown(_) | IntakeError::Away(_))
    ));
    let server = server.start_again();
    accept_again(&intake, batch(), &[child(chat())]).await;
    for receipt in side_by_side_accepts().await {
        assert_eq!(receipt.expect("no connection is left from before").places, [Place::Unseeded]);
    }
    drop(server);
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_taken_and_nobody_waits() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let intake = open(&url, options());
    let started = Instant::now();
    for _ in 0..3 {
        assert!(matches!(intake.accept(batch(), &[child(chat())]).await, Err(IntakeError::Away(_))));
        assert!(matches!(intake.adopt().await, Err(IntakeError::Away(_))));
    }
    assert!(started.elapsed() < TIMEOUT / 2);
}

fn impatient_node(server: &Server) -> RedisIntake {
    open(&server.url(), RedisOptions { timeout: SHORT, lease: LONG, ..options() })
}
