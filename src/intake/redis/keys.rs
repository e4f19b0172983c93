//! What things are called in Redis. All names have one hash tag, so that a Redis Cluster has them in one slot, as a
//! script over several of them needs.

use crate::domain::{BatchId, KeyUse, Parent};

/// The one shard there is: a batch is of one shard.
macro_rules! in_shard {
    ($name:literal $(, $part:expr)*) => { format!(concat!("chat:{{s0}}:", $name) $(, $part)*) };
}

/// In which counters are of use: a hash of its name and the life of the server in which it began.
pub(super) fn epoch() -> String {
    in_shard!("epoch")
}

/// Those who entered and did not leave an empty stream behind: a set.
pub(super) fn nodes() -> String {
    in_shard!("nodes")
}

/// There while a node is alive.
pub(super) fn lease(node: &str) -> String {
    in_shard!("lease:{}", node)
}

/// How many batches a node has had numbered.
pub(super) fn sequence(node: &str) -> String {
    in_shard!("sequence:{}", node)
}

/// What a node accepted and nobody settled, an entry a batch: fields `drafts` and `outcome`.
pub(super) fn stream(node: &str) -> String {
    in_shard!("stream:{}", node)
}

/// Who adopts the stream of a dead node.
pub(super) fn claim(node: &str) -> String {
    in_shard!("claim:{}", node)
}

/// What a batch was answered.
pub(super) fn receipt(batch: BatchId) -> String {
    in_shard!("receipt:{}", batch.0.simple())
}

/// The greatest number handed out to a parent's children, or that it is retired.
pub(super) fn counter(parent: Parent) -> String {
    match parent {
        Parent::Application(application) => in_shard!("counter:{}", application.0),
        Parent::Chat(chat) => in_shard!("counter:{}/{}", chat.application.0, chat.chat),
    }
}

/// The draft that was the first with this idempotency key. Half of the path's SHA-256 tells it from others.
pub(super) fn hold(key: &KeyUse) -> String {
    let path = key.path.0.first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
    in_shard!("hold:{}:{:032x}:{}", key.application.0, path, key.key.as_str())
}
