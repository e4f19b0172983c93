//! Real servers on free ports of loopback, each in a temporary folder, ended by process id.
//!
//! A shell stands between this process and each server: when this process dies, however suddenly, the shell's
//! input ends, and it takes the server and its folder with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::signal::signal_group;

/// A kind of server, as `tests/engines` installs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Redis7,
    Redis8,
    Mysql9,
    MariaDb10,
    Elasticsearch7,
    Elasticsearch8,
    Elasticsearch9,
}

/// The last word that is awaited from a new server, however slow the machine is.
const START_WITHIN: Duration = Duration::from_secs(300);
/// Starts the server in a process group of its own, says its id, and ends all of it.
const KEEPER: &str = r#"folder=$1; shift
trap : INT TERM HUP
setsid "$@" >>"$folder/log" 2>&1 &
echo $!
read -r word
kill -s KILL -- -$! 2>/dev/null
wait
[ "$word" = keep ] || rm -rf "$folder""#;

/// A server of a test's own. Dropping it kills it.
pub struct Server {
    kind: Kind,
    port: u16,
    folder: PathBuf,
    options: Vec<String>,
    keeper: Child,
    process: u32,
}

impl Kind {
    /// The server of this kind that all tests share; what it holds is told apart by [`unique`] names. `None` where
    /// it is not installed, which is said, and is a failure in CI.
    pub fn shared(self) -> Option<String> {
        static SHARED: [OnceLock<Option<Server>>; 7] = [const { OnceLock::new() }; 7];
        if let Some(url) = given(self.variable()) {
            return Some(url.trim_end_matches('/').to_owned());
        }
        SHARED[self as usize].get_or_init(|| self.start(&[])).as_ref().map(Server::url)
    }

    /// Whether it is installed, or named by a variable. That it is not is said, and is a failure in CI.
    pub fn is_there(self) -> bool {
        let missing = self.missing().filter(|_file| given(self.variable()).is_none());
        if let Some(missing) = &missing {
            assert!(given("CI").is_none(), "{missing:?} is missing; tests/engines installs it");
            eprintln!("SKIPPED: {missing:?} is missing; tests/engines installs it");
        }
        missing.is_none()
    }

    /// A server of the test's own, with further options on its command line.
    pub fn start(self, options: &[&str]) -> Option<Server> {
        if !self.is_there() {
            return None;
        }
        let folder = if self.lives_in_sid() { sid().join("tmp") } else { std::env::temp_dir() };
        let folder = folder.join(unique("chat-server-"));
        std::fs::create_dir_all(&folder).expect("a folder");
        self.prepare(&folder);
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Some(Server::start(self, free_port(), folder, options))
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::Redis7 | Self::Redis8 => "CHAT_TEST_REDIS_URL",
            Self::Mysql9 | Self::MariaDb10 => "CHAT_TEST_MYSQL_URL",
            Self::Elasticsearch7 | Self::Elasticsearch8 | Self::Elasticsearch9 => {
                "CHAT_TEST_ELASTICSEARCH_URL"
            }
        }
    }

    const fn lives_in_sid(self) -> bool {
        matches!(self, Self::Redis8 | Self::Mysql9)
    }

    fn missing(self) -> Option<PathBuf> {
        let needed = match self {
            Self::Redis7 => PathBuf::from("/usr/bin/redis-server"),
            Self::Redis8 => sid().join("usr/bin/redis-check-rdb"),
            Self::Mysql9 => sid().join("usr/sbin/mysqld"),
            Self::MariaDb10 => PathBuf::from("/usr/sbin/mariadbd"),
            Self::Elasticsearch7 | Self::Elasticsearch8 | Self::Elasticsearch9 => {
                self.elasticsearch().join("bin/elasticsearch")
            }
        };
        let java = self != Self::Elasticsearch9 || newer_java().is_some();
        match (needed.exists(), java) {
            (true, true) => None,
            (true, false) => Some(PathBuf::from("a Java of version 21 or later in /usr/lib/jvm")),
            (false, _) => Some(needed),
        }
    }

    fn elasticsearch(self) -> PathBuf {
        let version = match self {
            Self::Elasticsearch7 => "7.17.29",
            Self::Elasticsearch8 => "8.19.21",
            _ => "9.5.3",
        };
        engines().join(format!("elasticsearch-{version}"))
    }

    /// What has to be there before the first start.
    fn prepare(self, folder: &Path) {
        match self {
            Self::Redis7 | Self::Redis8 => {}
            Self::Mysql9 => {
                let data = format!("--datadir={}", in_sid(&folder.join("data")));
                let mut make = Command::new("chroot");
                make.arg(sid()).args(["/usr/sbin/mysqld", "--no-defaults", "--user=root", &data]);
                run(make.arg("--initialize-insecure"));
            }
            Self::MariaDb10 => {
                let data = format!("--datadir={}", folder.join("data").display());
                let mut make = Command::new("mariadb-install-db");
                make.args([
                    "--no-defaults",
                    "--auth-root-authentication-method=normal",
                    "--user=root",
                    &data,
                ]);
                // A server that starts clears the folder of temporary files.
                make.arg(format!("--tmpdir={}", folder.display()));
                run(make.arg("--skip-test-db"));
            }
            Self::Elasticsearch7 | Self::Elasticsearch8 | Self::Elasticsearch9 => {
                let conf = folder.join("conf");
                std::fs::create_dir_all(&conf).expect("a folder");
                for file in ["elasticsearch.yml", "log4j2.properties", "jvm.options"] {
                    let text = std::fs::read_to_string(self.elasticsearch().join("config").join(file))
                        .expect("a configuration");
                    let kept = text.lines().filter(|line| !line.contains("Xlog"));
                    let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
                    std::fs::write(conf.join(file), kept).expect("a configuration");
                }
                let text = std::fs::read_to_string(conf.join("jvm.options")).expect("options");
                std::fs::write(conf.join("jvm.options"), text + "-Xms512m\n-Xmx512m\n").expect("options");
            }
        }
    }

    fn command(self, port: u16, folder: &Path) -> Vec<String> {
        let inside = if self.lives_in_sid() { in_sid(folder) } else { folder.display().to_string() };
        let line = match self {
            Self::Redis7 | Self::Redis8 => format!(
                "redis-server --port {port} --bind 127.0.0.1 --dir {inside} --save --appendonly yes \
                 --appendfsync everysec --databases 16384 --maxmemory-policy noeviction"
            ),
            Self::Mysql9 => format!(
                "/usr/sbin/mysqld --no-defaults --user=root --datadir={inside}/data --port={port} \
                 --bind-address=127.0.0.1 --socket={inside}/socket --pid-file={inside}/pid --tmpdir={inside} --mysqlx=OFF \
                 --secure-file-priv=NULL --max-connections=1000 --disable-log-bin"
            ),
            Self::MariaDb10 => format!(
                "mariadbd --no-defaults --user=root --datadir={inside}/data --port={port} \
                 --bind-address=127.0.0.1 --socket={inside}/socket --pid-file={inside}/pid --tmpdir={inside} \
                 --max-connections=1000"
            ),
            Self::Elasticsearch7 | Self::Elasticsearch8 | Self::Elasticsearch9 => {
                let security =
                    if self == Self::Elasticsearch7 { "" } else { "-E xpack.security.enabled=false" };
                format!(
                    "{}/bin/elasticsearch -E discovery.type=single-node -E http.port={port} \
                     -E transport.port={} -E network.host=127.0.0.1 -E path.data={inside}/data \
                     -E path.logs={inside}/logs -E cluster.routing.allocation.disk.threshold_enabled=false \
                     -E cluster.max_shards_per_node=20000 {security}",
                    self.elasticsearch().display(),
                    free_port()
                )
            }
        };
        let mut words: Vec<String> = Vec::new();
        if self.lives_in_sid() {
            words.extend(["chroot".to_owned(), sid().display().to_string()]);
        }
        if self.variable() == "CHAT_TEST_ELASTICSEARCH_URL" {
            // Elasticsearch 7 and 8 do not know the newest one.
            let java = newer_java().filter(|_java| self == Self::Elasticsearch9);
            let java = java.unwrap_or_else(|| PathBuf::from("/usr/lib/jvm/default-java"));
            // The Java of Elasticsearch 8 and 9 attaches to itself, for which its group has to be known too.
            words.extend(
                ["unshare", "--user", "--map-user=1000", "--map-group=1000", "env"].map(str::to_owned),
            );
            words.push(format!("ES_JAVA_HOME={}", java.display()));
            words.push(format!("ES_PATH_CONF={inside}/conf"));
        }
        words.extend(line.split_whitespace().map(str::to_owned));
        words
    }

    /// Whether it answers as it does when it works.
    fn answers(self, port: u16) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut answer = [0_u8; 64];
        match self.variable() {
            "CHAT_TEST_REDIS_URL" => {
                stream.write_all(b"PING\r\n")?;
                let read = stream.read(&mut answer)?;
                Ok(answer[..read].starts_with(b"+PONG"))
            }
            "CHAT_TEST_MYSQL_URL" => {
                // The greeting's payload begins with the version of the protocol.
                stream.read_exact(&mut answer[..5])?;
                Ok(answer[4] == 10)
            }
            _ => {
                stream.write_all(
                    b"GET /_cluster/health?wait_for_status=yellow HTTP/1.0\r\nHost: localhost\r\n\r\n",
                )?;
                let read = stream.read(&mut answer)?;
                Ok(String::from_utf8_lossy(&answer[..read]).contains(" 200 "))
            }
        }
    }
}

impl Server {
    fn start(kind: Kind, port: u16, folder: PathBuf, options: Vec<String>) -> Self {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&folder)
            .args(kind.command(port, &folder))
            .args(&options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut process = String::new();
        BufReader::new(keeper.stdout.take().expect("stdout")).read_line(&mut process).expect("a process id");
        let process = process.trim().parse().expect("a process id");
        let server = Self { kind, port, folder, options, keeper, process };
        server.wait_until_it_answers();
        server
    }

    #[expect(clippy::disallowed_methods, reason = "a server says nowhere that it is ready")]
    fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + START_WITHIN;
        while !self.kind.answers(self.port).unwrap_or(false) {
            assert!(Instant::now() < deadline, "{:?} does not start: {}", self.kind, self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `redis://HOST:PORT`, `mysql://root@HOST:PORT` or `http://HOST:PORT`.
    pub fn url(&self) -> String {
        let start = match self.kind.variable() {
            "CHAT_TEST_REDIS_URL" => "redis://",
            "CHAT_TEST_MYSQL_URL" => "mysql://root@",
            _ => "http://",
        };
        format!("{start}127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its data is, as seen from outside.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// kill -9.
    pub fn kill(&self) {
        self.signal("KILL");
    }

    /// Nobody is answered, and no connection ends.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    pub fn wake(&self) {
        self.signal("CONT");
    }

    /// To the whole group: Elasticsearch 8 and 9 work in a child of the process that was started.
    fn signal(&self, name: &str) {
        signal_group(self.process, name);
    }

    /// A new process on the same port and the same data, once this one was killed.
    pub fn start_again(self) -> Self {
        self.start_again_with(&[])
    }

    /// The same with further options.
    pub fn start_again_with(mut self, more: &[&str]) -> Self {
        self.retire("keep");
        let (folder, mut options) = (std::mem::take(&mut self.folder), std::mem::take(&mut self.options));
        options.extend(more.iter().map(|&option| option.to_owned()));
        Self::start(self.kind, self.port, folder, options)
    }

    /// Ends the process; `keep` leaves its folder.
    fn retire(&mut self, word: &str) {
        // A keeper that is gone has taken the server with it.
        if let Some(mut input) = self.keeper.stdin.take() {
            let _ = writeln!(input, "{word}");
        }
        let _ = self.keeper.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.retire("remove");
    }
}

/// A name that no other test of this run or another has.
pub fn unique(start: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{start}{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A port of loopback that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[expect(clippy::disallowed_methods, reason = "the suite is told by variables where its servers are")]
pub fn given(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

pub fn engines() -> PathBuf {
    if let Some(folder) = given("CHAT_TEST_ENGINES") {
        return PathBuf::from(folder);
    }
    let cache = given("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(given("HOME").unwrap_or_default()).join(".cache"));
    cache.join("chat-system/engines")
}

/// Debian's next release, in a folder of its own.
fn sid() -> PathBuf {
    engines().join("sid")
}

/// A folder below that one, as seen from inside.
fn in_sid(folder: &Path) -> String {
    format!("/{}", folder.strip_prefix(sid()).expect("a folder inside").display())
}

fn newer_java() -> Option<PathBuf> {
    let homes = std::fs::read_dir("/usr/lib/jvm").ok()?;
    homes.filter_map(|home| Some(home.ok()?.path())).find(|home| {
        let release = std::fs::read_to_string(home.join("release")).unwrap_or_default();
        let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""));
        let major = version.and_then(|version| version.split(['.', '"']).next()?.parse::<u32>().ok());
        major.is_some_and(|major| major >= 21)
    })
}

fn run(command: &mut Command) {
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_kind_of_server_starts_dies_and_starts_again() {
    for kind in [Kind::Redis7, Kind::Redis8, Kind::Mysql9, Kind::MariaDb10, Kind::Elasticsearch7] {
        let Some(server) = kind.start(&[]) else { continue };
        server.kill();
        let again = server.start_again();
        let folder = again.folder().to_owned();
        assert!(folder.exists() && kind.answers(again.port()).expect("an answer"));
        let port = again.port();
        drop(again);
        assert!(!folder.exists() && TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
