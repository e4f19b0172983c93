//! Changes that readers asked for. What they write besides the row itself lies in tables of its own.

use async_trait::async_trait;
use rusqlite::{Transaction, params};

use super::SqliteStore;
use super::access::add_access_key;
use super::keep::{add_to_backlog, count_one_deleted};
use super::keys::{recall, remember_key};
use super::look::is_there;
use super::quotas::{self, release_chat, release_message};
use super::read::{application, message, missing_parent};
use crate::domain::{
    Application, ApplicationId, Body, ChatPlace, Message, MessagePlace, Name, NewApplication, Number, Parent,
    Tenant, Timestamp,
};
use crate::store::{Edit, Expected, Founded, Made, Missing, Range, StoreError, Unchanged};

#[async_trait]
impl Edit for SqliteStore {
    async fn create_application(&self, new: NewApplication) -> Result<Founded, StoreError> {
        self.write(move |rows| create_application(rows, new)).await
    }

    async fn rename_application(
        &self,
        tenant: &Tenant,
        name: Name,
    ) -> Result<Result<Application, Missing>, StoreError> {
        let id = tenant.id;
        self.write(move |rows| {
            rows.prepare_cached(
                "UPDATE applications SET name = ?2, updated_at = ?3
                 WHERE id = ?1 AND deleted_at IS NULL AND name <> ?2",
            )?
            .execute(params![id, name.as_str(), Timestamp::now()])?;
            Ok(application(rows, id)?.ok_or(Missing::Application))
        })
        .await
    }

    async fn delete_application(&self, tenant: &Tenant) -> Result<Result<(), Missing>, StoreError> {
        let id = tenant.id;
        self.write(move |rows| {
            let deleted = rows
                .prepare_cached(
                    "UPDATE applications SET deleted_at = ?2, name = '' WHERE id = ?1 AND deleted_at IS NULL",
                )?
                .execute(params![id, Timestamp::now()])?;
            if deleted == 0 {
                return Ok(Err(Missing::Application));
            }
            forget(rows, id, 0)?;
            Ok(Ok(()))
        })
        .await
    }

    async fn delete_chat(&self, tenant: &Tenant, number: Number) -> Result<Result<(), Missing>, StoreError> {
        let id = tenant.id;
        self.write(move |rows| {
            if !is_there(rows, Parent::Application(id))? {
                return Ok(Err(Missing::Application));
            }
            let deleted = rows
                .prepare_cached(
                    "UPDATE chats SET deleted_at = ?3
                     WHERE application_id = ?1 AND number = ?2 AND deleted_at IS NULL",
                )?
                .execute(params![id, number, Timestamp::now()])?;
            if deleted == 0 {
                return Ok(Err(Missing::Chat));
            }
            count_one_deleted(rows, Parent::Application(id))?;
            release_chat(rows, id)?;
            forget(rows, id, number.get())?;
            Ok(Ok(()))
        })
        .await
    }

    async fn edit_message(
        &self,
        tenant: &Tenant,
        place: MessagePlace,
        body: Body,
        expected: Expected,
    ) -> Result<Result<Message, Unchanged>, StoreError> {
        if place.chat.application != tenant.id {
            return Ok(Err(Unchanged::Missing(Missing::Chat)));
        }
        let id = tenant.id;
        self.write(move |rows| {
            let current = match current(rows, place, &expected)? {
                Ok(current) => current,
                Err(unchanged) => return Ok(Err(unchanged)),
            };
            if current.body == body {
                return Ok(Ok(current));
            }
            if let Some(mut account) = quotas::account(rows, id)? {
                if !account.replace(place, &current.body, &body) {
                    return Ok(Err(Unchanged::OverQuota));
                }
                quotas::write(rows, id, &account.used)?;
            }
            let edited =
                Message { body, version: current.version + 1, updated_at: Timestamp::now(), ..current };
            remember_change(rows, place, "edited", Some(&current.body))?;
            rows.prepare_cached(
                "UPDATE messages SET body = ?4, version = version + 1, updated_at = ?5
                 WHERE application_id = ?1 AND chat_number = ?2 AND number = ?3",
            )?
            .execute(params![
                place.chat.application,
                place.chat.chat,
                place.number,
                edited.body.as_str(),
                edited.updated_at
            ])?;
            add_to_backlog(rows, Range { chat: place.chat, first: place.number, last: place.number })?;
            Ok(Ok(edited))
        })
        .await
    }

    async fn delete_message(
        &self,
        tenant: &Tenant,
        place: MessagePlace,
        expected: Expected,
    ) -> Result<Result<(), Unchanged>, StoreError> {
        if place.chat.application != tenant.id {
            return Ok(Err(Unchanged::Missing(Missing::Chat)));
        }
        self.write(move |rows| {
            let current = match current(rows, place, &expected)? {
                Ok(current) => current,
                Err(unchanged) => return Ok(Err(unchanged)),
            };
            rows.prepare_cached(
                "UPDATE messages SET body = '', version = version + 1, updated_at = ?4, deleted_at = ?4
                 WHERE application_id = ?1 AND chat_number = ?2 AND number = ?3",
            )?
            .execute(params![
                place.chat.application,
                place.chat.chat,
                place.number,
                Timestamp::now()
            ])?;
            rows.prepare_cached(
                "DELETE FROM message_changes WHERE application_id = ?1 AND chat_number = ?2 AND number = ?3",
            )?
            .execute(params![place.chat.application, place.chat.chat, place.number])?;
            remember_change(rows, place, "deleted", None)?;
            count_one_deleted(rows, Parent::Chat(place.chat))?;
            release_message(rows, place, current.body.as_str().len())?;
            add_to_backlog(rows, Range { chat: place.chat, first: place.number, last: place.number })?;
            Ok(Ok(()))
        })
        .await
    }
}

fn create_application(rows: &Transaction<'_>, new: NewApplication) -> Result<Founded, StoreError> {
    if let Some(key) = &new.key
        && let Some(recalled) = recall(rows, key)?
    {
        return Ok(Founded::Replay(recalled));
    }
    rows.prepare_cached(
        "INSERT INTO applications (token, name, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)",
    )?
    .execute(params![new.token, new.name.as_str(), new.created_at])?;
    let id = ApplicationId(rows.last_insert_rowid());
    if let Some(access) = new.access {
        add_access_key(rows, id, access)?;
    }
    if let Some(key) = &new.key {
        remember_key(rows, key, &Made::Application(new.token.clone()), new.created_at)?;
    }
    Ok(Founded::New(Application {
        token: new.token,
        name: new.name,
        chats_count: 0,
        created_at: new.created_at,
        updated_at: new.created_at,
    }))
}

/// The message as it is, if it is there and at the version expected.
fn current(
    rows: &Transaction<'_>,
    place: MessagePlace,
    expected: &Expected,
) -> Result<Result<Message, Unchanged>, StoreError> {
    if let Some(missing) = missing_parent(rows, place.chat)? {
        return Ok(Err(Unchanged::Missing(missing)));
    }
    let Some(current) = message(rows, place.chat, place.number)? else {
        return Ok(Err(Unchanged::Missing(Missing::Message)));
    };
    let stale = match expected {
        Expected::Any => false,
        Expected::OneOf(versions) => !versions.contains(&current.version),
    };
    Ok(if stale { Err(Unchanged::Stale) } else { Ok(current) })
}

/// Takes the chat's next revision for one change.
fn remember_change(
    rows: &Transaction<'_>,
    place: MessagePlace,
    kind: &str,
    before: Option<&Body>,
) -> Result<(), StoreError> {
    let ChatPlace { application, chat } = place.chat;
    let revision: i64 = rows
        .prepare_cached(
            "INSERT INTO chat_counters (application_id, number, revision) VALUES (?1, ?2, 1)
             ON CONFLICT DO UPDATE SET revision = revision + 1 RETURNING revision",
        )?
        .query_row(params![application, chat], |row| row.get(0))?;
    rows.prepare_cached(
        "INSERT INTO message_changes (application_id, chat_number, revision, number, kind, body, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        application,
        chat,
        revision,
        place.number,
        kind,
        before.map(Body::as_str),
        Timestamp::now()
    ])?;
    Ok(())
}

/// Leaves the rows of a deleted parent to [`crate::store::Count::purge`], and its index entries to the backlog.
/// Chat 0 is the whole application.
fn forget(rows: &Transaction<'_>, application: ApplicationId, chat: u64) -> Result<(), StoreError> {
    let chat = i64::try_from(chat).unwrap_or(i64::MAX);
    rows.prepare_cached("INSERT INTO purges (application_id, chat_number) VALUES (?1, ?2)")?
        .execute(params![application, chat])?;
    rows.prepare_cached(
        "INSERT INTO search_backlog (application_id, chat_number, first_number, last_number, kind)
         VALUES (?1, ?2, 0, 0, 'forget')",
    )?
    .execute(params![application, chat])?;
    Ok(())
}
