//! The nodes that live on these rows: a row each, renewed several times a lease by the server's clock. The row of a
//! node that died stays until what it kept is counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::row::Columns;
use super::schema::LEAST_PACKET_BYTES;
use super::sql::{fill, one_of};
use super::{Desk, Fault, MysqlStore, NOW, commit, next_rows, select};
use crate::connections::Session;
use crate::domain::Timestamp;
use crate::store::{Company, Entered, Nodes, StoreError};

/// This node, as others see it.
pub(super) struct Node {
    /// Of this process and start.
    pub(super) id: Uuid,
    lease_micros: i64,
    /// Nodes that died, whose rows [`crate::store::Count::uncounted`] is going through.
    pub(super) dead: Mutex<Vec<Uuid>>,
    /// When this node kept something last, and through when it counted; an idle node has counted all.
    pub(super) work: Mutex<Progress>,
}

/// How far this node has come, on its own clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) kept_at: Timestamp,
    pub(super) counted_through: Timestamp,
}

impl Node {
    pub(super) fn new(lease: Duration) -> Self {
        let now = Timestamp::now();
        Self {
            id: Uuid::now_v7(),
            lease_micros: i64::try_from(lease.as_micros()).unwrap_or(i64::MAX),
            dead: Mutex::default(),
            work: Mutex::new(Progress { kept_at: now, counted_through: now }),
        }
    }

    /// This node keeps something, now.
    pub(super) fn keeps(&self) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).kept_at = Timestamp::now();
    }

    /// This node has counted what it kept until then.
    pub(super) fn counted(&self, through: Timestamp) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.counted_through = work.counted_through.max(through);
    }

    /// Through when everything that this node kept has been counted.
    fn counted_through(&self) -> Timestamp {
        let now = Timestamp::now();
        let Progress { kept_at, counted_through } = *self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if kept_at < counted_through { counted_through.max(now) } else { counted_through }
    }

    /// A node that was seen after this moment lives.
    pub(super) fn alive_after(&self) -> String {
        fill(&format!("{NOW} - ?"), &[&self.lease_micros])
    }
}

#[async_trait]
impl Nodes for MysqlStore {
    async fn enter(&self, company: Company) -> Result<Entered, StoreError> {
        let desk = Arc::clone(&self.desk);
        self.write(move |session, _tried| {
            let desk = Arc::clone(&desk);
            Box::pin(async move {
                if !stay(session, &desk.node).await? && !come_in(session, &desk.node, company).await? {
                    return Ok(Entered::Refused);
                }
                let dead = select(session, &dead(&desk.node)).await?;
                Ok(Entered::In { uncounted: !dead.is_empty() })
            })
        })
        .await
    }

    async fn leave(&self) -> Result<(), StoreError> {
        let leave = fill(
            "START TRANSACTION;
             UPDATE followers SET counted_through = GREATEST(counted_through, ?),
                    leads_until = IF(leader = ?, 0, leads_until);
             DELETE FROM nodes WHERE id = ?;
             COMMIT",
            &[&self.desk.node.counted_through(), &self.desk.node.id, &self.desk.node.id],
        );
        self.change(leave).await
    }

    async fn lead(&self) -> Result<bool, StoreError> {
        let node = &self.desk.node;
        let lead = fill(
            &format!(
                "UPDATE followers SET leader = ?, leads_until = {NOW} + ?
                 WHERE leader IS NULL OR leader = ? OR leads_until < {NOW}"
            ),
            &[&node.id, &node.lease_micros, &node.id],
        );
        self.write(move |session, _tried| {
            let lead = lead.clone();
            Box::pin(async move {
                let answers = commit(session, &lead).await?;
                Ok(answers.first().is_some_and(|answer| answer.affected > 0))
            })
        })
        .await
    }

    async fn warnings(&self) -> Result<Vec<String>, StoreError> {
        let desk = Arc::clone(&self.desk);
        self.read(move |session| Box::pin(async move { warnings(session, &desk).await })).await
    }
}

/// Renews the row of a node that has lived without a break.
async fn stay(session: &mut Session, node: &Node) -> Result<bool, Fault> {
    let renew = fill(
        &format!(
            "UPDATE nodes SET seen_at = {NOW}, counted_through = GREATEST(counted_through, ?)
             WHERE id = ? AND seen_at > {}",
            node.alive_after()
        ),
        &[&node.counted_through(), &node.id],
    );
    let answers = commit(session, &renew).await?;
    Ok(answers.first().is_some_and(|answer| answer.affected > 0))
}

/// Comes in, or comes back after others may have taken this node for dead, one at a time; not where another lives and
/// one of the two has to be alone.
async fn come_in(session: &mut Session, node: &Node, company: Company) -> Result<bool, Fault> {
    let alone = i64::from(company == Company::Alone);
    let look = fill(
        &format!(
            "START TRANSACTION;
             SELECT id FROM followers FOR UPDATE;
             SELECT id FROM nodes WHERE id <> ? AND seen_at > {} AND (alone OR ?)",
            node.alive_after()
        ),
        &[&node.id, &alone],
    );
    let mut answers = session.run(&look).await?.into_iter().skip(2);
    if !next_rows(&mut answers)?.is_empty() {
        session.run("ROLLBACK").await?;
        return Ok(false);
    }
    let insert = fill(
        &format!(
            "INSERT INTO nodes (id, alone, seen_at, counted_through) VALUES (?, ?, {NOW}, ?)
             ON DUPLICATE KEY UPDATE seen_at = VALUES(seen_at);
             COMMIT"
        ),
        &[&node.id, &alone, &node.counted_through()],
    );
    commit(session, &insert).await?;
    Ok(true)
}

/// The nodes that died.
pub(super) fn dead(node: &Node) -> String {
    fill(&format!("SELECT id FROM nodes WHERE id <> ? AND seen_at <= {}", node.alive_after()), &[&node.id])
}

/// What remembers that this node has counted through that moment, and that what dead nodes left has been counted.
pub(super) fn remember_counted(node: &Node, through: Timestamp) -> String {
    let dead = std::mem::take(&mut *node.dead.lock().unwrap_or_else(PoisonError::into_inner));
    fill(
        &format!(
            "UPDATE nodes SET counted_through = GREATEST(counted_through, ?) WHERE id = ?;
             UPDATE followers SET counted_through = GREATEST(counted_through, ?)
             WHERE NOT EXISTS (SELECT 1 FROM nodes);
             DELETE FROM nodes WHERE {} AND seen_at <= {}; ",
            one_of("id", &dead),
            node.alive_after()
        ),
        &[&through, &node.id, &through],
    )
}

/// A setting, what it should be, and what happens else. A server that does not know it has no such trouble.
async fn warnings(session: &mut Session, desk: &Desk) -> Result<Vec<String>, Fault> {
    let ask = "SHOW GLOBAL VARIABLES WHERE Variable_name IN
               ('innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin', 'read_only', 'innodb_doublewrite',
                'max_allowed_packet')";
    let mut found = HashMap::new();
    for mut row in select(session, ask).await? {
        let (name, value): (String, String) = setting(&mut row)?;
        found.insert(name, value);
    }
    let is = |name: &str, value: &str| found.get(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    let mut warnings = Vec::new();
    let packet_bytes = found.get("max_allowed_packet").and_then(|bytes| bytes.parse().ok());
    if let (Some(bytes), Some(schema)) = (packet_bytes, desk.schema.get()) {
        schema.takes(bytes);
        if bytes < LEAST_PACKET_BYTES {
            warnings
                .push(format!("max_allowed_packet is below {LEAST_PACKET_BYTES}: a large message may wait"));
        }
    }
    if !is("innodb_flush_log_at_trx_commit", "1") {
        warnings.push(
            "innodb_flush_log_at_trx_commit is not 1: a power cut may lose messages answered 201".to_owned(),
        );
    }
    if is("log_bin", "ON") && !is("sync_binlog", "1") {
        warnings.push(
            "sync_binlog is not 1 while the binary log is on: a power cut may lose messages answered 201"
                .to_owned(),
        );
    }
    if is("innodb_doublewrite", "OFF") {
        warnings.push("innodb_doublewrite is off: a power cut may leave torn pages".to_owned());
    }
    if is("read_only", "ON") {
        warnings.push("the server is read-only: nothing can be created".to_owned());
    }
    Ok(warnings)
}

fn setting(row: &mut Columns) -> Result<(String, String), Fault> {
    Ok((row.take()?, row.take()?))
}
