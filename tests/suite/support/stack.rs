use std::sync::atomic::{AtomicU32, Ordering};

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

use super::servers::{Kind, Server, given, unique};

/// A place on each of the three servers, as a node is told of them.
#[derive(Debug, Clone)]
pub struct Stack {
    pub intake: String,
    pub store: String,
    pub search: String,
}

/// The newest of each.
pub const REDIS: Kind = Kind::Redis8;
pub const MYSQL: Kind = Kind::Mysql9;
pub const ELASTICSEARCH: Kind = Kind::Elasticsearch9;

impl Stack {
    /// New places on the servers that all tests share. `None` where one is not installed, which is said.
    pub fn fresh() -> Option<Self> {
        Some(Self::on(&REDIS.shared()?, &MYSQL.shared()?, &ELASTICSEARCH.shared()?))
    }

    /// New places on these servers, by their URLs.
    pub fn on(redis: &str, mysql: &str, elasticsearch: &str) -> Self {
        let database = unique("suite_");
        let (server, statement) = (mysql.to_owned(), format!("CREATE DATABASE {database}"));
        // Whoever starts a service may or may not be in a runtime already.
        let made = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut connection = Conn::from_url(&server).await.expect("a connection");
                connection.query_drop(statement).await.expect("a database");
                connection.disconnect().await.expect("a farewell");
            });
        });
        made.join().expect("a database");
        Self {
            intake: redis_database(redis),
            store: format!("{mysql}/{database}"),
            search: format!("{elasticsearch}/{}", unique("suite-")),
        }
    }

    /// New places on servers of the test's own; search on the one that all share.
    pub fn of(redis: &Server, mysql: &Server) -> Option<Self> {
        Some(Self::on(&redis.url(), &mysql.url(), &ELASTICSEARCH.shared()?))
    }

    /// What a node is told.
    pub fn arguments(&self) -> Vec<String> {
        let told = [("--intake", &self.intake), ("--store", &self.store), ("--search", &self.search)];
        told.into_iter().flat_map(|(flag, url)| [flag.to_owned(), url.clone()]).collect()
    }

    /// What a service of this run stands on: servers where `CHAT_TEST_STACK` says so, else what is embedded.
    pub fn of_this_run() -> Option<Self> {
        is_of_servers().then(|| Self::fresh().expect("servers, as CHAT_TEST_STACK says"))
    }
}

/// Whether the services of this run stand on servers.
pub fn is_of_servers() -> bool {
    match given("CHAT_TEST_STACK").as_deref() {
        None | Some("embedded") => false,
        Some("servers") => true,
        Some(other) => panic!("CHAT_TEST_STACK is embedded or servers, not {other}"),
    }
}

/// An empty database of this server.
pub fn redis_database(server: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let url = format!("{server}/{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut connection =
        redis::Client::open(&*url).expect("a client").get_connection().expect("a connection");
    redis::cmd("FLUSHDB").exec(&mut connection).expect("an empty database");
    url
}
