//! Connections to a MySQL or MariaDB server.
//!
//! A call borrows a [`Session`]. Whatever becomes of it, a session that was not given back is closed: the server
//! rolls its transaction back, and nobody inherits a connection in an unknown state. Statements go as text, several
//! in one round trip: what a transaction costs others is the time between its first and its last.

// One connection, lent for one call.
mod session;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::{Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, Row, ServerError, UrlError};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{CallError, Circuit, Shared};
pub use session::Session;

static SERVERS: Shared<MysqlServer> = Shared::new();

/// How a server is talked to.
#[derive(Debug, Clone)]
pub struct MysqlOptions {
    /// A session that is silent for so long in a transaction loses it, and its locks. At least a second.
    pub lease: Duration,
    /// Of one round trip.
    pub timeout: Duration,
    /// Certificates (PEM) that a server is trusted by, besides the usual ones; used where the URL says
    /// `?require_ssl=true`.
    pub tls_ca: Option<PathBuf>,
    /// At most so many at once, and at least two: half are for reads, half for writes.
    pub connections: usize,
}

/// One server and database.
pub struct MysqlServer {
    pool: Pool,
    /// A place for each connection: whoever gets none in time was held up by others of this process.
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    circuit: Circuit,
    timeout: Duration,
    opts: Opts,
}

/// Why a round trip has no answer, in one line: its cause is part of it.
#[derive(Debug, thiserror::Error)]
pub enum MysqlError {
    #[error("all connections to the server are in use")]
    Busy,
    /// No session: nothing was sent.
    #[error("no connection to {server}: {cause}")]
    Connect { server: String, cause: CallError<mysql_async::Error> },
    #[error("{0}")]
    Call(CallError<mysql_async::Error>),
}

impl From<CallError<mysql_async::Error>> for MysqlError {
    fn from(error: CallError<mysql_async::Error>) -> Self {
        Self::Call(error)
    }
}

impl MysqlError {
    /// The error that the server answered with.
    #[must_use]
    pub fn answered(&self) -> Option<&ServerError> {
        match self {
            Self::Call(CallError::Failed(mysql_async::Error::Server(error)))
            | Self::Connect { cause: CallError::Failed(mysql_async::Error::Server(error)), .. } => {
                Some(error)
            }
            Self::Busy | Self::Connect { .. } | Self::Call(_) => None,
        }
    }

    /// The number of that error.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.answered().map(|error| error.code)
    }

    /// Whether the statements were sent and nobody knows what became of them.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Busy | Self::Connect { .. } | Self::Call(CallError::Open) => false,
            Self::Call(CallError::TimedOut) => true,
            Self::Call(CallError::Failed(error)) => error.is_fatal(),
        }
    }
}

/// What a server answered to one statement.
#[derive(Debug)]
pub struct Answer {
    pub rows: Vec<Row>,
    /// Rows that an INSERT, UPDATE or DELETE found.
    pub affected: u64,
}

impl MysqlServer {
    /// The pool of this URL, shared by all of this process. The server is not contacted.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn shared(url: &str, options: &MysqlOptions) -> Result<Arc<Self>, UrlError> {
        SERVERS.get(url, || {
            // Half of the places are for writes, which reads are not to hold up.
            let writes = (options.connections / 2).max(1);
            let reads = options.connections.saturating_sub(writes).max(1);
            let opts = Opts::from(opts(Opts::from_url(url)?, options, reads + writes));
            Ok(Self {
                pool: Pool::new(opts.clone()),
                reads: Arc::new(Semaphore::new(reads)),
                writes: Arc::new(Semaphore::new(writes)),
                circuit: Circuit::new("mysql", options.timeout),
                timeout: options.timeout,
                opts,
            })
        })
    }

    /// A session of one's own, to look at the rows.
    ///
    /// # Errors
    /// When all are in use, or the server cannot be reached or refuses.
    pub async fn session_to_read(self: &Arc<Self>) -> Result<Session, MysqlError> {
        self.session(&self.reads).await
    }

    /// A session of one's own, to change them.
    ///
    /// # Errors
    /// When all are in use, or the server cannot be reached or refuses.
    pub async fn session_to_write(self: &Arc<Self>) -> Result<Session, MysqlError> {
        self.session(&self.writes).await
    }

    async fn session(self: &Arc<Self>, places: &Arc<Semaphore>) -> Result<Session, MysqlError> {
        let place = timeout(self.timeout, Arc::clone(places).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(MysqlError::Busy) };
        // Without a connection there is nothing to talk to, whoever is to blame.
        let conn = self.circuit.call(self.pool.get_conn(), |_error| true).await;
        let conn = conn.map_err(|cause| MysqlError::Connect { server: self.to_string(), cause })?;
        Ok(Session::new(conn, Arc::clone(self), place))
    }

    /// Another pool, of one connection and without a bound in time: for what runs long. Its user disconnects it.
    #[must_use]
    pub fn pool_beside(&self) -> Pool {
        let one = PoolConstraints::new(0, 1).map(|bounds| PoolOpts::new().with_constraints(bounds));
        Pool::new(OptsBuilder::from_opts(self.opts.clone()).pool_opts(one))
    }

    /// How long a round trip is waited for.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Empty where the URL names none.
    #[must_use]
    pub fn database(&self) -> &str {
        self.opts.db_name().unwrap_or_default()
    }
}

/// `HOST:PORT/DATABASE`, for the log.
impl fmt::Display for MysqlServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}/{}", self.opts.ip_or_hostname(), self.opts.tcp_port(), self.database())
    }
}

/// Idle connections are closed when they are about half as old as the server allows; looked for this often.
const IDLE_LOOK: Duration = Duration::from_secs(1);
/// The most that a server takes in one packet; what this server takes is for its user to ask.
const PACKET_LIMIT_BYTES: usize = 1024 * 1024 * 1024;

fn opts(given: Opts, options: &MysqlOptions, connections: usize) -> OptsBuilder {
    let seconds = |span: Duration| span.as_secs().max(1);
    let silent_seconds = seconds(options.lease);
    // Whoever waits for a lock hears of it before its round trip times out, where that is long enough.
    let lock_wait_seconds = seconds(options.timeout / 2);
    let session = format!(
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SET SESSION autocommit = 1, time_zone = '+00:00', \
         sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', wait_timeout = {silent_seconds}, \
         innodb_lock_wait_timeout = {lock_wait_seconds}"
    );
    let idle = Duration::from_millis(silent_seconds * 500);
    let mut pool = PoolOpts::new()
        .with_reset_connection(false)
        .with_inactive_connection_ttl(idle)
        .with_ttl_check_interval(IDLE_LOOK);
    if let Some(bounds) = PoolConstraints::new(0, connections) {
        pool = pool.with_constraints(bounds);
    }
    let tls = given.ssl_opts().cloned().map(|tls| match &options.tls_ca {
        Some(file) => tls.with_root_certs(vec![file.clone().into()]),
        None => tls,
    });
    OptsBuilder::from_opts(given)
        .ssl_opts(tls)
        .pool_opts(pool)
        .init(vec![session])
        .prefer_socket(false)
        .tcp_nodelay(true)
        // An UPDATE that finds its row has found it, also when it stays as it was.
        .client_found_rows(true)
        .max_allowed_packet(Some(PACKET_LIMIT_BYTES))
        .wait_timeout(Some(usize::try_from(silent_seconds).unwrap_or(usize::MAX)))
}
