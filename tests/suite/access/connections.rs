use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use super::{CLOSED, Measured, Tenant, closed, slow_nobody_down, unharmed};
use crate::support::pace::Pace;
use crate::support::servers::given;
use crate::support::{Client, Raw, Service};

/// How long some clients at work wait for their answers.
async fn at_work(tenant: &Tenant) -> Pace {
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let (client, path): (Client, String) = (tenant.client.clone(), tenant.path.clone());
        clients.spawn(async move {
            let mut pace = Pace::default();
            for _ in 0..100 {
                pace.time(client.get(&path)).await.expect(200);
            }
            pace
        });
    }
    clients.join_all().await.into_iter().collect()
}

async fn connections(service: &Service, count: u64) -> Vec<Raw> {
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(Raw::connect(&service.url).await);
    }
    connections
}

/// Half of them begin a head, the others a body.
async fn dawdle(connections: &mut [Raw], tenant: &Tenant) {
    for (at, connection) in connections.iter_mut().enumerate() {
        let half = match at % 2 {
            0 => "GET /health/live HTTP/1.1\r\nX-Slow: ".to_owned(),
            _ => format!("POST {}/chats HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{{", tenant.path),
        };
        connection.send(half.as_bytes()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_that_idle_and_some_that_dawdle_hold_nobody_up() {
    const IDLE: u64 = 10_000;
    const DAWDLING: u64 = 200;
    /// What the other tests of this suite have open besides.
    const OTHERS: u64 = 2_000;
    let files = rlimit::increase_nofile_limit(u64::MAX).expect("a limit");
    if files < IDLE + DAWDLING + OTHERS {
        assert!(given("CI").is_none(), "{files} files are too few: ulimit -n 16384");
        eprintln!("SKIPPED: {files} files are too few: ulimit -n 16384");
        return;
    }
    let service = closed(&["--request-timeout", "2s", "--application-rate", "off"]);
    let tenant = Tenant::of(&service, "company").await;
    slow_nobody_down(async || {
        let without = at_work(&tenant).await;
        let before_kib = service.resident_kib();
        let idle = connections(&service, IDLE).await;
        let mut dawdling = connections(&service, DAWDLING).await;
        dawdle(&mut dawdling, &tenant).await;
        let beside = at_work(&tenant).await;
        let each_kib = (service.resident_kib() - before_kib) / (IDLE + DAWDLING);
        println!("{each_kib} KiB each");
        unharmed(&service).await;
        for mut connection in dawdling {
            // 408, or 401 to whoever showed no key; then it is let go.
            while connection.reply("GET").await.is_some() {}
        }
        drop(idle);
        Measured { beside, without }
    })
    .await;
    assert!(service.stop().success());
}

#[tokio::test]
async fn a_process_that_may_have_few_files_open_takes_fewer_connections_and_keeps_what_it_is_sent() {
    const FILES: u32 = 400;
    let service = Service::start_with_files(64, FILES, &CLOSED);
    assert!(service.log().contains("fewer connections than configured"), "{}", service.log());
    let tenant = Tenant::of(&service, "company").await;
    let chat = tenant.client.new_chat(&tenant.path).await;
    let mut taken = Vec::new();
    for _ in 0..FILES {
        let mut connection = Raw::connect(&service.url).await;
        connection.send(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
        taken.push(connection);
    }
    // More than were open at first, and no more than leaves the engines theirs.
    for connection in &mut taken[..100] {
        assert_eq!(connection.reply("GET").await.map(|reply| reply.status), Some(200));
    }
    let began = Instant::now();
    for number in 1..=20 {
        // On a connection that it had before.
        assert_eq!(tenant.client.say(&chat, "kept").await, number);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let found = tenant.client.post(&format!("{chat}/messages/search"), &json!({"query": "kept"})).await;
    found.expect(200);
    // Who waited comes in as others leave.
    taken.drain(..FILES as usize / 2);
    for mut connection in taken {
        assert_eq!(connection.reply("GET").await.map(|reply| reply.status), Some(200));
    }
    unharmed(&service).await;
}
