//! The laws on real servers, each in a database of its own; and what a server, a network and an operator may do to
//! them, each on a server of its own.

/// Runs each law on a server of its own, of both versions. It writes its log before it answers, so that a law can say
/// what is in it.
macro_rules! on_servers {
    ($($law:ident),* $(,)?) => {
        on_servers!(@on redis_7 = Redis7; $($law),*);
        on_servers!(@on redis_8 = Redis8; $($law),*);
    };
    (@on $name:ident = $kind:ident; $($law:ident),*) => {
        mod $name {
            $(#[tokio::test]
            async fn $law() {
                if let Some(server) = crate::support::servers::Kind::$kind.start(&["--appendfsync", "always"]) {
                    super::$law(server).await;
                }
            })*
        }
    };
}

/// Redis goes back in time, in each way it can.
mod back_in_time;
/// Leases, and what dead nodes leave behind.
mod leases;
/// Answers that get lost, memory that is full, doors that are shut.
mod refusals;
/// What an operator is warned of, passwords, TLS.
mod access;

use chat_system::intake::redis::{RedisIntake, RedisOptions};

use super::*;
use crate::support::servers::{Kind, Server};
use crate::support::stack::redis_database;

pub(crate) const REDIS_7: Redis = Redis(Kind::Redis7);
pub(crate) const REDIS_8: Redis = Redis(Kind::Redis8);

/// Long enough for a law that does not say that its node lives.
const LEASE: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Redis(Kind);

struct InRedis {
    url: String,
    key_hold: Duration,
}

impl IntakeEngine for Redis {
    fn is_there(&self) -> bool {
        self.0.shared().is_some()
    }

    fn fresh(&self, key_hold: Duration) -> Box<dyn IntakePlace> {
        let server = self.0.shared().expect("a server");
        Box::new(InRedis { url: redis_database(&server), key_hold })
    }
}

#[async_trait]
impl IntakePlace for InRedis {
    async fn node(&self) -> Arc<dyn Intake> {
        Arc::new(open(&self.url, RedisOptions { key_hold: self.key_hold, ..options() }))
    }
}

fn chat() -> Parent {
    Parent::Chat(chat_of(1, 1))
}

fn options() -> RedisOptions {
    RedisOptions { lease: LEASE, key_hold: LONG, timeout: TIMEOUT, tls_ca: None, connections: 16 }
}

fn open(url: &str, options: RedisOptions) -> RedisIntake {
    RedisIntake::new(url, options).expect("an intake")
}

/// A node whose lease ends only when it gives it back.
fn node(server: &Server) -> RedisIntake {
    open(&server.url(), RedisOptions { lease: LONG, ..options() })
}

/// A node whose lease ends soon.
fn silent_node(server: &Server) -> RedisIntake {
    open(&server.url(), RedisOptions { lease: Duration::from_millis(900), ..options() })
}

/// A connection beside the intake's, for what an operator does.
fn connection(url: &str) -> redis::Connection {
    redis::Client::open(url).expect("a client").get_connection().expect("a connection")
}

/// What an operator types, and the answer.
fn operate<T: redis::FromRedisValue>(server: &Server, words: &str) -> T {
    let mut words = words.split_whitespace();
    let mut command = redis::cmd(words.next().expect("a command"));
    words.for_each(|word| {
        command.arg(word);
    });
    command.query(&mut connection(&server.url())).expect("an answer")
}

/// What this node can adopt, once there is something.
async fn adopted(intake: &RedisIntake) -> Vec<chat_system::intake::Adopted> {
    eventually(Duration::from_secs(20), "something to adopt", async || {
        let adopted = intake.adopt().await.map_err(|error| format!("{error:?}"))?;
        if adopted.is_empty() { Err("nothing yet".to_owned()) } else { Ok(adopted) }
    })
    .await
}

/// Accepts until there is an answer, as an allocator does.
async fn accept_again(intake: &RedisIntake, id: chat_system::domain::BatchId, drafts: &[Draft]) -> Receipt {
    eventually(Duration::from_secs(20), "a receipt", async || {
        intake.accept(id, drafts).await.map_err(|error| format!("{error:?}"))
    })
    .await
}
