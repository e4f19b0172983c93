use super::*;

/// How long it is stopped under load.
const GONE_FOR: Duration = Duration::from_secs(60);
/// Between two more creates and reads while it is gone.
const PACE: Duration = Duration::from_millis(250);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_mysql_is_gone_creates_are_answered_202_up_to_a_bound_and_all_of_them_are_there_on_its_return()
{
    let Some(mut servers) = Servers::start() else { return };
    let arguments =
        ["--queue-limit", "300", "--ack-wait", "200ms", "--engine-timeout", "1s", "--lease", "1s"];
    let fleet = Fleet::start(&servers.stack, 1, &arguments);
    let node = fleet.addresses.node(0);
    let chat = fleet.new_chat().await;
    let list = format!("{chat}/messages");
    let history = History::default();
    assert_eq!(create(&fleet.addresses, &history, 0, &list, "before").await, 1);
    servers.mysql().kill();
    let gone_since = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..400_usize {
        let (node, list) = (node.clone(), list.clone());
        clients.spawn(async move {
            let body = format!("while it is gone {client}");
            (node.post(&list, &json!({"body": body})).await, body)
        });
    }
    let mut accepted = Vec::new();
    let mut refused = 0;
    while let Some(answer) = clients.join_next().await {
        let (answer, body) = answer.expect("no panic");
        if answer.status == 202 {
            accepted.push((answer.json()["message_number"].as_u64().expect("a number"), body));
        } else {
            assert_eq!(answer.status, 503, "{}", answer.text);
            assert_eq!(answer.header("Retry-After"), "1");
            refused += 1;
        }
    }
    accepted.sort();
    assert!(accepted.len() >= 200 && refused >= 50, "{} accepted, {refused} refused", accepted.len());
    // Reads are refused, and fast.
    let started = Instant::now();
    node.get(&list).await.expect(503);
    node.get(&format!("{list}/1")).await.expect(503);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    becomes(&node, false).await;
    // For the rest of the minute, whoever comes is refused at once: the bound is reached, if not by these.
    let mut pace = tokio::time::interval(PACE);
    let mut refused_in_a_row = 0;
    for late in 0.. {
        pace.tick().await;
        let (started, body) = (Instant::now(), format!("late {late}"));
        let answer = node.post(&list, &json!({"body": body})).await;
        if answer.status == 202 {
            accepted.push((answer.json()["message_number"].as_u64().expect("a number"), body));
            refused_in_a_row = 0;
        } else {
            let answer = answer.expect(503);
            assert_eq!((answer.header("Retry-After"), &*answer.code()), ("1", "not_taken"));
            refused_in_a_row += 1;
        }
        node.get(&list).await.expect(503);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        if gone_since.elapsed() >= GONE_FOR {
            break;
        }
    }
    assert!(refused_in_a_row > 20, "{refused_in_a_row}");
    servers.start_mysql_again();
    becomes(&node, true).await;
    eventually(SETTLED_WITHIN, "all that was accepted", async || {
        let page = node.get(&format!("{list}?limit=1000")).await;
        if page.status != 200 {
            return Err(page.text);
        }
        let page = page.json();
        let there: Vec<(u64, String)> = page["data"].as_array().expect("a list")[1..]
            .iter()
            .map(|item| {
                let body = item["body"].as_str().expect("a body").to_owned();
                (item["number"].as_u64().expect("a number"), body)
            })
            .collect();
        let missing: Vec<_> = accepted.iter().filter(|told| !there.contains(told)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    })
    .await;
    fleet.agrees_with(&history_of_all(&node, &list).await, Line::Dense).await;
    fleet.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mysql_that_dies_or_sleeps_under_load_loses_and_doubles_nothing() {
    let Some(mut servers) = Servers::start() else { return };
    let arguments = ["--lease", "1s", "--ack-wait", "30s", "--counter-interval", "200ms"];
    let fleet = Fleet::start(&servers.stack, 2, &arguments);
    let chat = fleet.new_chat().await;
    let other = fleet.new_chat().await;
    let history = History::default();
    let lists = vec![format!("{chat}/messages"), format!("{other}/messages")];
    let load = Load::start(&fleet.addresses, &history, lists, 24, Until::Stopped);
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        if round % 2 == 0 {
            servers.mysql().kill();
            servers.start_mysql_again();
        } else {
            servers.mysql().pause();
            tokio::time::sleep(Duration::from_secs(3)).await;
            servers.mysql().wake();
        }
    }
    for node in fleet.addresses.all() {
        becomes(&node, true).await;
    }
    load.stop().await;
    fleet.agrees_with(&history, Line::WithTombstones).await;
    let answered = history.operations().len();
    assert!(answered > 200, "the load was no load: {answered}");
    fleet.stop();
}

/// What is there, as if one client had been told of it.
async fn history_of_all(node: &Client, list: &str) -> History {
    let history = History::default();
    for found in crate::support::history::read(node, list).await {
        let operation = history.invoke(0, list, found.body.as_deref());
        history.end(operation, End::Ok(found.number));
    }
    history
}
