//! Embedded: an index in a folder, for one process.
//!
//! Tantivy keeps the terms that [`analysis`](super::analysis) finished, and three numbers a message. Its calls
//! block, so they run on threads of their own, each kind within a bound: searches do not wait for a commit.

/// What is indexed of a row.
mod schema;
/// The folder: which index is the present one, opening it, starting anew.
mod folder;
/// Writing, and what is open.
mod shelf;
/// Looking up.
mod find;
/// Words within some edits.
mod near;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tantivy::TantivyError;
use tantivy::directory::error::{LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

use self::shelf::Shelf;
use super::{HitPage, Hits, Query, Search, SearchError};
use crate::Source;
use crate::blocking::{Blocked, Threads, in_background};
use crate::domain::{ChatPlace, MessagePlace, Parent};
use crate::store::Row;

/// Searches at work at once, and waiting for their turn.
const FINDS_AT_WORK: usize = 4;
const FINDS_WAITING: usize = 64;
/// Writes follow one another.
const WRITES_WAITING: usize = 16;

/// An index in a folder.
pub struct TantivySearch {
    shelf: Arc<Shelf>,
    /// It stands back, as Tantivy's own threads do: who waits for an answer goes before what is found a little later.
    writer: Threads<Arc<Shelf>>,
    finds: Gate,
    checks: Gate,
}

impl TantivySearch {
    /// Opens the index of this folder. One that is missing, damaged or of another version is started anew, under
    /// another name. Blocks for some milliseconds, however large the index is.
    ///
    /// # Errors
    /// [`SearchError::Away`] when another process has it open, or the folder cannot be written.
    pub fn open(folder: &Path) -> Result<Self, SearchError> {
        let shelf = Arc::new(in_background(|| Shelf::open(folder))?);
        let writer = Threads::start_in_background("search-writer", vec![Arc::clone(&shelf)], WRITES_WAITING);
        Ok(Self {
            shelf,
            writer: writer.map_err(away)?,
            finds: Gate::new(FINDS_AT_WORK, FINDS_WAITING),
            checks: Gate::new(1, 1),
        })
    }

    /// Runs a call that looks, within its bound.
    async fn look<T: Send + 'static>(
        &self,
        gate: &Gate,
        call: impl FnOnce(&Shelf) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, SearchError> {
        let shelf = Arc::clone(&self.shelf);
        match gate.run(move || call(&shelf)).await? {
            Ok(answer) => answer,
            Err(panic) => Err(self.judge_panic(panic).await),
        }
    }

    /// Runs a call that writes, after those before it.
    async fn write<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Shelf) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, SearchError> {
        match self.writer.run(move |shelf| call(shelf)).await {
            Ok(answer) => answer,
            Err(Blocked::Full) => Err(away(Blocked::Full)),
            Err(Blocked::Panicked) => Err(self.judge_panic(Blocked::Panicked).await),
        }
    }

    /// A panic is how Tantivy meets some damaged files: whether it was, the checksums say.
    async fn judge_panic(&self, panic: impl Into<Source>) -> SearchError {
        let panic = panic.into();
        tracing::error!(panic, "a call of the search index panicked: comparing its checksums");
        match self.verify().await {
            Ok(()) => SearchError::Away(panic),
            Err(error) => error,
        }
    }
}

#[async_trait]
impl Search for TantivySearch {
    async fn name(&self) -> Result<Option<String>, SearchError> {
        Ok(Some(self.shelf.present().name))
    }

    async fn renew(&self) -> Result<String, SearchError> {
        self.write(Shelf::renew).await?;
        Ok(self.shelf.present().name)
    }

    /// The new index took the place of the old one when it was begun.
    async fn present(&self, _name: &str) -> Result<(), SearchError> {
        Ok(())
    }

    async fn verify(&self) -> Result<(), SearchError> {
        let shelf = Arc::clone(&self.shelf);
        match self.checks.run(move || shelf.verify()).await? {
            Ok(answer) => answer,
            Err(panic) => Err(SearchError::Damaged(panic.into())),
        }
    }

    async fn index(&self, rows: Vec<Row>) -> Result<(), SearchError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.write(move |shelf| shelf.index(&rows)).await
    }

    async fn missing(&self, rows: &[Row]) -> Result<Vec<MessagePlace>, SearchError> {
        let rows: Vec<_> = rows.iter().map(|row| (row.place, row.version)).collect();
        self.look(&self.checks, move |shelf| shelf.missing(&rows)).await
    }

    async fn forget(&self, parents: Vec<Parent>) -> Result<(), SearchError> {
        if parents.is_empty() {
            return Ok(());
        }
        self.write(move |shelf| shelf.forget(&parents)).await
    }

    async fn find(&self, chat: ChatPlace, query: &Query, page: HitPage) -> Result<Hits, SearchError> {
        if query.words().is_empty() {
            return Ok(Hits { total: 0, page: Vec::new(), more: false });
        }
        let query = query.clone();
        let call = move |shelf: &Shelf| {
            let open = shelf.present();
            find::find(&open.reader.searcher(), &open.fields, chat, &query, page).map_err(judge)
        };
        self.look(&self.finds, call).await
    }
}

/// So many calls at once, so many more in line; beyond that a call is refused.
struct Gate {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Gate {
    fn new(at_work: usize, waiting: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(at_work + waiting)), turns: Arc::new(Semaphore::new(at_work)) }
    }

    /// Place and turn go with the work: it ends even when nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Result<T, JoinError>, SearchError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(away)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(away)?;
        let held = move || {
            let answer = work();
            drop((place, turn));
            answer
        };
        Ok(spawn_blocking(held).await)
    }
}

/// Broken files are damage; all else may pass.
fn judge(error: TantivyError) -> SearchError {
    let broken = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound
        )
    };
    let damaged = match &error {
        TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::SchemaError(_)
        | TantivyError::DeserializeError(_) => true,
        TantivyError::OpenReadError(
            OpenReadError::FileDoesNotExist(_) | OpenReadError::IncompatibleIndex(_),
        ) => true,
        TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. }) => broken(io_error),
        TantivyError::OpenWriteError(OpenWriteError::IoError { io_error, .. }) => broken(io_error),
        TantivyError::OpenDirectoryError(OpenDirectoryError::DoesNotExist(_)) => true,
        TantivyError::IoError(error) | TantivyError::LockFailure(LockError::IoError(error), _) => {
            broken(error)
        }
        _ => false,
    };
    if damaged { SearchError::Damaged(error.into()) } else { SearchError::Away(error.into()) }
}

fn away(error: impl Into<Source>) -> SearchError {
    SearchError::Away(error.into())
}
