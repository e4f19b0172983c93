use super::*;
use crate::support::Random;
use crate::support::servers::given;
use crate::support::stack::ELASTICSEARCH;

/// How long, in seconds: `CHAT_TEST_SOAK_SECONDS`, or a minute.
fn duration() -> Duration {
    let seconds = given("CHAT_TEST_SOAK_SECONDS").map_or(60, |text| text.parse().expect("seconds"));
    Duration::from_secs(seconds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_server_and_any_node_dies_or_sleeps_every_few_seconds_and_in_the_end_everything_is_right() {
    let random = Random::seeded();
    let Some(mut servers) = Servers::start() else { return };
    let Some(mut elasticsearch) = ELASTICSEARCH.start(&[]) else { return };
    servers.stack.search = format!("{}/soak", elasticsearch.url());
    let arguments =
        ["--lease", "1s", "--ack-wait", "30s", "--counter-interval", "200ms", "--engine-timeout", "2s"];
    let mut fleet = Fleet::start(&servers.stack, 3, &arguments);
    let mut lists = Vec::new();
    for _ in 0..6 {
        lists.push(format!("{}/messages", fleet.new_chat().await));
    }
    let history = History::default();
    let load = Load::start(&fleet.addresses, &history, lists.clone(), 16, Until::Stopped);
    let started = Instant::now();
    while started.elapsed() < duration() {
        tokio::time::sleep(Duration::from_millis(500 + random.below(2_500))).await;
        let asleep = Duration::from_millis(500 + random.below(2_500));
        match random.below(9) {
            node @ 0..3 => fleet.replace(node as usize),
            node @ 3..5 => {
                let node = node as usize - 3;
                fleet.pause(node);
                tokio::time::sleep(asleep).await;
                fleet.wake(node);
            }
            5 => {
                servers.redis().kill();
                servers.start_redis_again();
            }
            6 => {
                servers.redis().pause();
                tokio::time::sleep(asleep).await;
                servers.redis().wake();
            }
            7 => {
                servers.mysql().kill();
                servers.start_mysql_again();
            }
            _ => {
                elasticsearch.kill();
                elasticsearch = block_in_place(|| elasticsearch.start_again());
            }
        }
    }
    load.stop().await;
    for node in fleet.addresses.all() {
        becomes(&node, true).await;
    }
    fleet.agrees_with(&history, Line::WithTombstones).await;
    for place in 0..3 {
        let resident_mib = fleet.node(place).resident_kib() / 1024;
        assert!(resident_mib < 256, "{resident_mib} MiB after {:?}", started.elapsed());
    }
    let node = fleet.addresses.node(0);
    for list in lists {
        let there = node.all(&list).await.len();
        found(&node, list.trim_end_matches("/messages"), "message", there).await;
    }
    let answered = history.operations().len();
    println!("{answered} creates in {:?}, {random:?}", started.elapsed());
    assert!(answered > 500, "the load was no load: {answered}");
    fleet.stop();
}
