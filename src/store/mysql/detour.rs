use std::sync::atomic::{AtomicU32, Ordering};

/// Batches that are kept in two round trips after one was not in one: where deleted parents or quotas are usual, few
/// round trips are lost.
const DETOUR_BATCHES: u32 = 64;

/// Whether batches are tried in one round trip.
#[derive(Debug, Default)]
pub(super) struct Detour {
    left: AtomicU32,
}

impl Detour {
    pub(super) fn begin(&self) {
        self.left.store(DETOUR_BATCHES, Ordering::Relaxed);
    }

    /// Asked once a batch.
    pub(super) fn is_over(&self) -> bool {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.is_err()
    }
}
