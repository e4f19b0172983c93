//! Keys seen lately: the store is asked for each of them every second or so, whoever shows it however often.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::problem::Problem;
use crate::domain::{Digest, Holder};

/// What was asked so lately is known.
const FRESH: Duration = Duration::from_secs(1);
/// While one request asks again, the others go by what was known, but no longer than this: a key that is revoked opens
/// nothing a little later on any node, and within 5 seconds in any case.
const KNOWN: Duration = Duration::from_secs(3);
/// While the store is away, so that nothing can be revoked through this node either, a key that was good so lately is
/// good.
const GRACE: Duration = Duration::from_secs(5 * 60);
/// Keys remembered. A few hundred bytes each.
const KEYS_LIMIT: usize = 100_000;

#[derive(Default)]
pub(super) struct Keyring {
    seen: RwLock<HashMap<Digest, Arc<Seen>>>,
}

/// A key that was good once.
struct Seen {
    /// None if it was not, when the store was asked last.
    holder: Option<Holder>,
    /// When the store was asked, so that a late answer is as old as its question.
    at: Instant,
    /// Whoever has it asks the store next.
    turn: Arc<Mutex<()>>,
}

impl Keyring {
    /// Whose key this is; `None` where it opens nothing. `ask` asks the store; `is_away` says whether that is away.
    pub(super) async fn holder<F>(
        &self,
        digest: Digest,
        ask: impl FnOnce() -> F,
        is_away: impl FnOnce() -> bool,
    ) -> Result<Option<Holder>, Problem>
    where
        F: Future<Output = Result<Option<Holder>, Problem>>,
    {
        let Some(seen) = self.get(&digest) else { return self.ask(digest, ask).await };
        if seen.at.elapsed() < FRESH {
            return Ok(seen.holder.clone());
        }
        let turn = Arc::clone(&seen.turn);
        let _turn = match turn.try_lock() {
            Ok(turn) => turn,
            Err(_asked) if seen.at.elapsed() < KNOWN => return Ok(seen.holder.clone()),
            Err(_asked) => turn.lock().await,
        };
        // Whoever had the turn before may have asked meanwhile.
        let seen = self.get(&digest).unwrap_or(seen);
        if seen.at.elapsed() < FRESH {
            return Ok(seen.holder.clone());
        }
        match self.ask(digest, ask).await {
            Err(_problem) if seen.holder.is_some() && seen.at.elapsed() < GRACE && is_away() => {
                Ok(seen.holder.clone())
            }
            answer => answer,
        }
    }

    /// Whether this key was good when the store was asked last.
    pub(super) fn knows(&self, digest: &Digest) -> bool {
        self.get(digest).is_some_and(|seen| seen.holder.is_some())
    }

    async fn ask<F>(&self, digest: Digest, ask: impl FnOnce() -> F) -> Result<Option<Holder>, Problem>
    where
        F: Future<Output = Result<Option<Holder>, Problem>>,
    {
        let at = Instant::now();
        let holder = ask().await?;
        self.remember(digest, holder.clone(), at);
        // What took so long may be out of date.
        if at.elapsed() < KNOWN { Ok(holder) } else { Err(Problem::not_taken()) }
    }

    fn get(&self, digest: &Digest) -> Option<Arc<Seen>> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    /// An answer to a later question stands. A key that was never good is not remembered: anyone may make some up.
    fn remember(&self, digest: Digest, holder: Option<Holder>, at: Instant) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        let before = seen.get(&digest);
        if before.is_some_and(|before| before.at > at) || (before.is_none() && holder.is_none()) {
            return;
        }
        let turn = before.map(|before| Arc::clone(&before.turn)).unwrap_or_default();
        if seen.len() >= KEYS_LIMIT {
            seen.retain(|_digest, seen| seen.at.elapsed() < KNOWN);
        }
        if seen.len() >= KEYS_LIMIT {
            seen.clear();
        }
        seen.insert(digest, Arc::new(Seen { holder, at, turn }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::domain::{ApplicationId, Number, Scopes, Tenant, Token};

    const KEY: Digest = Digest([7; 32]);

    fn holder() -> Holder {
        let token = Token::parse(&"a".repeat(32)).expect("a token");
        let tenant = Tenant { id: ApplicationId(1), token };
        Holder { tenant, key: Number::FIRST, scopes: Scopes::ALL, rate: None }
    }

    /// As if it had been asked so long ago.
    fn aged(keyring: &Keyring, age: Duration) {
        let at = Instant::now().checked_sub(age).expect("an uptime");
        let turn = Arc::default();
        keyring
            .seen
            .write()
            .expect("no panic")
            .insert(KEY, Arc::new(Seen { holder: Some(holder()), at, turn }));
    }

    async fn ask(keyring: &Keyring, answer: Result<Option<Holder>, Problem>, away: bool) -> Option<bool> {
        let found = keyring.holder(KEY, || async move { answer }, || away).await;
        found.ok().map(|holder| holder.is_some())
    }

    #[tokio::test]
    async fn what_was_asked_lately_is_not_asked_again_and_what_was_revoked_is_remembered_so() {
        let keyring = Keyring::default();
        assert_eq!(ask(&keyring, Ok(None), false).await, Some(false));
        assert!(keyring.get(&KEY).is_none(), "what was never good is not remembered");
        assert_eq!(ask(&keyring, Ok(Some(holder())), false).await, Some(true));
        assert_eq!(ask(&keyring, Err(Problem::not_taken()), false).await, Some(true), "not asked");
        aged(&keyring, FRESH);
        assert_eq!(ask(&keyring, Ok(None), false).await, Some(false));
        assert!(!keyring.knows(&KEY));
        keyring.remember(KEY, Some(holder()), Instant::now().checked_sub(FRESH).expect("an uptime"));
        assert!(!keyring.knows(&KEY), "a late answer to an earlier question does not bring it back");
    }

    #[tokio::test]
    async fn grace_is_for_a_store_that_is_away_and_ends() {
        let keyring = Keyring::default();
        for (age, away, known) in
            [(KNOWN, true, Some(true)), (KNOWN, false, None), (GRACE, true, None), (FRESH, false, None)]
        {
            aged(&keyring, age);
            assert_eq!(ask(&keyring, Err(Problem::not_taken()), away).await, known, "{age:?} {away}");
        }
    }

    #[tokio::test]
    async fn of_many_one_asks() {
        for (age, passed_by) in [(FRESH, true), (KNOWN, false)] {
            let keyring = Keyring::default();
            aged(&keyring, age);
            let asked = AtomicUsize::new(0);
            let look = async || {
                let slow = || async {
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(Some(holder()))
                };
                let started = Instant::now();
                assert!(keyring.holder(KEY, slow, || false).await.expect("an answer").is_some());
                started.elapsed()
            };
            let (first, second, third) = tokio::join!(look(), look(), look());
            assert_eq!(asked.load(Ordering::Relaxed), 1);
            let waited = Duration::from_millis(20);
            assert!(first >= waited && (second < waited) == passed_by && (third < waited) == passed_by);
        }
    }
}
