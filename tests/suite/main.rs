//! Everything that is promised, held from outside: one binary, started by `tests/run`.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by panicking"
)]

mod support;

mod architecture;
mod contract;
mod journey;
mod numbers;
mod idempotency;
mod drain;
/// The interface, from outside.
mod http;
mod search;
mod deletes;
mod counters;
mod bounds;
mod failing_store;
mod deployment;
mod access;
mod nodes;
mod load;
