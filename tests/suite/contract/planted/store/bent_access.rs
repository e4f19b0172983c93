use async_trait::async_trait;
use chat_system::domain::{AccessKey, Digest, Holder, NewAccessKey, Number, Rate, Tenant};
use chat_system::store::{Access, KeyMade, Missing, NoKey, StoreError};

use super::Bug;
use super::bent::BentStore;

#[async_trait]
impl Access for BentStore {
    async fn holder(&self, digest: &Digest) -> Result<Option<Holder>, StoreError> {
        let found = self.right.holder(digest).await?;
        let mut holders = self.holders.lock().expect("holders");
        if let Some(holder) = &found {
            holders.insert(*digest, holder.clone());
        }
        let once = holders.get(digest).filter(|_holder| self.bug == Bug::OpensWithRevokedKeys);
        Ok(found.or(once.cloned()))
    }

    async fn add_access_key(
        &self,
        tenant: &Tenant,
        new: NewAccessKey,
    ) -> Result<Result<KeyMade, NoKey>, StoreError> {
        self.right.add_access_key(tenant, new).await
    }

    async fn access_keys(&self, tenant: &Tenant) -> Result<Result<Vec<AccessKey>, Missing>, StoreError> {
        let mut listed = self.right.access_keys(tenant).await?;
        if let (Bug::ListsAnothersKeys, Ok(listed)) = (self.bug, &mut listed) {
            let known: Vec<Tenant> =
                self.holders.lock().expect("holders").values().map(|holder| holder.tenant.clone()).collect();
            for other in known.iter().filter(|other| *other != tenant) {
                listed.extend(self.right.access_keys(other).await?.unwrap_or_default());
            }
        }
        Ok(listed)
    }

    async fn revoke_access_key(
        &self,
        tenant: &Tenant,
        number: Number,
    ) -> Result<Result<(), Missing>, StoreError> {
        self.right.revoke_access_key(tenant, number).await
    }

    async fn rate(&self, tenant: &Tenant) -> Result<Result<Option<Rate>, Missing>, StoreError> {
        self.right.rate(tenant).await
    }

    async fn set_rate(&self, tenant: &Tenant, rate: Option<Rate>) -> Result<Result<(), Missing>, StoreError> {
        let rate = rate.filter(|_rate| self.bug != Bug::ForgetsRates);
        self.right.set_rate(tenant, rate).await
    }
}
