//! The program, in a process of its own, and the places that it stands on.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::http::{Connection, Until, create, get, load, new_application, post};
use super::machine::{self, LOOK};
use super::servers::Kind;
use super::{mysql_database, servers};

/// What a service stands on.
#[derive(Debug, Clone)]
pub struct Stack {
    pub name: &'static str,
    /// What it is told: flags and URLs. Nothing where everything is embedded.
    urls: Vec<(&'static str, String)>,
    /// What is kept gets into an index.
    is_indexed: bool,
}

impl Stack {
    pub fn embedded() -> Self {
        Self { name: "embedded engines", urls: Vec::new(), is_indexed: true }
    }

    /// Whether there are servers. That one of them is not installed is said.
    pub fn has_servers() -> bool {
        [Kind::Redis8, Kind::Mysql9, Kind::Elasticsearch9].into_iter().all(Kind::is_there)
    }

    /// New places on Redis, MySQL and Elasticsearch.
    pub async fn on_servers() -> Self {
        let [redis, mysql, elasticsearch] =
            [Kind::Redis8, Kind::Mysql9, Kind::Elasticsearch9].map(|kind| kind.shared().expect("a server"));
        let search = format!("{elasticsearch}/{}", servers::unique("bench-"));
        let urls = vec![
            ("--intake", redis_database(&redis)),
            ("--store", mysql_database(&mysql).await),
            ("--search", search),
        ];
        Self { name: "Redis, MySQL and Elasticsearch", urls, is_indexed: true }
    }

    /// Where one of its engines is; `None` where that is embedded.
    pub fn url(&self, flag: &str) -> Option<&str> {
        self.urls.iter().find(|(name, _url)| *name == flag).map(|(_name, url)| url.as_str())
    }

    /// New places of the same kinds.
    pub async fn beside(&self) -> Self {
        if self.urls.is_empty() { Self::embedded() } else { Self::on_servers().await }
    }

    /// The same, with nobody where search should be.
    #[must_use]
    pub fn without_search(mut self) -> Self {
        self.urls.retain(|(name, _url)| *name != "--search");
        self.urls.push(("--search", format!("http://127.0.0.1:{}/away", servers::free_port())));
        self.is_indexed = false;
        self
    }
}

/// An empty database of this server.
pub fn redis_database(server: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let url = format!("{server}/{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let connection = redis::Client::open(&*url).and_then(|client| client.get_connection());
    redis::cmd("FLUSHDB").exec(&mut connection.expect("a connection")).expect("an empty database");
    url
}

/// Chats of a load that is spread.
pub const CHATS: usize = 10_000;
/// Messages of the first of them, so that reads find some.
const MESSAGES: u64 = 1_100;

/// Every create waits until it is kept, however busy the machine is.
pub const PATIENT: [&str; 2] = ["--ack-wait", "30s"];

/// Dropping it ends the process.
pub struct Service {
    pub address: SocketAddr,
    stack: Stack,
    /// What it was told besides.
    arguments: Vec<String>,
    process: Child,
    folder: TempDir,
}

impl Service {
    /// On this stack, told this besides.
    pub fn start(stack: &Stack, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let (process, address) = spawn(stack, &arguments, &folder);
        Self { address, stack: stack.clone(), arguments, process, folder }
    }

    /// Makes an application with [`CHATS`] chats, and [`MESSAGES`] messages in the first; the path of its chats.
    pub async fn fill(&self) -> String {
        let chats = new_application(self.address).await;
        let times = Until::Times(CHATS.div_ceil(64) as u64);
        load(self.address, &[post(&chats, "{}")], 64, times).await;
        load(self.address, &[create(&format!("{chats}/1/messages"))], 1, Until::Times(MESSAGES)).await;
        let (answered, _indexed) = self.messages().await;
        assert_eq!(answered, MESSAGES, "it has to be known when all is indexed");
        chats
    }

    /// Kills it and starts it again on what it left; until it says that it is ready.
    pub async fn start_again(&mut self) -> Duration {
        self.end();
        let started = Instant::now();
        (self.process, self.address) = spawn(&self.stack, &self.arguments, &self.folder);
        let mut connection = Connection::open(self.address).await;
        while !connection.send(&get("/health/ready")).await.starts_with("HTTP/1.1 200") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        started.elapsed()
    }

    /// Waits until it has nothing left to do: what it was sent is indexed too.
    pub async fn idle(&self) {
        let mut before = machine::time_of(self.process.id());
        loop {
            tokio::time::sleep(LOOK).await;
            let now = machine::time_of(self.process.id());
            if now - before < LOOK / 5 && self.is_caught_up().await {
                return;
            }
            before = now;
        }
    }

    /// Whether as many messages are indexed as were answered for.
    async fn is_caught_up(&self) -> bool {
        let (answered, indexed) = self.messages().await;
        !self.stack.is_indexed || indexed >= answered
    }

    /// How many messages were answered for since it was started, and how many indexed, by its metrics.
    pub async fn messages(&self) -> (u64, u64) {
        let mut connection = Connection::open(self.address).await;
        let metrics = connection.ask(&get("/metrics")).await;
        let sum = |of: &dyn Fn(&str) -> bool| -> u64 {
            let lines = metrics.lines().filter(|line| of(line)).filter_map(|line| line.rsplit_once(' '));
            lines.map(|(_name, value)| value.parse::<u64>().expect("a count")).sum()
        };
        let answered = sum(&|line| {
            line.starts_with("chat_http_requests_total{method=\"POST\"")
                && line.contains("/messages\"")
                && line.contains("status=\"20")
        });
        (answered, sum(&|line| line.starts_with("chat_indexed_messages_total")))
    }

    /// Resident memory, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    fn end(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }
}

/// The size of the program, in bytes.
pub fn program_bytes() -> u64 {
    std::fs::metadata(PROGRAM).expect("the program").len()
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_chat-system");

/// A process, and where it listens.
fn spawn(stack: &Stack, arguments: &[String], folder: &TempDir) -> (Child, SocketAddr) {
    let log = || folder.path().join("log");
    let mut process = Command::new(PROGRAM)
        .args(["--listen", "127.0.0.1:0", "--engine-timeout", "10s", "--data-dir"])
        .arg(folder.path())
        .args(stack.urls.iter().flat_map(|(name, url)| [name, url.as_str()]))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(log()).expect("a log"))
        .spawn()
        .expect("the program");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("stdout")).read_line(&mut line).expect("a first line");
    let address = line.split(['/', ' ']).find_map(|word| word.parse().ok());
    let Some(address) = address else { panic!("{}", std::fs::read_to_string(log()).expect("a log")) };
    (process, address)
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}
