use std::time::Instant;

use chat_system::domain::Timestamp;

use super::*;
use crate::contract::things::message;

on_servers! {
    a_node_whose_lease_is_gone_enters_again_and_numbers_go_on,
    what_a_silent_node_left_is_adopted_by_one_other_and_its_late_settling_is_harmless,
    a_node_that_leaves_is_adopted_at_once,
    a_node_takes_no_entry_again_that_it_holds,
    a_node_that_comes_back_keeps_the_stream_it_had,
    numbers_of_three_nodes_are_dense_while_leases_are_lost,
    an_entry_of_another_version_is_left_alone_and_holds_up_no_other,
    what_is_adopted_is_bounded_in_memory,
    the_oldest_entry_is_that_which_was_accepted_first_on_any_node,
    keys_of_adopted_drafts_are_free_again_after_settling,
}

async fn a_node_whose_lease_is_gone_enters_again_and_numbers_go_on(server: Server) {
    let intake = silent_node(&server);
    seed(&intake, &[chat()]).await;
    let first = accept(&intake, &[child(chat())]).await;
    lapse(&server).await;
    let second = accept(&intake, &[child(chat())]).await;
    assert_eq!([first.places, second.places].concat(), [at(1), at(2)], "nothing went back in time");
    assert_ne!(stream_of(&first.entry), stream_of(&second.entry), "under another id");
}

async fn what_a_silent_node_left_is_adopted_by_one_other_and_its_late_settling_is_harmless(server: Server) {
    let (silent, one, other) = (silent_node(&server), node(&server), node(&server));
    seed(&silent, &[chat()]).await;
    let left = accept(&silent, &children(chat(), 2)).await;
    lapse(&server).await;
    let (one_took, other_took) = tokio::join!(one.adopt(), other.adopt());
    let taken = [one_took.expect("adopted"), other_took.expect("adopted")].concat();
    assert_eq!(taken.len(), 1, "by one of them");
    assert_eq!(taken[0].entry, left.entry);
    silent.settle(std::slice::from_ref(&left.entry)).await.expect("harmless");
    one.settle(std::slice::from_ref(&left.entry)).await.expect("harmless");
    assert_eq!(places(&silent, &[child(chat())]).await, [at(3)]);
}

async fn a_node_that_leaves_is_adopted_at_once(server: Server) {
    let (leaving, other) = (node(&server), node(&server));
    seed(&leaving, &[chat()]).await;
    let left = accept(&leaving, &[child(chat())]).await;
    assert!(other.adopt().await.expect("adopted").is_empty(), "it lives");
    leaving.leave().await.expect("left");
    leaving.leave().await.expect("leaving again is harmless");
    let adopted = other.adopt().await.expect("adopted");
    assert_eq!(adopted.into_iter().map(|it| it.entry).collect::<Vec<_>>(), std::slice::from_ref(&left.entry));
    other.settle(&[left.entry]).await.expect("settled");
    assert!(other.adopt().await.expect("adopted").is_empty());
    let nodes: Vec<String> = operate(&server, "SMEMBERS chat:{s0}:nodes");
    assert_eq!(nodes.len(), 1, "an empty stream is cleared away");
}

async fn a_node_takes_no_entry_again_that_it_holds(server: Server) {
    let intake = silent_node(&server);
    seed(&intake, &[chat()]).await;
    let held = accept(&intake, &[child(chat())]).await;
    assert!(intake.adopt().await.expect("adopted").is_empty());
    lapse(&server).await;
    for _ in 0..3 {
        assert!(intake.adopt().await.expect("adopted").is_empty(), "it was only silent");
    }
    intake.settle(std::slice::from_ref(&held.entry)).await.expect("settled");
    assert_eq!(places(&intake, &[child(chat())]).await, [at(2)]);
}

async fn a_node_that_comes_back_keeps_the_stream_it_had(server: Server) {
    let (intake, other) = (node(&server), node(&server));
    seed(&intake, &[chat()]).await;
    let held = accept(&intake, &[child(chat())]).await;
    operate::<()>(&server, &format!("DEL chat:{{s0}}:lease:{}", stream_of(&held.entry)));
    assert!(intake.adopt().await.expect("adopted").is_empty());
    assert!(other.adopt().await.expect("adopted").is_empty(), "it is kept by who holds it");
    intake.leave().await.expect("left");
    operate::<()>(&server, &format!("DEL chat:{{s0}}:claim:{}", stream_of(&held.entry)));
    assert_eq!(other.adopt().await.expect("adopted").len(), 1);
}

async fn numbers_of_three_nodes_are_dense_while_leases_are_lost(server: Server) {
    const BATCHES: usize = 40;
    let nodes = Arc::new([node(&server), node(&server), node(&server)]);
    seed(&nodes[0], &[chat()]).await;
    let url = server.url();
    let taken = side_by_side(9, move |thread| {
        let (nodes, url) = (Arc::clone(&nodes), url.clone());
        async move {
            let intake = &nodes[usize::try_from(thread % 3).expect("few")];
            let mut taken = Vec::new();
            for size in (1..=5).cycle().take(BATCHES) {
                let receipt = accept_again(intake, batch(), &children(chat(), size)).await;
                taken.extend(numbered(&receipt.places));
                if thread < 3 && size == 5 {
                    let lease = format!("chat:{{s0}}:lease:{}", stream_of(&receipt.entry));
                    redis::cmd("DEL").arg(lease).exec(&mut connection(&url)).expect("deleted");
                }
            }
            taken
        }
    })
    .await;
    let mut taken: Vec<u64> = taken.concat();
    taken.sort_unstable();
    let all: Vec<u64> = (1..).take(taken.len()).collect();
    assert_eq!(taken, all, "1 to N, each once");
}

async fn an_entry_of_another_version_is_left_alone_and_holds_up_no_other(server: Server) {
    let (newer, other) = (node(&server), node(&server));
    seed(&newer, &[chat()]).await;
    let before = accept(&newer, &[child(chat())]).await;
    let stream = format!("chat:{{s0}}:stream:{}", stream_of(&before.entry));
    let unknown: String = redis::cmd("XADD")
        .arg(&[stream.as_bytes(), b"*", b"drafts", b"\xFFnew", b"outcome", b"1|"])
        .query(&mut connection(&server.url()))
        .expect("an entry");
    let after = accept(&newer, &[child(chat())]).await;
    newer.leave().await.expect("left");
    let adopted = other.adopt().await.expect("adopted");
    let entries: Vec<EntryId> = adopted.into_iter().map(|it| it.entry).collect();
    assert_eq!(entries, [before.entry, after.entry]);
    other.settle(&entries).await.expect("settled");
    assert!(other.adopt().await.expect("adopted").is_empty());
    let left: Vec<(String, Vec<Vec<u8>>)> = operate(&server, &format!("XRANGE {stream} - +"));
    assert_eq!(left.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [unknown], "for a node that knows it");
}

async fn what_is_adopted_is_bounded_in_memory(server: Server) {
    const ENTRIES: usize = 80;
    let (dead, other) = (node(&server), node(&server));
    seed(&dead, &[chat()]).await;
    let large = "x".repeat(128 * 1024);
    for _ in 0..ENTRIES {
        let drafts: Vec<Draft> = (0..6).map(|_| message(chat_of(1, 1), &large)).collect();
        accept(&dead, &drafts).await;
    }
    dead.leave().await.expect("left");
    let (mut taken, mut rounds) = (Vec::new(), 0);
    while taken.len() < ENTRIES {
        let adopted = other.adopt().await.expect("adopted");
        assert!(!adopted.is_empty() && adopted.len() < ENTRIES, "{} at once", adopted.len());
        assert!(other.adopt().await.expect("adopted").is_empty(), "no more before these are settled");
        let entries: Vec<EntryId> = adopted.into_iter().map(|it| it.entry).collect();
        other.settle(&entries).await.expect("settled");
        taken.extend(entries);
        rounds += 1;
    }
    assert!(rounds > 1 && other.adopt().await.expect("adopted").is_empty());
}

async fn the_oldest_entry_is_that_which_was_accepted_first_on_any_node(server: Server) {
    let (first, second) = (node(&server), node(&server));
    seed(&first, &[chat()]).await;
    assert_eq!(first.oldest().await.expect("an answer"), None);
    let before = Instant::now();
    let older = accept(&first, &[child(chat())]).await;
    let newer = accept(&second, &[child(chat())]).await;
    let between = Instant::now();
    // The clock of Redis runs in milliseconds, and beside this one.
    let slack = Duration::from_millis(500);
    let (least, age) = (between.elapsed(), second.oldest().await.expect("an answer").expect("an entry"));
    assert!(least <= age + slack && age <= before.elapsed() + slack, "{least:?} {age:?}");
    first.settle(std::slice::from_ref(&older.entry)).await.expect("settled");
    let age = first.oldest().await.expect("an answer").expect("an entry");
    assert!(age <= before.elapsed() + slack, "the other node's");
    // A clock that was set back leaves entries of tomorrow.
    let (of_first, _id) = older.entry.0.split_once('/').expect("a node and an id");
    let tomorrow = Timestamp::now().after(Duration::from_secs(86_400)).micros() / 1_000;
    let stream = format!("chat:{{s0}}:stream:{of_first}");
    operate::<String>(&server, &format!("XADD {stream} {tomorrow}-0 drafts none"));
    assert_eq!(first.oldest().await.expect("an answer"), Some(Duration::MAX), "it may be of any age");
    operate::<()>(&server, "FLUSHALL");
    assert!(second.oldest().await.expect("an answer").is_some(), "what a node holds is on its way");
    second.settle(&[newer.entry]).await.expect("settled");
    assert_eq!(second.oldest().await.expect("an answer"), None);
}

async fn keys_of_adopted_drafts_are_free_again_after_settling(server: Server) {
    let dead = node(&server);
    let other = open(&server.url(), RedisOptions { key_hold: Duration::ZERO, lease: LONG, ..options() });
    seed(&dead, &[chat()]).await;
    accept(&dead, &[with_key(child(chat()), "once")]).await;
    dead.leave().await.expect("left");
    let copy = [with_key(child(chat()), "once")];
    assert_eq!(places(&other, &copy).await, [Place::Held]);
    let adopted = other.adopt().await.expect("adopted");
    other.settle(&[adopted[0].entry.clone()]).await.expect("settled");
    assert_eq!(places(&other, &copy).await, [at(2)]);
    other.settle(&[adopted[0].entry.clone()]).await.expect("harmless");
    assert_eq!(places(&other, &copy).await, [Place::Held], "another draft's hold is left alone");
}

/// Waits until no lease of a silent node is left.
async fn lapse(server: &Server) {
    eventually(Duration::from_secs(10), "the end of a lease", async || {
        let mut connection = connection(&server.url());
        let leases: Vec<String> =
            redis::cmd("KEYS").arg("chat:{s0}:lease:*").query(&mut connection).expect("keys");
        let soon = |lease: &String| {
            let millis: i64 = redis::cmd("PTTL").arg(lease).query(&mut connection).expect("a time");
            millis < 1_000
        };
        if leases.iter().any(soon) { Err("not yet".to_owned()) } else { Ok(()) }
    })
    .await;
}

/// The node that accepted it.
fn stream_of(entry: &EntryId) -> String {
    entry.0.split_once('/').expect("an entry").0.to_owned()
}
