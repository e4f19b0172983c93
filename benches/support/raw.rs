//! Rows as an engine takes them when nothing is asked of it but to keep them.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use chat_system::domain::{ChatPlace, Content, Numbered};
use chat_system::store::mysql::MysqlStore;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use rusqlite::{Connection, TransactionBehavior, params};

use super::service::Stack;
use super::{fresh_chat, median, mysql_store, numbered, store_with_chat};

/// The engines of a stack, asked for no more than to keep rows, and to run one script.
pub enum Raw {
    Sqlite { connection: rusqlite::Connection, place: ChatPlace, last: u64, _folder: tempfile::TempDir },
    Servers { mysql: Conn, redis: redis::aio::MultiplexedConnection, place: ChatPlace, last: u64 },
}

impl Raw {
    pub async fn open(stack: &Stack) -> Self {
        let (Some(intake), Some(database)) = (stack.url("--intake"), stack.url("--store")) else {
            let folder = tempfile::tempdir().expect("a folder");
            let (store, place) = store_with_chat(folder.path()).await;
            drop(store);
            let connection = open_sqlite(&folder.path().join("chat.db"));
            return Self::Sqlite { connection, place, last: 0, _folder: folder };
        };
        let (server, _name) = database.rsplit_once('/').expect("a database");
        let (store, url) = mysql_store(server).await;
        let place = fresh_chat(&store).await;
        let client = redis::Client::open(intake).expect("a client");
        let redis = client.get_multiplexed_async_connection().await.expect("a connection");
        Self::Servers { mysql: Conn::from_url(url).await.expect("a connection"), redis, place, last: 0 }
    }

    fn next(&mut self, rows: u64) -> std::sync::Arc<[Numbered]> {
        let (Self::Sqlite { place, last, .. } | Self::Servers { place, last, .. }) = self;
        let drafts = numbered(*place, *last + 1, rows as usize);
        *last += rows;
        drafts
    }

    async fn insert(&mut self, drafts: &[Numbered]) {
        match self {
            Self::Sqlite { connection, .. } => insert_sqlite(connection, drafts),
            Self::Servers { mysql, place, .. } => insert_mysql(mysql, *place, drafts).await,
        }
    }

    /// Rows a second, so many in a transaction.
    pub async fn rate(&mut self, rows: u64, each: Duration) -> f64 {
        let (mut spent, mut inserted) = (Duration::ZERO, 0);
        while spent < each {
            let drafts = self.next(rows);
            let started = Instant::now();
            self.insert(&drafts).await;
            spent += started.elapsed();
            inserted += rows;
        }
        inserted as f64 / spent.as_secs_f64()
    }

    /// Of one row's transaction and one script, in seconds.
    pub async fn median(&mut self, each: Duration) -> f64 {
        let script = redis::Script::new(
            "local number = redis.call('INCR', KEYS[1])
             redis.call('XADD', KEYS[2], '*', 'draft', ARGV[1])
             return number",
        );
        let (end, mut times) = (Instant::now() + each, Vec::new());
        while times.is_empty() || Instant::now() < end {
            let drafts = self.next(1);
            let started = Instant::now();
            if let Self::Servers { redis, .. } = self {
                let run: Result<u64, _> =
                    script.key("bench:number").key("bench:stream").arg(super::BODY).invoke_async(redis).await;
                run.expect("a number");
            }
            self.insert(&drafts).await;
            times.push(started.elapsed().as_secs_f64());
        }
        median(times)
    }
}

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

/// How long so many inserts of so many rows take, one after the other, into a chat of their own.
pub async fn inserts_mysql(store: &MysqlStore, connection: &mut Conn, inserts: u64, rows: usize) -> Duration {
    let place = fresh_chat(store).await;
    let mut spent = Duration::ZERO;
    for insert in 0..inserts {
        let drafts = numbered(place, insert * rows as u64 + 1, rows);
        let started = Instant::now();
        insert_mysql(connection, place, &drafts).await;
        spent += started.elapsed();
    }
    spent
}

/// So many numbers of one counter, in one pipeline.
pub fn incr_redis(connection: &mut redis::Connection, count: usize) -> Vec<u64> {
    let mut pipeline = redis::pipe();
    (0..count).for_each(|_| {
        pipeline.incr("counter", 1);
    });
    pipeline.query(connection).expect("numbers")
}

/// One multi-row insert of these rows into this chat, which commits by itself.
async fn insert_mysql(connection: &mut Conn, place: ChatPlace, drafts: &[Numbered]) {
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
