//! The first contact: migrations run once, whoever comes first, and the server is one that this program can work on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use refinery::{Migration, Runner};
use tokio::time::timeout;

use super::row::Columns;
use super::sql::fill;
use crate::connections::{MysqlError, MysqlServer, Session};

/// A server that takes less in one packet would refuse a message of the largest size.
pub(super) const LEAST_PACKET_BYTES: usize = 1024 * 1024;
/// What is larger is not faster.
const USEFUL_PACKET_BYTES: usize = 8 * 1024 * 1024;
/// A server that is silent for longer is asked again.
const MIGRATION_WITHIN: Duration = Duration::from_secs(600);

/// What was learnt of the server.
#[derive(Debug)]
pub(super) struct Schema {
    /// Statements are sent in packets of about so many bytes: the least that the server was ever seen to take, since
    /// a connection goes on with what was set when it was made.
    packet_bytes: AtomicUsize,
}

impl Schema {
    pub(super) fn packet_bytes(&self) -> usize {
        self.packet_bytes.load(Ordering::Relaxed)
    }

    /// The server takes packets of so many bytes.
    pub(super) fn takes(&self, bytes: usize) {
        self.packet_bytes.fetch_min(bytes, Ordering::Relaxed);
    }
}

/// Why a server cannot be used as a store, for the operator: one line that says what to mend; its cause is
/// part of it. All can be mended while the program runs.
#[derive(thiserror::Error)]
pub(super) enum OpenError {
    #[error("{server} refuses the user or the password of the store's URL: {message}")]
    Refused { server: String, message: String },
    #[error("{server} has no such database: {message}")]
    NoDatabase { server: String, message: String },
    #[error("{server} is read-only: {message}")]
    ReadOnly { server: String, message: String },
    #[error(
        "{server} was written by a newer version of this program, or its migrations were changed: {cause}"
    )]
    OtherSchema { server: String, cause: refinery::Error },
    #[error("the schema of {server} cannot be brought up: {cause}")]
    Migration { server: String, cause: refinery::Error },
    #[error(
        "{server} takes packets of {bytes} bytes only; set max_allowed_packet to {LEAST_PACKET_BYTES} or more"
    )]
    SmallPackets { server: String, bytes: usize },
    #[error("another node brings the schema of {server} up")]
    Taken { server: String },
    #[error("the schema is being brought up")]
    Slow,
    #[error("{server} says nothing that this program understands")]
    Unreadable { server: String },
    #[error("{0}")]
    Away(MysqlError),
}

/// As it is written in the log, in one line.
impl fmt::Debug for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Brings the schema up and looks at the server.
pub(super) async fn open(server: &Arc<MysqlServer>) -> Result<Schema, OpenError> {
    let mut session = server.session_to_read().await.map_err(|error| unreachable(server, error))?;
    let packet_bytes = lock(server, &mut session).await?;
    if packet_bytes < LEAST_PACKET_BYTES {
        return Err(OpenError::SmallPackets { server: server.to_string(), bytes: packet_bytes });
    }
    migrate(server).await?;
    // The lock goes with the session: see below.
    drop(session);
    Ok(Schema { packet_bytes: packet_bytes.min(USEFUL_PACKET_BYTES).into() })
}

fn unreachable(server: &MysqlServer, error: MysqlError) -> OpenError {
    const REFUSED: [u16; 3] = [1044, 1045, 1698];
    const NO_DATABASE: u16 = 1049;
    let (server, answered) = (server.to_string(), error.answered().cloned());
    match answered {
        Some(answer) if REFUSED.contains(&answer.code) => {
            OpenError::Refused { server, message: answer.message }
        }
        Some(answer) if answer.code == NO_DATABASE => {
            OpenError::NoDatabase { server, message: answer.message }
        }
        _ => OpenError::Away(error),
    }
}

/// Holds every other node off; says how many bytes a packet may have. The session must outlive a long migration, and
/// is closed after it: that frees the lock also when this node dies.
async fn lock(server: &MysqlServer, session: &mut Session) -> Result<usize, OpenError> {
    let unreadable = || OpenError::Unreadable { server: server.to_string() };
    let patience_seconds = server.timeout().as_secs() / 2;
    let lock = fill(
        "SET SESSION wait_timeout = 28800; \
         SELECT @@max_allowed_packet, GET_LOCK(CONCAT('chat-system ', LEFT(SHA2(DATABASE(), 256), 40)), ?)",
        &[&patience_seconds],
    );
    let answers = session.run(&lock).await.map_err(OpenError::Away)?;
    let row = answers.into_iter().flat_map(|answer| answer.rows).next().ok_or_else(unreadable)?;
    let mut row = Columns::from(row);
    let bytes: u64 = row.take().map_err(|_fault| unreadable())?;
    match row.take::<Option<bool>>() {
        Ok(Some(true)) => Ok(usize::try_from(bytes).unwrap_or(usize::MAX)),
        Ok(_) => Err(OpenError::Taken { server: server.to_string() }),
        Err(_fault) => Err(unreadable()),
    }
}

async fn migrate(server: &MysqlServer) -> Result<(), OpenError> {
    let name = server.to_string();
    let failed = |cause| OpenError::Migration { server: server.to_string(), cause };
    let migrations = migrations().map_err(failed)?;
    let mut pool = server.pool_beside();
    let runner = Runner::new(&migrations).set_abort_missing(true).set_abort_divergent(true);
    let migrated = timeout(MIGRATION_WITHIN, runner.run_async(&mut pool)).await;
    // Its connection ends with it; a farewell that fails changes nothing.
    let _ = timeout(server.timeout(), pool.disconnect()).await;
    match migrated {
        Ok(Ok(_report)) => Ok(()),
        Ok(Err(cause)) => Err(judge(name, cause)),
        Err(_elapsed) => Err(OpenError::Slow),
    }
}

fn judge(server: String, cause: refinery::Error) -> OpenError {
    const READ_ONLY: [u16; 3] = [1290, 1792, 1836];
    match cause.kind() {
        refinery::error::Kind::DivergentVersion(..) | refinery::error::Kind::MissingVersion(_) => {
            OpenError::OtherSchema { server, cause }
        }
        refinery::error::Kind::Connection(_, source) => match source.downcast_ref::<mysql_async::Error>() {
            Some(mysql_async::Error::Server(error)) if READ_ONLY.contains(&error.code) => {
                OpenError::ReadOnly { server, message: error.message.clone() }
            }
            _ => OpenError::Migration { server, cause },
        },
        _ => OpenError::Migration { server, cause },
    }
}

fn migrations() -> Result<Vec<Migration>, refinery::Error> {
    Ok(vec![
        Migration::unapplied(
            "V0001__create_rows",
            include_str!("../../../migrations/mysql/0001_create_rows.sql"),
        )?,
        Migration::unapplied(
            "V0002__create_access",
            include_str!("../../../migrations/mysql/0002_create_access.sql"),
        )?,
        Migration::unapplied(
            "V0003__index_backlog",
            include_str!("../../../migrations/mysql/0003_index_backlog.sql"),
        )?,
        Migration::unapplied(
            "V0004__create_quotas",
            include_str!("../../../migrations/mysql/0004_create_quotas.sql"),
        )?,
    ])
}
