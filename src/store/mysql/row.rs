//! How values stand in a row, and what a server's errors mean.

use mysql_async::{Row as SqlRow, Value};
use uuid::Uuid;

use crate::Source;
use crate::connections::{CallError, MysqlError};
use crate::domain::{
    Application, ApplicationId, Body, Chat, Digest, DraftId, Message, Name, Number, Timestamp, Token,
};
use crate::store::StoreError;

/// What goes wrong on the way to an answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// Before anything was changed for good.
    Failed(MysqlError),
    /// What was sent changes something, and its answer got lost.
    Unknown(MysqlError),
    /// This very call cannot succeed.
    Broken(Source),
}

impl Fault {
    pub(super) fn broken(why: &'static str) -> Self {
        Self::Broken(why.into())
    }

    /// The fate of statements that change something and were the last of their transaction.
    pub(super) fn of_commit(error: MysqlError) -> Self {
        if error.is_lost() { Self::Unknown(error) } else { Self::Failed(error) }
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Failed(error) => error.code(),
            Self::Unknown(_) | Self::Broken(_) => None,
        }
    }

    /// Another transaction was in the way; doing the same again may well succeed.
    pub(super) fn is_conflict(&self) -> bool {
        const DEADLOCK: u16 = 1213;
        const LOCK_WAIT: u16 = 1205;
        /// MariaDB: a row changed since this transaction read it.
        const CHANGED: u16 = 1020;
        matches!(self.code(), Some(DEADLOCK | LOCK_WAIT | CHANGED))
    }

    /// A guarded transaction was not begun: its guard would have been a row.
    pub(super) fn is_guarded(&self) -> bool {
        self.code() == Some(1048)
    }

    /// A row with this key is there.
    pub(super) fn is_duplicate(&self) -> bool {
        self.code() == Some(1062)
    }
}

impl From<MysqlError> for Fault {
    fn from(error: MysqlError) -> Self {
        Self::Failed(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failed(error) if is_about_the_call(&error) => Self::Broken(Box::new(error)),
            Fault::Failed(error) => Self::Away(Box::new(error)),
            Fault::Unknown(error) => Self::Unknown(Box::new(error)),
            Fault::Broken(source) => Self::Broken(source),
        }
    }
}

/// Errors that lie in what was asked for. All others may lie in the server, its disk or its rights, and what waits is
/// worth more than a guess.
fn is_about_the_call(error: &MysqlError) -> bool {
    const SYNTAX: u16 = 1064;
    const NO_NULL: u16 = 1048;
    const OUT_OF_RANGE: u16 = 1264;
    const BAD_TEXT: [u16; 3] = [1300, 1366, 1406];
    let too_large = matches!(
        error,
        MysqlError::Call(CallError::Failed(mysql_async::Error::Driver(
            mysql_async::DriverError::PacketTooLarge
        )))
    );
    too_large
        || matches!(error.code(), Some(SYNTAX | NO_NULL | OUT_OF_RANGE))
        || error.code().is_some_and(|code| BAD_TEXT.contains(&code))
}

/// A row whose columns are taken from left to right.
pub(super) struct Columns {
    row: SqlRow,
    next: usize,
}

impl From<SqlRow> for Columns {
    fn from(row: SqlRow) -> Self {
        Self { row, next: 0 }
    }
}

impl Columns {
    /// The next value; an error where a row is not as this program writes it.
    pub(super) fn take<T: Column>(&mut self) -> Result<T, Fault> {
        let value = self.row.take(self.next).ok_or_else(|| Fault::broken("a row with fewer columns"))?;
        self.next += 1;
        T::read(value).ok_or_else(|| Fault::broken("a row with a value that this program does not write"))
    }
}

/// What a column holds. Servers answer to text with text, to prepared statements with numbers.
pub(super) trait Column: Sized {
    fn read(value: Value) -> Option<Self>;
}

impl Column for Vec<u8> {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes),
            _no_text => None,
        }
    }
}

impl Column for String {
    fn read(value: Value) -> Option<Self> {
        String::from_utf8(Vec::read(value)?).ok()
    }
}

impl Column for i64 {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Int(number) => Some(number),
            Value::UInt(number) => number.try_into().ok(),
            text => String::read(text)?.parse().ok(),
        }
    }
}

impl Column for bool {
    fn read(value: Value) -> Option<Self> {
        i64::read(value).map(|value| value != 0)
    }
}

/// A count that is never negative; one that were would read as none.
impl Column for u64 {
    fn read(value: Value) -> Option<Self> {
        i64::read(value).map(|value| value.try_into().unwrap_or(0))
    }
}

impl Column for Number {
    fn read(value: Value) -> Option<Self> {
        u64::read(value).and_then(Self::new)
    }
}

impl Column for ApplicationId {
    fn read(value: Value) -> Option<Self> {
        i64::read(value).map(Self)
    }
}

impl Column for Timestamp {
    fn read(value: Value) -> Option<Self> {
        i64::read(value).map(Self::from_micros)
    }
}

impl Column for Token {
    fn read(value: Value) -> Option<Self> {
        Self::parse(&String::read(value)?)
    }
}

impl Column for Name {
    fn read(value: Value) -> Option<Self> {
        String::read(value).map(|text| Self::kept(&text))
    }
}

impl Column for Body {
    fn read(value: Value) -> Option<Self> {
        let Value::Bytes(bytes) = value else { return None };
        std::str::from_utf8(&bytes).ok().map(Self::kept)
    }
}

impl Column for Digest {
    fn read(value: Value) -> Option<Self> {
        Vec::read(value)?.try_into().ok().map(Self)
    }
}

impl Column for Uuid {
    fn read(value: Value) -> Option<Self> {
        Self::from_slice(&Vec::read(value)?).ok()
    }
}

impl Column for DraftId {
    fn read(value: Value) -> Option<Self> {
        Uuid::read(value).map(Self)
    }
}

impl<T: Column> Column for Option<T> {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::NULL => Some(None),
            value => T::read(value).map(Some),
        }
    }
}

/// `token, name, chats_count, created_at, updated_at`
pub(super) fn application(row: &mut Columns) -> Result<Application, Fault> {
    Ok(Application {
        token: row.take()?,
        name: row.take()?,
        chats_count: row.take()?,
        created_at: row.take()?,
        updated_at: row.take()?,
    })
}

/// `number, messages_count, created_at, updated_at`
pub(super) fn chat(row: &mut Columns) -> Result<Chat, Fault> {
    Ok(Chat {
        number: row.take()?,
        messages_count: row.take()?,
        created_at: row.take()?,
        updated_at: row.take()?,
    })
}

/// `number, body, version, created_at, updated_at`
pub(super) fn message(row: &mut Columns) -> Result<Message, Fault> {
    Ok(Message {
        number: row.take()?,
        body: row.take()?,
        version: row.take()?,
        created_at: row.take()?,
        updated_at: row.take()?,
    })
}
