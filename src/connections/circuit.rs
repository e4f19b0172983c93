use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::{Instant, timeout};

use crate::metrics::{METRICS, ServerLabels};

/// How long a server that is gone is left alone before one call tries whether it is back, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// In front of one server: bounds every call in time, and when the server is gone, refuses calls at once; one at a
/// time tries whether it is back.
pub struct Circuit {
    /// Of the server, for the log and the metrics.
    name: &'static str,
    timeout: Duration,
    state: Mutex<State>,
    /// Looked up once, because it is told of every call.
    at_work: Gauge,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed,
    Open { try_at: Instant, pause: Duration },
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError<E> {
    /// Nothing was sent.
    #[error("the server has been gone for a while")]
    Open,
    /// Nobody knows what became of it.
    #[error("the server did not answer in time")]
    TimedOut,
    #[error(transparent)]
    Failed(E),
}

impl Circuit {
    #[must_use]
    pub fn new(name: &'static str, timeout: Duration) -> Self {
        let at_work = METRICS.calls_at_work.get_or_create_owned(&ServerLabels { server: name });
        Self { name, timeout, state: Mutex::new(State::Closed), at_work }
    }

    /// Makes one call, unless the server is known to be gone. `is_gone` tells errors that say so from those that
    /// a server gives.
    ///
    /// # Errors
    /// At once where the circuit is open, else within the time-out.
    pub async fn call<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        is_gone: impl FnOnce(&E) -> bool,
    ) -> Result<T, CallError<E>> {
        if !self.admits() {
            return Err(CallError::Open);
        }
        let _at_work = AtWork::begin(&self.at_work);
        match timeout(self.timeout, call).await {
            Err(_elapsed) => {
                self.open();
                Err(CallError::TimedOut)
            }
            Ok(Err(error)) if is_gone(&error) => {
                self.open();
                Err(CallError::Failed(error))
            }
            Ok(Err(error)) => {
                self.close();
                Err(CallError::Failed(error))
            }
            Ok(Ok(answer)) => {
                self.close();
                Ok(answer)
            }
        }
    }

    /// Whether calls go through now.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(*self.state(), State::Closed)
    }

    /// Whoever comes when the pause is over tries; those after it wait for the next pause.
    fn admits(&self) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        match *state {
            State::Closed => true,
            State::Open { try_at, .. } if now < try_at => false,
            State::Open { pause, .. } => {
                *state = State::Open { try_at: now + self.timeout.max(pause), pause };
                true
            }
        }
    }

    fn open(&self) {
        let mut state = self.state();
        let pause = match *state {
            State::Closed => {
                tracing::warn!(server = self.name, "the server is gone; trying again");
                FIRST_PAUSE
            }
            State::Open { pause, .. } => (pause * 2).min(LONGEST_PAUSE),
        };
        *state = State::Open { try_at: Instant::now() + pause, pause };
        self.measure(1);
    }

    fn close(&self) {
        let mut state = self.state();
        if matches!(*state, State::Open { .. }) {
            tracing::info!(server = self.name, "the server is back");
        }
        *state = State::Closed;
        self.measure(0);
    }

    fn measure(&self, open: i64) {
        METRICS.circuit_open.get_or_create(&ServerLabels { server: self.name }).set(open);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a call in the metrics for as long as it lives: its caller may go away before its end.
struct AtWork<'a>(&'a Gauge);

impl<'a> AtWork<'a> {
    fn begin(calls: &'a Gauge) -> Self {
        calls.inc();
        Self(calls)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    async fn answer(circuit: &Circuit) -> Result<(), CallError<&'static str>> {
        circuit.call(async { Ok(()) }, |_error| false).await
    }

    async fn hang(circuit: &Circuit) {
        let call = std::future::pending::<Result<(), &str>>();
        assert!(matches!(circuit.call(call, |_error| false).await, Err(CallError::TimedOut)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_answer_is_left_alone_for_a_while_and_then_tried() {
        let circuit = Circuit::new("a server", TIMEOUT);
        hang(&circuit).await;
        assert!(!circuit.is_closed());
        assert!(matches!(answer(&circuit).await, Err(CallError::Open)));
        tokio::time::advance(FIRST_PAUSE).await;
        answer(&circuit).await.unwrap();
        assert!(circuit.is_closed());
        answer(&circuit).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_at_a_time_tries_whether_it_is_back_and_pauses_grow() {
        let circuit = Circuit::new("a server", TIMEOUT);
        hang(&circuit).await;
        tokio::time::advance(FIRST_PAUSE).await;
        let trying = hang(&circuit);
        let beside = async { assert!(matches!(answer(&circuit).await, Err(CallError::Open))) };
        tokio::join!(trying, beside);
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(matches!(answer(&circuit).await, Err(CallError::Open)), "twice as long now");
        tokio::time::advance(FIRST_PAUSE).await;
        answer(&circuit).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_that_a_server_gives_keeps_the_circuit_closed_and_one_that_says_it_is_gone_opens_it() {
        let circuit = Circuit::new("a server", TIMEOUT);
        for (error, closed) in [("syntax", true), ("connection refused", false)] {
            let refused = circuit.call(async { Err::<(), _>(error) }, |error| *error != "syntax").await;
            assert!(matches!(refused, Err(CallError::Failed(_))));
            assert_eq!(circuit.is_closed(), closed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_whose_caller_went_away_is_followed_by_another() {
        let circuit = Circuit::new("a server", TIMEOUT);
        hang(&circuit).await;
        tokio::time::advance(FIRST_PAUSE).await;
        let call = std::future::pending::<Result<(), &str>>();
        let gone = circuit.call(call, |_error| false);
        assert!(timeout(Duration::from_millis(1), gone).await.is_err());
        tokio::time::advance(TIMEOUT).await;
        answer(&circuit).await.unwrap();
    }
}
