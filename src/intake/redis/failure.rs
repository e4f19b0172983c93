//! What a failed call means to whoever accepts: whether anything was taken.

use crate::connections::redis::RedisFailure;
use crate::intake::IntakeError;

/// Answers of the server to a script that it does not begin.
const NOT_BEGUN: [&str; 14] = [
    "OOM",
    "READONLY",
    "LOADING",
    "NOAUTH",
    "NOPERM",
    "MISCONF",
    "NOREPLICAS",
    "MASTERDOWN",
    "BUSY",
    "NOSCRIPT",
    "CLUSTERDOWN",
    "MOVED",
    "ASK",
    "TRYAGAIN",
];

/// Two leases in a row were gone before they were used.
#[derive(Debug, thiserror::Error)]
#[error("the lease of this node ends before it is used; it is too short")]
pub(super) struct LeaseTooShort;

impl From<RedisFailure> for IntakeError {
    fn from(failure: RedisFailure) -> Self {
        match failure {
            RedisFailure::NotAsked(source) => Self::Away(source),
            RedisFailure::Refused(error) if error.code().is_some_and(|code| NOT_BEGUN.contains(&code)) => {
                Self::Away(Box::new(error))
            }
            RedisFailure::Refused(error) => Self::Unknown(Box::new(error)),
            RedisFailure::Lost(source) => Self::Unknown(source),
        }
    }
}
