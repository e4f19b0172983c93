//! The intake of many nodes, on Redis 7 and later.
//!
//! A node enters under an id of its own, with a lease. What it accepts stands in a stream of its own, an entry a
//! batch, written by the script that takes the numbers (`accept.lua`, one step for Redis). When the lease is gone the
//! node accepts no more under that id, and any node may adopt the stream; a node that was only silent for too long
//! enters again under a new id. Keeping what another keeps too is harmless, since the store knows each draft's id.
//!
//! # When Redis goes back in time
//! Counters are a cache of what the store knows, and of what stands in the streams. They count only in the *epoch*
//! in which they were seeded. A new epoch begins
//! * when the server was started again, whether or not it lost something: each call says which life of the server
//!   its connection belongs to, so that the first call after a start is noticed, whoever makes it;
//! * when nothing is there (`FLUSHALL`);
//! * when Redis knows of fewer batches of a node than the node does: its data went back while it ran.
//!
//! What is not noticed (the data of a running server is replaced while the nodes that accepted since are dead) the
//! store's conflict rule catches: no row is overwritten.
//!
//! # Limits
//! Numbers up to 2^53. A receipt is kept for ten time-outs, and at least for a minute; a key for a day at most; the
//! counter of a parent in which nothing is created for a day, retired ones too. An entry that no node can read stays,
//! and with it [`Intake::oldest`], so that no hole is closed while it may be in there.

// What things are called there.
mod keys;
// A batch as it stands in a stream.
mod entry;
// Lua, and how it is run.
mod scripts;
// What this process holds in memory.
mod held;
// Its id and its lease.
mod node;
// What is left of other nodes, and what was left of this one.
mod adopt;
// What a failed call means.
mod failure;
// Settings under which something may get lost.
mod settings;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{Adopted, Durability, EntryId, Intake, IntakeError, Receipt};
use crate::connections::redis::{RedisFailure, RedisServer, RedisUrlError};
use crate::domain::{BatchId, Draft, Number, Parent};
use entry::Shape;
use failure::LeaseTooShort;
use held::Held;
use node::Node;
use scripts::Run;

/// A receipt outlives so many calls that time out, and this long at least.
const RECEIPT_CALLS: u32 = 10;
const RECEIPT_KEPT_AT_LEAST: Duration = Duration::from_secs(60);
/// What is not used for so long is forgotten: counters, and keys whose entry was never settled.
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What it takes besides the URL.
pub struct RedisOptions {
    /// A node that is silent for so long is dead.
    pub lease: Duration,
    /// Keys are held this long after their entry was settled.
    pub key_hold: Duration,
    /// Of each call.
    pub timeout: Duration,
    /// Certificates, in PEM, by which alone a `rediss:` server is trusted.
    pub tls_ca: Option<PathBuf>,
    /// To the server, at most.
    pub connections: usize,
}

/// One node's side of it.
pub struct RedisIntake {
    server: Arc<RedisServer>,
    lease: Duration,
    key_hold: Duration,
    receipt_kept: Duration,
    node: tokio::sync::Mutex<Option<Arc<Node>>>,
    held: Mutex<Held>,
}

impl RedisIntake {
    /// Does not ask the server for anything yet.
    ///
    /// # Errors
    /// When the URL cannot be understood, or the certificates cannot be read.
    pub fn new(url: &str, options: RedisOptions) -> Result<Self, RedisUrlError> {
        let RedisOptions { lease, key_hold, timeout, tls_ca, connections } = options;
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        Ok(Self {
            server: RedisServer::shared(url, tls_ca.as_deref(), connections, timeout)?,
            lease,
            key_hold,
            receipt_kept: (timeout * RECEIPT_CALLS).max(RECEIPT_KEPT_AT_LEAST),
            node: tokio::sync::Mutex::default(),
            held: Mutex::default(),
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept_as(
        &self,
        node: &Node,
        batch: BatchId,
        asked: &Asked<'_>,
    ) -> Result<Option<(String, u64)>, RedisFailure> {
        let mut run = Run::new(&scripts::ACCEPT)
            .keys([keys::epoch(), keys::lease(&node.id), keys::sequence(&node.id), keys::stream(&node.id)])
            .key(keys::receipt(batch))
            .keys(asked.shape.parents.iter().copied().map(keys::counter))
            .keys(asked.holds.iter().map(|hold| hold.name.clone()))
            .argument(node.sequence())
            .argument(&node.id)
            .argument(self.receipt_kept.as_secs())
            .argument(DAY_SECONDS)
            .argument(asked.drafts)
            .argument(asked.shape.parents.len())
            .argument(&asked.shape.counts);
        for (parent, hold) in asked.shape.keyed.iter().zip(&asked.holds) {
            run = run.argument(parent).argument(hold.draft.0.as_bytes());
        }
        let answer: Option<(String, u64)> = run.on_counters(&self.server).await?;
        if let Some((_receipt, sequence)) = &answer {
            node.learn(*sequence);
        }
        Ok(answer)
    }
}

/// A batch as the script is asked for it.
struct Asked<'a> {
    shape: Shape,
    holds: Vec<entry::Hold>,
    drafts: &'a [u8],
}

#[async_trait]
impl Intake for RedisIntake {
    fn durability(&self) -> Durability {
        Durability::Durable
    }

    async fn accept(&self, batch: BatchId, drafts: &[Draft]) -> Result<Receipt, IntakeError> {
        let written = entry::encode(drafts).map_err(|error| IntakeError::Away(Box::new(error)))?;
        let asked = Asked { shape: Shape::of(drafts), holds: entry::holds(drafts), drafts: &written };
        // Nothing is taken before this node is in.
        let away = |failure: RedisFailure| IntakeError::Away(Box::new(failure));
        let mut node = self.node().await.map_err(away)?;
        let in_flight = InFlight::of(self);
        let mut answer = self.accept_as(&node, batch, &asked).await?;
        if answer.is_none() {
            node = self.node_after(&node).await.map_err(away)?;
            answer = self.accept_as(&node, batch, &asked).await?;
        }
        let (receipt, _sequence) = answer.ok_or_else(|| IntakeError::Away(Box::new(LeaseTooShort)))?;
        let (entry, outcome) = receipt.split_once('|').unwrap_or_default();
        let entry = EntryId(entry.to_owned());
        let places = asked.shape.places(outcome).map_err(|error| IntakeError::Unknown(Box::new(error)))?;
        let Asked { holds, .. } = asked;
        if held::place(&entry).is_some() {
            in_flight.end_as(entry.clone(), holds);
        }
        Ok(Receipt { entry, places })
    }

    async fn raise(&self, marks: &[(Parent, Option<Number>)]) -> Result<(), IntakeError> {
        let mut run = Run::new(&scripts::RAISE)
            .key(keys::epoch())
            .keys(marks.iter().map(|(parent, _mark)| keys::counter(*parent)));
        for (_parent, mark) in marks {
            run = run.argument(mark.map_or(0, Number::get));
        }
        Ok(run.on_counters(&self.server).await?)
    }

    async fn settle(&self, entries: &[EntryId]) -> Result<(), IntakeError> {
        let places: Vec<(&str, &str)> = entries.iter().filter_map(held::place).collect();
        if places.is_empty() {
            return Ok(());
        }
        let holds: Vec<entry::Hold> = {
            let held = self.held();
            entries.iter().flat_map(|entry| held.holds(entry).to_vec()).collect()
        };
        let mut run = Run::new(&scripts::SETTLE)
            .keys(places.iter().map(|(node, _id)| keys::stream(node)))
            .keys(holds.iter().map(|hold| hold.name.clone()))
            .argument(places.len())
            .argument(millis(self.key_hold));
        for (_node, id) in &places {
            run = run.argument(id);
        }
        for hold in &holds {
            run = run.argument(hold.draft.0.as_bytes());
        }
        let settled = run.on::<()>(&self.server).await;
        // Where it failed they are held by nobody now, and adopted.
        let mut held = self.held();
        entries.iter().for_each(|entry| held.settled(entry));
        Ok(settled?)
    }

    async fn retire(&self, parent: Parent) -> Result<(), IntakeError> {
        let retire = redis::Cmd::set(keys::counter(parent), "retired").arg("EX").arg(DAY_SECONDS).to_owned();
        let retired = self
            .server
            .call(async move |mut connection| retire.query_async::<()>(&mut connection.commands).await);
        Ok(retired.await?)
    }

    async fn adopt(&self) -> Result<Vec<Adopted>, IntakeError> {
        Ok(self.take_what_is_left().await?)
    }

    async fn stay(&self) -> Result<(), IntakeError> {
        Ok(self.renew_only().await?)
    }

    async fn oldest(&self) -> Result<Option<Duration>, IntakeError> {
        Ok(self.oldest_entry().await?)
    }

    async fn leave(&self) -> Result<(), IntakeError> {
        Ok(self.give_up().await?)
    }

    async fn warnings(&self) -> Result<Vec<String>, IntakeError> {
        Ok(settings::warnings(&self.server).await?)
    }
}

/// An accept whose answer is still to come, however it ends.
struct InFlight<'a>(&'a RedisIntake);

impl<'a> InFlight<'a> {
    fn of(intake: &'a RedisIntake) -> Self {
        intake.held().accepts_in_flight += 1;
        Self(intake)
    }

    /// From now on the entry is held by whoever asked.
    fn end_as(self, entry: EntryId, holds: Vec<entry::Hold>) {
        self.0.held().accepted(entry, holds);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.held().accepts_in_flight -= 1;
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
