//! Keys of applications, and how fast they may be used.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::SqliteStore;
use super::keys::{recall, remember_key};
use super::look::is_there;
use crate::domain::{
    AccessKey, ApplicationId, Digest, Holder, Name, NewAccessKey, Number, Parent, Rate, Scopes, Tenant,
    Timestamp,
};
use crate::store::{ACCESS_KEYS_LIMIT, Access, KeyMade, Made, Missing, NoKey, StoreError};

#[async_trait]
impl Access for SqliteStore {
    async fn holder(&self, digest: &Digest) -> Result<Option<Holder>, StoreError> {
        let digest = *digest;
        self.read(move |rows| {
            let holder = rows
                .prepare_cached(
                    "SELECT id, token, number, scopes, rate FROM access_keys k JOIN applications ON id = k.application_id
                     LEFT JOIN application_limits l ON l.application_id = id
                     WHERE digest = ?1 AND revoked_at IS NULL AND deleted_at IS NULL",
                )?
                .query_row([digest], holder)
                .optional()?;
            Ok(holder)
        })
        .await
    }

    async fn add_access_key(
        &self,
        tenant: &Tenant,
        new: NewAccessKey,
    ) -> Result<Result<KeyMade, NoKey>, StoreError> {
        let id = tenant.id;
        self.write(move |rows| {
            if !is_there(rows, Parent::Application(id))? {
                return Ok(Err(NoKey::Missing(Missing::Application)));
            }
            if let Some(key) = &new.key
                && let Some(recalled) = recall(rows, key)?
            {
                return Ok(Ok(KeyMade::Replay(recalled)));
            }
            if access_keys(rows, id)?.len() >= ACCESS_KEYS_LIMIT {
                return Ok(Err(NoKey::Full));
            }
            Ok(Ok(KeyMade::New(add_access_key(rows, id, new)?)))
        })
        .await
    }

    async fn access_keys(&self, tenant: &Tenant) -> Result<Result<Vec<AccessKey>, Missing>, StoreError> {
        let id = tenant.id;
        self.read(move |rows| {
            if !is_there(rows, Parent::Application(id))? {
                return Ok(Err(Missing::Application));
            }
            Ok(Ok(access_keys(rows, id)?))
        })
        .await
    }

    async fn revoke_access_key(
        &self,
        tenant: &Tenant,
        number: Number,
    ) -> Result<Result<(), Missing>, StoreError> {
        let id = tenant.id;
        self.write(move |rows| {
            if !is_there(rows, Parent::Application(id))? {
                return Ok(Err(Missing::Application));
            }
            let revoked = rows
                .prepare_cached(
                    "UPDATE access_keys SET revoked_at = ?3
                     WHERE application_id = ?1 AND number = ?2 AND revoked_at IS NULL",
                )?
                .execute(params![id, number, Timestamp::now()])?;
            Ok(if revoked == 0 { Err(Missing::Key) } else { Ok(()) })
        })
        .await
    }

    async fn rate(&self, tenant: &Tenant) -> Result<Result<Option<Rate>, Missing>, StoreError> {
        let id = tenant.id;
        self.read(move |rows| {
            if !is_there(rows, Parent::Application(id))? {
                return Ok(Err(Missing::Application));
            }
            let rate = rows
                .prepare_cached("SELECT rate FROM application_limits WHERE application_id = ?1")?
                .query_row([id], |row| rate(row, 0))
                .optional()?;
            Ok(Ok(rate.flatten()))
        })
        .await
    }

    async fn set_rate(&self, tenant: &Tenant, rate: Option<Rate>) -> Result<Result<(), Missing>, StoreError> {
        let id = tenant.id;
        self.write(move |rows| {
            if !is_there(rows, Parent::Application(id))? {
                return Ok(Err(Missing::Application));
            }
            rows.prepare_cached(
                "INSERT INTO application_limits (application_id, rate) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET rate = ?2",
            )?
            .execute(params![id, rate.map(|rate| rate.to_string())])?;
            Ok(Ok(()))
        })
        .await
    }
}

/// Under the next number.
pub(super) fn add_access_key(
    rows: &Transaction<'_>,
    application: ApplicationId,
    new: NewAccessKey,
) -> Result<AccessKey, StoreError> {
    let NewAccessKey { name, scopes, digest, key, created_at } = new;
    let number = rows
        .prepare_cached(
            "INSERT INTO access_keys (application_id, number, name, digest, scopes, created_at)
             VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM access_keys WHERE application_id = ?1), ?2, ?3, ?4, ?5)
             RETURNING number",
        )?
        .query_row(params![application, name.as_str(), digest, scopes.bits(), created_at], |row| row.get(0))?;
    if let Some(key) = key {
        remember_key(rows, &key, &Made::Numbered(number), created_at)?;
    }
    Ok(AccessKey { number, name, scopes, created_at })
}

fn access_keys(rows: &Transaction<'_>, application: ApplicationId) -> Result<Vec<AccessKey>, StoreError> {
    let mut select = rows.prepare_cached(
        "SELECT number, name, scopes, created_at FROM access_keys
         WHERE application_id = ?1 AND revoked_at IS NULL ORDER BY number",
    )?;
    let found = select.query_map([application], |row| {
        Ok(AccessKey {
            number: row.get(0)?,
            name: Name::kept(row.get_ref(1)?.as_str()?),
            scopes: scopes(row, 2)?,
            created_at: row.get(3)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// `id, token, number, scopes, rate`
fn holder(row: &Row<'_>) -> rusqlite::Result<Holder> {
    let tenant = Tenant { id: row.get(0)?, token: row.get(1)? };
    Ok(Holder { tenant, key: row.get(2)?, scopes: scopes(row, 3)?, rate: rate(row, 4)? })
}

fn scopes(row: &Row<'_>, column: usize) -> rusqlite::Result<Scopes> {
    let bits: i64 = row.get(column)?;
    let scopes = u8::try_from(bits).ok().and_then(Scopes::from_bits);
    scopes.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, bits))
}

/// One that this program cannot read is as fast as any.
fn rate(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Rate>> {
    let written: Option<String> = row.get(column)?;
    Ok(written.and_then(|written| written.parse().ok()))
}
