//! The room in front of keeping. What was numbered is kept in the order of its numbers, so applications can take turns
//! only before that: no more is numbered than the next transactions take, while the store keeps up. Where it does not,
//! a durable queue takes what comes, so that it can be answered 202; without one, what comes waits here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::batch::Cut;
use crate::intake::Durability;

/// Drafts that may be numbered and not yet kept: a batch at work, and the next.
const SIZE: usize = 1_024;
/// A draft that is heavier counts as several.
const DRAFT_BYTES: usize = 8 * 1024;
/// A store that makes no room for so long does not keep up.
const PATIENCE: Duration = Duration::from_millis(250);

/// Cloning shares it.
#[derive(Debug, Clone)]
pub struct Window(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    durability: Durability,
    taken: AtomicUsize,
    /// Something was kept.
    kept: Notify,
    /// Set from when the store did not keep up until there is room again.
    behind: AtomicBool,
}

/// Room taken. Dropping it gives it back: the store goes on.
#[derive(Debug)]
pub struct Room {
    window: Window,
    size: usize,
}

impl Window {
    #[must_use]
    pub fn new(durability: Durability) -> Self {
        Self(Arc::new(Inner {
            durability,
            taken: AtomicUsize::new(0),
            kept: Notify::new(),
            behind: AtomicBool::new(false),
        }))
    }

    /// Waits for room for a batch of this size; behind a durable queue, only while the store keeps up.
    pub async fn room(&self, batch: Cut) -> Room {
        let (inner, size) = (&*self.0, size(batch));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let taken = inner.taken.load(Ordering::Relaxed);
            if taken == 0 || taken + size <= SIZE {
                inner.behind.store(false, Ordering::Relaxed);
                break;
            }
            if inner.durability == Durability::Volatile {
                inner.kept.notified().await;
            } else if inner.behind.load(Ordering::Relaxed) {
                break;
            } else if timeout_at(deadline, inner.kept.notified()).await.is_err() {
                inner.behind.store(true, Ordering::Relaxed);
            }
        }
        self.squeeze(batch)
    }

    /// Takes room for a batch of this size, whether or not there is some.
    #[must_use]
    pub fn squeeze(&self, batch: Cut) -> Room {
        let size = size(batch);
        self.0.taken.fetch_add(size, Ordering::Relaxed);
        Room { window: self.clone(), size }
    }
}

fn size(batch: Cut) -> usize {
    batch.drafts.max(batch.bytes / DRAFT_BYTES).max(1)
}

impl Drop for Room {
    fn drop(&mut self) {
        let Inner { taken, kept, .. } = &*self.window.0;
        taken.fetch_sub(self.size, Ordering::Relaxed);
        kept.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: Cut = Cut { drafts: 512, bytes: 512 };

    async fn is_held_back(window: &Window) -> bool {
        timeout_at(Instant::now() + PATIENCE * 4, window.room(BATCH)).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_waits_until_an_earlier_one_is_kept() {
        for durability in [Durability::Durable, Durability::Volatile] {
            let window = Window::new(durability);
            let first = window.room(BATCH).await;
            let _second = window.room(BATCH).await;
            let kept = async {
                tokio::time::sleep(PATIENCE / 2).await;
                drop(first);
            };
            let began = Instant::now();
            let (_third, ()) = tokio::join!(window.room(BATCH), kept);
            assert_eq!(began.elapsed(), PATIENCE / 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_keep_up_holds_back_nothing_that_is_durable_until_there_is_room() {
        let window = Window::new(Durability::Durable);
        let heavy = window.room(Cut { drafts: 1, bytes: SIZE * DRAFT_BYTES }).await;
        let began = Instant::now();
        let mut more = Vec::new();
        for _ in 0..10 {
            more.push(window.room(BATCH).await);
        }
        assert_eq!(began.elapsed().as_millis(), PATIENCE.as_millis(), "only the first waits");
        drop(heavy);
        more.push(window.room(BATCH).await);
        assert_eq!(began.elapsed().as_millis(), PATIENCE.as_millis(), "it is far behind still");
        more.truncate(1);
        more.push(window.room(BATCH).await);
        more.push(window.room(BATCH).await);
        assert_eq!(began.elapsed().as_millis(), 2 * PATIENCE.as_millis(), "it kept up, and waits again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_durable_waits_for_room_however_long_that_takes() {
        let window = Window::new(Durability::Volatile);
        let (first, second) = (window.room(BATCH).await, window.squeeze(BATCH));
        assert!(is_held_back(&window).await);
        drop(first);
        let third = window.room(BATCH).await;
        assert!(is_held_back(&window).await);
        drop((second, third));
        assert!(!is_held_back(&window).await);
    }
}
