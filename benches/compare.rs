//! The service beside what its engines allow at most, interleaved: each round measures both sides of every figure, one
//! right after the other, and the median of the rounds' ratios counts. `load-tests/compare` runs it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use clap::Parser;
use mysql_async::Conn;
use tokio::runtime::Runtime;

use crate::support::http::{Connection, Until, create, flood, get, load, new_application, post, start_bare};
use crate::support::raw::{insert_mysql, insert_sqlite, open_sqlite};
use crate::support::service::{PATIENT, Service, Stack};
use crate::support::{fresh_chat, mysql_store, numbered, store_with_chat};
use chat_system::domain::{ChatPlace, Numbered};

/// Chats of the load that is spread.
const CHATS: usize = 10_000;
/// Where the table stands, and between which lines.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
const BEGIN: &str = "<!-- load-tests/compare writes from here -->\n";
const END: &str = "<!-- to here -->";

/// Measures the service beside what its engines allow at most.
#[derive(Parser)]
#[command(name = "load-tests/compare")]
struct Options {
    /// Rounds that count; one more goes before them
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Time of each measurement, in milliseconds
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    millis: u64,
    /// Also on a store of so many messages, in one chat
    #[arg(long, value_name = "COUNT")]
    messages: Option<u64>,
    /// On embedded engines only
    #[arg(long)]
    embedded: bool,
    /// Write the table into docs/performance.md
    #[arg(long)]
    write: bool,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Runs by a line of arguments.
pub fn run(line: impl Iterator<Item = String>) {
    let options = Options::parse_from(line);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut stacks = vec![Stack::embedded()];
    if !options.embedded && Stack::has_servers() {
        stacks.push(runtime.block_on(Stack::on_servers()));
    }
    let mut tables = String::new();
    for stack in stacks {
        let unindexed = runtime.block_on(stack.beside()).without_search();
        let figures = measure(&runtime, &stack, &unindexed, &options);
        tables.push_str(&table(&stack, &figures));
    }
    let text = format!(
        "{}; the median of {} rounds of {} ms each.\n{tables}",
        machine(),
        options.rounds,
        options.millis
    );
    println!("\n{text}");
    if options.write {
        write(&text);
    }
}

/// One line of the table: what both sides reached, round by round.
struct Figure {
    name: String,
    aim: Aim,
    rounds: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, Copy)]
enum Aim {
    /// Of a rate: so much of the limit's or more.
    AtLeast(f64),
    /// Of a time: so many times the limit's or less.
    AtMost(f64),
}

fn measure(runtime: &Runtime, stack: &Stack, unindexed: &Stack, options: &Options) -> Vec<Figure> {
    let mut sides = runtime.block_on(Sides::new(stack, unindexed, options));
    let mut figures: Vec<Figure> = Vec::new();
    for round in 0..=options.rounds {
        eprintln!("{}: round {round} of {}", stack.name, options.rounds);
        let measured = runtime.block_on(sides.round());
        if round == 0 {
            figures.extend(measured.into_iter().map(|(name, aim, _)| Figure {
                name,
                aim,
                rounds: Vec::new(),
            }));
            continue;
        }
        for (figure, (_, _, both)) in figures.iter_mut().zip(measured) {
            figure.rounds.push(both);
        }
    }
    figures
}

type Measured = (String, Aim, (f64, f64));

/// All that is measured on one stack.
struct Sides {
    ours: Service,
    chats: String,
    /// The same, with nobody where search should be.
    unindexed: (String, Service),
    bare: std::net::SocketAddr,
    raw: Raw,
    /// A few hundred more than it can keep in time are refused.
    crowded: (String, Service),
    /// Its first chat has very many messages.
    large: Option<(u64, String, Service)>,
    each: Duration,
}

impl Sides {
    async fn new(stack: &Stack, unindexed: &Stack, options: &Options) -> Self {
        let ours = Service::start(stack, &PATIENT);
        let chats = with_chats(&ours).await;
        let unindexed = Service::start(unindexed, &PATIENT);
        let unindexed = (with_chats(&unindexed).await, unindexed);
        let large = match options.messages {
            None => None,
            Some(messages) => {
                let service = Service::start(&stack.beside().await, &PATIENT);
                let chats = with_chats(&service).await;
                let fill = [create(&format!("{chats}/1/messages"))];
                load(service.address, &fill, 512, Until::Times(messages.div_ceil(512))).await;
                Some((messages, chats, service))
            }
        };
        let crowded = Service::start(&stack.beside().await, &["--queue-limit", "1000"]);
        let crowded = (with_chats(&crowded).await, crowded);
        let each = Duration::from_millis(options.millis);
        Self { ours, chats, unindexed, crowded, bare: start_bare(), raw: Raw::open(stack).await, large, each }
    }

    async fn round(&mut self) -> Vec<Measured> {
        let mut measured = Vec::new();
        for (connections, rows) in [(64, 64), (512, 500)] {
            let bare = self.rate(self.bare, &[create("/create")], connections).await;
            let raw = self.raw.rate(rows, self.each).await;
            let composed = 1.0 / (1.0 / bare + 1.0 / raw);
            let hot = self.creates(1..=1);
            let ours = self.rate(self.ours.address, &hot, connections).await;
            measured.push((
                format!("durable creates/s, {connections} connections : composed bound"),
                Aim::AtLeast(0.6),
                (ours, composed),
            ));
            let (chats, service) = &self.unindexed;
            let hot = [create(&format!("{chats}/1/messages"))];
            let unindexed = self.rate(service.address, &hot, connections).await;
            measured.push((
                format!("the same while search is away, {connections} connections : composed bound"),
                Aim::AtLeast(0.6),
                (unindexed, composed),
            ));
            if connections == 64 {
                let spread = self.creates(1..=CHATS);
                let spread = self.rate(self.ours.address, &spread, connections).await;
                measured.push((
                    "creates/s in one hot chat : over 10,000 chats".to_owned(),
                    Aim::AtLeast(0.8),
                    (ours, spread),
                ));
                if let Some((messages, chats, service)) = &self.large {
                    let large = self.cost(service, chats).await;
                    let new = self.cost(&self.ours, &self.chats).await;
                    let name = format!(
                        "processor time of one create, µs, beside {messages} messages and more : beside few"
                    );
                    measured.push((name, Aim::AtMost(1.1), (large * 1e6, new * 1e6)));
                }
            }
        }
        let bare = self.median(self.bare, &create("/create")).await;
        let engines = self.raw.median(self.each).await;
        let (unindexed_chats, unindexed) = &self.unindexed;
        for (name, address, chats) in [
            ("p50 of one create, 1 connection, µs", self.ours.address, &self.chats),
            ("the same while search is away", unindexed.address, unindexed_chats),
        ] {
            let ours = self.median(address, &create(&format!("{chats}/1/messages"))).await;
            measured.push((
                format!("{name} : one raw commit, one bare request and one script"),
                Aim::AtMost(1.3),
                (ours * 1e6, (bare + engines) * 1e6),
            ));
        }
        measured.extend(self.overload().await);
        let bare = self.rate(self.bare, &[get("/read")], 64).await;
        // Each of a thousand messages and pages, so that no two who ask at once ask for the same.
        for (name, path, aim) in [
            ("GET of one message/s : bare handler", "1/messages/", 0.7),
            ("lists of 50 messages/s : bare handler", "1/messages?limit=50&after=", 0.25),
        ] {
            let ours: Vec<_> = (1..=1_000).map(|it| get(&format!("{}/{path}{it}", self.chats))).collect();
            let ours = self.rate(self.ours.address, &ours, 64).await;
            measured.push((name.to_owned(), Aim::AtLeast(aim), (ours, bare)));
        }
        measured
    }

    /// Its peak first, and then twice as much; the bare handler, which refuses nobody, gets as much as that.
    async fn overload(&self) -> [Measured; 3] {
        let (chats, service) = &self.crowded;
        let hot = create(&format!("{chats}/1/messages"));
        let peak = self.rate(service.address, std::slice::from_ref(&hot), 512).await;
        self.idle().await;
        let crowded = flood(service.address, &hot, 4_000, 2.0 * peak, self.each).await;
        let goodput = crowded.kept.len() as f64 / crowded.elapsed.as_secs_f64();
        let bare = flood(self.bare, &create("/create"), 4_000, 2.0 * peak, self.each).await;
        let to_refuse = percentile(crowded.refused, 95) * 1e6;
        let to_answer = percentile(bare.kept, 95) * 1e6;
        [
            ("creates/s kept at twice the peak : at the peak".to_owned(), Aim::AtLeast(0.9), (goodput, peak)),
            ("95th of a refusal then, µs : 10 ms".to_owned(), Aim::AtMost(1.0), (to_refuse, 10_000.0)),
            (
                "the same : 95th of what a bare handler answers to as many".to_owned(),
                Aim::AtMost(1.0),
                (to_refuse, to_answer),
            ),
        ]
    }

    /// Nobody has anything left to do from what was measured before.
    async fn idle(&self) {
        self.ours.idle().await;
        self.unindexed.1.idle().await;
        self.crowded.1.idle().await;
        if let Some((_messages, _chats, service)) = &self.large {
            service.idle().await;
        }
    }

    fn creates(&self, chats: std::ops::RangeInclusive<usize>) -> Vec<String> {
        chats.map(|chat| create(&format!("{}/{chat}/messages", self.chats))).collect()
    }

    async fn rate(&self, address: std::net::SocketAddr, requests: &[String], connections: usize) -> f64 {
        self.idle().await;
        let until = Until::Moment(Instant::now() + self.each);
        let (answered, elapsed) = load(address, requests, connections, until).await;
        answered as f64 / elapsed.as_secs_f64()
    }

    /// Processor time of the service for one create, until it is found and counted, in seconds.
    async fn cost(&self, service: &Service, chats: &str) -> f64 {
        self.idle().await;
        let (before, until) = (service.processor_time(), Until::Moment(Instant::now() + self.each));
        let hot = [create(&format!("{chats}/1/messages"))];
        let (answered, _elapsed) = load(service.address, &hot, 64, until).await;
        service.idle().await;
        (service.processor_time() - before).as_secs_f64() / answered as f64
    }

    /// Of one request after the other, in seconds.
    async fn median(&self, address: std::net::SocketAddr, request: &str) -> f64 {
        self.idle().await;
        let mut connection = Connection::open(address).await;
        let (end, mut times) = (Instant::now() + self.each, Vec::new());
        while times.is_empty() || Instant::now() < end {
            let asked = Instant::now();
            connection.ask(request).await;
            times.push(asked.elapsed().as_secs_f64());
        }
        median(times)
    }
}

/// An application with many chats, and a message in the first; the path of its chats.
async fn with_chats(service: &Service) -> String {
    let chats = new_application(service.address).await;
    let times = Until::Times(CHATS.div_ceil(64) as u64);
    load(service.address, &[post(&chats, "{}")], 64, times).await;
    load(service.address, &[create(&format!("{chats}/1/messages"))], 1, Until::Times(100)).await;
    chats
}

/// The engines of a stack, asked for no more than to keep rows, and to run one script.
enum Raw {
    Sqlite { connection: rusqlite::Connection, place: ChatPlace, last: u64, _folder: tempfile::TempDir },
    Servers { mysql: Conn, redis: redis::aio::MultiplexedConnection, place: ChatPlace, last: u64 },
}

impl Raw {
    async fn open(stack: &Stack) -> Self {
        let (Some(intake), Some(database)) = (stack.url("--intake"), stack.url("--store")) else {
            let folder = tempfile::tempdir().expect("a folder");
            let (store, place) = store_with_chat(folder.path()).await;
            drop(store);
            let connection = open_sqlite(&folder.path().join("chat.db"));
            return Self::Sqlite { connection, place, last: 0, _folder: folder };
        };
        let (server, _name) = database.rsplit_once('/').expect("a database");
        let (store, url) = mysql_store(server).await;
        let place = fresh_chat(&store).await;
        let client = redis::Client::open(intake).expect("a client");
        let redis = client.get_multiplexed_async_connection().await.expect("a connection");
        Self::Servers { mysql: Conn::from_url(url).await.expect("a connection"), redis, place, last: 0 }
    }

    fn next(&mut self, rows: u64) -> std::sync::Arc<[Numbered]> {
        let (Self::Sqlite { place, last, .. } | Self::Servers { place, last, .. }) = self;
        let drafts = numbered(*place, *last + 1, rows as usize);
        *last += rows;
        drafts
    }

    async fn insert(&mut self, drafts: &[Numbered]) {
        match self {
            Self::Sqlite { connection, .. } => insert_sqlite(connection, drafts),
            Self::Servers { mysql, place, .. } => insert_mysql(mysql, *place, drafts).await,
        }
    }

    /// Rows a second, so many in a transaction.
    async fn rate(&mut self, rows: u64, each: Duration) -> f64 {
        let (mut spent, mut inserted) = (Duration::ZERO, 0);
        while spent < each {
            let drafts = self.next(rows);
            let started = Instant::now();
            self.insert(&drafts).await;
            spent += started.elapsed();
            inserted += rows;
        }
        inserted as f64 / spent.as_secs_f64()
    }

    /// Of one row's transaction and one script, in seconds.
    async fn median(&mut self, each: Duration) -> f64 {
        let script = redis::Script::new(
            "local number = redis.call('INCR', KEYS[1])
             redis.call('XADD', KEYS[2], '*', 'draft', ARGV[1])
             return number",
        );
        let (end, mut times) = (Instant::now() + each, Vec::new());
        while times.is_empty() || Instant::now() < end {
            let drafts = self.next(1);
            let started = Instant::now();
            if let Self::Servers { redis, .. } = self {
                let run: Result<u64, _> = script
                    .key("bench:number")
                    .key("bench:stream")
                    .arg(crate::support::BODY)
                    .invoke_async(redis)
                    .await;
                run.expect("a number");
            }
            self.insert(&drafts).await;
            times.push(started.elapsed().as_secs_f64());
        }
        median(times)
    }
}

fn median(values: Vec<f64>) -> f64 {
    percentile(values, 50)
}

/// Zero where there are no values.
fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * percent / 100).copied().unwrap_or_default()
}

fn table(stack: &Stack, figures: &[Figure]) -> String {
    let mut table =
        format!("\n| on {} | ours | limit | ratio | aim |\n|---|---:|---:|---:|---|\n", stack.name);
    for Figure { name, aim, rounds } in figures {
        let of = |value: fn(&(f64, f64)) -> f64| median(rounds.iter().map(value).collect());
        let (ours, limit, ratio) = (of(|both| both.0), of(|both| both.1), of(|both| both.0 / both.1));
        let aim = match aim {
            Aim::AtLeast(aim) => format!("{aim} or more, {}", if ratio >= *aim { "met" } else { "missed" }),
            Aim::AtMost(aim) => format!("{aim} or less, {}", if ratio <= *aim { "met" } else { "missed" }),
        };
        writeln!(table, "| {name} | {ours:.0} | {limit:.0} | {ratio:.2} | {aim} |").expect("text");
    }
    table
}

/// What it ran on.
fn machine() -> String {
    let said = |file: &str, start: &str| -> Option<String> {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(start))?;
        Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let model = said("/proc/cpuinfo", "model name").unwrap_or_else(|| "a processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let system = said("/etc/os-release", "PRETTY_NAME=").unwrap_or_default();
    let kernel = said("/proc/sys/kernel/osrelease", "").unwrap_or_default();
    format!(
        "{model}, {cores} cores shared by client, service and servers; {}, Linux {kernel}",
        system.trim_matches('"')
    )
}

fn write(text: &str) {
    let document = std::fs::read_to_string(DOCUMENT).expect("the document");
    let (before, rest) = document.split_once(BEGIN).expect("where the table begins");
    let (_old, after) = rest.split_once(END).expect("where the table ends");
    std::fs::write(DOCUMENT, format!("{before}{BEGIN}\n{text}\n{END}{after}")).expect("written");
}
