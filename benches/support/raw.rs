//! Rows as an engine takes them when nothing is asked of it but to keep them.

use std::fmt::Write as _;
use std::path::Path;

use chat_system::domain::{ChatPlace, Content, Numbered};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use rusqlite::{Connection, TransactionBehavior, params};

/// A connection to the store's file, as durable as the store itself.
pub fn open_sqlite(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("a file");
    connection.pragma_update(None, "synchronous", "full").expect("a pragma");
    connection.pragma_update(None, "wal_autocheckpoint", 4_000).expect("a pragma");
    connection
}

/// One transaction of these rows into chat 1 of application 1, and their entry in the backlog of search.
pub fn insert_sqlite(connection: &mut Connection, drafts: &[Numbered]) {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).expect("a transaction");
    {
        let mut insert = transaction
            .prepare_cached(
                "INSERT INTO messages
                     (application_id, chat_number, number, id, body, version, created_at, updated_at)
                 VALUES (1, 1, ?1, ?2, ?3, 1, ?4, ?4)",
            )
            .expect("a statement");
        for Numbered { draft, number } in drafts {
            let Content::Message(body) = &draft.content else { panic!("a message") };
            let number = number.get().cast_signed();
            insert
                .execute(params![
                    number,
                    draft.id.0.as_bytes().as_slice(),
                    body.as_str(),
                    draft.created_at.micros()
                ])
                .expect("a row");
        }
        let last = drafts.last().expect("a draft").number.get().cast_signed();
        transaction
            .prepare_cached(
                "INSERT INTO search_backlog (application_id, chat_number, first_number, last_number, kind)
                 VALUES (1, 1, ?1, ?2, 'index')",
            )
            .expect("a statement")
            .execute([last - drafts.len() as i64 + 1, last])
            .expect("a row");
    }
    transaction.commit().expect("a commit");
}

/// One multi-row insert of these rows into this chat, which commits by itself.
pub async fn insert_mysql(connection: &mut Conn, place: ChatPlace, drafts: &[Numbered]) {
    let mut sql = String::from(
        "INSERT INTO messages (application_id, chat_number, number, id, body, version, created_at, updated_at)
         VALUES ",
    );
    for (index, Numbered { draft, number }) in drafts.iter().enumerate() {
        let Content::Message(body) = &draft.content else { panic!("a message") };
        let (comma, at) = (if index > 0 { "," } else { "" }, draft.created_at.micros());
        write!(
            sql,
            "{comma}({}, {}, {number}, x'{}', '{}', 1, {at}, {at})",
            place.application.0,
            place.chat,
            draft.id.0.simple(),
            body.as_str()
        )
        .expect("text");
    }
    connection.query_drop(sql).await.expect("rows");
}
