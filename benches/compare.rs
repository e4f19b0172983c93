//! The service beside what its engines allow at most, interleaved: each round measures both sides of every figure, one
//! right after the other, and the median of the rounds' ratios counts. `load-tests/compare` runs it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use tokio::runtime::Runtime;

use crate::support::http::{Connection, Until, create, flood, get, load, start_bare};
use crate::support::raw::Raw;
use crate::support::service::{CHATS, PATIENT, Service, Stack, program_bytes};
use crate::support::{machine, median, percentile, runtime};

/// Connections that send more than can be kept.
const CROWD: usize = 4_000;
/// Messages that are few, and how often the cost of one more is measured.
const FEW: u64 = 10_000;
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
    /// This part alone
    #[arg(long, value_enum, conflicts_with = "write")]
    only: Option<Part>,
    /// On embedded engines only
    #[arg(long)]
    embedded: bool,
    /// Write both tables into docs/performance.md
    #[arg(long, conflicts_with = "embedded")]
    write: bool,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a round is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Creates,
    Many,
    Alone,
    Overload,
    Reads,
}

/// Runs by a line of arguments.
pub fn run(line: impl Iterator<Item = String>) {
    let options = Options::parse_from(line);
    let runtime = runtime();
    let mut stacks = vec![Stack::embedded()];
    if !options.embedded && Stack::has_servers() {
        stacks.push(runtime.block_on(Stack::on_servers()));
    }
    assert!(!options.write || stacks.len() == 2, "without servers there is no second table to write");
    let mut tables = String::new();
    for stack in stacks {
        let unindexed = runtime.block_on(stack.beside()).without_search();
        let figures = measure(&runtime, &stack, &unindexed, &options);
        tables.push_str(&table(&stack, &figures));
    }
    let text = format!(
        "{}; the median of {} rounds of {} ms each.\n{tables}",
        machine::name(),
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
        let measured = runtime.block_on(sides.round(options.only));
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
    stack: Stack,
    /// The same, with nobody where search should be.
    unindexed: (String, Service),
    bare: std::net::SocketAddr,
    raw: Raw,
    /// A few hundred more than it can keep in time are refused.
    crowded: (String, Service),
    /// Its first chat has very many messages.
    large: Option<(u64, String, Service)>,
    /// Sides take turns in going first: a server that still warms up is the dearer for who does.
    many_first: bool,
    each: Duration,
}

impl Sides {
    async fn new(stack: &Stack, unindexed: &Stack, options: &Options) -> Self {
        let ours = Service::start(stack, &PATIENT);
        let chats = ours.fill().await;
        let unindexed = Service::start(unindexed, &PATIENT);
        let unindexed = (unindexed.fill().await, unindexed);
        let large = match options.messages {
            None => None,
            Some(messages) => {
                let (chats, service) = with_messages(&stack.beside().await, messages).await;
                Some((messages, chats, service))
            }
        };
        let crowded = Service::start(&stack.beside().await, &["--queue-limit", "1000"]);
        let crowded = (crowded.fill().await, crowded);
        let each = Duration::from_millis(options.millis);
        let (stack, raw) = (stack.clone(), Raw::open(stack).await);
        Self {
            ours,
            chats,
            stack,
            unindexed,
            crowded,
            bare: start_bare(),
            raw,
            large,
            many_first: true,
            each,
        }
    }

    async fn round(&mut self, only: Option<Part>) -> Vec<Measured> {
        let mut measured = Vec::new();
        for part in Part::value_variants().iter().filter(|part| only.is_none_or(|only| only == **part)) {
            measured.extend(match part {
                Part::Creates => self.many_at_once().await,
                Part::Many => self.among_many().await,
                Part::Alone => self.one_alone().await,
                Part::Overload => self.overload().await,
                Part::Reads => self.reads().await,
            });
        }
        measured
    }

    async fn many_at_once(&mut self) -> Vec<Measured> {
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
            }
        }
        measured
    }

    async fn one_alone(&mut self) -> Vec<Measured> {
        let bare = self.median(self.bare, &create("/create")).await;
        let engines = self.raw.median(self.each).await;
        let (unindexed_chats, unindexed) = &self.unindexed;
        let mut measured = Vec::new();
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
        measured
    }

    async fn reads(&mut self) -> Vec<Measured> {
        let mut measured = Vec::new();
        // Each of a thousand messages and pages, so that no two who ask at once ask for the same.
        for (name, path, bare, aim) in [
            ("GET of one message/s : bare handler", "1/messages/", "/read", 0.7),
            ("lists of 50 messages/s : bare handler", "1/messages?limit=50&after=", "/list", 0.25),
        ] {
            let bare = self.rate(self.bare, &[get(bare)], 64).await;
            let ours: Vec<_> = (1..=1_000).map(|it| get(&format!("{}/{path}{it}", self.chats))).collect();
            let ours = self.rate(self.ours.address, &ours, 64).await;
            measured.push((name.to_owned(), Aim::AtLeast(aim), (ours, bare)));
        }
        measured
    }

    /// Its peak first, and then twice as much; the bare handler, which refuses nobody, gets as much as that.
    async fn overload(&self) -> Vec<Measured> {
        let (chats, service) = &self.crowded;
        let hot = create(&format!("{chats}/1/messages"));
        let peak = self.rate(service.address, std::slice::from_ref(&hot), 512).await;
        let twice = 2.0 * peak;
        self.idle().await;
        let crowded = flood(service.address, &hot, CROWD, twice, self.each).await;
        let goodput = match crowded.refused.is_empty() {
            true => f64::NAN,
            false => crowded.kept.len() as f64 / crowded.elapsed.as_secs_f64(),
        };
        let sent = twice * crowded.sent_share();
        self.idle().await;
        let bare = flood(self.bare, &create("/create"), CROWD, twice, self.each).await;
        let to_refuse = percentile(crowded.refused, 95) * 1e6;
        let to_answer = percentile(bare.kept, 95) * 1e6;
        vec![
            ("creates/s kept at twice the peak : at the peak".to_owned(), Aim::AtLeast(0.9), (goodput, peak)),
            ("creates/s sent then : at the peak".to_owned(), Aim::AtLeast(1.9), (sent, peak)),
            ("95th of a refusal then, µs : 10 ms".to_owned(), Aim::AtMost(1.0), (to_refuse, 10_000.0)),
            (
                "the same : 95th of what a bare handler answers to as many".to_owned(),
                Aim::AtMost(1.0),
                (to_refuse, to_answer),
            ),
        ]
    }

    /// Beside very many messages, where that was asked for: what one more costs, beside a service with a few, both started
    /// anew; and what the start takes, where nothing of it is on servers.
    async fn among_many(&mut self) -> Vec<Measured> {
        let Some((messages, chats, mut large)) = self.large.take() else { return Vec::new() };
        let (few_chats, mut few) = with_messages(&self.stack.beside().await, FEW).await;
        let ready = large.start_again().await.as_secs_f64() * 1e3;
        few.start_again().await;
        large.idle().await;
        let (resident, program) = (large.resident_bytes() as f64 / 1e6, program_bytes() as f64 / 1e6);
        self.idle().await;
        let (many, few) = match self.many_first {
            true => (cost(&large, &chats).await, cost(&few, &few_chats).await),
            false => {
                let few = cost(&few, &few_chats).await;
                (cost(&large, &chats).await, few)
            }
        };
        self.many_first = !self.many_first;
        self.large = Some((messages, chats, large));
        let name = format!("processor time of one create, µs, beside {messages} messages : beside {FEW}");
        let mut measured = vec![(name, Aim::AtMost(1.1), (many * 1e6, few * 1e6))];
        if self.stack.url("--store").is_none() {
            measured.extend([
                (
                    format!("from start to ready on {messages} messages, ms : 300"),
                    Aim::AtMost(1.0),
                    (ready, 300.0),
                ),
                ("memory when idle then, MB : 40".to_owned(), Aim::AtMost(1.0), (resident, 40.0)),
                ("the program, MB : 40".to_owned(), Aim::AtMost(1.0), (program, 40.0)),
            ]);
        }
        measured
    }

    /// Nobody has anything left to do from what was measured before.
    async fn idle(&self) {
        self.ours.idle().await;
        self.unindexed.1.idle().await;
        self.crowded.1.idle().await;
        machine::idle().await;
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

/// Processor time of one create in the first of these chats, until it is found and counted, in seconds: that of the
/// service, of servers and of the system. What the first ones cost a new process is not in it.
async fn cost(service: &Service, chats: &str) -> f64 {
    create_few(service, chats).await;
    let before = machine::time_of_others();
    let answered = create_few(service, chats).await;
    (machine::time_of_others() - before).as_secs_f64() / answered as f64
}

/// A few creates, until they are found and counted and nobody has anything left to do; says how many.
async fn create_few(service: &Service, chats: &str) -> u64 {
    let before = count(service, chats).await;
    let hot = [create(&format!("{chats}/1/messages"))];
    let (answered, _elapsed) = load(service.address, &hot, 64, Until::Times(FEW.div_ceil(64))).await;
    while count(service, chats).await < before + answered {
        tokio::time::sleep(machine::LOOK).await;
    }
    service.idle().await;
    machine::idle().await;
    answered
}

/// The messages of the first of these chats, by its counter.
async fn count(service: &Service, chats: &str) -> u64 {
    let mut connection = Connection::open(service.address).await;
    let chat = connection.ask(&get(&format!("{chats}/1"))).await;
    let count = chat.split("\"messages_count\":").nth(1).and_then(|rest| rest.split([',', '}']).next());
    count.expect("a count").parse().expect("a number")
}

/// A service with so many messages in the first of its chats, and the path of the chats.
async fn with_messages(stack: &Stack, messages: u64) -> (String, Service) {
    let service = Service::start(stack, &PATIENT);
    let chats = service.fill().await;
    let fill = [create(&format!("{chats}/1/messages"))];
    load(service.address, &fill, 512, Until::Times(messages.div_ceil(512))).await;
    service.idle().await;
    (chats, service)
}

fn table(stack: &Stack, figures: &[Figure]) -> String {
    let mut table =
        format!("\n| on {} | ours | limit | ratio | aim |\n|---|---:|---:|---:|---|\n", stack.name);
    for Figure { name, aim, rounds } in figures {
        let of = |value: fn(&(f64, f64)) -> f64| median(rounds.iter().map(value).collect());
        let (ours, limit, ratio) = (of(|both| both.0), of(|both| both.1), of(|both| both.0 / both.1));
        let aim = match aim {
            _ if ratio.is_nan() => "nothing was refused, so that nothing was measured".to_owned(),
            Aim::AtLeast(aim) => format!("{aim} or more, {}", if ratio >= *aim { "met" } else { "missed" }),
            Aim::AtMost(aim) => format!("{aim} or less, {}", if ratio <= *aim { "met" } else { "missed" }),
        };
        writeln!(table, "| {name} | {ours:.0} | {limit:.0} | {ratio:.2} | {aim} |").expect("text");
    }
    table
}

fn write(text: &str) {
    let document = std::fs::read_to_string(DOCUMENT).expect("the document");
    let (before, rest) = document.split_once(BEGIN).expect("where the table begins");
    let (_old, after) = rest.split_once(END).expect("where the table ends");
    std::fs::write(DOCUMENT, format!("{before}{BEGIN}\n{text}\n{END}{after}")).expect("written");
}
