//! Looking things up. Lists are read in key order, tombstones passed over on the way.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction, params};

use super::SqliteStore;
use super::list::{APPLICATION_SHAPE, CHAT_SHAPE, MESSAGE_SHAPE, bounds, list, order_by, within_its_rows};
use super::look::is_there;
use super::row;
use crate::domain::{
    Application, ApplicationId, Chat, ChatPlace, Listed, Message, Number, Page, Parent, Tenant, Token,
};
use crate::store::{Missing, PICK_LIMIT, Read, StoreError};

const CHATS: &str =
    "SELECT chats.number, coalesce(messages_count, 0), created_at, updated_at, deleted_at IS NOT NULL
     FROM chats LEFT JOIN chat_counters USING (application_id, number)";
const MESSAGES: &str =
    "SELECT number, body, version, created_at, updated_at, deleted_at IS NOT NULL FROM messages";
const APPLICATIONS: &str =
    "SELECT token, name, coalesce(chats_count, 0), created_at, updated_at, deleted_at IS NOT NULL, id
     FROM applications LEFT JOIN application_counters ON application_id = id";

#[async_trait]
impl Read for SqliteStore {
    async fn tenant(&self, token: &Token) -> Result<Option<Tenant>, StoreError> {
        let token = token.clone();
        self.read(move |rows| {
            let id = rows
                .prepare_cached("SELECT id FROM applications WHERE token = ?1 AND deleted_at IS NULL")?
                .query_row([&token], |row| row.get(0))
                .optional()?;
            Ok(id.map(|id| Tenant { id, token }))
        })
        .await
    }

    async fn applications(
        &self,
        page: &Page<Token>,
    ) -> Result<Option<Listed<Application, Token>>, StoreError> {
        let page = page.clone();
        self.read(move |rows| applications(rows, &page)).await
    }

    async fn application(&self, tenant: &Tenant) -> Result<Result<Application, Missing>, StoreError> {
        let id = tenant.id;
        self.read(move |rows| Ok(application(rows, id)?.ok_or(Missing::Application))).await
    }

    async fn chats(
        &self,
        tenant: &Tenant,
        page: &Page<u64>,
    ) -> Result<Result<Listed<Chat, u64>, Missing>, StoreError> {
        let (id, page) = (tenant.id, page.clone());
        self.read(move |rows| {
            if !is_there(rows, Parent::Application(id))? {
                return Ok(Err(Missing::Application));
            }
            let sql = format!(
                "{CHATS} WHERE chats.application_id = ?1 AND chats.number > ?2 AND chats.number < ?3 {}",
                order_by("chats.number", page.order)
            );
            let (lowest, highest) = bounds(&page);
            let listed = list(rows, &sql, params![id, lowest, highest], &page, &CHAT_SHAPE)?;
            within_its_rows(rows, Parent::Application(id), listed).map(Ok)
        })
        .await
    }

    async fn chat(&self, tenant: &Tenant, number: Number) -> Result<Result<Chat, Missing>, StoreError> {
        let place = ChatPlace { application: tenant.id, chat: number };
        self.read(move |rows| {
            if let Some(missing) = missing_parent(rows, place)? {
                return Ok(Err(missing));
            }
            let chat = rows
                .prepare_cached(&format!("{CHATS} WHERE chats.application_id = ?1 AND chats.number = ?2"))?
                .query_row(params![place.application, number], row::chat)?;
            Ok(Ok(chat))
        })
        .await
    }

    async fn messages(
        &self,
        tenant: &Tenant,
        chat: Number,
        page: &Page<u64>,
    ) -> Result<Result<Listed<Message, u64>, Missing>, StoreError> {
        let place = ChatPlace { application: tenant.id, chat };
        let page = page.clone();
        self.read(move |rows| {
            if let Some(missing) = missing_parent(rows, place)? {
                return Ok(Err(missing));
            }
            let sql = format!(
                "{MESSAGES} WHERE application_id = ?1 AND chat_number = ?2 AND number > ?3 AND number < ?4 {}",
                order_by("number", page.order)
            );
            let (lowest, highest) = bounds(&page);
            let bounds = params![place.application, place.chat, lowest, highest];
            let listed = list(rows, &sql, bounds, &page, &MESSAGE_SHAPE)?;
            within_its_rows(rows, Parent::Chat(place), listed).map(Ok)
        })
        .await
    }

    async fn message(
        &self,
        tenant: &Tenant,
        chat: Number,
        number: Number,
    ) -> Result<Result<Message, Missing>, StoreError> {
        let place = ChatPlace { application: tenant.id, chat };
        self.read(move |rows| {
            if let Some(missing) = missing_parent(rows, place)? {
                return Ok(Err(missing));
            }
            Ok(message(rows, place, number)?.ok_or(Missing::Message))
        })
        .await
    }

    async fn pick(
        &self,
        tenant: &Tenant,
        chat: Number,
        numbers: &[Number],
    ) -> Result<Result<Vec<Message>, Missing>, StoreError> {
        let place = ChatPlace { application: tenant.id, chat };
        let numbers: Vec<Number> = numbers.iter().copied().take(PICK_LIMIT).collect();
        self.read(move |rows| {
            if let Some(missing) = missing_parent(rows, place)? {
                return Ok(Err(missing));
            }
            let mut found = Vec::with_capacity(numbers.len());
            for number in numbers {
                found.extend(message(rows, place, number)?);
            }
            Ok(Ok(found))
        })
        .await
    }
}

pub(super) fn application(
    rows: &Transaction<'_>,
    id: ApplicationId,
) -> Result<Option<Application>, StoreError> {
    let found = rows
        .prepare_cached(&format!("{APPLICATIONS} WHERE id = ?1 AND deleted_at IS NULL"))?
        .query_row([id], row::application)
        .optional()?;
    Ok(found)
}

/// A live message; its chat was looked at before.
pub(super) fn message(
    rows: &Transaction<'_>,
    chat: ChatPlace,
    number: Number,
) -> Result<Option<Message>, StoreError> {
    let found = rows
        .prepare_cached(
            "SELECT number, body, version, created_at, updated_at FROM messages
             WHERE application_id = ?1 AND chat_number = ?2 AND number = ?3 AND deleted_at IS NULL",
        )?
        .query_row(params![chat.application, chat.chat, number], row::message)
        .optional()?;
    Ok(found)
}

/// Which of a message's parents is not there.
pub(super) fn missing_parent(rows: &Transaction<'_>, chat: ChatPlace) -> Result<Option<Missing>, StoreError> {
    if is_there(rows, Parent::Chat(chat))? {
        return Ok(None);
    }
    let application = is_there(rows, Parent::Application(chat.application))?;
    Ok(Some(if application { Missing::Chat } else { Missing::Application }))
}

fn applications(
    rows: &Transaction<'_>,
    page: &Page<Token>,
) -> Result<Option<Listed<Application, Token>>, StoreError> {
    let Some(lowest) = cursor_id(rows, page.after.as_ref(), 0)? else { return Ok(None) };
    let Some(highest) = cursor_id(rows, page.before.as_ref(), i64::MAX)? else { return Ok(None) };
    let sql = format!("{APPLICATIONS} WHERE id > ?1 AND id < ?2 {}", order_by("id", page.order));
    list(rows, &sql, params![lowest, highest], page, &APPLICATION_SHAPE).map(Some)
}

/// The id behind an application's cursor, deleted or not.
fn cursor_id(
    rows: &Transaction<'_>,
    cursor: Option<&Token>,
    open_end: i64,
) -> Result<Option<i64>, StoreError> {
    let Some(token) = cursor else { return Ok(Some(open_end)) };
    let id = rows
        .prepare_cached("SELECT id FROM applications WHERE token = ?1")?
        .query_row([token], |row| row.get(0))
        .optional()?;
    Ok(id)
}
