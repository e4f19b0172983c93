//! How values stand in a row, and what SQLite's errors mean.

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{ErrorCode, Row as SqlRow, Transaction};
use uuid::Uuid;

use crate::domain::{
    Application, ApplicationId, Body, Chat, Digest, DraftId, Message, Name, Number, Timestamp, Token,
};
use crate::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    /// Before a commit: nothing was changed.
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted,
            ) => Self::Away(Box::new(error)),
            _ => Self::Broken(Box::new(error)),
        }
    }
}

/// Commits. A commit that fails while it is being made durable is an unknown: its last frames may be found again
/// when the file is opened next.
pub(super) fn commit(transaction: Transaction<'_>) -> Result<(), StoreError> {
    transaction.commit().map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => StoreError::Unknown(Box::new(error)),
        _ => StoreError::from(error),
    })
}

impl ToSql for Number {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        // A Number fits i64 by its type.
        Ok(ToSqlOutput::from(i64::try_from(self.get()).unwrap_or(i64::MAX)))
    }
}

impl FromSql for Number {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let value = i64::column_result(value)?;
        let number = u64::try_from(value).ok().and_then(Self::new);
        number.ok_or(rusqlite::types::FromSqlError::OutOfRange(value))
    }
}

impl ToSql for ApplicationId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0))
    }
}

impl FromSql for ApplicationId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.micros()))
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self::from_micros)
    }
}

impl ToSql for Digest {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_slice()))
    }
}

impl FromSql for Digest {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        <[u8; 32]>::column_result(value).map(Self)
    }
}

impl ToSql for DraftId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_bytes().as_slice()))
    }
}

impl FromSql for DraftId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        <[u8; 16]>::column_result(value).map(|bytes| Self(Uuid::from_bytes(bytes)))
    }
}

impl ToSql for Token {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.as_str()))
    }
}

impl FromSql for Token {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::parse(value.as_str()?).ok_or(rusqlite::types::FromSqlError::InvalidType)
    }
}

/// A count that is never negative; one that were would read as none.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// `token, name, chats_count, created_at, updated_at`
pub(super) fn application(row: &SqlRow<'_>) -> rusqlite::Result<Application> {
    Ok(Application {
        token: row.get(0)?,
        name: Name::kept(row.get_ref(1)?.as_str()?),
        chats_count: unsigned(row.get(2)?),
        created_at: row.get(3)?,
        updated_at: row.get(4)?,
    })
}

/// `number, messages_count, created_at, updated_at`
pub(super) fn chat(row: &SqlRow<'_>) -> rusqlite::Result<Chat> {
    Ok(Chat {
        number: row.get(0)?,
        messages_count: unsigned(row.get(1)?),
        created_at: row.get(2)?,
        updated_at: row.get(3)?,
    })
}

/// `number, body, version, created_at, updated_at`
pub(super) fn message(row: &SqlRow<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        number: row.get(0)?,
        body: Body::kept(row.get_ref(1)?.as_str()?),
        version: unsigned(row.get(2)?),
        created_at: row.get(3)?,
        updated_at: row.get(4)?,
    })
}
