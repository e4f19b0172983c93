//! The one node there is: the lock on the file keeps every other away.

use async_trait::async_trait;

use super::SqliteStore;
use crate::store::{Company, Entered, Nodes, StoreError};

#[async_trait]
impl Nodes for SqliteStore {
    async fn enter(&self, _company: Company) -> Result<Entered, StoreError> {
        // Writes nothing, and yet says whether the file answers.
        self.read(|rows| Ok(rows.query_row("SELECT 1 FROM followers", [], |_row| Ok(()))?)).await?;
        Ok(Entered::In { uncounted: false })
    }

    async fn leave(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn lead(&self) -> Result<bool, StoreError> {
        Ok(true)
    }
}
