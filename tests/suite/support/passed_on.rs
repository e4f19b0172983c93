/// Implements [`chat_system::store::Access`] by the store in a field, for a store that bends something else.
macro_rules! pass_access_on {
    ($store:ident, $inner:ident) => {
        const _: () = {
            use chat_system::domain::{AccessKey, Digest, Holder, NewAccessKey, Number, Rate, Tenant};
            use chat_system::store::{Access, KeyMade, Missing, NoKey, StoreError};

            #[async_trait::async_trait]
            impl Access for $store {
                async fn holder(&self, digest: &Digest) -> Result<Option<Holder>, StoreError> {
                    self.$inner.holder(digest).await
                }

                async fn add_access_key(
                    &self,
                    tenant: &Tenant,
                    new: NewAccessKey,
                ) -> Result<Result<KeyMade, NoKey>, StoreError> {
                    self.$inner.add_access_key(tenant, new).await
                }

                async fn access_keys(
                    &self,
                    tenant: &Tenant,
                ) -> Result<Result<Vec<AccessKey>, Missing>, StoreError> {
                    self.$inner.access_keys(tenant).await
                }

                async fn revoke_access_key(
                    &self,
                    tenant: &Tenant,
                    number: Number,
                ) -> Result<Result<(), Missing>, StoreError> {
                    self.$inner.revoke_access_key(tenant, number).await
                }

                async fn rate(&self, tenant: &Tenant) -> Result<Result<Option<Rate>, Missing>, StoreError> {
                    self.$inner.rate(tenant).await
                }

                async fn set_rate(
                    &self,
                    tenant: &Tenant,
                    rate: Option<Rate>,
                ) -> Result<Result<(), Missing>, StoreError> {
                    self.$inner.set_rate(tenant, rate).await
                }
            }
        };
    };
}
pub(crate) use pass_access_on;

/// Implements [`chat_system::store::Quotas`] by the store in a field, for a store that bends something else.
macro_rules! pass_quotas_on {
    ($store:ident, $inner:ident) => {
        const _: () = {
            use chat_system::domain::{Account, ApplicationId, Quota, Tenant};
            use chat_system::store::{Missing, Quotas, StoreError};

            #[async_trait::async_trait]
            impl Quotas for $store {
                async fn account(
                    &self,
                    tenant: &Tenant,
                ) -> Result<Result<Option<Account>, Missing>, StoreError> {
                    self.$inner.account(tenant).await
                }

                async fn set_quota(
                    &self,
                    tenant: &Tenant,
                    quota: Quota,
                ) -> Result<Result<(), Missing>, StoreError> {
                    self.$inner.set_quota(tenant, quota).await
                }

                async fn accounts(
                    &self,
                    applications: &[ApplicationId],
                ) -> Result<Vec<(ApplicationId, Account)>, StoreError> {
                    self.$inner.accounts(applications).await
                }

                async fn tally(&self, limit: usize) -> Result<usize, StoreError> {
                    self.$inner.tally(limit).await
                }
            }
        };
    };
}
pub(crate) use pass_quotas_on;
