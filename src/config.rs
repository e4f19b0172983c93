//! Every knob with its unit. This is the only reader of the environment: each flag has a variable of its own.

// Who is let in, and how fast.
mod access;
// Values that are not shown where they are refused.
mod unshown;
// Which engine, and where it is.
mod urls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use access::{Access, AdminKeyError};
use unshown::Unshown;
pub use urls::{IntakeUrl, SearchUrl, ServerUrl, StoreUrl};

/// A chat backend: applications own chats, chats own messages, numbered without gap or repeat, searchable by
/// parts of words and in spite of typos.
#[derive(Debug, Clone, Parser)]
#[command(name = "chat-system", version, about, long_about = None)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub config: Config,
}

#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve requests until SIGTERM or Ctrl-C, then drain (the default)
    Serve,
    /// Ask the service that listens at `--listen` whether it is ready, and end with 0 if so
    Health,
    /// List, make and revoke keys of an application; on an embedded store while the service is stopped (while it runs,
    /// its calls under /applications/TOKEN/keys do the same)
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Build the search index anew from the rows beside the present one, switch to it and check that nothing is
    /// missing; a server's index while nodes go on serving, an embedded one while the service is stopped
    Reindex,
}

#[derive(Debug, Clone, Subcommand)]
pub enum KeysCommand {
    /// Show the keys that were not revoked, a line each
    List {
        /// Of the application
        token: String,
    },
    /// Make a key and show its secret, this once
    Make {
        /// Of the application
        token: String,
        /// What the key is called
        name: String,
        /// What it is good for
        #[arg(long, value_delimiter = ',', default_value = "read,write,search", value_name = "SCOPES")]
        scopes: Vec<String>,
    },
    /// Revoke a key: within 5 seconds it opens nothing, on any node
    Revoke {
        /// Of the application
        token: String,
        /// Of the key, as `list` shows it
        number: u64,
    },
}

/// What the program is told. Durations are written as `500ms`, `2s`, `1m`.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address and port to listen on; port 0 takes any free one and says which
    #[arg(
        long,
        global = true,
        env = "CHAT_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,

    /// Folder of the embedded engines' files; created where it is missing
    #[arg(long, global = true, env = "CHAT_DATA_DIR", default_value = "data", value_name = "FOLDER")]
    pub data_dir: PathBuf,

    /// Where numbers are taken and drafts wait: `memory:`, `redis://HOST:6379` or `rediss://USER:PASSWORD@HOST:6379`
    #[arg(
        long,
        global = true,
        env = "CHAT_INTAKE_URL",
        hide_env_values = true,
        default_value = "memory:",
        value_parser = Unshown::<IntakeUrl>::new(),
        value_name = "URL"
    )]
    pub intake: IntakeUrl,

    /// Where rows are kept: `sqlite:` (chat.db in the data folder), `sqlite:FILE` or
    /// `mysql://USER:PASSWORD@HOST:3306/DATABASE`
    #[arg(
        long,
        global = true,
        env = "CHAT_STORE_URL",
        hide_env_values = true,
        default_value = "sqlite:",
        value_parser = Unshown::<StoreUrl>::new(),
        value_name = "URL"
    )]
    pub store: StoreUrl,

    /// Where messages are found: `tantivy:` (search in the data folder), `tantivy:FOLDER` or
    /// `http://USER:PASSWORD@HOST:9200/ALIAS`, also `https:` (Elasticsearch; the alias is chat-messages if none is
    /// given)
    #[arg(
        long,
        global = true,
        env = "CHAT_SEARCH_URL",
        hide_env_values = true,
        default_value = "tantivy:",
        value_parser = Unshown::<SearchUrl>::new(),
        value_name = "URL"
    )]
    pub search: SearchUrl,

    /// File of certificates (PEM) that engines are trusted by, besides the usual ones
    #[arg(long, global = true, env = "CHAT_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,

    /// How long a create is waited for before it is answered 202 (durable intake) or 503
    #[arg(long, global = true, env = "CHAT_ACK_WAIT", default_value = "2s", value_parser = duration, value_name = "TIME")]
    pub ack_wait: Duration,

    /// How long a silent node keeps what it has claimed before another takes it over
    #[arg(long, global = true, env = "CHAT_LEASE", default_value = "5s", value_parser = duration, value_name = "TIME")]
    pub lease: Duration,

    /// How long a call to an engine may take before its request is answered 503
    #[arg(long, global = true, env = "CHAT_ENGINE_TIMEOUT", default_value = "2s", value_parser = duration, value_name = "TIME")]
    pub engine_timeout: Duration,

    /// How long a client may take to send its request before it is answered 408
    #[arg(long, global = true, env = "CHAT_REQUEST_TIMEOUT", default_value = "10s", value_parser = duration, value_name = "TIME")]
    pub request_timeout: Duration,

    /// Time between two updates of the counts of chats and messages
    #[arg(long, global = true, env = "CHAT_COUNTER_INTERVAL", default_value = "1s", value_parser = duration, value_name = "TIME")]
    pub counter_interval: Duration,

    /// How long finishing what was accepted may take after SIGTERM
    #[arg(long, global = true, env = "CHAT_DRAIN_DEADLINE", default_value = "20s", value_parser = duration, value_name = "TIME")]
    pub drain_deadline: Duration,

    /// Drafts that may wait on this node; more are answered 503
    #[arg(long, global = true, env = "CHAT_QUEUE_LIMIT", default_value_t = 100_000, value_parser = positive, value_name = "DRAFTS")]
    pub queue_limit: usize,

    /// Memory that waiting drafts may take, in MiB; more are answered 503
    #[arg(long, global = true, env = "CHAT_QUEUE_MEMORY", default_value_t = 256, value_parser = positive, value_name = "MIB")]
    pub queue_memory: usize,

    /// Reads that may wait for an engine, and as many edits and as many searches; more are answered 503
    #[arg(long, global = true, env = "CHAT_CALL_LIMIT", default_value_t = 4_096, value_parser = positive, value_name = "CALLS")]
    pub call_limit: usize,

    /// Searches of one application at once; more are answered 429
    #[arg(long, global = true, env = "CHAT_SEARCH_LIMIT", default_value_t = 256, value_parser = positive, value_name = "SEARCHES")]
    pub search_limit: usize,

    /// Connections to a server of the store or the intake at most; of the store at least two
    #[arg(long, global = true, env = "CHAT_ENGINE_CONNECTIONS", default_value_t = 16, value_parser = positive, value_name = "CONNECTIONS")]
    pub engine_connections: usize,

    /// Connections at once; more wait in the operating system's backlog
    #[arg(long, global = true, env = "CHAT_CONNECTION_LIMIT", default_value_t = 25_000, value_parser = positive, value_name = "CONNECTIONS")]
    pub connection_limit: usize,

    #[command(flatten)]
    pub access: Access,

    /// What is logged, as `level` or `target=level,…`; levels are error, warn, info, debug, trace
    #[arg(long, global = true, env = "CHAT_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,

    /// How a log line is written, on standard error
    #[arg(long, global = true, env = "CHAT_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let (shortest, longest) = (Duration::from_millis(1), Duration::from_secs(24 * 60 * 60));
    if (shortest..=longest).contains(&duration) {
        Ok(duration)
    } else {
        Err("is not between 1ms and 24h".to_owned())
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=100_000_000).contains(&number) => Ok(number),
        _ => Err("is not a whole number from 1 to 100000000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_flag_stands_before_or_after_the_subcommand() {
        for line in [["chat-system", "--lease", "7s", "serve"], ["chat-system", "serve", "--lease", "7s"]] {
            assert_eq!(Cli::parse_from(line).config.lease, Duration::from_secs(7));
        }
    }

    #[test]
    fn times_and_counts_have_bounds() {
        for (flag, value) in
            [("--ack-wait", "0s"), ("--lease", "25h"), ("--lease", "soon"), ("--queue-limit", "0")]
        {
            assert!(Cli::try_parse_from(["chat-system", flag, value]).is_err(), "{flag} {value}");
        }
    }
}
