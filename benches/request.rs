//! Requests a second over HTTP, beside a bare actix-web handler that takes the same request and gives as long an
//! answer: on embedded engines, and on servers where they are named.
//!
//! A bare handler keeps nothing. What a durable create can reach at most is composed of both:
//! 1 / (1 / bare handler + 1 / raw rows in transactions of 64), the latter from the group `keep`.

use std::cell::LazyCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::{BODY, given};
use actix_web::{HttpResponse, HttpServer, web};
use chat_system::app::{App, Engines};
use chat_system::config::Cli;
use clap::Parser;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use mysql_async::prelude::Queryable as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Chats of the load that is spread.
const CHATS: usize = 10_000;
/// The length of a bare answer: that of a message.
const ANSWER_BYTES: usize = 260;

fn request(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a path of text").to_owned();
    measure(criterion, "request", &["--data-dir".to_owned(), data], &[1, 64]);
}

fn request_on_servers(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let Some(arguments) = runtime.block_on(stack()) else {
        eprintln!("SKIPPED request on servers: CHAT_TEST_…_URL do not name all three");
        return;
    };
    measure(criterion, "request on servers", &arguments, &[1, 64, 256]);
}

fn measure(criterion: &mut Criterion, group: &str, arguments: &[String], connections: &[usize]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let get = |path: &str| vec![format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n")];
    let bare = LazyCell::new(start_bare);
    let ours = LazyCell::new(|| {
        let ours = start_service(arguments);
        let chats = runtime.block_on(new_application(ours));
        runtime.block_on(rounds(ours, &[post(&chats, "{}")], 64, CHATS.div_ceil(64) as u64));
        runtime.block_on(rounds(ours, &[create(&format!("{chats}/1/messages"))], 1, 100));
        (ours, chats)
    });
    let mut group = criterion.benchmark_group(group);
    group.sample_size(10).measurement_time(Duration::from_secs(8)).throughput(Throughput::Elements(1));
    for &connections in connections {
        let mut measure = |name: &str, asked: &dyn Fn() -> (SocketAddr, Vec<String>)| {
            group.bench_function(BenchmarkId::new(name, connections), |bencher| {
                let (address, requests) = asked();
                bencher.iter_custom(|times| {
                    let each = times.div_ceil(connections as u64);
                    let elapsed = runtime.block_on(rounds(address, &requests, connections, each));
                    elapsed.mul_f64(times as f64 / (each * connections as u64) as f64)
                });
            });
        };
        let messages = |chat: usize| create(&format!("{}/{chat}/messages", ours.1));
        measure("create, kept", &|| (ours.0, vec![messages(1)]));
        measure("create, kept, over 10,000 chats", &|| (ours.0, (1..=CHATS).map(messages).collect()));
        measure("create, bare handler", &|| (*bare, vec![create("/create")]));
        measure("read one message", &|| (ours.0, get(&format!("{}/1/messages/1", ours.1))));
        measure("list 50 messages", &|| (ours.0, get(&format!("{}/1/messages?limit=50", ours.1))));
        measure("read, bare handler", &|| (*bare, get("/read")));
    }
    group.finish();
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn create(path: &str) -> String {
    post(path, &format!("{{\"body\":\"{BODY}\"}}"))
}

/// New places on the servers that are named, as the service is told of them.
async fn stack() -> Option<Vec<String>> {
    let intake = given("CHAT_TEST_REDIS_URL")?;
    let (store, search) = (given("CHAT_TEST_MYSQL_URL")?, given("CHAT_TEST_ELASTICSEARCH_URL")?);
    let name = format!("bench_request_{}", std::process::id());
    let mut connection = mysql_async::Conn::from_url(&store).await.expect("a connection");
    connection.query_drop(format!("CREATE DATABASE {name}")).await.expect("a database");
    let told = [
        ("--intake", intake),
        ("--store", format!("{store}/{name}")),
        ("--search", format!("{search}/{name}")),
    ];
    Some(told.into_iter().flat_map(|(flag, url)| [flag.to_owned(), url]).collect())
}

fn start_service(arguments: &[String]) -> SocketAddr {
    let arguments = arguments.to_owned();
    let (started, address) = mpsc::channel();
    std::thread::spawn(move || {
        actix::System::new().block_on(async move {
            let line =
                ["chat-system", "--listen", "127.0.0.1:0", "--engine-timeout", "10s", "--ack-wait", "30s"];
            let line = line.map(str::to_owned).into_iter().chain(arguments);
            let config = Cli::parse_from(line).config;
            let app = App::start(Engines::open(&config).expect("engines"), &config).await.expect("an app");
            started.send(app.address()).expect("someone waits");
            // Until the process ends.
            std::future::pending::<()>().await;
        });
    });
    address.recv().expect("an address")
}

fn start_bare() -> SocketAddr {
    let (started, address) = mpsc::channel();
    std::thread::spawn(move || {
        actix::System::new().block_on(async move {
            let server = HttpServer::new(|| {
                let answer = || async { HttpResponse::Created().body("x".repeat(ANSWER_BYTES)) };
                let taken = move |_body: web::Json<serde_json::Value>| answer();
                actix_web::App::new()
                    .route("/create", web::post().to(taken))
                    .route("/read", web::get().to(answer))
            });
            let server = server.bind("127.0.0.1:0").expect("a port");
            started.send(server.addrs()[0]).expect("someone waits");
            server.run().await.expect("served");
        });
    });
    address.recv().expect("an address")
}

/// The path of the chats of a new application.
async fn new_application(address: SocketAddr) -> String {
    let mut connection = Connection::open(address).await;
    let made = connection.ask(&post("/api/v1/applications", "{\"name\":\"bench\"}")).await;
    let token = made.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    format!("/api/v1/applications/{token}/chats")
}

/// The time that this many requests on each connection take, these in turn.
async fn rounds(address: SocketAddr, requests: &[String], connections: usize, times: u64) -> Duration {
    let requests: Rc<[String]> = requests.into();
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await);
    }
    let local = tokio::task::LocalSet::new();
    let started = Instant::now();
    for (place, mut connection) in open.into_iter().enumerate() {
        let requests = Rc::clone(&requests);
        local.spawn_local(async move {
            // Each begins elsewhere.
            for turn in 0..times as usize {
                let turn = (place * requests.len() / connections + turn) % requests.len();
                connection.ask(&requests[turn]).await;
            }
        });
    }
    local.await;
    started.elapsed()
}

/// The cheapest client there is: it finds the end of an answer by its length.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: Vec::with_capacity(64 * 1024) }
    }

    async fn ask(&mut self, request: &str) -> &str {
        self.stream.write_all(request.as_bytes()).await.expect("sent");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("read");
            assert_ne!(read, 0, "the connection was closed");
            let text = std::str::from_utf8(&self.buffer).expect("text");
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && body.len() >= length(head)
            {
                break;
            }
        }
        let answer = std::str::from_utf8(&self.buffer).expect("text");
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        answer
    }
}

fn length(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    line.parse().expect("a number")
}

criterion_group!(benches, request, request_on_servers);
