//! The program, in a process of its own, and the places that it stands on.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::servers::Kind;
use super::{mysql_database, servers};

/// What a service stands on.
#[derive(Debug, Clone)]
pub struct Stack {
    pub name: &'static str,
    /// What it is told: flags and URLs. Nothing where everything is embedded.
    urls: Vec<(&'static str, String)>,
}

impl Stack {
    pub fn embedded() -> Self {
        Self { name: "embedded engines", urls: Vec::new() }
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
        Self { name: "Redis, MySQL and Elasticsearch", urls }
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
        self
    }
}

/// An empty database of this server.
fn redis_database(server: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let url = format!("{server}/{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let connection = redis::Client::open(&*url).and_then(|client| client.get_connection());
    redis::cmd("FLUSHDB").exec(&mut connection.expect("a connection")).expect("an empty database");
    url
}

/// Every create waits until it is kept, however busy the machine is.
pub const PATIENT: [&str; 2] = ["--ack-wait", "30s"];

/// Dropping it ends the process.
pub struct Service {
    pub address: SocketAddr,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Service {
    /// On this stack, told this besides.
    pub fn start(stack: &Stack, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = Command::new(env!("CARGO_BIN_EXE_chat-system"))
            .args(["--listen", "127.0.0.1:0", "--engine-timeout", "10s", "--data-dir"])
            .arg(folder.path())
            .args(stack.urls.iter().flat_map(|(name, url)| [name, url.as_str()]))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.path().join("log")).expect("a log"))
            .spawn()
            .expect("the program");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("stdout")).read_line(&mut line).expect("a first line");
        let address = line.split(['/', ' ']).find_map(|word| word.parse().ok());
        let Some(address) = address else {
            panic!("{}", std::fs::read_to_string(folder.path().join("log")).expect("a log"));
        };
        Self { address, process, _folder: folder }
    }

    /// Waits until it has nothing left to do: what it was sent is indexed and counted too.
    pub async fn idle(&self) {
        const LOOK: Duration = Duration::from_millis(100);
        let mut before = self.processor_time();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.processor_time();
            if now - before < LOOK / 5 {
                return;
            }
            before = now;
        }
    }

    /// Time of processors that it took, in ticks of 10 ms (`USER_HZ`).
    pub fn processor_time(&self) -> Duration {
        const TICK: Duration = Duration::from_millis(10);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("its times");
        let (_name, rest) = stat.rsplit_once(')').expect("a name");
        rest.split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| TICK * ticks.parse::<u32>().expect("a number"))
            .sum()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }
}
