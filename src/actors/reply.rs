//! A waiting client, as its draft carries it from actor to actor.

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::door::{CreateError, Created, Patience};
use super::inlet::Place;
use crate::domain::Number;

/// The actors' end. Dropping it unanswered leaves the client with [`CreateError::Unknown`].
#[derive(Debug)]
pub struct Reply {
    kept: oneshot::Sender<Result<Created, CreateError>>,
    /// None once it was said.
    queued: Option<oneshot::Sender<Number>>,
    /// Free again when this draft is answered for good.
    _place: Place,
}

/// The client's end.
#[derive(Debug)]
pub struct Waiter {
    kept: oneshot::Receiver<Result<Created, CreateError>>,
    queued: oneshot::Receiver<Number>,
}

impl Reply {
    #[must_use]
    pub fn new(place: Place) -> (Self, Waiter) {
        let (kept, kept_answer) = oneshot::channel();
        let (queued, queued_answer) = oneshot::channel();
        (
            Self { kept, queued: Some(queued), _place: place },
            Waiter { kept: kept_answer, queued: queued_answer },
        )
    }

    /// The end of it.
    pub fn answer(self, result: Result<Created, CreateError>) {
        // A client that went away needs no answer; its draft is kept all the same.
        let _ = self.kept.send(result);
    }

    /// Says that the draft is durably queued under this number, while it waits to be kept.
    #[must_use]
    pub fn queued(mut self, number: Number) -> Self {
        if let Some(queued) = self.queued.take() {
            // As above: nobody may be listening.
            let _ = queued.send(number);
        }
        self
    }
}

impl Waiter {
    /// Waits for the end, or for as much as the client asked for, until the deadline.
    pub async fn wait(mut self, patience: Patience, deadline: Instant) -> Result<Created, CreateError> {
        if patience == Patience::UntilQueued
            && let Ok(Ok(number)) = timeout_at(deadline, &mut self.queued).await
        {
            return match self.kept.try_recv() {
                Ok(end) => end,
                Err(_still_waiting) => Ok(Created::Queued(number)),
            };
        }
        match timeout_at(deadline, &mut self.kept).await {
            Ok(Ok(end)) => end,
            Ok(Err(_dropped)) => Err(CreateError::Unknown),
            Err(_elapsed) => match self.queued.try_recv() {
                Ok(number) => Ok(Created::Queued(number)),
                Err(_not_durable) => Err(CreateError::Unknown),
            },
        }
    }
}
