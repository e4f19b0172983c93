//! What the actors make of their engines: numbers a second through `NumberAllocator` on Redis, beside a pipelined `INCR` of as
//! many; rows a second through `PersistenceActor`, from a full queue into MySQL, beside raw multi-row inserts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::raw::{incr_redis, inserts_mysql};
use crate::support::servers::Kind;
use crate::support::service::redis_database;
use crate::support::{fresh_chat, messages, mysql_store, redis_options, store_with_chat};
use actix::{Actor, AsyncContext, Context, System};
use chat_system::actors::inlet::{Bounds, Inlet};
use chat_system::actors::number_allocator::{Create, NumberAllocator};
use chat_system::actors::persistence_actor::{Entry, Followers, PersistenceActor};
use chat_system::actors::reply::{Reply, Waiter};
use chat_system::actors::{Created, Full, Patience, Vitals};
use chat_system::domain::{BatchId, ChatPlace, Numbered, Parent};
use chat_system::intake::memory::MemoryIntake;
use chat_system::intake::redis::RedisIntake;
use chat_system::intake::{Intake, Place, Receipt};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use mysql_async::Conn;

const LEASE: Duration = Duration::from_secs(3_600);
/// Accepted batches that wait to be kept, and their drafts: as many as a raw insert has rows.
const QUEUE: u64 = 20;
const ROWS: usize = 500;

/// Whoever comes after `NumberAllocator` is gone, so that nothing but numbering and queueing is measured.
fn numbers(criterion: &mut Criterion) {
    if !Kind::Redis8.is_there() {
        return;
    }
    let system = System::new();
    let mut group = criterion.benchmark_group("numbers");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for batch in [1_usize, 50, 500, 1_000, 10_000] {
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::new("NumberAllocator on Redis", batch), |bencher| {
            let url = redis_database(&Kind::Redis8.shared().expect("a server"));
            bencher.iter_custom(|rounds| system.block_on(numbered_by_actor(&url, batch, rounds)));
        });
        group.bench_function(BenchmarkId::new("bare INCR in a pipeline", batch), |bencher| {
            let url = redis_database(&Kind::Redis8.shared().expect("a server"));
            let mut connection =
                redis::Client::open(url).and_then(|it| it.get_connection()).expect("a connection");
            bencher.iter(|| incr_redis(&mut connection, batch));
        });
    }
    group.finish();
}

async fn numbered_by_actor(url: &str, batch: usize, rounds: u64) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, place) = store_with_chat(folder.path()).await;
    let mut raw = redis::Client::open(url).and_then(|it| it.get_connection()).expect("a connection");
    redis::cmd("FLUSHDB").exec(&mut raw).expect("an empty database");
    let intake = Arc::new(RedisIntake::new(url, redis_options()).expect("an intake"));
    intake.raise(&[(Parent::Chat(place), None)]).await.expect("raised");
    let bounds = Bounds::new(batch, usize::MAX);
    let actor = NumberAllocator::new(
        Arc::clone(&intake) as _,
        Arc::new(store),
        gone(&bounds),
        Arc::new(Vitals::default()),
        LEASE,
    );
    let allocator = Inlet::new(actor.start(), bounds.clone());
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        let drafts = messages(place, batch).into_iter();
        let creates: Vec<Create> =
            drafts.map(|draft| Create { draft, reply: waited_for(&bounds).0 }).collect();
        let started = Instant::now();
        for create in creates {
            allocator.tell(create).expect("an actor");
        }
        allocator.drain().await;
        spent += started.elapsed();
        // Nobody settles what was accepted.
        let streams: Vec<String> = redis::cmd("KEYS").arg("*:stream:*").query(&mut raw).expect("names");
        redis::cmd("XTRIM").arg(&streams).arg("MAXLEN").arg(0).exec(&mut raw).expect("an empty stream");
    }
    let next = intake.accept(BatchId::fresh(), &messages(place, 1)).await.expect("accepted").places;
    assert!(
        matches!(next[..], [Place::Numbered(next)] if next.get() == rounds * batch as u64 + 1),
        "{next:?} after {rounds} times {batch}"
    );
    spent
}

/// Nobody comes after `PersistenceActor` either.
fn rows(criterion: &mut Criterion) {
    if !Kind::Mysql9.is_there() {
        return;
    }
    let system = System::new();
    let server = Kind::Mysql9.shared().expect("a server");
    let (store, mut raw) = system.block_on(async {
        let (store, url) = mysql_store(&server).await;
        (Arc::new(store), Conn::from_url(url).await.expect("a connection"))
    });
    let mut group = criterion.benchmark_group("rows");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    group.throughput(Throughput::Elements(QUEUE * ROWS as u64));
    group.bench_function("PersistenceActor, from a full queue into MySQL", |bencher| {
        bencher.iter_custom(|rounds| {
            system.block_on(async {
                let place = fresh_chat(&*store).await;
                let intake = Arc::new(MemoryIntake::new(Duration::ZERO));
                intake.raise(&[(Parent::Chat(place), None)]).await.expect("raised");
                let bounds = Bounds::new(QUEUE as usize * ROWS, usize::MAX);
                let followers = Followers {
                    indexer: gone(&bounds),
                    counters: gone(&bounds),
                    full: Arc::new(Full::default()),
                };
                let actor = PersistenceActor::new(
                    Arc::clone(&intake) as _,
                    Arc::clone(&store) as _,
                    followers,
                    Arc::new(Vitals::default()),
                    LEASE,
                );
                let persistence = Inlet::new(actor.start(), bounds.clone());
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    let (mut entries, mut waiters) = (Vec::new(), Vec::new());
                    for _ in 0..QUEUE {
                        let (entry, waiting) = accepted(&intake, place, &bounds).await;
                        entries.push(entry);
                        waiters.extend(waiting);
                    }
                    let started = Instant::now();
                    for entry in entries {
                        persistence.tell(entry).expect("an actor");
                    }
                    persistence.drain().await;
                    spent += started.elapsed();
                    for waiter in waiters {
                        let end = waiter.wait(Patience::UntilKept, tokio::time::Instant::now()).await;
                        assert!(matches!(end, Ok(Created::Kept(_))), "{end:?}");
                    }
                }
                spent
            })
        });
    });
    // The actor keeps up to two such batches in a transaction.
    for (inserts, rows) in [(QUEUE, ROWS), (QUEUE / 2, 2 * ROWS)] {
        group.bench_function(format!("raw multi-row inserts, {rows} rows each"), |bencher| {
            bencher.iter_custom(|rounds| {
                system.block_on(inserts_mysql(&store, &mut raw, rounds * inserts, rows))
            });
        });
    }
    group.finish();
}

/// A batch on its way to its rows, and those who wait for it.
async fn accepted(intake: &MemoryIntake, place: ChatPlace, bounds: &Bounds) -> (Entry, Vec<Waiter>) {
    let (replies, waiters): (Vec<_>, Vec<_>) = (0..ROWS).map(|_| waited_for(bounds)).unzip();
    let drafts = messages(place, ROWS);
    let Receipt { entry, places } = intake.accept(BatchId::fresh(), &drafts).await.expect("accepted");
    let numbered = drafts.into_iter().zip(places).map(|(draft, place)| match place {
        Place::Numbered(number) => Numbered { draft, number },
        other => panic!("{other:?}"),
    });
    let replies = replies.into_iter().map(Some).collect();
    (Entry { entry, drafts: numbered.collect(), replies, room: None }, waiters)
}

/// An actor that takes nothing any more.
fn gone<A: Actor<Context = Context<A>>>(bounds: &Bounds) -> Inlet<A> {
    Inlet::new(Context::new().address(), bounds.clone())
}

/// A draft's reply, which holds a place, and whoever waits for it.
fn waited_for(bounds: &Bounds) -> (Reply, Waiter) {
    Reply::new(bounds.enter(1).expect("a place"))
}

criterion_group!(benches, numbers, rows);
