//! Who may do what: see [`Access`].

use async_trait::async_trait;

use super::{Missing, Recalled, StoreError};
use crate::domain::{AccessKey, Digest, Holder, NewAccessKey, Number, Rate, Tenant};

/// Keys that one application may have at once.
pub const ACCESS_KEYS_LIMIT: usize = 100;

/// The keys of applications, and how fast they may be used. What is changed here holds for every node that asks after
/// it was answered.
#[async_trait]
pub trait Access: Send + Sync + 'static {
    /// Who holds the key with this digest, if it is one that was not revoked, of an application that was not deleted.
    async fn holder(&self, digest: &Digest) -> Result<Option<Holder>, StoreError>;

    async fn add_access_key(
        &self,
        tenant: &Tenant,
        new: NewAccessKey,
    ) -> Result<Result<KeyMade, NoKey>, StoreError>;

    /// Those that were not revoked, in the order of their numbers.
    async fn access_keys(&self, tenant: &Tenant) -> Result<Result<Vec<AccessKey>, Missing>, StoreError>;

    async fn revoke_access_key(
        &self,
        tenant: &Tenant,
        number: Number,
    ) -> Result<Result<(), Missing>, StoreError>;

    /// How fast the application may be used; `None` where it is as fast as any.
    async fn rate(&self, tenant: &Tenant) -> Result<Result<Option<Rate>, Missing>, StoreError>;

    async fn set_rate(&self, tenant: &Tenant, rate: Option<Rate>) -> Result<Result<(), Missing>, StoreError>;
}

/// How [`Access::add_access_key`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMade {
    New(AccessKey),
    /// Its key of idempotency was used before.
    Replay(Recalled),
}

/// Why no key was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    Missing(Missing),
    /// There are [`ACCESS_KEYS_LIMIT`].
    Full,
}
