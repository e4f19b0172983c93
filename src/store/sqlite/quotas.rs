//! How much applications may hold.

use std::collections::HashMap;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::SqliteStore;
use super::look::is_there;
use super::row::unsigned;
use crate::domain::{
    Account, ApplicationId, ChatPlace, Counted, Draft, MessagePlace, Number, Parent, Quota, Tenant, Usage,
};
use crate::store::{Missing, Quotas, StoreError};

/// Messages that are counted at once when a quota is set: an application that has no more is counted there and then.
const COUNTED_AT_ONCE: usize = 2_000;

#[async_trait]
impl Quotas for SqliteStore {
    async fn account(&self, tenant: &Tenant) -> Result<Result<Option<Account>, Missing>, StoreError> {
        let id = tenant.id;
        self.read(move |rows| {
            if !is_there(rows, Parent::Application(id))? {
                return Ok(Err(Missing::Application));
            }
            Ok(Ok(account(rows, id)?))
        })
        .await
    }

    async fn set_quota(&self, tenant: &Tenant, quota: Quota) -> Result<Result<(), Missing>, StoreError> {
        let id = tenant.id;
        self.write(move |rows| {
            if !is_there(rows, Parent::Application(id))? {
                return Ok(Err(Missing::Application));
            }
            set_quota(rows, id, quota)?;
            Ok(Ok(()))
        })
        .await
    }

    async fn accounts(
        &self,
        applications: &[ApplicationId],
    ) -> Result<Vec<(ApplicationId, Account)>, StoreError> {
        let applications = applications.to_vec();
        self.read(move |rows| {
            let mut found = Vec::new();
            for application in applications {
                found.extend(account(rows, application)?.map(|account| (application, account)));
            }
            Ok(found)
        })
        .await
    }

    async fn tally(&self, limit: usize) -> Result<usize, StoreError> {
        if self.read(next_to_count).await?.is_none() {
            return Ok(0);
        }
        self.write(move |rows| match next_to_count(rows)? {
            Some(application) => tally(rows, application, limit),
            None => Ok(0),
        })
        .await
    }
}

/// The accounts that one batch meets.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// As the batch leaves them; none for an application without a quota.
    known: HashMap<ApplicationId, Option<Account>>,
}

impl Accounts {
    pub(super) fn has(
        &mut self,
        rows: &Transaction<'_>,
        application: ApplicationId,
    ) -> Result<bool, StoreError> {
        if let Some(known) = self.known.get(&application) {
            return Ok(known.is_some());
        }
        let account = account(rows, application)?;
        let has = account.is_some();
        self.known.insert(application, account);
        Ok(has)
    }

    /// Whether there is room; takes it where there is. An application that was not asked for with [`Self::has`] has none
    /// to keep to.
    pub(super) fn admit(&mut self, draft: &Draft, number: Number) -> bool {
        let account = self.known.get_mut(&draft.parent.application()).and_then(Option::as_mut);
        account.is_none_or(|account| account.admit(draft, number))
    }

    pub(super) fn write(&self, rows: &Transaction<'_>) -> Result<(), StoreError> {
        for (application, account) in &self.known {
            if let Some(account) = account {
                write(rows, *application, &account.used)?;
            }
        }
        Ok(())
    }
}

const ACCOUNT: &str =
    "SELECT max_chats, max_messages, max_bytes, chats, messages, bytes, counted_chat, counted_number
     FROM quotas WHERE application_id = ?1";

pub(super) fn account(
    rows: &Transaction<'_>,
    application: ApplicationId,
) -> Result<Option<Account>, StoreError> {
    Ok(rows.prepare_cached(ACCOUNT)?.query_row([application], read_account).optional()?)
}

fn read_account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let most = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(unsigned));
    let count = |column| Ok::<_, rusqlite::Error>(unsigned(row.get(column)?));
    Ok(Account {
        quota: Quota { chats: most(0)?, messages: most(1)?, bytes: most(2)? },
        used: Usage { chats: count(3)?, messages: count(4)?, bytes: count(5)? },
        counted: Counted { chat: count(6)?, number: count(7)? },
    })
}

pub(super) fn write(
    rows: &Transaction<'_>,
    application: ApplicationId,
    used: &Usage,
) -> Result<(), StoreError> {
    let Usage { chats, messages, bytes } = *used;
    rows.prepare_cached("UPDATE quotas SET chats = ?2, messages = ?3, bytes = ?4 WHERE application_id = ?1")?
        .execute(params![application, signed(chats), signed(messages), signed(bytes)])?;
    Ok(())
}

/// A chat was deleted. Its messages count until their rows go.
pub(super) fn release_chat(rows: &Transaction<'_>, application: ApplicationId) -> Result<(), StoreError> {
    rows.prepare_cached("UPDATE quotas SET chats = max(chats - 1, 0) WHERE application_id = ?1")?
        .execute([application])?;
    Ok(())
}

/// A message was deleted that had so many bytes.
pub(super) fn release_message(
    rows: &Transaction<'_>,
    place: MessagePlace,
    bytes: usize,
) -> Result<(), StoreError> {
    let ChatPlace { application, chat } = place.chat;
    rows.prepare_cached(
        "UPDATE quotas SET messages = max(messages - 1, 0), bytes = max(bytes - ?4, 0)
         WHERE application_id = ?1 AND (counted_chat, counted_number) >= (?2, ?3)",
    )?
    .execute(params![application, chat, place.number, i64::try_from(bytes).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// The first rows of a deleted chat go now, so many at most.
pub(super) fn release_rows(
    rows: &Transaction<'_>,
    application: i64,
    chat: i64,
    limit: i64,
) -> Result<(), StoreError> {
    rows.prepare_cached(
        "UPDATE quotas
         SET messages = max(quotas.messages - gone.messages, 0), bytes = max(quotas.bytes - gone.bytes, 0)
         FROM (SELECT count(*) AS messages, coalesce(sum(octet_length(body)), 0) AS bytes
               FROM (SELECT number, body, deleted_at FROM messages
                     WHERE application_id = ?1 AND chat_number = ?2 ORDER BY number LIMIT ?3)
               WHERE deleted_at IS NULL AND (?2, number) <= (
                   SELECT counted_chat, counted_number FROM quotas WHERE application_id = ?1)) AS gone
         WHERE application_id = ?1",
    )?
    .execute(params![application, chat, limit])?;
    Ok(())
}

fn set_quota(rows: &Transaction<'_>, application: ApplicationId, quota: Quota) -> Result<(), StoreError> {
    if quota.is_none() {
        rows.prepare_cached("DELETE FROM quotas WHERE application_id = ?1")?.execute([application])?;
        return Ok(());
    }
    let is_first = account(rows, application)?.is_none();
    rows.prepare_cached(
        "INSERT INTO quotas (application_id, max_chats, max_messages, max_bytes, chats)
         VALUES (?1, ?2, ?3, ?4, (SELECT count(*) FROM chats WHERE application_id = ?1 AND deleted_at IS NULL))
         ON CONFLICT DO UPDATE SET max_chats = ?2, max_messages = ?3, max_bytes = ?4",
    )?
    .execute(params![
        application,
        quota.chats.map(signed),
        quota.messages.map(signed),
        quota.bytes.map(signed)
    ])?;
    if is_first {
        tally(rows, application, COUNTED_AT_ONCE)?;
    }
    Ok(())
}

fn next_to_count(rows: &Transaction<'_>) -> Result<Option<ApplicationId>, StoreError> {
    let next = rows
        .prepare_cached("SELECT application_id FROM quotas WHERE counted_chat < ?1 LIMIT 1")?
        .query_row([i64::MAX], |row| row.get(0))
        .optional()?;
    Ok(next)
}

/// Counts the next messages of this application.
fn tally(rows: &Transaction<'_>, application: ApplicationId, limit: usize) -> Result<usize, StoreError> {
    let Some(Account { mut used, mut counted, .. }) = account(rows, application)? else { return Ok(0) };
    let mut looked_at = 0;
    {
        let mut select = rows.prepare_cached(
            "SELECT chat_number, number, deleted_at IS NULL, octet_length(body) FROM messages
             WHERE application_id = ?1 AND (chat_number, number) > (?2, ?3)
             ORDER BY chat_number, number LIMIT ?4",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut found =
            select.query(params![application, signed(counted.chat), signed(counted.number), limit])?;
        while let Some(row) = found.next()? {
            counted = Counted { chat: unsigned(row.get(0)?), number: unsigned(row.get(1)?) };
            if row.get(2)? {
                used.messages += 1;
                used.bytes += unsigned(row.get(3)?);
            }
            looked_at += 1;
        }
    }
    if looked_at < limit {
        counted = Counted::ALL;
    }
    write(rows, application, &used)?;
    rows.prepare_cached(
        "UPDATE quotas SET counted_chat = ?2, counted_number = ?3 WHERE application_id = ?1",
    )?
    .execute(params![application, signed(counted.chat), signed(counted.number)])?;
    Ok(looked_at.max(1))
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
