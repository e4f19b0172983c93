//! One pool per server and process, and how a server that is gone is treated.
//!
//! Whatever in this process talks to the same server shares its pool ([`Shared`]) and its [`Circuit`]. Calls run on
//! a runtime of their own ([`on_engines`]): a caller that goes away does not leave a transaction half done, and a
//! connection does not depend on the thread that happened to open it.

// Calls to a server that is gone are refused at once, until it is back.
mod circuit;
// Redis: pool, TLS, lives of the server.
pub mod redis;
// Connections to a MySQL or MariaDB server.
mod mysql;
// Waiting longer after each failure.
mod backoff;
// Of Elasticsearch.
pub mod elasticsearch;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use once_cell::sync::Lazy;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

pub use backoff::Backoff;
pub use circuit::{CallError, Circuit};
pub use mysql::{Answer, MysqlError, MysqlOptions, MysqlServer, Session};

/// Threads that drive connections; the work is done by the servers.
const ENGINE_THREADS: usize = 2;

static ENGINES: Lazy<Option<Runtime>> = Lazy::new(|| {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(ENGINE_THREADS).thread_name("engines").enable_all().build();
    runtime.inspect_err(|error| tracing::error!(%error, "no threads for connections")).ok()
});

/// A call that has no answer: it panicked, or the operating system gave no threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a call ended without an answer")]
pub struct NoAnswer;

/// Runs a call to its end, also when its caller goes away.
///
/// # Errors
/// When the call panicked.
pub async fn on_engines<T: Send + 'static>(
    call: impl Future<Output = T> + Send + 'static,
) -> Result<T, NoAnswer> {
    start_on_engines(call)?.await.map_err(|_join_error| NoAnswer)
}

/// Starts a call that nobody need wait for.
///
/// # Errors
/// When the operating system gave no threads.
pub fn start_on_engines<T: Send + 'static>(
    call: impl Future<Output = T> + Send + 'static,
) -> Result<JoinHandle<T>, NoAnswer> {
    Ok(ENGINES.as_ref().ok_or(NoAnswer)?.spawn(call))
}

/// Servers by their URL, each opened once a process and closed when the last who uses it is gone.
pub struct Shared<S> {
    servers: Lazy<Mutex<HashMap<String, Weak<S>>>>,
}

impl<S> Default for Shared<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Shared<S> {
    #[must_use]
    pub const fn new() -> Self {
        Self { servers: Lazy::new(Mutex::default) }
    }

    /// The server of this URL. `open` makes its pool, in the runtime of [`on_engines`].
    ///
    /// # Errors
    /// Those of `open`.
    pub fn get<E>(&self, url: &str, open: impl FnOnce() -> Result<S, E>) -> Result<Arc<S>, E> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.retain(|_url, server| server.strong_count() > 0);
        if let Some(server) = servers.get(url).and_then(Weak::upgrade) {
            return Ok(server);
        }
        let _entered = ENGINES.as_ref().map(Runtime::enter);
        let server = Arc::new(open()?);
        servers.insert(url.to_owned(), Arc::downgrade(&server));
        Ok(server)
    }
}
