//! Law 8: with each queue held full on purpose, the excess is refused at once, and all that was accepted is answered.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::in_process::InProcess;
use crate::support::other_engines::{SearchGates, durable_intake};
use crate::support::pace::Pace;
use crate::support::rows::Rows;
use crate::support::watched::{Kind, Watch};
use crate::support::{Client, Reply, Service, eventually};

/// What a refusal may take, in the middle of many. A machine that is busy with other things makes some slower.
const AT_ONCE: Duration = Duration::from_millis(10);
const AT_ONCE_ON_A_BUSY_MACHINE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn more_drafts_than_places_are_refused_at_once_and_the_others_answered() {
    let watch = Watch::new();
    let service = InProcess::start(&["--queue-limit", "8", "--ack-wait", "60s"], watch.over());
    let client = &service.client;
    let chat = client.new_chat(&client.new_application().await).await;

    watch.gate(Kind::Keep).shut();
    let mut creates = creates(client, &chat, 40, "in line", None);
    expect_refused(&mut creates, 32).await;
    expect_refusals_at_once(client, 200, Method::POST, &messages(&chat), &json!({"body": "one too many"}))
        .await;
    client.get(&chat).await.expect(200);

    watch.gate(Kind::Keep).open();
    assert_eq!(numbers_of(&mut creates).await, (1..=8).collect::<Vec<_>>());
    assert_eq!(client.say(&chat, "there is room again").await, 9);
}

#[tokio::test]
async fn more_bytes_than_waiting_drafts_may_take_are_refused_at_once_and_the_others_answered() {
    let watch = Watch::new();
    let service = InProcess::start(&["--queue-memory", "1", "--ack-wait", "60s"], watch.over());
    let client = &service.client;
    let chat = client.new_chat(&client.new_application().await).await;
    let body = "x".repeat(16 * 1024);

    watch.gate(Kind::Keep).shut();
    let mut creates = creates(client, &chat, 100, &body, None);
    expect_refused(&mut creates, 36).await;
    expect_refusals_at_once(client, 100, Method::POST, &messages(&chat), &json!({"body": body})).await;

    watch.gate(Kind::Keep).open();
    let mut kept = 0;
    while let Some(reply) = creates.join_next().await {
        let reply = reply.expect("an answer");
        if reply.status == 201 {
            kept += 1;
        } else {
            expect_not_taken(&reply);
        }
    }
    assert!((50..=64).contains(&kept), "1 MiB holds 64 bodies of 16 KiB at most, {kept} waited");
    assert_eq!(client.all(&messages(&chat)).await.len(), kept);
    client.say(&chat, &body).await;
}

#[tokio::test]
async fn drafts_that_wait_for_a_counter_or_a_key_hold_up_no_others_until_all_places_are_taken() {
    for (kind, key) in [(Kind::HighWater, None), (Kind::Recall, Some("key"))] {
        let watch = Watch::new();
        let service = InProcess::start(&["--queue-limit", "8", "--ack-wait", "60s"], watch.over());
        let client = &service.client;
        let application = client.new_application().await;
        let (known, other) = (client.new_chat(&application).await, client.new_chat(&application).await);
        assert_eq!(client.say(&known, "this chat has a counter").await, 1);

        watch.gate(kind).shut();
        let mut waiting = creates(client, &other, 4, "first", key);
        eventually(Duration::from_secs(5), "a held call", async || held(&watch, kind)).await;
        for number in 2..=20 {
            assert_eq!(client.say(&known, "nobody is in the way").await, number, "{kind:?}");
        }
        let mut more = creates(client, &other, 12, "second", key);
        expect_refused(&mut more, 8).await;
        let one_too_many = json!({"body": "one too many"});
        expect_refusals_at_once(client, 100, Method::POST, &messages(&known), &one_too_many).await;

        watch.gate(kind).open();
        let mut numbers = numbers_of(&mut waiting).await;
        numbers.extend(numbers_of(&mut more).await);
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=8).collect::<Vec<_>>(), "{kind:?}");
    }
}

/// Long before there is no place left: the line is longer than its first can be waited for.
#[tokio::test]
async fn drafts_behind_a_line_that_has_waited_too_long_are_refused_also_those_with_a_key() {
    for key in [None, Some("key")] {
        let watch = Watch::new();
        let service = InProcess::start(&["--ack-wait", "12s"], watch.over());
        let client = &service.client;
        let chat = client.new_chat(&client.new_application().await).await;
        let named = |name: usize| {
            let body = "x".repeat(128 * 1024 - 8) + &format!("{name:08}");
            create(client, &chat, &body, key.map(|key| format!("{key}-{name}")))
        };

        watch.gate(Kind::Keep).shut();
        // More than may be numbered before the first of them are kept.
        let mut waiting = JoinSet::new();
        for name in 0..100 {
            waiting.spawn(named(name));
        }
        let mut probes = 100..;
        let refusal = loop {
            waiting.spawn(named(probes.next().expect("a name")));
            if let Ok(Some(reply)) = timeout(Duration::from_millis(100), waiting.join_next()).await {
                break reply.expect("an answer");
            }
        };
        expect_not_taken(&refusal);
        watch.gate(Kind::Keep).open();
        let mut kept = 0;
        while let Some(reply) = waiting.join_next().await {
            match reply.expect("an answer") {
                reply if reply.status == 201 => kept += 1,
                reply => expect_not_taken(&reply),
            }
        }
        assert!(kept >= 100, "{key:?}: {kept} of those that waited were kept");
        assert_eq!(client.all(&messages(&chat)).await.len(), kept);
    }
}

#[tokio::test]
async fn reads_that_wait_are_bounded_in_number_and_time_while_creates_go_on() {
    let watch = Watch::new();
    let service = InProcess::start(&["--call-limit", "8", "--engine-timeout", "3s"], watch.over());
    let client = &service.client;
    let chat = client.new_chat(&client.new_application().await).await;
    client.say(&chat, "hello").await;

    watch.gate(Kind::Read).shut();
    let request = |client: &Client| client.request(Method::GET, &messages(&chat));
    expect_calls_bounded(
        client,
        request,
        "not_taken",
        Method::GET,
        &messages(&chat),
        &Value::Null,
        async || {
            assert_eq!(client.say(&chat, "creates need no reader").await, 2);
        },
    )
    .await;
    watch.gate(Kind::Read).open();
    assert_eq!(client.all(&messages(&chat)).await.len(), 2);
}

#[tokio::test]
async fn edits_that_wait_are_bounded_in_number_and_time_while_reads_go_on() {
    let watch = Watch::new();
    let service = InProcess::start(&["--call-limit", "8", "--engine-timeout", "3s"], watch.over());
    let client = &service.client;
    let chat = client.new_chat(&client.new_application().await).await;
    let message = format!("{}/{}", messages(&chat), client.say(&chat, "before").await);

    watch.gate(Kind::Edit).shut();
    let after = json!({"body": "after"});
    let request = |client: &Client| client.request(Method::PUT, &message).json(&after);
    expect_calls_bounded(client, request, "outcome_unknown", Method::PUT, &message, &after, async || {
        assert_eq!(client.get(&message).await.expect(200).json()["data"]["body"], "before");
    })
    .await;
    watch.gate(Kind::Edit).open();
    assert_eq!(client.put(&message, &after).await.expect(200).json()["data"]["body"], "after");
}

#[tokio::test]
async fn searches_that_wait_are_bounded_in_number_and_time_while_all_else_goes_on() {
    let gates = SearchGates::new();
    let held = gates.clone();
    let change = move |engines| held.over(engines);
    let service = InProcess::start(&["--call-limit", "8", "--engine-timeout", "3s"], change);
    let client = &service.client;
    let chat = client.new_chat(&client.new_application().await).await;
    client.say(&chat, "hello").await;

    gates.find.shut();
    let (search, query) = (format!("{chat}/messages/search"), json!({"query": "hello"}));
    let request = |client: &Client| client.request(Method::POST, &search).json(&query);
    expect_calls_bounded(client, request, "not_taken", Method::POST, &search, &query, async || {
        assert_eq!(client.say(&chat, "creates need no search").await, 2);
        client.get(&messages(&chat)).await.expect(200);
    })
    .await;
    gates.find.open();
    client.post(&search, &query).await.expect(200);
}

#[tokio::test]
async fn counters_and_index_that_stand_still_neither_fail_a_write_nor_slow_it_down() {
    let (watch, gates) = (Watch::new(), SearchGates::new());
    let (over, held_search) = (watch.over(), gates.clone());
    let change = move |engines| held_search.over(over(engines));
    let service = InProcess::start(&["--counter-interval", "50ms"], change);
    let client = &service.client;
    let application = client.new_application().await;
    let chat = client.new_chat(&application).await;

    let mut before = Pace::default();
    for _ in 0..150 {
        before.time(client.say(&chat, "before")).await;
    }
    for kind in [Kind::Count, Kind::Backlog] {
        watch.gate(kind).shut();
    }
    gates.index.shut();
    client.say(&chat, "wakes the followers").await;
    eventually(Duration::from_secs(10), "a held tick", async || held(&watch, Kind::Count)).await;
    eventually(Duration::from_secs(10), "a held round", async || {
        let held = watch.gate(Kind::Backlog).held() + gates.index.held();
        if held > 0 { Ok(()) } else { Err("nobody is held".to_owned()) }
    })
    .await;
    let mut meanwhile = Pace::default();
    for _ in 0..150 {
        meanwhile.time(client.say(&chat, "meanwhile")).await;
    }
    let (was, is) = (before.median(), meanwhile.median());
    assert!(is <= was * 3 + Duration::from_millis(5), "a create took {was:?} before and {is:?} meanwhile");

    for kind in [Kind::Count, Kind::Backlog] {
        watch.gate(kind).open();
    }
    gates.index.open();
    eventually(Duration::from_secs(10), "both caught up", async || {
        let counted = client.get(&chat).await.expect(200).json()["data"]["messages_count"].clone();
        let query = json!({"query": "meanwhile"});
        let found = client.post(&format!("{chat}/messages/search"), &query).await.expect(200).json();
        let caught_up = counted == 301 && found["number_of_messages"] == 150;
        if caught_up {
            Ok(())
        } else {
            Err(format!("{counted} counted, {} found", found["number_of_messages"]))
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_durably_queued_is_answered_202_within_the_bound_and_kept_in_order() {
    let watch = Watch::new();
    let over = watch.over();
    let change = move |engines| over(durable_intake(engines));
    let ack_wait = Duration::from_millis(300);
    let service = InProcess::start(&["--queue-limit", "50", "--ack-wait", "300ms"], change);
    let client = &service.client;
    let chat = client.new_chat(&client.new_application().await).await;
    assert_eq!(client.say(&chat, "1").await, 1);

    watch.gate(Kind::Keep).shut();
    let asked = Instant::now();
    let patient = client.post(&messages(&chat), &json!({"body": "2"})).await.expect(202);
    assert!(asked.elapsed() >= ack_wait, "a kept message is worth waiting for");
    expect_queued(&patient, &chat, 2);

    let mut pace = Pace::default();
    for number in 3..=51 {
        let request = client.request(Method::POST, &messages(&chat)).header("Prefer", "respond-async");
        let request = request.json(&json!({"body": number.to_string()}));
        let queued = pace.time(client.send(request)).await.expect(202);
        assert_eq!(queued.header("Preference-Applied"), "respond-async");
        expect_queued(&queued, &chat, number);
    }
    assert!(pace.median() < AT_ONCE * 2, "respond-async took {:?}", pace.median());
    let one_too_many = json!({"body": "one too many"});
    expect_refusals_at_once(client, 100, Method::POST, &messages(&chat), &one_too_many).await;
    assert_eq!(client.all(&messages(&chat)).await.len(), 1, "nothing is kept yet");

    watch.gate(Kind::Keep).open();
    let kept = eventually(Duration::from_secs(5), "everything that was queued", async || {
        let kept = client.all(&messages(&chat)).await;
        if kept.len() == 51 { Ok(kept) } else { Err(format!("{} are there", kept.len())) }
    })
    .await;
    for (message, number) in kept.iter().zip(1..) {
        assert_eq!((&message["number"], &message["body"]), (&json!(number), &json!(number.to_string())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_flat_under_a_flood_of_large_bodies_while_nothing_can_be_kept() {
    let service = Service::start_with(&["--queue-limit", "64", "--queue-memory", "4", "--ack-wait", "500ms"]);
    let chat = service.new_chat(&service.new_application().await).await;
    // What every connection and thread takes once is there before it is looked at.
    let mut kept = flood(&service, &chat, 400).await;
    let before_kib = service.resident_kib();

    let rows = Rows::of(service.folder());
    let held = rows.hold_writes();
    kept += flood(&service, &chat, 3_000).await;
    let after_kib = service.resident_kib();
    drop(held);
    // 300 MB were sent; 4 MiB may wait.
    assert!(after_kib < before_kib + 48 * 1024, "{before_kib} KiB grew to {after_kib} KiB");

    let last = eventually(Duration::from_secs(10), "a create", async || {
        let reply = service.post(&messages(&chat), &json!({"body": "it is over"})).await;
        if reply.status == 201 { Ok(reply.json()) } else { Err(reply.text) }
    })
    .await;
    let numbers: Vec<_> =
        service.all(&messages(&chat)).await.iter().map(|message| message["number"].clone()).collect();
    let dense: Vec<_> = (1..=last["message_number"].as_u64().expect("a number")).map(Value::from).collect();
    assert!(numbers.len() > kept, "what was answered is there");
    assert_eq!(numbers, dense);
}

#[test]
fn connections_over_the_limit_wait_until_another_is_closed() {
    let service = Service::start_with(&["--connection-limit", "4"]);
    let address = service.url.trim_start_matches("http://").to_owned();
    let mut connections: Vec<TcpStream> = (0..12).map(|_| ask_for_life(&address)).collect();
    // Each is waited for as long as its timeout says, which is the bound of a wait for what must not happen.
    let served = |connections: &mut [TcpStream]| {
        let answered: Vec<bool> = connections.iter_mut().map(is_answered).collect();
        answered.into_iter().filter(|answered| *answered).count()
    };
    assert_eq!(served(&mut connections), 4);
    while !connections.is_empty() {
        connections.retain_mut(|connection| !was_answered(connection));
        let waiting = connections.len();
        if waiting > 0 {
            assert!(served(&mut connections) > 0, "{waiting} wait though others have left");
        }
    }
}

/// A connection that has asked something and is kept open.
fn ask_for_life(address: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).expect("a connection");
    connection.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    connection.write_all(b"GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n").expect("sent");
    connection
}

fn is_answered(connection: &mut TcpStream) -> bool {
    connection.peek(&mut [0]).is_ok_and(|bytes| bytes > 0)
}

/// Without waiting.
fn was_answered(connection: &mut TcpStream) -> bool {
    connection.set_nonblocking(true).expect("no waiting");
    let answered = is_answered(connection);
    connection.set_nonblocking(false).expect("waiting");
    answered
}

/// Sends bodies of 100 KiB from 32 clients; says how many were created. Every other one was refused, or is unknown.
async fn flood(client: &Client, chat: &str, requests: usize) -> usize {
    let mut clients = JoinSet::new();
    for _ in 0..32 {
        let (client, path) = (client.clone(), messages(chat));
        clients.spawn(async move {
            let mut kept = 0;
            for _ in 0..requests / 32 {
                let reply = client.post(&path, &json!({"body": "x".repeat(100 * 1024)})).await;
                match reply.status.as_u16() {
                    201 => kept += 1,
                    503 => assert_eq!(reply.header("Retry-After"), "1"),
                    _ => panic!("{}", reply.text),
                }
            }
            kept
        });
    }
    clients.join_all().await.into_iter().sum()
}

fn messages(chat: &str) -> String {
    format!("{chat}/messages")
}

fn held(watch: &Watch, kind: Kind) -> Result<(), String> {
    if watch.gate(kind).held() > 0 { Ok(()) } else { Err("nobody is held".to_owned()) }
}

/// So many creates at once. With a key, each has one of its own.
fn creates(client: &Client, chat: &str, count: usize, body: &str, key: Option<&str>) -> JoinSet<Reply> {
    let mut creates = JoinSet::new();
    for index in 0..count {
        creates.spawn(create(client, chat, body, key.map(|key| format!("{key}-{body}-{index}"))));
    }
    creates
}

fn create(
    client: &Client,
    chat: &str,
    body: &str,
    key: Option<String>,
) -> impl Future<Output = Reply> + use<> {
    let mut request = client.request(Method::POST, &messages(chat)).json(&json!({"body": body}));
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let client = client.clone();
    async move { client.send(request).await }
}

/// The next that are answered are refusals, these many.
async fn expect_refused(creates: &mut JoinSet<Reply>, count: usize) {
    for _ in 0..count {
        expect_not_taken(&creates.join_next().await.expect("one more").expect("an answer"));
    }
}

/// The numbers of all that are left, sorted.
async fn numbers_of(creates: &mut JoinSet<Reply>) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(reply) = creates.join_next().await {
        let made = reply.expect("an answer").expect(201).json();
        numbers.push(made["message_number"].as_u64().expect("a number"));
    }
    numbers.sort_unstable();
    numbers
}

#[track_caller]
fn expect_not_taken(reply: &Reply) {
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "not_taken"), "{}", reply.text);
    assert!(reply.header("Retry-After").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
}

#[track_caller]
fn expect_queued(reply: &Reply, chat: &str, number: u64) {
    assert_eq!(reply.json()["message_number"], number);
    assert_eq!(reply.header("Location"), format!("{chat}/messages/{number}"));
}

/// So many requests, one after the other, are refused, and none has to wait for that.
async fn expect_refusals_at_once(client: &Client, count: usize, method: Method, path: &str, body: &Value) {
    let mut pace = Pace::default();
    for _ in 0..count {
        let mut request = client.request(method.clone(), path);
        if !body.is_null() {
            request = request.json(body);
        }
        expect_not_taken(&pace.time(client.send(request)).await);
    }
    let (median, most) = (pace.median(), pace.share(99));
    eprintln!("{method} refused: {median:?} in the middle, {most:?} for 99 of 100");
    assert!(
        median < AT_ONCE && most < AT_ONCE_ON_A_BUSY_MACHINE,
        "{median:?} in the middle, {most:?} at most"
    );
}

/// Of thirty calls at once, eight wait until the engine's time of three seconds is over, the others are refused at
/// once, and `meanwhile` other things work.
async fn expect_calls_bounded(
    client: &Client,
    request: impl Fn(&Client) -> reqwest::RequestBuilder,
    code_after_waiting: &str,
    method: Method,
    path: &str,
    body: &Value,
    meanwhile: impl AsyncFnOnce(),
) {
    let started = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..30 {
        let (client, request) = (client.clone(), request(client));
        calls.spawn(async move { client.send(request).await });
    }
    expect_refused(&mut calls, 22).await;
    expect_refusals_at_once(client, 50, method, path, body).await;
    meanwhile().await;
    assert!(started.elapsed() < Duration::from_secs(3), "this machine is too slow to tell");
    for _ in 0..8 {
        let reply = calls.join_next().await.expect("one more").expect("an answer").expect(503);
        assert_eq!((reply.code().as_str(), reply.header("Retry-After")), (code_after_waiting, "1"));
    }
    let waited = started.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(5)).contains(&waited), "they waited {waited:?}");
}
