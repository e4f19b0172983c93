//! How much applications may hold: see [`Quotas`].

use async_trait::async_trait;

use super::{Missing, StoreError};
use crate::domain::{Account, ApplicationId, Quota, Tenant};

/// Quotas, exact however many nodes write: what would go over one is refused in the transaction that would have kept
/// it, and its number becomes a tombstone. An application without a quota pays one look-up by key in each transaction.
#[async_trait]
pub trait Quotas: Send + Sync + 'static {
    /// `None` where the application may hold as much as it likes.
    async fn account(&self, tenant: &Tenant) -> Result<Result<Option<Account>, Missing>, StoreError>;

    /// In the place of the one before. What is there when an application gets its first one is counted by
    /// [`Quotas::tally`]: until then the quota knows of a part of it.
    async fn set_quota(&self, tenant: &Tenant, quota: Quota) -> Result<Result<(), Missing>, StoreError>;

    /// The accounts of those of these applications that have one.
    async fn accounts(
        &self,
        applications: &[ApplicationId],
    ) -> Result<Vec<(ApplicationId, Account)>, StoreError>;

    /// Goes on counting what was there before a quota, by up to `limit` messages. Says at how many it looked.
    async fn tally(&self, limit: usize) -> Result<usize, StoreError>;
}
