//! Keys seen lately: the store is asked for each of them every other second, whoever shows it however often.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::problem::Problem;
use crate::domain::{Digest, Holder};

/// A key that was good so lately is good.
const FRESH: Duration = Duration::from_secs(1);
/// While one request asks again, the others go by what was known, no longer than this: a key that is revoked opens
/// nothing on any node a little later, and within 5 seconds in any case.
const KNOWN: Duration = Duration::from_secs(3);
/// While the store does not answer, so that nothing can be revoked either, a key that was good so lately is good.
const GRACE: Duration = Duration::from_secs(5 * 60);
/// Keys remembered. A few hundred bytes each.
const KEYS_LIMIT: usize = 100_000;

#[derive(Default)]
pub(super) struct Keyring {
    seen: RwLock<HashMap<Digest, Arc<Seen>>>,
}

/// A key that was good.
struct Seen {
    holder: Holder,
    at: Instant,
    /// Somebody asks the store.
    asked: AtomicBool,
}

impl Keyring {
    /// Whose key this is; `None` where it opens nothing. `ask` asks the store.
    pub(super) async fn holder<F>(
        &self,
        digest: Digest,
        ask: impl FnOnce() -> F,
    ) -> Result<Option<Holder>, Problem>
    where
        F: Future<Output = Result<Option<Holder>, Problem>>,
    {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        if let Some(seen) = &seen {
            let age = seen.at.elapsed();
            if age < FRESH || (age < KNOWN && seen.asked.swap(true, Ordering::Relaxed)) {
                return Ok(Some(seen.holder.clone()));
            }
        }
        match ask().await {
            Ok(Some(holder)) => {
                self.remember(digest, holder.clone());
                Ok(Some(holder))
            }
            Ok(None) => {
                self.seen.write().unwrap_or_else(PoisonError::into_inner).remove(&digest);
                Ok(None)
            }
            Err(problem) => match seen.filter(|seen| seen.at.elapsed() < GRACE) {
                Some(seen) => Ok(Some(seen.holder.clone())),
                None => Err(problem),
            },
        }
    }

    /// Whether this key was good lately.
    pub(super) fn knows(&self, digest: &Digest) -> bool {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).contains_key(digest)
    }

    fn remember(&self, digest: Digest, holder: Holder) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEYS_LIMIT {
            seen.retain(|_digest, seen| seen.at.elapsed() < KNOWN);
        }
        if seen.len() >= KEYS_LIMIT {
            seen.clear();
        }
        seen.insert(digest, Arc::new(Seen { holder, at: Instant::now(), asked: AtomicBool::new(false) }));
    }
}
