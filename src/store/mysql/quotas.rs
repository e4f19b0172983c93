//! How much applications may hold. Their accounts are locked after the parents and before the rows, in the order of their
//! keys, by whoever changes what is held.

use std::collections::HashMap;

use async_trait::async_trait;

use super::read::live_application;
use super::row::{Columns, Fault};
use super::sql::{fill, one_of};
use super::{MysqlStore, commit, next_rows, select};
use crate::connections::{Answer, Session};
use crate::domain::{Account, ApplicationId, ChatPlace, Counted, MessagePlace, Parent, Quota, Tenant, Usage};
use crate::store::{Missing, Quotas, StoreError};

/// Messages that are counted at once when a quota is set: an application that has no more is counted there and then.
const COUNTED_AT_ONCE: usize = 2_000;

#[async_trait]
impl Quotas for MysqlStore {
    async fn account(&self, tenant: &Tenant) -> Result<Result<Option<Account>, Missing>, StoreError> {
        let ask = format!("{}; {}", live_application(tenant.id), accounts(&[tenant.id]));
        self.read(move |session| {
            Box::pin(async move {
                let mut answers = session.run(&ask).await?.into_iter();
                if next_rows(&mut answers)?.is_empty() {
                    return Ok(Err(Missing::Application));
                }
                Ok(Ok(read_accounts(&mut answers)?.into_values().next()))
            })
        })
        .await
    }

    async fn set_quota(&self, tenant: &Tenant, quota: Quota) -> Result<Result<(), Missing>, StoreError> {
        let id = tenant.id;
        self.write(move |session, _tried| Box::pin(async move { set_quota(session, id, quota).await })).await
    }

    async fn accounts(
        &self,
        applications: &[ApplicationId],
    ) -> Result<Vec<(ApplicationId, Account)>, StoreError> {
        let ask = accounts(applications);
        self.read(move |session| {
            Box::pin(async move {
                let found = read_accounts(&mut session.run(&ask).await?.into_iter())?;
                Ok(found.into_iter().collect())
            })
        })
        .await
    }

    async fn tally(&self, limit: usize) -> Result<usize, StoreError> {
        let next = self.read(|session| Box::pin(async move { next_to_count(session).await })).await?;
        let Some(application) = next else { return Ok(0) };
        self.write(move |session, _tried| {
            Box::pin(async move {
                session.run("START TRANSACTION").await?;
                let looked_at = tally(session, application, limit).await?;
                commit(session, "COMMIT").await?;
                Ok(looked_at)
            })
        })
        .await
    }
}

/// Asks for the accounts of these applications. See [`read_accounts`].
fn accounts(applications: &[ApplicationId]) -> String {
    format!(
        "SELECT application_id, max_chats, max_messages, max_bytes, chats, messages, bytes, counted_chat,
             counted_number
         FROM quotas FORCE INDEX (PRIMARY) WHERE {} ORDER BY application_id",
        one_of("application_id", applications)
    )
}

/// As [`accounts`], and locks them.
pub(super) fn lock_accounts(parents: &[Parent]) -> String {
    let mut applications: Vec<ApplicationId> = parents.iter().map(|parent| parent.application()).collect();
    applications.sort_unstable();
    applications.dedup();
    format!("{} FOR UPDATE; ", accounts(&applications))
}

pub(super) fn read_accounts(
    answers: &mut impl Iterator<Item = Answer>,
) -> Result<HashMap<ApplicationId, Account>, Fault> {
    let read = |mut row: Columns| {
        let application = row.take()?;
        let quota = Quota { chats: row.take()?, messages: row.take()?, bytes: row.take()? };
        let used = Usage { chats: row.take()?, messages: row.take()?, bytes: row.take()? };
        let counted = Counted { chat: row.take()?, number: row.take()? };
        Ok((application, Account { quota, used, counted }))
    };
    next_rows(answers)?.into_iter().map(read).collect()
}

pub(super) fn write(application: ApplicationId, used: &Usage) -> String {
    fill(
        "UPDATE quotas SET chats = ?, messages = ?, bytes = ? WHERE application_id = ?",
        &[&used.chats, &used.messages, &used.bytes, &application],
    )
}

/// A chat was deleted. Its messages count until their rows go.
pub(super) fn release_chat(application: ApplicationId) -> String {
    fill("UPDATE quotas SET chats = GREATEST(chats - 1, 0) WHERE application_id = ?; ", &[&application])
}

/// A message was deleted that had so many bytes.
pub(super) fn release_message(place: MessagePlace, bytes: usize) -> String {
    let ChatPlace { application, chat } = place.chat;
    fill(
        "UPDATE quotas SET messages = GREATEST(messages - 1, 0), bytes = GREATEST(bytes - ?, 0)
         WHERE application_id = ? AND (counted_chat > ? OR (counted_chat = ? AND counted_number >= ?)); ",
        &[&bytes, &application, &chat, &chat, &place.number],
    )
}

/// The first rows of a deleted chat go now, so many at most.
pub(super) fn release_rows(application: ApplicationId, chat: u64, limit: usize) -> String {
    fill(
        "UPDATE quotas q JOIN (
             SELECT q.application_id, COUNT(*) AS messages, COALESCE(SUM(LENGTH(gone.body)), 0) AS bytes
             FROM quotas q JOIN (
                 SELECT application_id, number, body, deleted_at FROM messages
                 WHERE application_id = ? AND chat_number = ? ORDER BY number LIMIT ?
             ) gone ON gone.application_id = q.application_id
             WHERE gone.deleted_at IS NULL
               AND (q.counted_chat > ? OR (q.counted_chat = ? AND q.counted_number >= gone.number))
             GROUP BY q.application_id
         ) gone ON gone.application_id = q.application_id
         SET q.messages = GREATEST(q.messages - gone.messages, 0), q.bytes = GREATEST(q.bytes - gone.bytes, 0); ",
        &[&application, &chat, &limit, &chat, &chat],
    )
}

/// The application's own row is locked, so that whoever keeps something below it has seen the quota or is done.
async fn set_quota(
    session: &mut Session,
    id: ApplicationId,
    quota: Quota,
) -> Result<Result<(), Missing>, Fault> {
    let lock = fill(
        "START TRANSACTION; SELECT id FROM applications WHERE id = ? AND deleted_at IS NULL FOR UPDATE; ",
        &[&id],
    ) + &lock_accounts(&[Parent::Application(id)]);
    let mut answers = session.run(&lock).await?.into_iter().skip(1);
    if next_rows(&mut answers)?.is_empty() {
        session.run("ROLLBACK").await?;
        return Ok(Err(Missing::Application));
    }
    let is_first = read_accounts(&mut answers)?.is_empty();
    if quota.is_none() {
        commit(session, &fill("DELETE FROM quotas WHERE application_id = ?; COMMIT", &[&id])).await?;
        return Ok(Ok(()));
    }
    let set = fill(
        "INSERT INTO quotas (application_id, max_chats, max_messages, max_bytes, chats)
         SELECT ?, ?, ?, ?, COUNT(*) FROM chats WHERE application_id = ? AND deleted_at IS NULL
         ON DUPLICATE KEY UPDATE max_chats = VALUES(max_chats), max_messages = VALUES(max_messages),
             max_bytes = VALUES(max_bytes)",
        &[&id, &quota.chats, &quota.messages, &quota.bytes, &id],
    );
    session.run(&set).await?;
    if is_first {
        tally(session, id, COUNTED_AT_ONCE).await?;
    }
    commit(session, "COMMIT").await?;
    Ok(Ok(()))
}

async fn next_to_count(session: &mut Session) -> Result<Option<ApplicationId>, Fault> {
    let ask = fill("SELECT application_id FROM quotas WHERE counted_chat < ? LIMIT 1", &[&Counted::ALL.chat]);
    select(session, &ask).await?.pop().map(|mut row| row.take()).transpose()
}

/// Counts the next messages of this application, in a transaction that has begun.
async fn tally(session: &mut Session, application: ApplicationId, limit: usize) -> Result<usize, Fault> {
    let lock = lock_accounts(&[Parent::Application(application)]);
    let locked = read_accounts(&mut session.run(lock.trim_end_matches("; ")).await?.into_iter())?;
    let Some(Account { mut used, mut counted, .. }) = locked.into_values().next() else { return Ok(0) };
    // One range of the key each: to a server, a comparison of whole rows is none.
    let ask = fill(
        "SELECT chat_number, number, deleted_at IS NULL, LENGTH(body) FROM messages
         WHERE application_id = ? AND ((chat_number = ? AND number > ?) OR chat_number > ?)
         ORDER BY chat_number, number LIMIT ?",
        &[&application, &counted.chat, &counted.number, &counted.chat, &limit],
    );
    let rows = select(session, &ask).await?;
    let looked_at = rows.len();
    for mut row in rows {
        counted = Counted { chat: row.take()?, number: row.take()? };
        let is_there: bool = row.take()?;
        let bytes: u64 = row.take()?;
        if is_there {
            used.messages += 1;
            used.bytes += bytes;
        }
    }
    if looked_at < limit {
        counted = Counted::ALL;
    }
    let remember = fill(
        "UPDATE quotas SET counted_chat = ?, counted_number = ? WHERE application_id = ?",
        &[&counted.chat, &counted.number, &application],
    );
    session.run(&format!("{}; {remember}", write(application, &used))).await?;
    Ok(looked_at.max(1))
}
