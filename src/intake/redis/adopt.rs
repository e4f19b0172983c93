//! What nobody holds: entries of dead nodes, and own ones whose receipt got lost.

use std::time::Duration;

use redis::Cmd;
use redis::streams::{StreamId, StreamRangeReply};

use super::entry::{self, EntryError};
use super::held::{entry_id, place};
use super::node::{Node, Renewed};
use super::scripts::{self, Run};
use super::{RedisIntake, keys, millis};
use crate::connections::redis::RedisFailure;
use crate::domain::Numbered;
use crate::intake::Adopted;

/// Memory that adopted drafts take at most, up to one page more; the rest is taken once these are settled.
const ADOPTED_BYTES_LIMIT: usize = 32 * 1024 * 1024;
/// Entries read at a time; one is at most as large as one accept.
const PAGE: usize = 8;

impl RedisIntake {
    /// Renews the lease, and takes what is left. Where reading ends early, what was read until then is handed out.
    pub(super) async fn take_what_is_left(&self) -> Result<Vec<Adopted>, RedisFailure> {
        let mut node = self.node().await?;
        let Renewed { length, nodes } = self.renew(&node).await?;
        let mut left = Vec::new();
        match length {
            Some(length) if self.has_lost_receipts(&node, length) => left.push(node.id.clone()),
            Some(_) => {}
            // Its stream is one of those that anybody may claim.
            None => node = self.node_after(&node).await?,
        }
        left.extend(self.claim(&node, nodes).await?);
        let mut adopted = Vec::new();
        for stream_of in left {
            if let Err(failure) = self.take(&stream_of, &mut adopted).await {
                if adopted.is_empty() {
                    return Err(failure);
                }
                tracing::warn!(?failure, "what was left behind was read in part; the rest is read again");
                break;
            }
        }
        Ok(adopted)
    }

    /// Renews the lease, and lets the claims of others' streams end.
    pub(super) async fn renew_only(&self) -> Result<(), RedisFailure> {
        let node = self.node().await?;
        if self.renew(&node).await?.length.is_none() {
            self.node_after(&node).await?;
        }
        Ok(())
    }

    fn has_lost_receipts(&self, node: &Node, length: usize) -> bool {
        let held = self.held();
        length > held.known_of(&node.id) + held.accepts_in_flight
    }

    /// The dead nodes whose streams are this node's for the time of a lease, and hold what it does not know.
    async fn claim(&self, node: &Node, mut others: Vec<String>) -> Result<Vec<String>, RedisFailure> {
        others.retain(|other| *other != node.id);
        if others.is_empty() {
            return Ok(others);
        }
        let mut run =
            Run::new(&scripts::CLAIM).key(keys::nodes()).argument(&node.id).argument(millis(self.lease));
        for other in &others {
            run = run.keys([keys::lease(other), keys::claim(other), keys::stream(other)]);
            run = run.argument(other);
        }
        let lengths: Vec<usize> = run.on(&self.server).await?;
        let held = self.held();
        let claimed = others.into_iter().zip(lengths);
        Ok(claimed.filter(|(other, length)| *length > held.known_of(other)).map(|(other, _)| other).collect())
    }

    /// Reads a stream from its beginning, and takes what is not known here.
    async fn take(&self, node: &str, adopted: &mut Vec<Adopted>) -> Result<(), RedisFailure> {
        let mut from = "-".to_owned();
        while self.held().adopted_bytes < ADOPTED_BYTES_LIMIT {
            let read = Cmd::xrange_count(keys::stream(node), &from, "+", PAGE);
            let page: StreamRangeReply = self
                .server
                .call(async move |mut connection| read.query_async(&mut connection.commands).await)
                .await?;
            let Some(last) = page.ids.last() else { break };
            from = format!("({}", last.id);
            adopted.extend(page.ids.iter().filter_map(|found| self.take_entry(node, found)));
        }
        Ok(())
    }

    /// One that cannot be read is reported once, and stays for a node that can.
    fn take_entry(&self, node: &str, found: &StreamId) -> Option<Adopted> {
        let entry = entry_id(node, &found.id);
        let mut held = self.held();
        if held.knows(&entry) {
            return None;
        }
        match drafts_of(found) {
            Ok(drafts) => {
                let bytes = drafts.iter().map(|numbered| numbered.draft.weight_bytes()).sum();
                let holds = entry::holds(drafts.iter().map(|numbered| &numbered.draft));
                held.adopted(entry.clone(), holds, bytes);
                Some(Adopted { entry, drafts })
            }
            Err(error) => {
                tracing::error!(%error, entry = entry.0, "what was left behind cannot be read; it is left alone");
                held.leave_alone(entry);
                None
            }
        }
    }

    /// The age of the oldest entry, by the clock of Redis alone. Where that clock was set back, an entry seems to
    /// come from the future, and may be of any age. What this process holds counts also when Redis has lost it.
    pub(super) async fn oldest_entry(&self) -> Result<Option<Duration>, RedisFailure> {
        let list = Cmd::smembers(keys::nodes());
        let nodes: Vec<String> = self
            .server
            .call(async move |mut connection| list.query_async(&mut connection.commands).await)
            .await?;
        let run = Run::new(&scripts::OLDEST).keys(nodes.iter().map(|node| keys::stream(node)));
        let (server_millis, first_ids): (u64, Vec<String>) = run.on(&self.server).await?;
        let held = self.held();
        let held_ids = held.entries().filter_map(place).map(|(_node, id)| id);
        let ids = first_ids.iter().map(String::as_str).chain(held_ids);
        // Both are cut off: an entry may be a millisecond older than it looks.
        let age = |millis| {
            let age_millis = server_millis.checked_sub(millis);
            age_millis.map_or(Duration::MAX, |millis| Duration::from_millis(millis + 1))
        };
        Ok(ids.filter_map(accepted_millis).map(age).max())
    }
}

fn drafts_of(found: &StreamId) -> Result<Vec<Numbered>, EntryError> {
    let drafts: Vec<u8> = found.get("drafts").ok_or(EntryError::Draft)?;
    let outcome: String = found.get("outcome").ok_or(EntryError::Draft)?;
    entry::decode(&drafts, &outcome)
}

/// The id of an entry begins with when it was written.
fn accepted_millis(id: &str) -> Option<u64> {
    id.split_once('-')?.0.parse().ok()
}
