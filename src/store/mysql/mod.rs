//! The store of many nodes: rows on a MySQL or MariaDB server, `InnoDB` at `READ COMMITTED`.
//!
//! Opening it contacts nobody: a node starts before its server, and whoever calls first brings the schema up. A
//! change is one transaction of few round trips, most of them two (new rows one): what it locks and reads first, then what it
//! writes together with its `COMMIT`. A deadlock or a lock waited for too long is tried again, whole.

// New rows.
mod keep;
// When they are not tried in one round trip.
mod detour;
// Where each draft of a batch goes.
mod plan;
// Statements of a transaction that makes rows.
mod insert;
// Looking things up.
mod read;
// Messages that are looked up at the same time share a round trip.
mod together;
// One page of a list.
mod list;
// Changes that readers asked for.
mod edit;
// One change of a message.
mod revision;
// What the search index has yet to learn.
mod backlog;
// Counters, and the end of what was deleted.
mod count;
// What the rows say against their counters, and holes.
mod audit;
// Who works on these rows.
mod nodes;
// Keys of applications.
mod access;
// How much applications may hold.
mod quotas;
// Migrations, and what else is looked at before the first call.
mod schema;
// Statements as text.
mod sql;
// Values in rows, and what errors mean.
mod row;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use self::detour::Detour;
use self::nodes::Node;
use self::row::Fault;
use self::schema::{OpenError, Schema};
use self::together::Line;
use crate::connections::{Answer, MysqlOptions, MysqlServer, NoAnswer, Session, on_engines};
use crate::store::StoreError;

/// A change that others were in the way of is tried so often at most, and only while its time lasts.
const TRIES: u32 = 40;
/// The longest random pause before such a try, per try so far.
const PAUSE_PER_TRY: Duration = Duration::from_millis(3);
/// A server that could not be opened as a store is left alone for so long.
const OPEN_PAUSE: Duration = Duration::from_millis(500);
/// This moment on the server's clock, in microseconds.
const NOW: &str = "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";

/// Rows on a server.
pub struct MysqlStore {
    desk: Arc<Desk>,
}

/// What calls work with.
struct Desk {
    server: Arc<MysqlServer>,
    schema: OnceCell<Schema>,
    /// Why the last try to open the store failed, and when.
    failed: Mutex<Option<(Instant, Arc<OpenError>)>>,
    node: Node,
    detour: Detour,
    line: Line,
}

/// Work on one session.
type Work<'s, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 's>>;

impl MysqlStore {
    /// A store on the server and database of `mysql://USER:PASSWORD@HOST:PORT/DATABASE`, over TLS with
    /// `?require_ssl=true`. The server is not contacted: calls fail with [`StoreError::Away`] until it can be used.
    ///
    /// # Errors
    /// When the URL cannot be read or names no database.
    pub fn new(url: &str, options: MysqlOptions) -> Result<Self, UrlError> {
        let lease = options.lease;
        let server = MysqlServer::shared(url, &options).map_err(UrlError::Unreadable)?;
        if server.database().is_empty() {
            return Err(UrlError::NoDatabase);
        }
        let (schema, failed, node) = (OnceCell::new(), Mutex::default(), Node::new(lease));
        let (detour, line) = (Detour::default(), Line::default());
        Ok(Self { desk: Arc::new(Desk { server, schema, failed, node, detour, line }) })
    }

    /// One look at the rows. Each statement sees what was committed when it began.
    async fn read<T: Send + 'static>(
        &self,
        work: impl for<'s> FnOnce(&'s mut Session) -> Work<'s, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let desk = Arc::clone(&self.desk);
        on_engines(async move { desk.read(work).await }).await?
    }

    /// One change. The work begins and ends its transaction; it is told how often it was tried before.
    async fn write<T: Send + 'static>(
        &self,
        work: impl for<'s> Fn(&'s mut Session, u32) -> Work<'s, T> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let desk = Arc::clone(&self.desk);
        on_engines(async move {
            desk.opened().await?;
            let started = Instant::now();
            let mut session = desk.server.session_to_write().await.map_err(Fault::from)?;
            let mut tried = 0;
            loop {
                let fault = match work(&mut session, tried).await {
                    Ok(answer) => {
                        session.give_back();
                        return Ok(answer);
                    }
                    Err(fault) => fault,
                };
                tried += 1;
                let again = fault.is_conflict() || fault.is_duplicate();
                if !again || tried >= TRIES || started.elapsed() >= desk.server.timeout() {
                    // Closing the session rolls back.
                    return Err(fault.into());
                }
                session.run("ROLLBACK").await.map_err(Fault::from)?;
                pause(tried).await;
            }
        })
        .await?
    }

    /// Statements that change something, in one round trip, the last of them for good.
    async fn change(&self, statements: String) -> Result<(), StoreError> {
        self.write(move |session, _tried| {
            let statements = statements.clone();
            Box::pin(async move { commit(session, &statements).await.map(|_answers| ()) })
        })
        .await
    }
}

impl Desk {
    /// See [`MysqlStore::read`]; on the runtime of the connections.
    async fn read<T>(
        self: &Arc<Self>,
        work: impl for<'s> FnOnce(&'s mut Session) -> Work<'s, T>,
    ) -> Result<T, StoreError> {
        self.opened().await?;
        let mut session = self.server.session_to_read().await.map_err(Fault::from)?;
        let answer = work(&mut session).await?;
        session.give_back();
        Ok(answer)
    }

    /// How many bytes of statements go in one packet.
    fn packet_bytes(&self) -> usize {
        self.schema.get().map_or(schema::LEAST_PACKET_BYTES, Schema::packet_bytes)
    }

    /// Waits until the store is open, no longer than for any answer; opening itself goes on.
    async fn opened(self: &Arc<Self>) -> Result<(), StoreError> {
        if self.schema.initialized() {
            return Ok(());
        }
        let desk = Arc::clone(self);
        let opening = tokio::spawn(async move { desk.open().await });
        match timeout(self.server.timeout(), opening).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(StoreError::Away(Box::new(error))),
            Ok(Err(panicked)) => Err(StoreError::Broken(Box::new(panicked))),
            Err(_elapsed) => Err(StoreError::Away(Box::new(OpenError::Slow))),
        }
    }

    /// One at a time.
    async fn open(&self) -> Result<(), Arc<OpenError>> {
        let open = async || {
            if let Some(error) = self.failed_lately() {
                return Err(error);
            }
            schema::open(&self.server).await.map_err(|error| {
                let error = Arc::new(error);
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((Instant::now(), Arc::clone(&error)));
                error
            })
        };
        self.schema.get_or_try_init(open).await.map(|_schema| ())
    }

    fn failed_lately(&self) -> Option<Arc<OpenError>> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.as_ref().filter(|(at, _)| at.elapsed() < OPEN_PAUSE).map(|(_, error)| Arc::clone(error))
    }
}

/// Why a URL does not name a store; said to the operator, without its password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    #[error("the store's URL cannot be read: {0}")]
    Unreadable(mysql_async::UrlError),
    #[error("the store's URL names no database: mysql://USER:PASSWORD@HOST:3306/DATABASE")]
    NoDatabase,
}

impl From<NoAnswer> for StoreError {
    fn from(no_answer: NoAnswer) -> Self {
        Self::Broken(Box::new(no_answer))
    }
}

/// Random, so that those who met each other do not meet again.
async fn pause(tried: u32) {
    let longest = (PAUSE_PER_TRY * tried).as_micros();
    let random = u128::from(Uuid::new_v4().as_u64_pair().0);
    sleep(Duration::from_micros(u64::try_from(random % longest.max(1)).unwrap_or_default())).await;
}

/// Statements that change something, the last of them for good.
async fn commit(session: &mut Session, statements: &str) -> Result<Vec<Answer>, Fault> {
    session.run(statements).await.map_err(Fault::of_commit)
}

/// The rows of the next answer.
fn next_rows(answers: &mut impl Iterator<Item = Answer>) -> Result<Vec<row::Columns>, Fault> {
    let answer = answers.next().ok_or_else(|| Fault::broken("a statement without an answer"))?;
    Ok(answer.rows.into_iter().map(row::Columns::from).collect())
}

/// The rows of one statement.
async fn select(session: &mut Session, statement: &str) -> Result<Vec<row::Columns>, Fault> {
    next_rows(&mut session.run(statement).await?.into_iter())
}
