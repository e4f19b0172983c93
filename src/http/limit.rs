//! Bounds of a request: its size, its time, and how long an engine is waited for.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::{BodyStream, to_bytes_limited};
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, Payload};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::problem::{Code, Problem};
use crate::actors::CreateError;
use crate::domain::ApplicationId;
use crate::search::SearchError;
use crate::store::StoreError;

/// Largest request body, in bytes.
pub const REQUEST_LIMIT_BYTES: usize = 1024 * 1024;

/// How long things may take, and how many may wait.
#[derive(Debug)]
pub struct Limits {
    /// For the body of a request to arrive.
    pub request_timeout: Duration,
    /// For one call of the store or the search engine.
    pub engine_timeout: Duration,
    /// For a creation to be kept.
    pub ack_wait: Duration,
    pub calls: Calls,
}

/// Calls that may wait for an engine, kind by kind, so that one kind that is held takes no other's places.
/// Creations have bounds of their own.
#[derive(Debug)]
pub struct Calls {
    reads: Semaphore,
    edits: Semaphore,
    finds: Semaphore,
    /// How many searches each application has at work, and may have: one that asks for many or slow ones leaves the
    /// others theirs.
    searching: Mutex<HashMap<ApplicationId, usize>>,
    search_limit: usize,
}

/// The turn of one search; the place is free again when it is dropped.
pub(super) struct Turn<'a> {
    calls: &'a Calls,
    application: ApplicationId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut searching = self.calls.searching();
        if let Some(at_work) = searching.get_mut(&self.application) {
            *at_work -= 1;
            if *at_work == 0 {
                searching.remove(&self.application);
            }
        }
    }
}

impl Calls {
    /// So many of each kind, and of one application's searches.
    #[must_use]
    pub fn new(limit: usize, search_limit: usize) -> Self {
        let places = || Semaphore::new(limit.min(Semaphore::MAX_PERMITS));
        let searching = Mutex::default();
        Self { reads: places(), edits: places(), finds: places(), searching, search_limit }
    }

    /// The turn of one search of this application's.
    pub(super) fn turn(&self, application: ApplicationId) -> Result<Turn<'_>, Problem> {
        let mut searching = self.searching();
        let at_work = searching.entry(application).or_default();
        if *at_work >= self.search_limit {
            let detail = format!("This application has {} searches at work", self.search_limit);
            return Err(Problem::too_many(detail, 1));
        }
        *at_work += 1;
        Ok(Turn { calls: self, application })
    }

    fn searching(&self) -> MutexGuard<'_, HashMap<ApplicationId, usize>> {
        self.searching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limits {
    /// The whole body. Too much of it is refused as soon as that is known, and a body that is slow or has no
    /// end is given up.
    pub(super) async fn collect(
        &self,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Bytes, Problem> {
        let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if announced
            .and_then(|length| length.parse().ok())
            .is_some_and(|bytes: u64| bytes > REQUEST_LIMIT_BYTES as u64)
        {
            return Err(too_large());
        }
        match timeout(self.request_timeout, to_bytes_limited(BodyStream::new(payload), REQUEST_LIMIT_BYTES))
            .await
        {
            Ok(Ok(Ok(bytes))) => Ok(bytes),
            Ok(Ok(Err(error))) => {
                tracing::debug!(%error, "a body ended early");
                Err(Problem::new(Code::MalformedBody, "The body ended early"))
            }
            Ok(Err(_)) => Err(too_large()),
            Err(_) => Err(Problem::new(Code::RequestTimeout, "The body did not arrive in time")),
        }
    }

    /// What is read changes nothing: where it takes too long, nothing was taken.
    pub(super) async fn read<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Problem> {
        let _place = self.calls.reads.try_acquire().map_err(|_full| Problem::not_taken())?;
        match timeout(self.engine_timeout, call).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => {
                tracing::warn!(waited_ms = self.engine_timeout.as_millis(), "the store is slow to read");
                Err(Problem::not_taken())
            }
        }
    }

    /// What takes too long may still be made.
    pub(super) async fn edit<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Problem> {
        let _place = self.calls.edits.try_acquire().map_err(|_full| Problem::not_taken())?;
        match timeout(self.engine_timeout, call).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => {
                tracing::warn!(waited_ms = self.engine_timeout.as_millis(), "the store is slow to change");
                Err(Problem::outcome_unknown())
            }
        }
    }

    pub(super) async fn find<T>(
        &self,
        call: impl Future<Output = Result<T, SearchError>>,
    ) -> Result<T, Problem> {
        let _place = self.calls.finds.try_acquire().map_err(|_full| Problem::not_taken())?;
        match timeout(self.engine_timeout, call).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => {
                tracing::warn!(waited_ms = self.engine_timeout.as_millis(), "the search engine is slow");
                Err(Problem::not_taken())
            }
        }
    }

    /// The door keeps `ack_wait` itself, for the first of a key and for its own draft; this is the end of all
    /// patience.
    pub(super) async fn create<T>(
        &self,
        call: impl Future<Output = Result<T, CreateError>>,
    ) -> Result<T, CreateError> {
        let patience = 2 * self.ack_wait + self.engine_timeout;
        timeout(patience, call).await.unwrap_or(Err(CreateError::Unknown))
    }
}

fn too_large() -> Problem {
    Problem::new(Code::TooLarge, format!("The request is too large (maximum is {REQUEST_LIMIT_BYTES} bytes)"))
}
