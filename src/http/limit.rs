//! Bounds of a request: its size, its time, and how long an engine is waited for.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::{BodyStream, SizedStream, to_bytes_limited};
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, Payload};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
    look_ups: Semaphore,
    /// One application that asks for much, or for what is slow, leaves the others their share.
    searches: Shares,
    readings: Shares,
}

/// Reads of one application that are with the store at once; its others wait in a line of their own. As many as keep
/// a store busy.
const READINGS_AT_ONCE: usize = 8;
/// Applications whose places are remembered; those without one taken need not be.
const SHARES_LIMIT: usize = 10_000;

/// So many places for each application.
#[derive(Debug)]
struct Shares {
    places: usize,
    taken: Mutex<HashMap<ApplicationId, Arc<Semaphore>>>,
}

impl Shares {
    fn new(places: usize) -> Self {
        Self { places: places.min(Semaphore::MAX_PERMITS), taken: Mutex::default() }
    }

    fn of(&self, application: ApplicationId) -> Arc<Semaphore> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= SHARES_LIMIT {
            taken.retain(|_application, share| Arc::strong_count(share) > 1);
        }
        Arc::clone(taken.entry(application).or_insert_with(|| Arc::new(Semaphore::new(self.places))))
    }
}

impl Calls {
    /// So many of each kind, and of one application's searches.
    #[must_use]
    pub fn new(limit: usize, search_limit: usize) -> Self {
        let places = || Semaphore::new(limit.min(Semaphore::MAX_PERMITS));
        Self {
            reads: places(),
            edits: places(),
            finds: places(),
            look_ups: places(),
            searches: Shares::new(search_limit),
            readings: Shares::new(READINGS_AT_ONCE),
        }
    }

    /// A place among this application's searches, until whoever does the work drops it.
    pub(super) fn searching(&self, application: ApplicationId) -> Result<OwnedSemaphorePermit, Problem> {
        self.searches.of(application).try_acquire_owned().map_err(|_full| {
            let detail = format!("This application has {} searches at work", self.searches.places);
            Problem::too_many(detail, 1)
        })
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
        let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let length: Option<u64> = length.and_then(|length| length.parse().ok());
        let arrival = async {
            match length {
                Some(bytes) => to_bytes_limited(SizedStream::new(bytes, payload), REQUEST_LIMIT_BYTES).await,
                None => to_bytes_limited(BodyStream::new(payload), REQUEST_LIMIT_BYTES).await,
            }
        };
        match timeout(self.request_timeout, arrival).await {
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
        let slow = || {
            tracing::warn!(waited_ms = self.engine_timeout.as_millis(), "the store is slow to read");
            Problem::not_taken()
        };
        self.bounded(&self.calls.reads, call, slow).await
    }

    /// What takes too long may still be made.
    pub(super) async fn edit<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Problem> {
        let slow = || {
            tracing::warn!(waited_ms = self.engine_timeout.as_millis(), "the store is slow to change");
            Problem::outcome_unknown()
        };
        self.bounded(&self.calls.edits, call, slow).await
    }

    /// Whose key is shown is asked for past the reads of tenants.
    pub(super) async fn look_up<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Problem> {
        self.bounded(&self.calls.look_ups, call, Problem::not_taken).await
    }

    /// A place among this application's reads, once one is free.
    pub(super) async fn reading(&self, application: ApplicationId) -> Result<OwnedSemaphorePermit, Problem> {
        let share = self.calls.readings.of(application);
        match timeout(self.engine_timeout, share.acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Problem::not_taken()),
        }
    }

    pub(super) async fn find<T>(
        &self,
        call: impl Future<Output = Result<T, SearchError>>,
    ) -> Result<T, Problem> {
        let slow = || {
            tracing::warn!(waited_ms = self.engine_timeout.as_millis(), "the search engine is slow");
            Problem::not_taken()
        };
        self.bounded(&self.calls.finds, call, slow).await
    }

    /// One call of an engine, if there is a place for it; `slow` says what one is that takes too long.
    async fn bounded<T, E>(
        &self,
        places: &Semaphore,
        call: impl Future<Output = Result<T, E>>,
        slow: impl FnOnce() -> Problem,
    ) -> Result<T, Problem>
    where
        Problem: From<E>,
    {
        let _place = places.try_acquire().map_err(|_full| Problem::not_taken())?;
        match timeout(self.engine_timeout, call).await {
            Ok(outcome) => Ok(outcome?),
            Err(_elapsed) => Err(slow()),
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
