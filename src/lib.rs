//! A chat backend: applications own chats, chats own messages, numbered 1, 2, 3 … without gap or repeat.
//!
//! # The way of one message
//!
//! A client posts a message. The edge, [`http`], parses it into a [`domain::Draft`], which is checked once and
//! never again, and asks [`actors::Door`]. The door takes a place in the bounded inlet of
//! [`actors::number_allocator::NumberAllocator`], or refuses at once. The allocator gathers every draft that waits
//! and gives the whole batch its numbers and its place in the queue in one atomic step, [`intake::Intake::accept`].
//!
//! The batch goes on to [`actors::persistence_actor::PersistenceActor`], which keeps it in one transaction,
//! [`store::Keep::keep`]: the rows, what the search index has yet to learn, and the idempotency keys. After the
//! commit the waiting clients are answered 201, and the intake forgets the batch, [`intake::Intake::settle`].
//!
//! [`actors::search_indexer::SearchIndexer`] brings what was kept into the index, [`search::Search::index`], and
//! [`actors::counter_sync::CounterSync`] brings the counters of what changed up to the rows,
//! [`store::Count::count`]. Both follow the rows and can always catch up.
//!
//! Modules stand in the order of dependence: each uses only those above it.

// What things are. No I/O, no actix.
pub mod domain;
// Bounded threads for calls that block.
pub mod blocking;
// What this process measures.
pub mod metrics;
// One pool per server and process.
pub mod connections;
// PORT: numbers and the queue, one fact.
pub mod intake;
// PORT: the rows, the last word.
pub mod store;
// PORT: finding messages.
pub mod search;
// The way of one message, one actor a file.
pub mod actors;
// The edge: parse, ask, answer.
pub mod http;
// Every knob with its unit; the only reader of the environment.
pub mod config;
// Logs, set up once.
pub mod telemetry;
// Composition root: the only file that names an engine.
pub mod app;

/// The cause of an engine's error: for the log, never for a client.
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

#[cfg(test)]
mod tests;
