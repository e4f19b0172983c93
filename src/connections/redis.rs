//! Redis: a bounded pool of connections, opened once a process for each URL, behind a [`Circuit`].
//!
//! A connection belongs to one life of the server ([`Connection::life`]): whoever sends it along with what he asks
//! learns whether the server was started again, and maybe from an older copy, in between.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bb8_redis::bb8::{ManageConnection, Pool, RunError};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, InfoDict, RedisError, RedisResult, ServerErrorKind,
    TlsCertificates,
};

use super::{CallError, Circuit, Shared, on_engines};
use crate::Source;

static SERVERS: LazyLock<Shared<RedisServer>> = LazyLock::new(Shared::new);

/// One Redis and the connections to it.
pub struct RedisServer {
    client: Client,
    /// Of a connection and of a call.
    timeout: Duration,
    circuit: Circuit,
    places: Pool<Places>,
    /// One more with each connection that broke: those that are older have broken with it.
    breaks: AtomicU64,
}

/// A connection, lent for one call.
#[derive(Clone)]
pub struct Connection {
    pub commands: MultiplexedConnection,
    /// Names the server's process, anew with each start (`run_id`). Empty where the server does not say.
    pub life: Arc<str>,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RedisFailure {
    /// Nothing was sent.
    #[error("Redis was not asked")]
    NotAsked(#[source] Source),
    /// The server answered that it does not do it.
    #[error("Redis refused")]
    Refused(#[source] RedisError),
    /// It was sent, and nobody knows what became of it.
    #[error("the answer of Redis got lost")]
    Lost(#[source] Source),
}

/// The server of a URL cannot be described, however well it does.
#[derive(Debug, thiserror::Error)]
pub enum RedisUrlError {
    #[error("the certificates in {} cannot be read", .0.display())]
    Certificates(PathBuf, #[source] std::io::Error),
    #[error("the URL of Redis cannot be used")]
    Url(#[source] RedisError),
}

impl RedisServer {
    /// The server of this URL (`redis://`, or `rediss://` with TLS), which is not asked for anything yet. With
    /// `tls_ca`, a file of certificates in PEM, a server with TLS is trusted by these alone.
    ///
    /// # Errors
    /// When the URL cannot be understood or the file cannot be read.
    pub fn shared(
        url: &str,
        tls_ca: Option<&Path>,
        connections: u32,
        timeout: Duration,
    ) -> Result<Arc<Self>, RedisUrlError> {
        SERVERS.get(url, || {
            let client = client(url, tls_ca)?;
            let places = Pool::builder()
                .max_size(connections.max(1))
                .connection_timeout(timeout)
                .test_on_check_out(false)
                .build_unchecked(Places);
            let circuit = Circuit::new("redis", timeout);
            Ok(Self { client, timeout, circuit, places, breaks: AtomicU64::new(0) })
        })
    }

    /// Asks over one connection, which nobody else uses meanwhile; to its end, also when the caller goes away.
    ///
    /// # Errors
    /// Within the time-out, and at once while the server is known to be gone.
    pub async fn call<T, F>(
        self: &Arc<Self>,
        ask: impl FnOnce(Connection) -> F + Send + 'static,
    ) -> Result<T, RedisFailure>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send + 'static,
    {
        let server = Arc::clone(self);
        on_engines(async move { server.call_here(ask).await })
            .await
            .unwrap_or_else(|no_answer| Err(RedisFailure::Lost(Box::new(no_answer))))
    }

    async fn call_here<T, F>(&self, ask: impl FnOnce(Connection) -> F) -> Result<T, RedisFailure>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let asked = AtomicBool::new(false);
        let call = async {
            let mut place = self.places.get().await.map_err(Step::Wait)?;
            let link = place.connected(self).await.map_err(Step::Connect)?;
            asked.store(true, Ordering::Relaxed);
            link.at_work = true;
            let answer = ask(link.connection.clone()).await;
            if answer.as_ref().is_err_and(is_gone) {
                self.breaks.fetch_add(1, Ordering::Relaxed);
            } else {
                link.at_work = false;
            }
            answer.map_err(Step::Ask)
        };
        let ended = self.circuit.call(call, Step::says_that_it_is_gone).await;
        ended.map_err(|error| match error {
            CallError::TimedOut if asked.load(Ordering::Relaxed) => {
                self.breaks.fetch_add(1, Ordering::Relaxed);
                RedisFailure::Lost(Box::new(CallError::<RedisError>::TimedOut))
            }
            CallError::TimedOut => RedisFailure::NotAsked(Box::new(CallError::<RedisError>::TimedOut)),
            CallError::Open => RedisFailure::NotAsked(Box::new(CallError::<RedisError>::Open)),
            CallError::Failed(Step::Wait(error)) => RedisFailure::NotAsked(Box::new(error)),
            CallError::Failed(Step::Connect(error)) => RedisFailure::NotAsked(Box::new(error)),
            CallError::Failed(Step::Ask(error)) => match error.kind() {
                ErrorKind::Server(_) | ErrorKind::Extension => RedisFailure::Refused(error),
                _no_answer_that_is_understood => RedisFailure::Lost(Box::new(error)),
            },
        })
    }

    async fn connect(&self) -> RedisResult<Connection> {
        // The circuit bounds the whole call, answers included.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None);
        let mut commands = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let info: RedisResult<InfoDict> = redis::cmd("INFO").arg("server").query_async(&mut commands).await;
        let life = match info {
            Ok(info) => info.get::<String>("run_id").unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => String::new(),
            Err(error) => return Err(error),
        };
        Ok(Connection { commands, life: life.into() })
    }
}

fn client(url: &str, tls_ca: Option<&Path>) -> Result<Client, RedisUrlError> {
    let with_tls = tls_ca.filter(|_file| url.starts_with("rediss:"));
    let Some(file) = with_tls else { return Client::open(url).map_err(RedisUrlError::Url) };
    let root_cert = std::fs::read(file).map_err(|error| RedisUrlError::Certificates(file.into(), error))?;
    let trusted = TlsCertificates { client_tls: None, root_cert: Some(root_cert) };
    Client::build_with_tls(url, trusted).map_err(RedisUrlError::Url)
}

/// Whether the connection ended, rather than that the server answered.
fn is_gone(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
}

/// Where a call failed.
enum Step {
    Wait(RunError<RedisError>),
    Connect(RedisError),
    Ask(RedisError),
}

impl Step {
    fn says_that_it_is_gone(&self) -> bool {
        match self {
            // All connections are at work.
            Self::Wait(_) => false,
            Self::Connect(_) => true,
            Self::Ask(error) => is_gone(error),
        }
    }
}

/// What the pool lends: a place for a connection. It is filled by the first call that needs it, since the pool
/// would keep the cause of a connection that fails from whoever waits for it, until his time is over.
struct Places;

#[derive(Default)]
struct Place(Option<Link>);

struct Link {
    connection: Connection,
    /// [`RedisServer::breaks`] when it was made.
    breaks: u64,
    /// An answer is still to come, which the next call must not meet.
    at_work: bool,
}

impl Place {
    /// Its connection, new where there is none that can still be relied on.
    async fn connected(&mut self, server: &RedisServer) -> RedisResult<&mut Link> {
        let breaks = server.breaks.load(Ordering::Relaxed);
        let kept = self.0.take().filter(|link| link.breaks == breaks && !link.at_work);
        let link = match kept {
            Some(link) => link,
            None => Link { connection: server.connect().await?, breaks, at_work: false },
        };
        Ok(self.0.insert(link))
    }
}

impl ManageConnection for Places {
    type Connection = Place;
    type Error = RedisError;

    async fn connect(&self) -> Result<Place, RedisError> {
        Ok(Place::default())
    }

    async fn is_valid(&self, _place: &mut Place) -> Result<(), RedisError> {
        Ok(())
    }

    fn has_broken(&self, place: &mut Place) -> bool {
        place.0.as_ref().is_some_and(|link| link.at_work)
    }
}
