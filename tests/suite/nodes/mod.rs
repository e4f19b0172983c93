//! Many nodes on the same servers: one truth, whatever dies, sleeps or loses its data.
//!
//! Clients ask any node, and ask again with the same key until they know what became of what they asked for. What
//! they were told is held against what is there at the end.

/// Three nodes, well and not so well.
mod one_truth;
/// Redis goes away, or back in time.
mod redis;
/// MySQL goes away.
mod mysql;
/// Elasticsearch goes away, or loses its index.
mod elasticsearch;
/// Everything at once, for a while.
mod soak;
/// Nodes before servers, and servers that are set up wrong.
mod start;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::{JoinSet, block_in_place};

use crate::support::history::{End, History, Line, creation, end_of};
use crate::support::servers::Server;
use crate::support::signal::signal;
use crate::support::stack::{MYSQL, REDIS};
use crate::support::{Client, Service, Stack, eventually};

/// Nobody asks again for longer: by then something is broken.
const PATIENCE: Duration = Duration::from_secs(180);
/// Everything that was accepted is kept, counted and found this long after the last fault.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// An index that was away for a while has caught up with the rows, however busy the machine is.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(300);

/// Nodes on one set of servers.
struct Fleet {
    nodes: Vec<Option<Service>>,
    addresses: Addresses,
}

/// Where the nodes listen now. Cloning shares it.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<Vec<Client>>>);

impl Addresses {
    fn node(&self, turn: usize) -> Client {
        let nodes = self.0.lock().expect("no panic");
        nodes[turn % nodes.len()].clone()
    }

    fn all(&self) -> Vec<Client> {
        self.0.lock().expect("no panic").clone()
    }
}

impl Fleet {
    fn start(stack: &Stack, count: usize, arguments: &[&str]) -> Self {
        let nodes: Vec<_> = (0..count).map(|_| Some(Service::start_on(stack, arguments))).collect();
        let addresses = Addresses::default();
        addresses.0.lock().expect("no panic").extend(nodes.iter().flatten().map(Service::client));
        Self { nodes, addresses }
    }

    fn node(&self, place: usize) -> &Service {
        self.nodes[place].as_ref().expect("a node")
    }

    /// kill -9, and another node in its place.
    fn replace(&mut self, place: usize) {
        let node = self.nodes[place].take().expect("a node");
        let node = block_in_place(|| node.kill_and_start_again());
        self.addresses.0.lock().expect("no panic")[place] = node.client();
        self.nodes[place] = Some(node);
    }

    /// As a machine that is suspended.
    fn pause(&self, place: usize) {
        signal(self.node(place).process_id(), "STOP");
    }

    fn wake(&self, place: usize) {
        signal(self.node(place).process_id(), "CONT");
    }

    /// A new chat's path.
    async fn new_chat(&self) -> String {
        let node = self.addresses.node(0);
        node.new_chat(&node.new_application().await).await
    }

    /// On every node, what is there is what clients were told, and the counters say the same.
    async fn agrees_with(&self, history: &History, line: Line) {
        for node in self.addresses.all() {
            eventually(SETTLED_WITHIN, "what was told is there", async || {
                let faults = history.faults(&node, line).await;
                if faults.is_empty() { Ok(()) } else { Err(format!("{faults:?}")) }
            })
            .await;
        }
        let node = self.addresses.node(0);
        let mut chats: Vec<String> =
            history.operations().into_iter().map(|operation| operation.parent).collect();
        chats.sort();
        chats.dedup();
        for messages in chats {
            let chat = messages.trim_end_matches("/messages");
            let there = node.all(&messages).await.len();
            eventually(SETTLED_WITHIN, "the count of messages", async || {
                let counted = node.get(chat).await.expect(200).json()["data"]["messages_count"].clone();
                if counted == there { Ok(()) } else { Err(format!("{counted} of {there} in {chat}")) }
            })
            .await;
        }
    }

    /// SIGTERM for each.
    fn stop(self) {
        for node in self.nodes.into_iter().flatten() {
            assert!(block_in_place(|| node.stop()).success());
        }
    }
}

/// Clients that create side by side.
struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

/// When a load ends.
#[derive(Clone, Copy)]
enum Until {
    /// So many were created by all together.
    Created(usize),
    Stopped,
}

impl Load {
    /// Each client creates messages in these lists in turn, one after the other, through any node.
    fn start(
        addresses: &Addresses,
        history: &History,
        lists: Vec<String>,
        clients: usize,
        until: Until,
    ) -> Self {
        let (stop, turns, lists) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(lists));
        let mut load = Self { stop, clients: JoinSet::new() };
        for client in 0..clients {
            let (addresses, history) = (addresses.clone(), history.clone());
            let (stop, turns, lists) = (Arc::clone(&load.stop), Arc::clone(&turns), Arc::clone(&lists));
            load.clients.spawn(async move {
                loop {
                    let turn = turns.fetch_add(1, Ordering::Relaxed);
                    let done = matches!(until, Until::Created(count) if turn >= count);
                    if done || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let list = &lists[turn % lists.len()];
                    create(&addresses, &history, client, list, &format!("message-{client}-{turn}")).await;
                }
            });
        }
        load
    }

    async fn finish(mut self) {
        while let Some(client) = self.clients.join_next().await {
            client.expect("no panic");
        }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.finish().await;
    }
}

/// Creates one message, and asks again with the same key until it is told that it is there. The body is the key.
async fn create(addresses: &Addresses, history: &History, client: usize, list: &str, body: &str) -> u64 {
    let operation = history.invoke(client, list, Some(body));
    let started = Instant::now();
    let mut attempt = client;
    loop {
        let node = addresses.node(attempt);
        let request = creation(&node, list, Some(body)).header("Idempotency-Key", body);
        let answer = node.try_send(request.timeout(Duration::from_secs(30))).await;
        let said = format!("{answer:?}");
        if let End::Ok(number) = end_of(answer) {
            history.end(operation, End::Ok(number));
            return number;
        }
        assert!(started.elapsed() < PATIENCE, "{body}: {said}");
        attempt += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Goes up a list by its cursor, and never looks back, until it is told to stop and there is nothing more. Gives back
/// the numbers that it saw.
async fn follow(addresses: Addresses, list: String, reader: usize, stop: Arc<AtomicBool>) -> Vec<u64> {
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = Value::from(0);
    let mut turn = reader;
    loop {
        let last_look = stop.load(Ordering::SeqCst);
        let node = addresses.node(turn);
        turn += 1;
        let request = node.request(Method::GET, &format!("{list}?limit=500&after={}", text(&cursor)));
        let Ok(page) = node.try_send(request.timeout(Duration::from_secs(10))).await else { continue };
        if page.status != 200 {
            continue;
        }
        let page = page.json();
        let before = cursor.clone();
        seen.extend(
            page["data"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|item| item["number"].as_u64().expect("a number")),
        );
        cursor = page["cursor"].clone();
        if last_look && cursor == before {
            return seen.into_iter().collect();
        }
        tokio::task::yield_now().await;
    }
}

fn text(cursor: &Value) -> String {
    cursor.as_str().map_or_else(|| cursor.to_string(), str::to_owned)
}

/// Servers of the test's own, with places for nodes on them; search is on the one that all tests share.
struct Servers {
    redis: Option<Server>,
    mysql: Option<Server>,
    stack: Stack,
}

impl Servers {
    fn start() -> Option<Self> {
        let (redis, mysql) = (REDIS.start(&[])?, MYSQL.start(&[])?);
        let stack = Stack::of(&redis, &mysql)?;
        Some(Self { redis: Some(redis), mysql: Some(mysql), stack })
    }

    fn redis(&self) -> &Server {
        self.redis.as_ref().expect("a server")
    }

    fn mysql(&self) -> &Server {
        self.mysql.as_ref().expect("a server")
    }

    fn start_redis_again(&mut self) {
        self.redis = self.redis.take().map(|server| block_in_place(|| server.start_again()));
    }

    fn start_mysql_again(&mut self) {
        self.mysql = self.mysql.take().map(|server| block_in_place(|| server.start_again()));
    }
}

/// What an operator types at a Redis.
fn operate(server: &Server, words: &[&str]) {
    let client = ::redis::Client::open(server.url()).expect("a client");
    let mut connection = client.get_connection().expect("a connection");
    let mut command = ::redis::cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(word);
    });
    command.exec(&mut connection).expect("an answer");
}

/// Waits until the node says that it is ready, or that it is not.
async fn becomes(node: &Client, ready: bool) {
    let status = if ready { 200 } else { 503 };
    eventually(SETTLED_WITHIN, "readiness", async || {
        let said = node.get("/health/ready").await;
        if said.status == status { Ok(()) } else { Err(said.text) }
    })
    .await;
}

/// Numbers of the messages that a search finds, as soon as it finds so many.
async fn found(node: &Client, chat: &str, query: &str, count: usize) {
    eventually(CAUGHT_UP_WITHIN, "a search", async || {
        let said = node.post(&format!("{chat}/messages/search"), &json!({"query": query})).await;
        let right = said.status == 200 && said.json()["number_of_messages"] == count;
        if right { Ok(()) } else { Err(said.text) }
    })
    .await;
}
