//! What follows from the rows by itself: counters, holes, and the end of what was deleted.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction, params};

use super::SqliteStore;
use super::audit::{add_holes, look, repair};
use super::look::{greatest, is_there};
use super::quotas::release_rows;
use super::row::unsigned;
use crate::domain::{DraftId, Number, Parent, Timestamp};
use crate::store::audit::Seen;
use crate::store::{AuditPlace, Audited, Count, Hole, StoreError, Uncounted};

#[async_trait]
impl Count for SqliteStore {
    async fn count(&self, parents: &[Parent], through: Timestamp) -> Result<(), StoreError> {
        let parents = parents.to_vec();
        self.write(move |rows| {
            for parent in parents {
                count(rows, parent)?;
            }
            rows.execute("UPDATE followers SET counted_through = max(counted_through, ?1)", [through])?;
            Ok(())
        })
        .await
    }

    async fn uncounted(&self, after: Option<DraftId>, limit: usize) -> Result<Uncounted, StoreError> {
        self.read(move |rows| uncounted(rows, after, limit)).await
    }

    async fn audit(&self, after: Option<AuditPlace>, limit: usize) -> Result<Audited, StoreError> {
        let seen = self.read(move |rows| look(rows, after, limit)).await?;
        let Seen { wrong, behind, holes, next } = seen;
        let audited = Audited { next, repaired: wrong.len(), counted: behind.len(), holes };
        if !wrong.is_empty() || !behind.is_empty() {
            self.write(move |rows| {
                behind.iter().try_for_each(|parent| count(rows, *parent))?;
                wrong.iter().try_for_each(|wrong| repair(rows, wrong))
            })
            .await?;
        }
        Ok(audited)
    }

    async fn holes(&self, parents: &[Parent]) -> Result<Vec<Hole>, StoreError> {
        let parents = parents.to_vec();
        self.read(move |rows| {
            let mut holes = Vec::new();
            parents.iter().try_for_each(|parent| add_holes(rows, *parent, &mut holes))?;
            Ok(holes)
        })
        .await
    }

    async fn purge(&self, limit: usize) -> Result<usize, StoreError> {
        if self.read(next_purge).await?.is_none() {
            return Ok(0);
        }
        self.write(move |rows| purge(rows, limit)).await
    }

    async fn sweep_keys(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        const STALE: &str =
            "SELECT application_id, key, path_hash FROM idempotency_keys WHERE created_at < ?1 LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        if !self.read(move |rows| Ok(rows.prepare_cached(STALE)?.exists(params![before, 1])?)).await? {
            return Ok(0);
        }
        self.write(move |rows| {
            let sql =
                format!("DELETE FROM idempotency_keys WHERE (application_id, key, path_hash) IN ({STALE})");
            Ok(rows.prepare_cached(&sql)?.execute(params![before, limit])?)
        })
        .await
    }
}

/// The counters of one parent, from its greatest number and its tombstones.
pub(super) fn count(rows: &Transaction<'_>, parent: Parent) -> Result<(), StoreError> {
    if !is_there(rows, parent)? {
        return Ok(());
    }
    let greatest = greatest(rows, parent)?.map_or(0, Number::get);
    let greatest = i64::try_from(greatest).unwrap_or(i64::MAX);
    match parent {
        Parent::Application(application) => rows
            .prepare_cached(
                "INSERT INTO application_counters (application_id, chats_count) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET chats_count = ?2 - deleted_chats",
            )?
            .execute(params![application, greatest])?,
        Parent::Chat(place) => rows
            .prepare_cached(
                "INSERT INTO chat_counters (application_id, number, messages_count) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET messages_count = ?3 - deleted_messages",
            )?
            .execute(params![place.application, place.chat, greatest])?,
    };
    Ok(())
}

/// Ids are ordered by time, so that what was kept last is found without an index on time.
fn uncounted(rows: &Transaction<'_>, after: Option<DraftId>, limit: usize) -> Result<Uncounted, StoreError> {
    let through: Timestamp = rows.query_row("SELECT counted_through FROM followers", [], |row| row.get(0))?;
    let after = after.unwrap_or_else(|| DraftId::earliest_at(through.before(UNCOUNTED_SLACK)));
    let mut select = rows.prepare_cached(
        "SELECT id, application_id, 0 FROM chats WHERE id > ?1
         UNION ALL
         SELECT id, application_id, chat_number FROM messages WHERE id > ?1
         ORDER BY 1 LIMIT ?2",
    )?;
    let found = select.query_map(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok((row.get(0)?, Parent::at(row.get(1)?, unsigned(row.get(2)?))))
    })?;
    Ok(Uncounted::of(found, limit)?)
}

/// A draft is older than its commit by the time it waited.
const UNCOUNTED_SLACK: std::time::Duration = std::time::Duration::from_secs(60);

fn next_purge(rows: &Transaction<'_>) -> Result<Option<(i64, i64)>, StoreError> {
    let next = rows
        .prepare_cached("SELECT application_id, chat_number FROM purges LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(next)
}

/// Where the rows of a deleted chat are: table, key, and the column of the chat's number.
const OF_CHAT: [(&str, &str, &str); 4] = [
    ("messages", "application_id, chat_number, number", "chat_number"),
    ("message_changes", "application_id, chat_number, revision", "chat_number"),
    ("chat_counters", "application_id, number", "number"),
    ("purges", "application_id, chat_number", "chat_number"),
];
/// Where the rows of a deleted application are, besides those of its chats. Its own row stays, so that its token
/// is never given again.
const OF_APPLICATION: [(&str, &str); 10] = [
    ("messages", "application_id, chat_number, number"),
    ("message_changes", "application_id, chat_number, revision"),
    ("chat_counters", "application_id, number"),
    ("chats", "application_id, number"),
    ("application_counters", "application_id"),
    ("access_keys", "application_id, number"),
    ("application_limits", "application_id"),
    ("quotas", "application_id"),
    ("idempotency_keys", "application_id, key, path_hash"),
    ("purges", "application_id, chat_number"),
];

/// Deletes up to `limit` rows of the first deleted parent; the entry that names it is the last of them.
fn purge(rows: &Transaction<'_>, limit: usize) -> Result<usize, StoreError> {
    let Some((application, chat)) = next_purge(rows)? else { return Ok(0) };
    let whole_application = chat == 0;
    let of_chat =
        OF_CHAT.iter().map(|(table, key, chat_column)| (*table, *key, format!("{chat_column} = ?2")));
    let of_application = OF_APPLICATION.iter().map(|(table, key)| (*table, *key, "?2 = 0".to_owned()));
    let tables: Vec<_> = if whole_application { of_application.collect() } else { of_chat.collect() };
    let mut deleted = 0;
    for (table, key, filter) in tables {
        let left = i64::try_from(limit - deleted).unwrap_or(i64::MAX);
        if table == "messages" && !whole_application {
            release_rows(rows, application, chat, left)?;
        }
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN
                 (SELECT {key} FROM {table} WHERE application_id = ?1 AND {filter} ORDER BY {key} LIMIT ?3)"
        );
        deleted += rows.prepare_cached(&sql)?.execute(params![application, chat, left])?;
    }
    Ok(deleted)
}
