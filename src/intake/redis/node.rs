//! What this process is in Redis: a node with a lease, under an id that changes when the lease is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::scripts::{self, Run};
use super::{DAY_SECONDS, RedisIntake, keys, millis};
use crate::connections::redis::RedisFailure;

/// This process while its lease lasts.
pub(super) struct Node {
    pub(super) id: String,
    /// How many batches it had numbered, as far as it was answered.
    sequence: AtomicU64,
}

/// What a node learns when it says that it lives.
pub(super) struct Renewed {
    /// Entries in its own stream; none when its lease is gone.
    pub(super) length: Option<usize>,
    /// All nodes that have something there.
    pub(super) nodes: Vec<String>,
}

impl Node {
    pub(super) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Relaxed)
    }

    pub(super) fn learn(&self, sequence: u64) {
        self.sequence.fetch_max(sequence, Ordering::Relaxed);
    }
}

impl RedisIntake {
    /// This node, entered if it was not yet.
    pub(super) async fn node(&self) -> Result<Arc<Node>, RedisFailure> {
        let mut node = self.node.lock().await;
        match &*node {
            Some(node) => Ok(Arc::clone(node)),
            None => Ok(Arc::clone(node.insert(self.enter(None).await?))),
        }
    }

    /// A new one in place of that whose lease is gone, unless another call was first.
    pub(super) async fn node_after(&self, gone: &Arc<Node>) -> Result<Arc<Node>, RedisFailure> {
        let mut node = self.node.lock().await;
        match &*node {
            Some(node) if !Arc::ptr_eq(node, gone) => Ok(Arc::clone(node)),
            _ => {
                tracing::warn!("the lease of this node is gone; it enters again");
                Ok(Arc::clone(node.insert(self.enter(Some(gone)).await?)))
            }
        }
    }

    async fn enter(&self, before: Option<&Arc<Node>>) -> Result<Arc<Node>, RedisFailure> {
        let id = Uuid::now_v7().simple().to_string();
        let mut run = Run::new(&scripts::ENTER)
            .keys([keys::epoch(), keys::nodes(), keys::lease(&id), keys::sequence(&id)])
            .argument(&id)
            .argument(millis(self.lease))
            .argument(before.map_or(0, |before| before.sequence()));
        if let Some(before) = before {
            run = run.keys([keys::sequence(&before.id), keys::claim(&before.id)]);
        }
        run.on_counters::<()>(&self.server).await?;
        Ok(Arc::new(Node { id, sequence: AtomicU64::new(0) }))
    }

    /// Says that the node lives. A full Redis takes this too.
    pub(super) async fn renew(&self, node: &Node) -> Result<Renewed, RedisFailure> {
        let mut renew = redis::pipe();
        renew.cmd("PEXPIRE").arg(keys::lease(&node.id)).arg(millis(self.lease));
        renew.expire(keys::sequence(&node.id), DAY_SECONDS).ignore();
        renew.xlen(keys::stream(&node.id)).smembers(keys::nodes());
        let (lives, length, nodes): (bool, usize, Vec<String>) = self
            .server
            .call(async move |mut connection| renew.query_async(&mut connection.commands).await)
            .await?;
        Ok(Renewed { length: lives.then_some(length), nodes })
    }

    /// Gives the lease back.
    pub(super) async fn give_up(&self) -> Result<(), RedisFailure> {
        let Some(node) = self.node.lock().await.take() else { return Ok(()) };
        let leave = redis::Cmd::del(keys::lease(&node.id));
        self.server.call(async move |mut connection| leave.query_async(&mut connection.commands).await).await
    }
}
