use crate::Source;

/// Named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Try again later; nothing else depends on it.
    #[error("the search engine does not answer")]
    Away(#[source] Source),
    /// The index is damaged: only building it anew from the rows helps.
    #[error("the search index is damaged")]
    Damaged(#[source] Source),
}
