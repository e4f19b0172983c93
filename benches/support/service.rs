//! The program, in a process of its own, and the places that it stands on.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

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

    /// New places on Redis, MySQL and Elasticsearch. None where one of them is not installed, which is said.
    pub async fn on_servers() -> Option<Self> {
        let (redis, mysql) = (Kind::Redis8.shared()?, Kind::Mysql9.shared()?);
        let search = format!("{}/{}", Kind::Elasticsearch9.shared()?, servers::unique("bench-"));
        let urls = vec![("--intake", redis), ("--store", mysql_database(&mysql).await), ("--search", search)];
        Some(Self { name: "Redis, MySQL and Elasticsearch", urls })
    }

    /// Where one of its engines is; `None` where that is embedded.
    pub fn url(&self, flag: &str) -> Option<&str> {
        self.urls.iter().find(|(name, _url)| *name == flag).map(|(_name, url)| url.as_str())
    }

    /// New places of the same kinds, with nobody where search should be.
    pub async fn without_search(&self) -> Self {
        let mut stack = self.clone();
        if let Some((server, _database)) = self.url("--store").and_then(|url| url.rsplit_once('/')) {
            stack = Self::on_servers().await.unwrap_or(stack);
            assert!(stack.url("--store").is_some_and(|url| url.starts_with(server)), "the same servers");
        }
        stack.urls.retain(|(name, _url)| *name != "--search");
        stack.urls.push(("--search", format!("http://127.0.0.1:{}/away", servers::free_port())));
        stack
    }
}

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
            .args(["--listen", "127.0.0.1:0", "--engine-timeout", "10s", "--ack-wait", "30s", "--data-dir"])
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
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }
}
