//! The embedded store: one SQLite file in WAL mode. One writer, so that a commit never waits for a lock; readers
//! beside it. A commit is durable when it is answered (`synchronous = FULL`).

// New rows.
mod keep;
// What is there.
mod look;
// Uses of keys of idempotency.
mod keys;
// Looking things up.
mod read;
// One page of a list.
mod list;
// Changes that readers asked for.
mod edit;
// What the search index has yet to learn.
mod backlog;
// Counters, audit, and the end of what was deleted.
mod count;
// What the rows say against their counters, and holes.
mod audit;
// The one node there is.
mod nodes;
// Keys of applications.
mod access;
// How much applications may hold.
mod quotas;
// Values in rows, and what errors mean.
mod row;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use refinery::{Migration, Runner};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::blocking::{Blocked, Threads};
use crate::store::StoreError;

/// Reading threads: reads are short and mostly served from memory.
const READERS: usize = 4;
/// Calls that wait for the writer, or for a reader, before new ones are refused.
const WAITING_LIMIT: usize = 4_096;
/// Pages in the log before they are carried into the file: larger means fewer and longer pauses.
const CHECKPOINT_PAGES: u32 = 4_000;
/// Page cache of the writer, in KiB.
const WRITER_CACHE_KIB: i32 = 4 * 1024;
/// Of each reader: SQLite empties it whenever somebody else has written, and the system keeps the pages of the file too.
const READER_CACHE_KIB: i32 = 1024;

/// Rows in one file of this machine.
pub struct SqliteStore {
    writer: Threads<Connection>,
    readers: Threads<Connection>,
    /// Held while this store is open. The operating system lets go of it when the process dies.
    _alone: File,
}

/// Why a file could not be opened as a store; said to the operator, in one line each.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process has {0} open; engines that live in one process allow one node a store")]
    Taken(PathBuf),
    #[error("{0} was written by a newer version of this program, or its migrations were changed: {1}")]
    OtherSchema(PathBuf, refinery::Error),
    #[error("{0} is not a store that this program can open: {1}")]
    Unreadable(PathBuf, rusqlite::Error),
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
}

impl SqliteStore {
    /// Opens the file, creating it where it is missing, and runs the migrations.
    ///
    /// # Errors
    /// When another process has it, it is newer than this program, damaged or not writable.
    pub fn open(path: &Path, engine_timeout: Duration) -> Result<Self, OpenError> {
        let file_error = |error| OpenError::File(path.to_owned(), error);
        // Whatever name it is opened by, the lock is that of the file.
        let real = path.canonicalize();
        let path = real.as_deref().unwrap_or(path);
        let alone = lock_alone(path)?;
        let open = |cache_kib| {
            let connection = connect(path, engine_timeout, cache_kib);
            connection.map_err(|error| OpenError::Unreadable(path.to_owned(), error))
        };
        let mut writer = open(WRITER_CACHE_KIB)?;
        migrate(&mut writer).map_err(|error| OpenError::OtherSchema(path.to_owned(), error))?;
        // Alone with the file, whoever claimed something is dead.
        writer
            .execute("UPDATE search_backlog SET claimed_until = NULL WHERE claimed_until IS NOT NULL", [])
            .map_err(|error| OpenError::Unreadable(path.to_owned(), error))?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let reader = open(READER_CACHE_KIB)?;
            reader
                .pragma_update(None, "query_only", true)
                .map_err(|error| OpenError::Unreadable(path.to_owned(), error))?;
            readers.push(reader);
        }
        Ok(Self {
            readers: Threads::start("sqlite-reader", readers, WAITING_LIMIT).map_err(file_error)?,
            writer: Threads::start("sqlite-writer", vec![writer], WAITING_LIMIT).map_err(file_error)?,
            _alone: alone,
        })
    }

    /// One transaction on the writer, committed when the call succeeds.
    async fn write<R: Send + 'static>(
        &self,
        call: impl FnOnce(&Transaction<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let done = self.writer.run(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let answer = call(&transaction)?;
            row::commit(transaction)?;
            Ok(answer)
        });
        done.await?
    }

    /// One look at one state of the rows.
    async fn read<R: Send + 'static>(
        &self,
        call: impl FnOnce(&Transaction<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        self.readers.run(move |connection| call(&connection.transaction()?)).await?
    }
}

impl From<Blocked> for StoreError {
    fn from(blocked: Blocked) -> Self {
        match blocked {
            Blocked::Full => Self::Away(Box::new(blocked)),
            Blocked::Panicked => Self::Broken(Box::new(blocked)),
        }
    }
}

fn lock_alone(path: &Path) -> Result<File, OpenError> {
    let mut lock_path = path.to_owned();
    lock_path.as_mut_os_string().push(".lock");
    let file_error = |error| OpenError::File(lock_path.clone(), error);
    let lock = File::options().create(true).append(true).open(&lock_path).map_err(file_error)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Taken(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::File(lock_path, error)),
    }
}

fn connect(path: &Path, engine_timeout: Duration, cache_kib: i32) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(engine_timeout)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), refinery::Error> {
    Runner::new(&migrations()?).set_abort_missing(true).set_abort_divergent(true).run(connection)?;
    Ok(())
}

fn migrations() -> Result<Vec<Migration>, refinery::Error> {
    Ok(vec![
        Migration::unapplied(
            "V0001__create_rows",
            include_str!("../../../migrations/sqlite/0001_create_rows.sql"),
        )?,
        Migration::unapplied(
            "V0002__create_access",
            include_str!("../../../migrations/sqlite/0002_create_access.sql"),
        )?,
        Migration::unapplied(
            "V0003__index_backlog",
            include_str!("../../../migrations/sqlite/0003_index_backlog.sql"),
        )?,
        Migration::unapplied(
            "V0004__create_quotas",
            include_str!("../../../migrations/sqlite/0004_create_quotas.sql"),
        )?,
    ])
}
