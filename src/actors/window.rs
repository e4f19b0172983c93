//! The room in front of keeping. What was numbered is kept in the order of its numbers, so applications can take turns
//! only before that: no more is numbered than the next transactions take, while the store keeps up. Where it does not,
//! nothing is held back: what is durably queued can be answered 202.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::batch::Cut;

/// Drafts that may be numbered and not yet kept: a batch at work, and the next.
const SIZE: usize = 1_024;
/// A draft that is heavier counts as several.
const DRAFT_BYTES: usize = 8 * 1024;
/// A store that makes no room for so long does not keep up.
const PATIENCE: Duration = Duration::from_millis(250);

/// Cloning shares it.
#[derive(Debug, Clone)]
pub struct Window {
    free: Arc<Semaphore>,
    /// Set while the store does not keep up.
    open: Arc<AtomicBool>,
}

/// Room taken. Dropping it gives it back: the store goes on.
#[derive(Debug)]
pub struct Room {
    _taken: OwnedSemaphorePermit,
    open: Arc<AtomicBool>,
}

impl Default for Window {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(SIZE)), open: Arc::default() }
    }
}

impl Window {
    /// Waits for room for a batch of this size. None where the store does not keep up.
    pub async fn room(&self, batch: Cut) -> Option<Room> {
        let size = batch.drafts.max(batch.bytes / DRAFT_BYTES).clamp(1, SIZE);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let free = Arc::clone(&self.free);
        let taken = match self.open.load(Ordering::Relaxed) {
            true => free.try_acquire_many_owned(size).ok(),
            false => timeout(PATIENCE, free.acquire_many_owned(size)).await.ok().and_then(Result::ok),
        };
        self.open.store(taken.is_none(), Ordering::Relaxed);
        Some(Room { _taken: taken?, open: Arc::clone(&self.open) })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.open.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const BATCH: Cut = Cut { drafts: 512, bytes: 512 };

    #[tokio::test(start_paused = true)]
    async fn a_batch_waits_until_an_earlier_one_is_kept() {
        let window = Window::default();
        let first = window.room(BATCH).await.unwrap();
        let _second = window.room(BATCH).await.unwrap();
        let kept = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(first);
        };
        let began = Instant::now();
        let (third, ()) = tokio::join!(window.room(BATCH), kept);
        assert!(third.is_some());
        assert_eq!(began.elapsed(), PATIENCE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_keep_up_holds_nothing_back_until_it_goes_on() {
        let window = Window::default();
        let first = window.room(Cut { drafts: 1, bytes: SIZE * DRAFT_BYTES }).await.unwrap();
        let began = Instant::now();
        for _ in 0..10 {
            assert!(window.room(BATCH).await.is_none());
        }
        assert_eq!(began.elapsed().as_millis(), PATIENCE.as_millis(), "only the first waits");
        drop(first);
        let _second = window.room(BATCH).await.unwrap();
        let _third = window.room(BATCH).await.unwrap();
        let began = Instant::now();
        assert!(window.room(BATCH).await.is_none());
        assert!(began.elapsed() >= PATIENCE, "it waits again");
    }
}
