//! Uses of keys of idempotency.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::domain::{KeyUse, Timestamp};
use crate::store::{KEY_LIFETIME, Made, Recalled, StoreError};

pub(super) fn recall(rows: &Transaction<'_>, key: &KeyUse) -> Result<Option<Recalled>, StoreError> {
    let found = rows
        .prepare_cached(
            "SELECT body_hash, token, number FROM idempotency_keys
             WHERE application_id = ?1 AND key = ?2 AND path_hash = ?3 AND created_at >= ?4",
        )?
        .query_row(
            params![key.application, key.key.as_str(), key.path, Timestamp::now().before(KEY_LIFETIME)],
            |row| {
                let made = match row.get(1)? {
                    Some(token) => Made::Application(token),
                    None => Made::Numbered(row.get(2)?),
                };
                Ok(Recalled { body: row.get(0)?, made })
            },
        )
        .optional()?;
    Ok(found)
}

pub(super) fn remember_key(
    rows: &Transaction<'_>,
    key: &KeyUse,
    made: &Made,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (token, number) = match made {
        Made::Application(token) => (Some(token), None),
        Made::Numbered(number) => (None, Some(number)),
    };
    rows.prepare_cached(
        "INSERT OR REPLACE INTO idempotency_keys
             (application_id, key, path_hash, body_hash, token, number, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![key.application, key.key.as_str(), key.path, key.body, token, number, now])?;
    Ok(())
}
