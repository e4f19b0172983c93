//! The laws on real servers, each in a database of its own; and what a server, a network and an operator may do to
//! them.

/// Runs each test on both kinds of server.
macro_rules! on_servers {
    ($($test:ident),* $(,)?) => {
        on_servers!(@on mysql_9 = Mysql9; $($test),*);
        on_servers!(@on mariadb_10 = MariaDb10; $($test),*);
    };
    (@on $name:ident = $kind:ident; $($test:ident),*) => {
        mod $name {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::support::servers::Kind::$kind).await;
            })*
        }
    };
}

/// The first contact, and what can be wrong with it.
mod opening;
/// Answers that get lost, sessions that hang, servers that are gone.
mod faults;
/// Nodes side by side.
mod company;
/// Connections that only those of the certificate can read.
mod tls;
/// A network in between.
mod proxy;

use chat_system::connections::MysqlOptions;
use chat_system::store::StoreError;
use chat_system::store::mysql::MysqlStore;
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use super::*;
use crate::support::servers::{Kind, unique};

pub(crate) const MYSQL_9: Mysql = Mysql(Kind::Mysql9);
pub(crate) const MARIADB_10: Mysql = Mysql(Kind::MariaDb10);

const LEASE: Duration = Duration::from_secs(5);
/// Of one round trip; long, for a machine that is busy with everything else.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Mysql(Kind);

struct InDatabase {
    server: String,
    database: String,
}

impl StoreEngine for Mysql {
    fn is_there(&self) -> bool {
        self.0.shared().is_some()
    }

    fn fresh(&self) -> Box<dyn StorePlace> {
        Box::new(InDatabase { server: self.0.shared().expect("a server"), database: unique("law_") })
    }
}

impl InDatabase {
    fn url(&self) -> String {
        format!("{}/{}", self.server, self.database)
    }
}

#[async_trait]
impl StorePlace for InDatabase {
    async fn open(&self) -> Arc<dyn Store> {
        ask(&self.server, &format!("CREATE DATABASE IF NOT EXISTS {}", self.database)).await;
        Arc::new(MysqlStore::new(&self.url(), options()).expect("a store"))
    }

    fn after_crash(&self) -> Option<Box<dyn StorePlace>> {
        None
    }

    async fn history(&self, message: MessagePlace) -> Vec<Option<String>> {
        let MessagePlace { chat, number } = message;
        let history = format!(
            "SELECT body FROM message_changes WHERE application_id = {} AND chat_number = {} AND number = {number}
             ORDER BY revision",
            chat.application.0, chat.chat
        );
        ask(&self.url(), &history).await.into_iter().map(mysql_async::from_row).collect()
    }
}

fn options() -> MysqlOptions {
    MysqlOptions { lease: LEASE, timeout: TIMEOUT, tls_ca: None, connections: 16 }
}

impl InDatabase {
    /// On the server that all tests share; `None` where there is none, which was said.
    async fn shared(kind: Kind) -> Option<Self> {
        Some(Self::on(&kind.shared()?).await)
    }

    /// On a server of the test's own.
    async fn on(server: &str) -> Self {
        let database = unique("law_");
        ask(server, &format!("CREATE DATABASE {database}")).await;
        Self { server: server.to_owned(), database }
    }

    /// A node with connections of its own, as another process has them.
    fn node(&self, options: MysqlOptions) -> Arc<MysqlStore> {
        let url = format!(
            "{}?stmt_cache_size={}",
            self.url(),
            unique("").split('_').next_back().expect("a number")
        );
        Arc::new(MysqlStore::new(&url, options).expect("a store"))
    }

    /// The same database through another port.
    fn by(&self, port: u16) -> Self {
        Self { server: format!("mysql://root@127.0.0.1:{port}"), database: self.database.clone() }
    }

    async fn desk(&self, store: Arc<MysqlStore>) -> Desk {
        Desk { store, place: Box::new(Self { server: self.server.clone(), database: self.database.clone() }) }
    }
}

/// What an operator reads in the log.
fn said(error: &StoreError) -> String {
    format!("{error:?}")
}

/// Says something to a server past the store.
async fn ask(url: &str, statement: &str) -> Vec<mysql_async::Row> {
    let mut conn = Conn::from_url(url).await.expect("a connection");
    let rows = conn.query(statement).await.expect("an answer");
    conn.disconnect().await.expect("a farewell");
    rows
}
