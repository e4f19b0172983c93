//! Rows a second into the store, beside raw transactions of the same rows into the same tables.

use std::time::{Duration, Instant};

use crate::support::raw::{insert_sqlite, open_sqlite};
use crate::support::{numbered, runtime, store_with_chat};
use chat_system::store::Keep;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};

fn keep(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("keep");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    for batch in [1_usize, 50, 500, 1_000] {
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::new("SqliteStore", batch), |bencher| {
            bencher.iter_custom(|rounds| {
                let folder = tempfile::tempdir().expect("a folder");
                runtime.block_on(async {
                    let (store, place) = store_with_chat(folder.path()).await;
                    let mut spent = Duration::ZERO;
                    for round in 0..rounds {
                        let drafts = numbered(place, round * batch as u64 + 1, batch);
                        let started = Instant::now();
                        store.keep(drafts).await.expect("kept");
                        spent += started.elapsed();
                    }
                    spent
                })
            });
        });
        group.bench_function(BenchmarkId::new("raw transactions", batch), |bencher| {
            bencher.iter_custom(|rounds| {
                let folder = tempfile::tempdir().expect("a folder");
                let (_, place) = runtime.block_on(store_with_chat(folder.path()));
                let mut raw = open_sqlite(&folder.path().join("chat.db"));
                let mut spent = Duration::ZERO;
                for round in 0..rounds {
                    let drafts = numbered(place, round * batch as u64 + 1, batch);
                    let started = Instant::now();
                    insert_sqlite(&mut raw, &drafts);
                    spent += started.elapsed();
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, keep);
