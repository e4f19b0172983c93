//! The nodes that work on the same rows.

use async_trait::async_trait;

use super::StoreError;

/// The nodes that work on these rows. A node says that it lives several times a lease; one that is silent for longer
/// counts as dead.
#[async_trait]
pub trait Nodes: Send + Sync + 'static {
    /// Says that this node lives.
    async fn enter(&self, company: Company) -> Result<Entered, StoreError>;

    /// This node is gone, and everything that it kept is counted.
    async fn leave(&self) -> Result<(), StoreError>;

    /// Whether this node may build the search index anew: no other one does, from now until this node has not asked
    /// again for a lease.
    async fn lead(&self) -> Result<bool, StoreError>;

    /// Settings of the engine under which it may lose what it has answered, a sentence for the operator each.
    async fn warnings(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

/// Whether a node can share its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// Its intake or its index lives in this process: no other node may work on these rows.
    Alone,
    Many,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// Welcome. Where a node died, what it kept last may be uncounted: see [`super::Count::uncounted`].
    In { uncounted: bool },
    /// Another node is there, and one of the two has to be alone.
    Refused,
}
