//! Keys of applications, and how fast they may be used.

use std::sync::Arc;

use async_trait::async_trait;

use super::insert::{RecalledUses, begin, read_recalled, recall};
use super::plan::{Use, use_of};
use super::read::live_application;
use super::row::{Columns, Fault};
use super::sql::fill;
use super::{MysqlStore, commit, next_rows, select};
use crate::connections::{Answer, Session};
use crate::domain::{
    AccessKey, ApplicationId, Digest, Holder, KeyUse, Name, NewAccessKey, Number, Parent, Rate, Scopes,
    Tenant, Timestamp,
};
use crate::store::{ACCESS_KEYS_LIMIT, Access, KeyMade, Missing, NoKey, StoreError};

#[async_trait]
impl Access for MysqlStore {
    async fn holder(&self, digest: &Digest) -> Result<Option<Holder>, StoreError> {
        let ask = fill(
            "SELECT a.id, a.token, k.number, k.scopes, l.rate
             FROM access_keys k JOIN applications a ON a.id = k.application_id
             LEFT JOIN application_limits l ON l.application_id = a.id
             WHERE k.digest = ? AND k.revoked_at IS NULL AND a.deleted_at IS NULL",
            &[digest],
        );
        self.read(move |session| {
            Box::pin(async move {
                let found = select(session, &ask).await?.pop();
                found.map(|mut row| holder(&mut row)).transpose()
            })
        })
        .await
    }

    async fn add_access_key(
        &self,
        tenant: &Tenant,
        new: NewAccessKey,
    ) -> Result<Result<KeyMade, NoKey>, StoreError> {
        let (id, new) = (tenant.id, Arc::new(new));
        self.write(move |session, _tried| {
            let new = Arc::clone(&new);
            Box::pin(async move { add_access_key(session, id, &new).await })
        })
        .await
    }

    async fn access_keys(&self, tenant: &Tenant) -> Result<Result<Vec<AccessKey>, Missing>, StoreError> {
        let ask = format!("{}; {}", live_application(tenant.id), access_keys(tenant.id));
        self.read(move |session| {
            Box::pin(async move {
                let mut answers = session.run(&ask).await?.into_iter();
                if next_rows(&mut answers)?.is_empty() {
                    return Ok(Err(Missing::Application));
                }
                Ok(Ok(read_access_keys(&mut answers)?))
            })
        })
        .await
    }

    async fn revoke_access_key(
        &self,
        tenant: &Tenant,
        number: Number,
    ) -> Result<Result<(), Missing>, StoreError> {
        let revoke = fill(
            "UPDATE access_keys SET revoked_at = ? WHERE application_id = ? AND number = ? AND revoked_at IS NULL",
            &[&Timestamp::now(), &tenant.id, &number],
        );
        let revoke = format!("{}; {revoke}", live_application(tenant.id));
        self.write(move |session, _tried| {
            let revoke = revoke.clone();
            Box::pin(async move {
                let answers = commit(session, &revoke).await?;
                Ok(match answers.as_slice() {
                    [live, _] if live.rows.is_empty() => Err(Missing::Application),
                    [_, revoked] if revoked.affected > 0 => Ok(()),
                    _ => Err(Missing::Key),
                })
            })
        })
        .await
    }

    async fn rate(&self, tenant: &Tenant) -> Result<Result<Option<Rate>, Missing>, StoreError> {
        let ask = fill("SELECT rate FROM application_limits WHERE application_id = ?", &[&tenant.id]);
        let ask = format!("{}; {ask}", live_application(tenant.id));
        self.read(move |session| {
            Box::pin(async move {
                let mut answers = session.run(&ask).await?.into_iter();
                if next_rows(&mut answers)?.is_empty() {
                    return Ok(Err(Missing::Application));
                }
                let found = next_rows(&mut answers)?.pop();
                Ok(Ok(found.map(|mut row| rate(&mut row)).transpose()?.flatten()))
            })
        })
        .await
    }

    async fn set_rate(&self, tenant: &Tenant, rate: Option<Rate>) -> Result<Result<(), Missing>, StoreError> {
        let rate = rate.map(|rate| rate.to_string());
        let set = fill(
            "INSERT INTO application_limits (application_id, rate)
             SELECT id, ? FROM applications WHERE id = ? AND deleted_at IS NULL
             ON DUPLICATE KEY UPDATE rate = VALUES(rate)",
            &[&rate.as_deref(), &tenant.id],
        );
        let set = format!("{}; {set}", live_application(tenant.id));
        self.write(move |session, _tried| {
            let set = set.clone();
            Box::pin(async move {
                let answers = commit(session, &set).await?;
                let is_there = answers.first().is_some_and(|live| !live.rows.is_empty());
                Ok(if is_there { Ok(()) } else { Err(Missing::Application) })
            })
        })
        .await
    }
}

/// Numbers are given one after the other: whoever gives one has locked the keys of the application.
async fn add_access_key(
    session: &mut Session,
    application: ApplicationId,
    new: &NewAccessKey,
) -> Result<Result<KeyMade, NoKey>, Fault> {
    let greatest = fill(
        "SELECT COALESCE(MAX(number), 0) + 1 FROM access_keys WHERE application_id = ?; ",
        &[&application],
    );
    let uses: Vec<Use> = new.key.iter().map(use_of).collect();
    let recall = if uses.is_empty() { String::new() } else { format!("; {}", recall(&uses)) };
    let look = begin(&[Parent::Application(application)]) + &greatest + &access_keys(application) + &recall;
    let mut answers = session.run(&look).await?.into_iter().skip(1);
    let is_there = !next_rows(&mut answers)?.is_empty();
    let mut answers = answers.skip(1);
    let next = next_rows(&mut answers)?.pop().map(|mut row| row.take()).transpose()?;
    let keys = read_access_keys(&mut answers)?;
    let mut recalled = if uses.is_empty() { RecalledUses::default() } else { read_recalled(&mut answers)? };
    if let Some(recalled) = uses.first().and_then(|it| recalled.fresh.remove(it)).filter(|_| is_there) {
        session.run("ROLLBACK").await?;
        return Ok(Ok(KeyMade::Replay(recalled)));
    }
    let number: Number = match next {
        Some(number) if is_there && keys.len() < ACCESS_KEYS_LIMIT => number,
        _ => {
            session.run("ROLLBACK").await?;
            let missing = NoKey::Missing(Missing::Application);
            return Ok(Err(if is_there { NoKey::Full } else { missing }));
        }
    };
    // Two who take the same number at once: the second finds it taken, and tries again.
    let insert = fill(
        "INSERT INTO access_keys (application_id, number, name, digest, scopes, created_at)
         VALUES (?, ?, ?, ?, ?, ?); ",
        &[
            &application,
            &number,
            &new.name.as_str(),
            &new.digest,
            &i64::from(new.scopes.bits()),
            &new.created_at,
        ],
    );
    let remember = new.key.iter().map(|key| remember(key, number, new.created_at)).collect::<String>();
    commit(session, &(insert + &remember + "COMMIT")).await?;
    let made = AccessKey { number, name: new.name.clone(), scopes: new.scopes, created_at: new.created_at };
    Ok(Ok(KeyMade::New(made)))
}

/// In the place of a use that is forgotten, whose row is still there.
fn remember(key: &KeyUse, number: Number, now: Timestamp) -> String {
    fill(
        "REPLACE INTO idempotency_keys (application_id, `key`, path_hash, body_hash, token, number, created_at)
         VALUES (?, ?, ?, ?, NULL, ?, ?); ",
        &[&key.application, &key.key.as_str(), &key.path, &key.body, &number, &now],
    )
}

/// The first key of the application with this token, in the transaction that makes it.
pub(super) fn first_access_key(token: &crate::domain::Token, new: &NewAccessKey) -> String {
    fill(
        "INSERT INTO access_keys (application_id, number, name, digest, scopes, created_at)
         SELECT id, 1, ?, ?, ?, ? FROM applications WHERE token = ?; ",
        &[&new.name.as_str(), &new.digest, &i64::from(new.scopes.bits()), &new.created_at, token],
    )
}

fn access_keys(application: ApplicationId) -> String {
    fill(
        "SELECT number, name, scopes, created_at FROM access_keys
         WHERE application_id = ? AND revoked_at IS NULL ORDER BY number",
        &[&application],
    )
}

fn read_access_keys(answers: &mut impl Iterator<Item = Answer>) -> Result<Vec<AccessKey>, Fault> {
    let read = |mut row: Columns| {
        let number = row.take()?;
        let name: String = row.take()?;
        Ok(AccessKey { number, name: Name::kept(&name), scopes: scopes(&mut row)?, created_at: row.take()? })
    };
    next_rows(answers)?.into_iter().map(read).collect()
}

/// `id, token, number, scopes, rate`
fn holder(row: &mut Columns) -> Result<Holder, Fault> {
    let tenant = Tenant { id: row.take()?, token: row.take()? };
    Ok(Holder { tenant, key: row.take()?, scopes: scopes(row)?, rate: rate(row)? })
}

fn scopes(row: &mut Columns) -> Result<Scopes, Fault> {
    let bits: i64 = row.take()?;
    let scopes = u8::try_from(bits).ok().and_then(Scopes::from_bits);
    scopes.ok_or_else(|| Fault::broken("a key that is good for nothing known"))
}

/// One that this program cannot read is as fast as any.
fn rate(row: &mut Columns) -> Result<Option<Rate>, Fault> {
    let written: Option<String> = row.take()?;
    Ok(written.and_then(|written| written.parse().ok()))
}
