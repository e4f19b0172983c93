//! Waiting longer after each failure, up to a bound, with jitter so that many do not come back at once.

use std::time::Duration;

/// Doubles from `first` to `longest`.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// How long to wait now: between half of this step and all of it.
    pub fn step(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.longest);
        let mut random = [0_u8];
        // Without random bits the whole step is waited.
        if getrandom::fill(&mut random).is_err() {
            return step;
        }
        step / 2 + step / 2 * u32::from(random[0]) / 255
    }

    /// Waits for one step.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.step()).await;
    }
}
