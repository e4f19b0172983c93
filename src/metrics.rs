//! What this process measures, in the OpenMetrics text format (Prometheus). Names end in their unit; every label takes
//! its values from a short, fixed list, so that no client can make them many.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use once_cell::sync::Lazy;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Of this process, whatever runs in it.
pub static METRICS: Lazy<Metrics> = Lazy::new(Metrics::new);

/// Media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Seconds = Gauge<f64, AtomicU64>;

pub struct Metrics {
    registry: Registry,
    pub requests: Family<RequestLabels, Counter>,
    pub request_seconds: Family<CallLabels, Histogram, fn() -> Histogram>,
    batch_drafts: Family<HopLabels, Histogram, fn() -> Histogram>,
    batches: Family<CutLabels, Counter>,
    queued: Family<HopLabels, Gauge>,
    oldest: Family<HopLabels, Seconds>,
    lag: Family<FollowerLabels, Seconds>,
    pub retries: Family<PortLabels, Counter>,
    pub engine_up: Family<PortLabels, Gauge>,
    pub circuit_open: Family<ServerLabels, Gauge>,
    pub calls_at_work: Family<ServerLabels, Gauge>,
    pub conflicts: Counter,
    pub adopted: Counter,
    pub closed_holes: Counter,
    pub indexed: Counter,
    pub unindexable: Counter,
}

/// A method, the pattern of a path, and a status.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    pub method: &'static str,
    pub route: &'static str,
    pub status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    pub method: &'static str,
    pub route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HopLabels {
    hop: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CutLabels {
    hop: &'static str,
    cut: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FollowerLabels {
    follower: &'static str,
}

/// What catches up with the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follower {
    Search,
    Counters,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PortLabels {
    pub port: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ServerLabels {
    pub server: &'static str,
}

impl Metrics {
    fn new() -> Self {
        // From 0.5 ms to 16 s.
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_5, 2.0, 16));
        let drafts: fn() -> Histogram = || Histogram::new(exponential_buckets(1.0, 2.0, 11));
        let mut metrics = Self {
            registry: Registry::with_prefix("chat"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            batch_drafts: Family::new_with_constructor(drafts),
            batches: Family::default(),
            queued: Family::default(),
            oldest: Family::default(),
            lag: Family::default(),
            retries: Family::default(),
            engine_up: Family::default(),
            circuit_open: Family::default(),
            calls_at_work: Family::default(),
            conflicts: Counter::default(),
            adopted: Counter::default(),
            closed_holes: Counter::default(),
            indexed: Counter::default(),
            unindexable: Counter::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("http_requests", "Requests answered", self.requests.clone());
        to.register("http_request_seconds", "Time to answer", self.request_seconds.clone());
        to.register("batch_drafts", "Drafts in a batch, hop by hop", self.batch_drafts.clone());
        to.register(
            "batches",
            "Batches, and why each was not larger: nothing more waited, or its bound in drafts or bytes",
            self.batches.clone(),
        );
        to.register("queued", "Drafts that wait, hop by hop, without the batch at work", self.queued.clone());
        to.register(
            "oldest_queued_timestamp_seconds",
            "Since when the oldest of them waits, in Unix time; 0 when none does",
            self.oldest.clone(),
        );
        to.register(
            "lag_seconds",
            "How long it took until what was kept was counted, and found, when that was last seen",
            self.lag.clone(),
        );
        to.register(
            "retries",
            "Calls made again because an engine was away or its answer lost",
            self.retries.clone(),
        );
        to.register(
            "engine_up",
            "1 while the engine of a port answers, 0 while it does not",
            self.engine_up.clone(),
        );
        to.register(
            "circuit_open",
            "1 while calls to a server are refused because it is gone",
            self.circuit_open.clone(),
        );
        to.register(
            "calls_at_work",
            "Calls that a server has not answered yet; its connections bound them",
            self.calls_at_work.clone(),
        );
        to.register(
            "conflicts",
            "Drafts whose number was taken, kept under the next",
            self.conflicts.clone(),
        );
        to.register(
            "adopted_entries",
            "Accepted batches taken over from dead nodes, or own ones whose answer got lost",
            self.adopted.clone(),
        );
        to.register(
            "closed_holes",
            "Numbers closed because nobody will fill them",
            self.closed_holes.clone(),
        );
        to.register(
            "indexed_messages",
            "Versions of messages that the search index took",
            self.indexed.clone(),
        );
        to.register(
            "unindexable_messages",
            "Versions of messages that the search engine refused for good, set aside",
            self.unindexable.clone(),
        );
    }

    /// What has waited for so long is found, or counted.
    pub fn follows(&self, follower: Follower, waited: Duration) {
        let follower = match follower {
            Follower::Search => "search",
            Follower::Counters => "counters",
        };
        self.lag.get_or_create(&FollowerLabels { follower }).set(waited.as_secs_f64());
    }

    /// All of it, as a scraper reads it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to memory does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Why a batch was not larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutBy {
    /// It took everything that waited.
    Nothing,
    Drafts,
    Bytes,
}

/// What one lane of an actor measures; looked up once, because it is told of every draft.
#[derive(Debug, Clone)]
pub struct Hop {
    drafts: Histogram,
    by_nothing: Counter,
    by_drafts: Counter,
    by_bytes: Counter,
    queued: Gauge,
    oldest: Seconds,
}

impl Hop {
    #[must_use]
    pub fn new(hop: &'static str) -> Self {
        let labels = HopLabels { hop };
        let cut = |cut| METRICS.batches.get_or_create_owned(&CutLabels { hop, cut });
        Self {
            drafts: METRICS.batch_drafts.get_or_create_owned(&labels),
            by_nothing: cut("nothing"),
            by_drafts: cut("drafts"),
            by_bytes: cut("bytes"),
            queued: METRICS.queued.get_or_create_owned(&labels),
            oldest: METRICS.oldest.get_or_create_owned(&labels),
        }
    }

    pub fn batch(&self, drafts: usize, cut: CutBy) {
        self.drafts.observe(drafts as f64);
        match cut {
            CutBy::Nothing => self.by_nothing.inc(),
            CutBy::Drafts => self.by_drafts.inc(),
            CutBy::Bytes => self.by_bytes.inc(),
        };
    }

    /// So many drafts wait.
    pub fn queued(&self, drafts: usize) {
        self.queued.set(i64::try_from(drafts).unwrap_or(i64::MAX));
    }

    /// The oldest of them waits for so long.
    pub fn oldest(&self, oldest: Option<Duration>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.oldest.set(oldest.map_or(0.0, |age| now.saturating_sub(age).as_secs_f64()));
    }
}
