//! Changes that readers asked for. They lock rows of the counters and the row itself, never that of the chat for
//! long: keepers of the same chat go on beside them.

use std::sync::Arc;

use async_trait::async_trait;

use super::access::first_access_key;
use super::insert::{begin, count_deleted, present, read_recalled, recall};
use super::plan::use_of;
use super::quotas::release_chat;
use super::revision::{delete_message, edit_message};
use super::row::{self, Fault};
use super::sql::{Value, fill};
use super::{MysqlStore, commit, next_rows};
use crate::connections::Session;
use crate::domain::{
    Application, ApplicationId, Body, ChatPlace, Message, MessagePlace, Name, NewApplication, Number, Parent,
    Tenant, Timestamp,
};
use crate::store::{Edit, Expected, Founded, Missing, StoreError, Unchanged};

#[async_trait]
impl Edit for MysqlStore {
    async fn create_application(&self, new: NewApplication) -> Result<Founded, StoreError> {
        let new = Arc::new(new);
        self.write(move |session, _tried| {
            let new = Arc::clone(&new);
            Box::pin(async move { create_application(session, &new).await })
        })
        .await
    }

    async fn rename_application(
        &self,
        tenant: &Tenant,
        name: Name,
    ) -> Result<Result<Application, Missing>, StoreError> {
        // Compared as bytes: to the server's own comparison, a blank at the end is none.
        let rename = fill(
            "START TRANSACTION;
             UPDATE applications SET name = ?, updated_at = ?
             WHERE id = ? AND deleted_at IS NULL AND CAST(name AS BINARY) <> CAST(? AS BINARY); ",
            &[&name.as_str(), &Timestamp::now(), &tenant.id, &name.as_str()],
        ) + &super::read::application(tenant.id)
            + "; COMMIT";
        self.write(move |session, _tried| {
            let rename = rename.clone();
            Box::pin(async move {
                let mut answers = commit(session, &rename).await?.into_iter().skip(2);
                let found = next_rows(&mut answers)?.pop();
                let renamed = found.map(|mut row| row::application(&mut row)).transpose()?;
                Ok(renamed.ok_or(Missing::Application))
            })
        })
        .await
    }

    async fn delete_application(&self, tenant: &Tenant) -> Result<Result<(), Missing>, StoreError> {
        let id = tenant.id;
        self.write(move |session, _tried| Box::pin(async move { delete_application(session, id).await }))
            .await
    }

    async fn delete_chat(&self, tenant: &Tenant, number: Number) -> Result<Result<(), Missing>, StoreError> {
        let place = ChatPlace { application: tenant.id, chat: number };
        self.write(move |session, _tried| Box::pin(async move { delete_chat(session, place).await })).await
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
        self.write(move |session, _tried| {
            let (body, expected) = (body.clone(), expected.clone());
            Box::pin(async move { edit_message(session, place, body, &expected).await })
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
        self.write(move |session, _tried| {
            let expected = expected.clone();
            Box::pin(async move { delete_message(session, place, &expected).await })
        })
        .await
    }
}

/// Takes the next id. Two who take the same meet at its key: the later one waits for the commit of the other, and
/// is tried again, so that ids are dense and in the order of commits.
async fn create_application(session: &mut Session, new: &NewApplication) -> Result<Founded, Fault> {
    let mut statements = String::from("START TRANSACTION; ");
    if let Some(key) = &new.key {
        let key_use = use_of(key);
        let mut answers = session.run(&recall(std::slice::from_ref(&key_use))).await?.into_iter();
        let recalled = read_recalled(&mut answers)?;
        if let Some(recalled) = recalled.fresh.get(&key_use) {
            return Ok(Founded::Replay(recalled.clone()));
        }
        if !recalled.stale.is_empty() {
            statements.push_str(&fill(
                "DELETE FROM idempotency_keys WHERE application_id = ? AND `key` = ? AND path_hash = ?; ",
                &[&key.application, &key.key.as_str(), &key.path],
            ));
        }
        statements.push_str(&fill(
            "INSERT INTO idempotency_keys (application_id, `key`, path_hash, body_hash, token, created_at)
             VALUES (?, ?, ?, ?, ?, ?); ",
            &[&key.application, &key.key.as_str(), &key.path, &key.body, &new.token, &new.created_at],
        ));
    }
    statements.push_str(&fill(
        "INSERT INTO applications (id, token, name, created_at, updated_at)
         SELECT COALESCE(MAX(id), 0) + 1, ?, ?, ?, ? FROM applications; ",
        &[&new.token, &new.name.as_str(), &new.created_at, &new.created_at],
    ));
    if let Some(access) = &new.access {
        statements.push_str(&first_access_key(&new.token, access));
    }
    statements.push_str("COMMIT");
    commit(session, &statements).await?;
    Ok(Founded::New(Application {
        token: new.token.clone(),
        name: new.name.clone(),
        chats_count: 0,
        created_at: new.created_at,
        updated_at: new.created_at,
    }))
}

async fn delete_application(session: &mut Session, id: ApplicationId) -> Result<Result<(), Missing>, Fault> {
    let delete = fill(
        "START TRANSACTION;
         UPDATE applications SET deleted_at = ?, name = '' WHERE id = ? AND deleted_at IS NULL",
        &[&Timestamp::now(), &id],
    );
    if session.run(&delete).await?.last().is_none_or(|answer| answer.affected == 0) {
        session.run("ROLLBACK").await?;
        return Ok(Err(Missing::Application));
    }
    commit(session, &(forget(id, &0_u64) + "COMMIT")).await?;
    Ok(Ok(()))
}

async fn delete_chat(session: &mut Session, place: ChatPlace) -> Result<Result<(), Missing>, Fault> {
    let parent = Parent::Application(place.application);
    let delete = begin(&[parent])
        + &fill(
            "UPDATE chats SET deleted_at = ? WHERE application_id = ? AND number = ? AND deleted_at IS NULL",
            &[&Timestamp::now(), &place.application, &place.chat],
        );
    let answers = session.run(&delete).await?;
    let deleted = answers.last().is_some_and(|answer| answer.affected > 0);
    let missing = match present(&mut answers.into_iter().skip(1))?.contains(&parent) {
        false => Some(Missing::Application),
        true if !deleted => Some(Missing::Chat),
        true => None,
    };
    if let Some(missing) = missing {
        session.run("ROLLBACK").await?;
        return Ok(Err(missing));
    }
    let count = count_deleted([parent]).join(";") + "; " + &release_chat(place.application);
    commit(session, &format!("{count}{} COMMIT", forget(place.application, &place.chat))).await?;
    Ok(Ok(()))
}

/// Leaves the rows of a deleted parent to [`crate::store::Count::purge`], and its index entries to the backlog.
/// Chat 0 is the whole application.
fn forget(application: ApplicationId, chat: &dyn Value) -> String {
    fill(
        "INSERT INTO purges (application_id, chat_number) VALUES (?, ?);
         INSERT INTO search_backlog (application_id, chat_number, first_number, last_number, kind)
         VALUES (?, ?, 0, 0, 'forget'); ",
        &[&application, chat, &application, chat],
    )
}
