//! Applications that were refused something for their quota. While one is here, the edge looks at its account before a
//! number is taken: each that is refused behind that leaves a tombstone.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::domain::ApplicationId;

/// Most applications remembered; who is forgotten is refused behind its number once more.
const LIMIT: usize = 10_000;

#[derive(Debug, Default)]
pub struct Full {
    applications: Mutex<HashSet<ApplicationId>>,
}

impl Full {
    pub fn remember(&self, application: ApplicationId) {
        let mut applications = self.applications.lock().unwrap_or_else(PoisonError::into_inner);
        if applications.len() >= LIMIT {
            applications.clear();
        }
        applications.insert(application);
    }

    pub fn forget(&self, application: ApplicationId) {
        self.applications.lock().unwrap_or_else(PoisonError::into_inner).remove(&application);
    }

    #[must_use]
    pub fn has(&self, application: ApplicationId) -> bool {
        self.applications.lock().unwrap_or_else(PoisonError::into_inner).contains(&application)
    }
}
