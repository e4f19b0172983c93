use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_number_one_chat_and_five_hundred_without_gap_or_repeat_and_readers_miss_nothing() {
    let Some(stack) = Stack::fresh() else { return };
    let fleet = Fleet::start(&stack, 3, &["--ack-wait", "20s"]);
    let chat = fleet.new_chat().await;
    let history = History::default();
    let list = format!("{chat}/messages");
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|reader| tokio::spawn(follow(fleet.addresses.clone(), list.clone(), reader, Arc::clone(&stop))))
        .collect();
    let load = Load::start(&fleet.addresses, &history, vec![list.clone()], 64, Until::Created(20_000));
    // What one node answered can be read at once from every other.
    for turn in 0..200 {
        let number =
            create(&fleet.addresses, &history, 64, &list, &format!("read at once {turn}").replace(' ', "-"))
                .await;
        for node in fleet.addresses.all() {
            let read = node.get(&format!("{list}/{number}")).await.expect(200).json();
            assert_eq!(read["data"]["body"], format!("read-at-once-{turn}"));
        }
    }
    load.finish().await;
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        assert_eq!(reader.await.expect("no panic"), (1..=20_200).collect::<Vec<u64>>());
    }
    fleet.agrees_with(&history, Line::Dense).await;

    let application = chat.split("/chats").next().expect("a path");
    let mut lists = Vec::new();
    for _ in 0..500 {
        lists.push(format!("{}/messages", fleet.addresses.node(lists.len()).new_chat(application).await));
    }
    let history = History::default();
    Load::start(&fleet.addresses, &history, lists, 64, Until::Created(20_000)).finish().await;
    assert_eq!(history.faults(&fleet.addresses.node(1), Line::Dense).await, []);
    fleet.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_die_sleep_past_their_lease_and_are_replaced_lose_and_double_nothing() {
    let Some(stack) = Stack::fresh() else { return };
    let mut fleet =
        Fleet::start(&stack, 3, &["--lease", "1s", "--ack-wait", "5s", "--counter-interval", "200ms"]);
    let chat = fleet.new_chat().await;
    let application = chat.split("/chats").next().expect("a path").to_owned();
    let mut lists = vec![format!("{chat}/messages"); 4];
    for _ in 0..8 {
        lists.push(format!("{}/messages", fleet.addresses.node(0).new_chat(&application).await));
    }
    let history = History::default();
    let stop = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(follow(fleet.addresses.clone(), lists[0].clone(), 0, Arc::clone(&stop)));
    let load = Load::start(&fleet.addresses, &history, lists.clone(), 32, Until::Stopped);
    for round in 0..8 {
        let place = round % 3;
        if round % 2 == 0 {
            fleet.replace(place);
        } else {
            fleet.pause(place);
            // Past its lease: another node takes over what it had accepted.
            tokio::time::sleep(Duration::from_millis(2_500)).await;
            fleet.wake(place);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    load.stop().await;
    fleet.agrees_with(&history, Line::WithTombstones).await;
    stop.store(true, Ordering::SeqCst);
    let seen = reader.await.expect("no panic");
    let there: Vec<u64> = fleet
        .addresses
        .node(0)
        .all(&lists[0])
        .await
        .iter()
        .map(|item| item["number"].as_u64().expect("a number"))
        .collect();
    let missed: Vec<u64> = there.iter().filter(|number| !seen.contains(number)).copied().collect();
    assert!(missed.is_empty(), "a reader that goes up by its cursor misses nothing: {missed:?}");
    assert!(there.len() > 200, "the load was no load: {}", there.len());
    fleet.stop();
}
