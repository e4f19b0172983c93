//! How fast an application and a chat may be used, on this node, and what their users are told of it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderName, HeaderValue};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::problem::Problem;
use crate::domain::{ApplicationId, ChatPlace, Holder, Number, Rate};

/// What is left, and what the whole is (draft-ietf-httpapi-ratelimit-headers-10).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Buckets remembered of one kind. Those that were not used for a window are full, and need not be.
const BUCKETS_LIMIT: usize = 100_000;

/// For each application and each chat, so much at once and so much a time. One hot chat leaves its tenant's others
/// their share, and no tenant takes another's.
pub(super) struct Rates {
    application: Option<Rate>,
    chat: Option<Rate>,
    by_application: Buckets<ApplicationId>,
    by_chat: Buckets<ChatPlace>,
}

impl Rates {
    /// Without a rate there is no limit of that kind.
    pub(super) fn new(application: Option<Rate>, chat: Option<Rate>) -> Self {
        Self { application, chat, by_application: Buckets::default(), by_chat: Buckets::default() }
    }

    /// Takes one request of this holder's, in this chat if the path names one.
    pub(super) fn take(&self, holder: &Holder, chat: Option<Number>) -> Result<Standing, Problem> {
        let application = holder.tenant.id;
        let mut standing = Standing::default();
        // The chat first: what is refused there takes nothing from the rest of its tenant.
        if let (Some(rate), Some(chat)) = (&self.chat, chat) {
            let taken = self.by_chat.take(ChatPlace { application, chat }, rate);
            standing.add("chat", rate, taken)?;
        }
        if let Some(rate) = holder.rate.as_ref().or(self.application.as_ref()) {
            let taken = self.by_application.take(application, rate);
            standing.add("application", rate, taken)?;
        }
        Ok(standing)
    }
}

/// What is left of each limit, as it is told.
#[derive(Debug, Default)]
pub(super) struct Standing {
    left: String,
    policy: String,
}

impl Standing {
    fn add(&mut self, name: &str, rate: &Rate, taken: Result<u32, Duration>) -> Result<(), Problem> {
        let window = rate.window.as_secs();
        let separator = if self.left.is_empty() { "" } else { ", " };
        let left = taken.unwrap_or(0);
        // A bucket fills evenly: where nothing is left, a part of it is there sooner than the whole.
        let seconds = taken.map_or_else(whole_seconds, |_left| window);
        self.left.push_str(&format!("{separator}\"{name}\";r={left};t={seconds}"));
        self.policy.push_str(&format!("{separator}\"{name}\";q={};w={window}", rate.quota));
        match taken {
            Ok(_left) => Ok(()),
            Err(_wait) => {
                let detail = format!("Too many requests: this {name} takes {rate}");
                Err(Problem::too_many(detail, seconds).with(std::mem::take(self).headers()))
            }
        }
    }

    pub(super) fn headers(self) -> Vec<(HeaderName, HeaderValue)> {
        let headers = [(RATE_LIMIT, self.left), (RATE_LIMIT_POLICY, self.policy)];
        let written = headers.into_iter().filter(|(_name, text)| !text.is_empty());
        written.filter_map(|(name, text)| Some((name, HeaderValue::try_from(text).ok()?))).collect()
    }
}

/// Rounded up, and at least one: `Retry-After` has no smaller unit.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// A token bucket for each of many, bounded in number.
pub(super) struct Buckets<K> {
    buckets: Mutex<HashMap<K, Arc<Bucket>>>,
}

struct Bucket {
    rate: Rate,
    limiter: RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>,
    /// When the next is taken, as it was when one was refused last.
    opens_at: Mutex<Option<Instant>>,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { buckets: Mutex::default() }
    }
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    /// How many are left, or how long to wait.
    pub(super) fn take(&self, key: K, rate: &Rate) -> Result<u32, Duration> {
        self.bucket(key, rate).take()
    }

    /// How long whoever was refused here has to wait still. Takes nothing.
    pub(super) fn wait(&self, key: &K) -> Option<Duration> {
        let bucket = Arc::clone(self.all().get(key)?);
        let opens_at = *bucket.opens_at.lock().unwrap_or_else(PoisonError::into_inner);
        opens_at?.checked_duration_since(Instant::now())
    }

    /// A bucket of another rate than before begins full.
    fn bucket(&self, key: K, rate: &Rate) -> Arc<Bucket> {
        let mut buckets = self.all();
        if let Some(bucket) = buckets.get(&key).filter(|bucket| bucket.rate == *rate) {
            return Arc::clone(bucket);
        }
        if buckets.len() >= BUCKETS_LIMIT {
            buckets.retain(|_key, bucket| !bucket.is_full());
            // Where so many are at work, all begin full again: looking through them for each that comes would cost
            // more than they protect.
            if buckets.len() >= BUCKETS_LIMIT / 2 {
                buckets.clear();
            }
        }
        let bucket = Arc::new(Bucket::new(rate.clone()));
        buckets.insert(key, Arc::clone(&bucket));
        bucket
    }

    fn all(&self) -> MutexGuard<'_, HashMap<K, Arc<Bucket>>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        let limiter = RateLimiter::direct(quota(&rate)).with_middleware::<StateInformationMiddleware>();
        Self { rate, limiter, opens_at: Mutex::default() }
    }

    fn take(&self) -> Result<u32, Duration> {
        let taken = self.limiter.check();
        taken.map(|snapshot| snapshot.remaining_burst_capacity()).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            let opens_at = Instant::now() + wait;
            *self.opens_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(opens_at);
            wait
        })
    }

    /// Looks by asking for all there is: what was used lately does not have it.
    fn is_full(&self) -> bool {
        matches!(self.limiter.check_n(self.rate.quota), Ok(Ok(_whole)))
    }
}

/// All at once, and then evenly over the window.
fn quota(rate: &Rate) -> Quota {
    let each = rate.window / rate.quota.get();
    Quota::with_period(each).unwrap_or(Quota::per_second(rate.quota)).allow_burst(rate.quota)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Scopes, Tenant, Token};

    fn holder(id: i64, rate: Option<&str>) -> Holder {
        Holder {
            tenant: Tenant { id: ApplicationId(id), token: Token::fresh().expect("bits") },
            key: Number::FIRST,
            scopes: Scopes::ALL,
            rate: rate.map(|rate| rate.parse().expect("a rate")),
        }
    }

    fn rates(application: Option<&str>, chat: Option<&str>) -> Rates {
        let rate = |text: &str| text.parse().expect("a rate");
        Rates::new(application.map(rate), chat.map(rate))
    }

    /// How many of so many are let through.
    fn passed(rates: &Rates, holder: &Holder, chat: Option<u64>, tries: usize) -> usize {
        let chat = chat.and_then(Number::new);
        (0..tries).filter(|_| rates.take(holder, chat).is_ok()).count()
    }

    #[test]
    fn so_many_pass_at_once_and_others_have_their_own() {
        let rates = rates(Some("10/h"), Some("4/h"));
        let (one, other) = (holder(1, None), holder(2, None));
        assert_eq!(passed(&rates, &one, Some(1), 100), 4, "one hot chat");
        assert_eq!(passed(&rates, &one, Some(2), 100), 4, "leaves its neighbour its share");
        assert_eq!(passed(&rates, &one, None, 100), 2, "and what a chat refused took nothing from the rest");
        assert_eq!(passed(&rates, &one, Some(3), 100), 0);
        assert_eq!(passed(&rates, &other, Some(1), 100), 4, "another tenant");
    }

    #[test]
    fn an_application_may_have_a_rate_of_its_own_and_there_may_be_none() {
        let limited = rates(Some("10/h"), None);
        assert_eq!(passed(&limited, &holder(1, Some("3/h")), Some(1), 100), 3);
        assert_eq!(passed(&limited, &holder(1, Some("5/h")), Some(1), 100), 5, "a new rate begins full");
        assert_eq!(passed(&rates(None, None), &holder(1, None), Some(1), 1_000), 1_000);
    }

    #[test]
    fn what_is_left_is_told_as_the_draft_says() {
        let rates = rates(Some("10/min"), Some("2/h"));
        let tell = |headers: Vec<(HeaderName, HeaderValue)>| -> Vec<String> {
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect()
        };
        let standing = rates.take(&holder(1, None), Number::new(1)).expect("taken");
        assert_eq!(
            tell(standing.headers()),
            [
                "ratelimit: \"chat\";r=1;t=3600, \"application\";r=9;t=60",
                "ratelimit-policy: \"chat\";q=2;w=3600, \"application\";q=10;w=60"
            ]
        );
        assert_eq!(tell(Standing::default().headers()), Vec::<String>::new());
    }

    #[test]
    fn buckets_are_bounded_and_those_at_work_stay() {
        let rates = rates(Some("1000000/h"), Some("3/h"));
        let holder = holder(1, None);
        assert_eq!(passed(&rates, &holder, Some(1), 3), 3);
        for chat in 2..=BUCKETS_LIMIT as u64 + 10 {
            rates.by_chat.bucket(
                ChatPlace { application: ApplicationId(1), chat: Number::new(chat).expect("a number") },
                &"3/h".parse().expect("a rate"),
            );
        }
        assert!(rates.by_chat.buckets.lock().expect("no panic").len() <= BUCKETS_LIMIT);
        assert_eq!(passed(&rates, &holder, Some(1), 1), 0, "it is remembered");
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds() {
        let millis = [0, 1, 1_000, 1_001].map(|millis| whole_seconds(Duration::from_millis(millis)));
        assert_eq!(millis, [1, 1, 1, 2]);
    }
}
