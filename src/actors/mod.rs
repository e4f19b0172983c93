//! The way of one message, one actor a file. Each file says in its head which step of the way it is, whom it
//! hears, whom it tells, what bounds it, and what happens when it fails.

// What the edge may ask of the actors.
pub mod door;
// 1. Numbers and queue.
pub mod number_allocator;
// An accept, until there is an answer.
mod accepting;
// 2. Rows.
pub mod persistence_actor;
// Keeping one batch, apart from the loop.
mod keeping;
// 3. What was kept becomes findable.
pub mod search_indexer;
// One round of it, apart from the loop.
pub mod search_round;
// What it has claimed, applications in turn.
mod portion;
// An index built anew, by a round or by an operator.
pub mod reindex;
// 4. What was kept is counted.
pub mod counter_sync;
// One tick of it.
mod counting;
// One round of its housekeeping.
mod housekeeping;
// Numbers without a row, until they are nobody's.
mod holes;
// Numbers without a row that readers met.
mod suspects;

// The bounded way into an actor.
pub mod inlet;
// A waiting client.
pub mod reply;
// What waits, cut into batches.
pub mod batch;
// The room in front of keeping.
pub mod window;
// A panic becomes an error of its batch.
pub mod contain;
// Who holds as much as it may.
pub mod full;
// How each engine is doing.
pub mod vitals;

pub use door::{CreateError, Created, Door, Patience};
pub use full::Full;
pub use vitals::{EngineState, Vitals};
