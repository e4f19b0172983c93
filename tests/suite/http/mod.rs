//! The HTTP interface as its clients see it.

/// Every call, exactly.
mod contract;
/// Everything that a client can do wrong.
mod bad_input;
