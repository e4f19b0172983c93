//! Numbers a second from the intake: in memory beside a bare counter in a map, on Redis beside a pipelined `INCR` of
//! as many numbers.

use std::cell::{LazyCell, RefCell};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::support::raw::incr_redis;
use crate::support::servers::Kind;
use crate::support::{chat, messages, redis_options};
use chat_system::domain::{BatchId, Parent};
use chat_system::intake::Intake;
use chat_system::intake::memory::MemoryIntake;
use chat_system::intake::redis::RedisIntake;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};

fn accept(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let place = chat(1, 1);
    let mut group = criterion.benchmark_group("accept");
    for batch in [1_usize, 50, 500, 1_000] {
        let drafts = messages(place, batch);
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::new("memory intake", batch), |bencher| {
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    let intake = MemoryIntake::new(Duration::ZERO);
                    intake.raise(&[(Parent::Chat(place), None)]).await.expect("raised");
                    let started = Instant::now();
                    for _ in 0..rounds {
                        let receipt = intake.accept(BatchId::fresh(), &drafts).await.expect("accepted");
                        intake.settle(std::slice::from_ref(&receipt.entry)).await.expect("settled");
                    }
                    started.elapsed()
                })
            });
        });
        group.bench_function(BenchmarkId::new("bare counters in a map", batch), |bencher| {
            let mut counters: HashMap<Parent, u64> = HashMap::from([(Parent::Chat(place), 0)]);
            bencher.iter(|| {
                for draft in &drafts {
                    *counters.entry(black_box(draft.parent)).or_default() += 1;
                }
            });
        });
    }
    group.finish();
}

fn accept_on_redis(criterion: &mut Criterion) {
    if !Kind::Redis8.is_there() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let place = chat(1, 1);
    let open = LazyCell::new(|| {
        let server = Kind::Redis8.shared().expect("a server");
        let intake = RedisIntake::new(&server, redis_options()).expect("an intake");
        runtime.block_on(intake.raise(&[(Parent::Chat(place), None)])).expect("raised");
        let raw = redis::Client::open(server).and_then(|client| client.get_connection());
        (intake, RefCell::new(raw.expect("a connection")))
    });
    let mut group = criterion.benchmark_group("accept on Redis");
    for batch in [1_usize, 100, 500, 1_000] {
        let drafts = messages(place, batch);
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::new("Redis intake", batch), |bencher| {
            let (intake, _raw) = &*open;
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    let mut accepting = Duration::ZERO;
                    for _ in 0..rounds {
                        let started = Instant::now();
                        let receipt = intake.accept(BatchId::fresh(), &drafts).await.expect("accepted");
                        accepting += started.elapsed();
                        intake.settle(std::slice::from_ref(&receipt.entry)).await.expect("settled");
                    }
                    accepting
                })
            });
        });
        group.bench_function(BenchmarkId::new("bare INCR in a pipeline", batch), |bencher| {
            let mut connection = open.1.borrow_mut();
            bencher.iter(|| incr_redis(&mut connection, batch));
        });
    }
    group.finish();
}

criterion_group!(benches, accept, accept_on_redis);
