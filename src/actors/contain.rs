//! A panic becomes an error of its batch, and the actor lives on.

use std::future::Future;

/// The batch panicked; the panic hook has printed why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a batch panicked")]
pub struct Panicked;

/// Runs one batch on a task of its own.
pub async fn contain<R: 'static>(batch: impl Future<Output = R> + 'static) -> Result<R, Panicked> {
    actix_rt::spawn(batch).await.map_err(|_join_error| Panicked)
}
