//! Composition root: it starts the actors from the end of the way to its beginning, opens the door last, and drains
//! in the order of a message's way.

// The only file that names an engine.
mod engines;
// The edge of this process: who is let in, and by which port.
mod front;
// The certificate of the listener.
mod tls;
// Commands of the operator's.
mod keys;
mod reindex;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Arbiter};
use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use anyhow::Context as _;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::actors::counter_sync::{CounterSync, Pace};
use crate::actors::inlet::{Bounds, Inlet};
use crate::actors::number_allocator::NumberAllocator;
use crate::actors::persistence_actor::{Followers, PersistenceActor};
use crate::actors::search_indexer::SearchIndexer;
use crate::actors::search_round;
use crate::actors::vitals::{SEARCH, STORE};
use crate::actors::{Door, EngineState, Full, Vitals};
use crate::config::Config;
use crate::http::{self, Behind, Calls, Edge, Limits, Side};
use crate::intake::Intake;
use crate::store::{Company, Entered, Store};

pub use engines::Engines;
use front::{OperatorListener, certificate, connections, front, give_up_stalled, show_operator};
pub use keys::keys;
pub use reindex::reindex;

/// How long a connection without a request is kept open.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How far the server's own clock may be behind: it ticks this often, and a shorter patience would end before it
/// began.
const SERVER_CLOCK_TICK: Duration = Duration::from_millis(500);
/// While draining, those who still work are named this often.
const STRAGGLERS_INTERVAL: Duration = Duration::from_secs(1);

/// The running service.
pub struct App {
    scheme: &'static str,
    address: SocketAddr,
    door: Door,
    edge: Data<Edge>,
    persistence: Inlet<PersistenceActor>,
    intake: Arc<dyn Intake>,
    store: Arc<dyn Store>,
    arbiter: Arbiter,
    server: ServerHandle,
    /// The operator's own listener, where there is one beside.
    operator: Option<OperatorListener>,
    serving: JoinHandle<std::io::Result<()>>,
    drain_deadline: Duration,
}

/// Those who had not finished when the deadline passed.
#[derive(Debug, thiserror::Error)]
#[error("the drain deadline passed while {0} still worked")]
pub struct Undrained(&'static str);

impl App {
    /// Starts the actors and the listener; requests are answered when this returns.
    ///
    /// # Errors
    /// When the store does not answer or the address is taken.
    pub async fn start(engines: Engines, config: &Config) -> anyhow::Result<Self> {
        let front = front(config)?;
        let Engines { intake, store, search, company, names } = engines;
        let vitals = Arc::new(Vitals::default());
        match store.enter(company).await {
            Ok(Entered::In { .. }) => search_round::compare(&*store, &*search, &vitals).await,
            Ok(Entered::Refused) => anyhow::bail!(
                "another node works on this store, and an intake or an index that lives in one process allows one node"
            ),
            Err(error) if company == Company::Alone => return Err(error).context("the store cannot be read"),
            Err(error) => {
                tracing::warn!(?error, "the store does not answer yet");
                vitals.set(STORE, EngineState::Away);
                vitals.set(SEARCH, EngineState::Away);
            }
        }

        let arbiter = Arbiter::new();
        let bounds = Bounds::new(config.queue_limit, config.queue_memory * 1024 * 1024);
        let pace = Pace {
            interval: config.counter_interval,
            lease: config.lease,
            hole_patience: config.lease + config.ack_wait,
        };
        let counters =
            CounterSync::new(Arc::clone(&store), Arc::clone(&intake), Arc::clone(&vitals), company, pace);
        let counters = start(&arbiter, counters, &bounds);
        let indexer =
            SearchIndexer::new(Arc::clone(&store), Arc::clone(&search), Arc::clone(&vitals), config.lease);
        let indexer = start(&arbiter, indexer, &bounds);
        let full = Arc::new(Full::default());
        let persistence = PersistenceActor::new(
            Arc::clone(&intake),
            Arc::clone(&store),
            Followers { indexer: indexer.clone(), counters: counters.clone(), full: Arc::clone(&full) },
            Arc::clone(&vitals),
            config.lease,
        );
        let persistence = start(&arbiter, persistence, &bounds);
        let durability = intake.durability();
        let allocator = NumberAllocator::new(
            Arc::clone(&intake),
            Arc::clone(&store),
            persistence.clone(),
            Arc::clone(&vitals),
            config.ack_wait,
        );
        let allocator = start(&arbiter, allocator, &bounds);

        let door = Door {
            allocator,
            indexer,
            counters,
            full,
            vitals: Arc::clone(&vitals),
            durability,
            ack_wait: config.ack_wait,
        };
        let limits = Limits {
            request_timeout: config.request_timeout,
            engine_timeout: config.engine_timeout,
            ack_wait: config.ack_wait,
            calls: Calls::new(config.call_limit, config.search_limit),
        };
        let behind = Behind { store: Arc::clone(&store), search, door: door.clone(), vitals };
        let edge = Data::new(Edge::new(behind, names, limits, front));
        let (served, shown) = (edge.clone(), edge.clone());
        // actix counts connections worker by worker.
        let connections = connections(config.connection_limit);
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(connections);
        let request_timeout = config.request_timeout;
        let server = HttpServer::new(move || http::service(served.clone(), Side::Clients))
            .on_connect(move |connection, _data| give_up_stalled(connection, request_timeout));
        let certificate = certificate(config)?;
        let server = match &certificate {
            Some(certificate) => server.bind_rustls_0_23(config.listen, certificate.config()?),
            None => server.bind(config.listen),
        };
        let server = server.with_context(|| format!("{} cannot be listened on", config.listen))?;
        let address = server.addrs().first().copied().context("nothing is listened on")?;
        let server = server
            .workers(workers)
            .max_connections(connections / workers)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(config.request_timeout + SERVER_CLOCK_TICK)
            .shutdown_timeout(config.drain_deadline.as_secs().max(1))
            .disable_signals()
            .run();
        let handle = server.handle();
        let beside = config.access.operator_is_beside(config.listen);
        let operator = if beside { Some(show_operator(config, shown)?) } else { None };
        let scheme = if certificate.is_some() { "https" } else { "http" };
        if let Some(certificate) = certificate {
            tokio::task::spawn_local(certificate.follow());
        }
        Ok(Self {
            scheme,
            address,
            door,
            edge,
            persistence,
            intake,
            store,
            arbiter,
            server: handle,
            operator,
            serving: tokio::task::spawn_local(server),
            drain_deadline: config.drain_deadline,
        })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients come in.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Where the operator reads health and metrics, if not where clients come in.
    #[must_use]
    pub fn operator_address(&self) -> Option<SocketAddr> {
        self.operator.as_ref().map(|listener| listener.address)
    }

    /// Finishes what was accepted: the door, then each actor in the order of a message's way (law 9).
    ///
    /// # Errors
    /// When the deadline passes; what was answered is kept all the same.
    pub async fn drain(self) -> Result<(), Undrained> {
        let deadline = Instant::now() + self.drain_deadline;
        let door = &self.door;
        let server = async {
            // A worker that stops reads nothing more: what has been sent is taken first.
            self.server.pause().await;
            self.edge.close().await;
            self.server.stop(true).await;
            // An error of the listener was its own end already.
            let _ = self.serving.await;
        };
        let drained = async {
            // Whoever is slow to take an answer leaves the actors the time they need.
            let listener = until(Instant::now() + self.drain_deadline * 3 / 4, "the listener", server).await;
            until(deadline, "NumberAllocator", door.allocator.drain()).await?;
            until(deadline, "PersistenceActor", self.persistence.drain()).await?;
            until(deadline, "CounterSync", door.counters.drain()).await?;
            until(deadline, "SearchIndexer", door.indexer.drain()).await?;
            listener
        };
        let drained = drained.await;
        if let Err(error) = self.intake.leave().await {
            tracing::warn!(?error, "the intake was not told that this node leaves; its lease will say it");
        }
        if drained.is_ok()
            && let Err(error) = self.store.leave().await
        {
            tracing::warn!(?error, "the store was not told that this node leaves; its lease will say it");
        }
        // To the end, so that whoever watches sees how far it is.
        if let Some(OperatorListener { server, .. }) = self.operator {
            server.stop(false).await;
        }
        self.arbiter.stop();
        // The engines close when the last actor lets go of them; who is still at work would be waited for without end.
        if drained.is_ok() && self.arbiter.join().is_err() {
            tracing::error!("the actors' thread panicked");
        }
        drained
    }
}

fn start<A: Actor<Context = actix::Context<A>> + Send>(
    arbiter: &Arbiter,
    actor: A,
    bounds: &Bounds,
) -> Inlet<A> {
    let addr = A::start_in_arbiter(&arbiter.handle(), |_ctx| actor);
    Inlet::new(addr, bounds.clone())
}

/// Waits for one part of the drain, and says who is waited for.
async fn until(
    deadline: Instant,
    who: &'static str,
    work: impl Future<Output = ()>,
) -> Result<(), Undrained> {
    let mut work = std::pin::pin!(work);
    loop {
        let look_again = deadline.min(Instant::now() + STRAGGLERS_INTERVAL);
        if timeout_at(look_again, &mut work).await.is_ok() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Undrained(who));
        }
        tracing::info!(who, "draining: still at work");
    }
}
