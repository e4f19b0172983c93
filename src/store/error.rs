use crate::Source;

/// Named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was changed: wait and try again, or refuse the client.
    #[error("the store does not answer")]
    Away(#[source] Source),
    /// Nobody knows whether the change was made: doing the same again settles it.
    #[error("the store's answer got lost")]
    Unknown(#[source] Source),
    /// This very call cannot succeed, now or later; others can.
    #[error("the store cannot do this")]
    Broken(#[source] Source),
}

/// The first thing on the path that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Application,
    Chat,
    Message,
    Key,
}

/// Why a message was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unchanged {
    Missing(Missing),
    /// It is at another version than expected.
    Stale,
    /// The application would hold more than it may.
    OverQuota,
}
