//! Tenants seen lately: the store is asked once for each token.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::domain::Tenant;

/// Most tenants remembered. A few hundred bytes each.
const TENANTS_LIMIT: usize = 10_000;

/// What a token names never changes. A deleted application may stay here for a while, on other nodes too, which
/// is harmless: every query of the store looks at that itself.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    seen: RwLock<HashMap<Box<str>, Tenant>>,
}

impl Tenants {
    pub(super) fn get(&self, token: &str) -> Option<Tenant> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    pub(super) fn remember(&self, tenant: Tenant) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= TENANTS_LIMIT {
            seen.clear();
        }
        seen.insert(tenant.token.as_str().into(), tenant);
    }

    pub(super) fn forget(&self, tenant: &Tenant) {
        self.seen.write().unwrap_or_else(PoisonError::into_inner).remove(tenant.token.as_str());
    }
}
