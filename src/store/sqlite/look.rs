//! What is there: parents, numbers, and drafts that were kept before.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::domain::{DraftId, Number, Parent};
use crate::store::{HighWater, StoreError};

pub(super) fn is_there(rows: &Transaction<'_>, parent: Parent) -> Result<bool, StoreError> {
    let found = match parent {
        Parent::Application(application) => rows
            .prepare_cached("SELECT 1 FROM applications WHERE id = ?1 AND deleted_at IS NULL")?
            .exists([application])?,
        Parent::Chat(place) => rows
            .prepare_cached(
                "SELECT 1 FROM chats JOIN applications ON applications.id = chats.application_id
                 WHERE chats.application_id = ?1 AND chats.number = ?2
                   AND chats.deleted_at IS NULL AND applications.deleted_at IS NULL",
            )?
            .exists(params![place.application, place.chat])?,
    };
    Ok(found)
}

pub(super) fn high_water(rows: &Transaction<'_>, parent: Parent) -> Result<HighWater, StoreError> {
    if !is_there(rows, parent)? {
        return Ok(HighWater::NoParent);
    }
    Ok(HighWater::At(greatest(rows, parent)?))
}

/// The greatest number ever used under a parent.
pub(super) fn greatest(rows: &Transaction<'_>, parent: Parent) -> Result<Option<Number>, StoreError> {
    let number = match parent {
        Parent::Application(application) => rows
            .prepare_cached("SELECT max(number) FROM chats WHERE application_id = ?1")?
            .query_row([application], |row| row.get(0))?,
        Parent::Chat(place) => rows
            .prepare_cached(
                "SELECT max(number) FROM messages WHERE application_id = ?1 AND chat_number = ?2",
            )?
            .query_row(params![place.application, place.chat], |row| row.get(0))?,
    };
    Ok(number)
}

pub(super) fn has_row(rows: &Transaction<'_>, parent: Parent, number: Number) -> Result<bool, StoreError> {
    let found = match parent {
        Parent::Application(application) => rows
            .prepare_cached("SELECT 1 FROM chats WHERE application_id = ?1 AND number = ?2")?
            .exists(params![application, number])?,
        Parent::Chat(place) => rows
            .prepare_cached(
                "SELECT 1 FROM messages WHERE application_id = ?1 AND chat_number = ?2 AND number = ?3",
            )?
            .exists(params![place.application, place.chat, number])?,
    };
    Ok(found)
}

/// The number, and whether it was refused: what was a tombstone from the beginning.
pub(super) fn kept_before(
    rows: &Transaction<'_>,
    parent: Parent,
    draft: DraftId,
) -> Result<Option<(Number, bool)>, StoreError> {
    let sql = match parent {
        Parent::Application(_) => "SELECT number, deleted_at IS created_at FROM chats WHERE id = ?1",
        Parent::Chat(_) => "SELECT number, deleted_at IS created_at FROM messages WHERE id = ?1",
    };
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    Ok(rows.prepare_cached(sql)?.query_row([draft], read).optional()?)
}
