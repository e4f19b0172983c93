//! Drafts, rows and places that the benchmarks share.

/// Requests, who sends them and a handler that does nothing with them.
pub mod http;
/// The machine that all sides share.
pub mod machine;
/// Engines that are asked for no more than to keep rows.
pub mod raw;
/// The program itself.
pub mod service;
/// Servers to measure on: those of the test suite.
#[expect(dead_code, reason = "the suite does more with them")]
#[path = "../../tests/suite/support/servers.rs"]
pub mod servers;
#[expect(dead_code, reason = "the suite sends some to single processes too")]
#[path = "../../tests/suite/support/signal.rs"]
mod signal;

use std::sync::Arc;
use std::time::Duration;

use chat_system::connections::MysqlOptions;
use chat_system::domain::{
    ApplicationId, Body, ChatPlace, Content, Draft, DraftId, MessagePlace, Name, NewApplication, Number,
    Numbered, Parent, Timestamp, Token,
};
use chat_system::intake::redis::RedisOptions;
use chat_system::store::mysql::MysqlStore;
use chat_system::store::sqlite::SqliteStore;
use chat_system::store::{Founded, Keep as _, Kept, Row, Store};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tokio::runtime::Runtime;

/// About as long as a chat message is: 100 bytes.
pub const BODY: &str =
    "Deploy of flag_check.exe moved to noon: qwen3.6 is slower than expected, see https://example.com/42 ok?";

/// All on this thread.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Whether each benchmark only has to run once, as criterion decides it.
pub fn is_test() -> bool {
    let is_said = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    is_said("--test") || !is_said("--bench")
}

pub fn number(value: u64) -> Number {
    Number::new(value).expect("a number")
}

pub fn chat(application: i64, chat: u64) -> ChatPlace {
    ChatPlace { application: ApplicationId(application), chat: number(chat) }
}

pub fn message(place: ChatPlace, body: &str) -> Draft {
    Draft {
        id: DraftId::fresh(),
        parent: Parent::Chat(place),
        content: Content::Message(Body::kept(body)),
        key: None,
        created_at: Timestamp::now(),
    }
}

pub fn messages(place: ChatPlace, count: usize) -> Vec<Draft> {
    (0..count).map(|_| message(place, BODY)).collect()
}

pub fn numbered(place: ChatPlace, first: u64, count: usize) -> Arc<[Numbered]> {
    let numbered = (first..).zip(messages(place, count));
    numbered.map(|(value, draft)| Numbered { draft, number: number(value) }).collect()
}

pub fn row(place: ChatPlace, value: u64, body: &str) -> Row {
    Row {
        place: MessagePlace { chat: place, number: number(value) },
        version: 1,
        body: Some(Body::kept(body)),
    }
}

/// A store with one application and one chat.
pub async fn store_with_chat(folder: &std::path::Path) -> (SqliteStore, ChatPlace) {
    let store = SqliteStore::open(&folder.join("chat.db"), Duration::from_secs(2)).expect("a store");
    let place = fresh_chat(&store).await;
    (store, place)
}

/// A database of its own on this server.
pub async fn mysql_database(server: &str) -> String {
    let name = servers::unique("bench_");
    let mut connection = Conn::from_url(server).await.expect("a connection");
    connection.query_drop(format!("CREATE DATABASE {name}")).await.expect("a database");
    format!("{server}/{name}")
}

/// A store on a database of its own on this server, and the database's URL.
pub async fn mysql_store(server: &str) -> (MysqlStore, String) {
    let url = mysql_database(server).await;
    let second = Duration::from_secs(1);
    let options = MysqlOptions { lease: second * 60, timeout: second * 10, tls_ca: None, connections: 4 };
    let store = MysqlStore::new(&url, options).expect("a store");
    store.high_water(&[]).await.expect("open");
    (store, url)
}

/// An intake's, on one connection.
pub fn redis_options() -> RedisOptions {
    RedisOptions {
        lease: Duration::from_secs(3_600),
        key_hold: Duration::ZERO,
        timeout: Duration::from_secs(10),
        tls_ca: None,
        connections: 1,
    }
}

/// A chat of its own, in an application of its own.
pub async fn fresh_chat(store: &impl Store) -> ChatPlace {
    let new = NewApplication {
        token: Token::fresh().expect("a token"),
        name: Name::kept("bench"),
        key: None,
        access: None,
        created_at: Timestamp::now(),
    };
    let Ok(Founded::New(application)) = store.create_application(new).await else { panic!("an application") };
    let tenant = store.tenant(&application.token).await.expect("an answer").expect("a tenant");
    let draft = Draft {
        id: DraftId::fresh(),
        parent: Parent::Application(tenant.id),
        content: Content::Chat,
        key: None,
        created_at: Timestamp::now(),
    };
    let kept = store.keep(Arc::new([Numbered { draft, number: Number::FIRST }])).await.expect("kept");
    assert_eq!(kept, [Kept::As(Number::FIRST)]);
    ChatPlace { application: tenant.id, chat: Number::FIRST }
}

pub fn median(values: Vec<f64>) -> f64 {
    percentile(values, 50)
}

/// Not a number where there are no values.
pub fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * percent / 100).copied().unwrap_or(f64::NAN)
}
