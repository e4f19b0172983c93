//! Wrong keys, counted by the address that shows them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::rates::{Buckets, whole_seconds};
use crate::domain::Rate;

/// The operator is let in from where its key was shown so lately, whoever else shows wrong ones there.
const OPERATOR_KNOWN: Duration = Duration::from_secs(10 * 60);
const OPERATORS_LIMIT: usize = 1_000;

/// Counts wrong keys for each address.
pub(super) struct Failures {
    rate: Option<Rate>,
    by_address: Buckets<IpAddr>,
    /// Where the operator's key was shown lately: wrong keys from there do not keep it out.
    operators: Mutex<HashMap<IpAddr, Instant>>,
}

impl Failures {
    /// Without a rate nobody is held off.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, by_address: Buckets::default(), operators: Mutex::default() }
    }

    /// How many seconds this address has to wait, if it failed too often.
    pub(super) fn held_off(&self, address: IpAddr) -> Option<u64> {
        self.by_address.wait(&address).map(whole_seconds)
    }

    /// Counts one; whether it was within the rate, so that it may have its line in the log.
    pub(super) fn count(&self, address: IpAddr) -> bool {
        let Some(rate) = &self.rate else { return true };
        let taken = self.by_address.take(address, rate);
        if taken == Ok(0) {
            // This was the last: the bucket learns now when it has another, and the next is held off before it is looked at.
            let _ = self.by_address.take(address, rate);
        }
        taken.is_ok()
    }

    pub(super) fn knows_operator(&self, address: IpAddr) -> bool {
        let operators = self.operators.lock().unwrap_or_else(PoisonError::into_inner);
        operators.get(&address).is_some_and(|seen| seen.elapsed() < OPERATOR_KNOWN)
    }

    pub(super) fn remember_operator(&self, address: IpAddr) {
        let mut operators = self.operators.lock().unwrap_or_else(PoisonError::into_inner);
        if operators.len() >= OPERATORS_LIMIT {
            operators.retain(|_address, seen| seen.elapsed() < OPERATOR_KNOWN);
        }
        if operators.len() < OPERATORS_LIMIT {
            operators.insert(address, Instant::now());
        }
    }
}
