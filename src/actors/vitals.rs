//! How each engine is doing, as those who work with it last saw it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::metrics::{METRICS, PortLabels};

/// One cell an engine, written by the actor that works with it, read by readiness.
#[derive(Debug, Default)]
pub struct Vitals {
    states: Mutex<BTreeMap<&'static str, EngineState>>,
    warnings: Mutex<BTreeMap<&'static str, Vec<String>>>,
}

/// What an engine can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineState {
    Up,
    /// Calls fail; they are tried again.
    Away,
    /// The search index is being built from the rows: it does not know all of them yet.
    Rebuilding,
}

impl EngineState {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Away => "away",
            Self::Rebuilding => "rebuilding",
        }
    }
}

/// Ports, as [`Vitals`] names them.
pub const INTAKE: &str = "intake";
pub const STORE: &str = "store";
pub const SEARCH: &str = "search";

impl Vitals {
    pub fn set(&self, port: &'static str, state: EngineState) {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).insert(port, state);
        METRICS.engine_up.get_or_create(&PortLabels { port }).set(i64::from(state == EngineState::Up));
    }

    /// A port that nobody has reported on is up.
    #[must_use]
    pub fn get(&self, port: &'static str) -> EngineState {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(port).copied().unwrap_or(EngineState::Up)
    }

    /// What makes an engine less durable than it can be, now. Said in the log when it is new.
    pub fn warn(&self, port: &'static str, warnings: Vec<String>) {
        let mut known = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(port).or_default();
        for warning in warnings.iter().filter(|warning| !known.contains(warning)) {
            tracing::warn!(port, warning, "the engine is set to lose what it has answered");
        }
        *known = warnings;
    }

    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned().collect()
    }
}
