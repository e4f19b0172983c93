//! Rows a second into a MySQL or MariaDB server, beside raw multi-row inserts of the same rows into the same table.

use std::cell::{LazyCell, RefCell};
use std::time::{Duration, Instant};

use crate::support::raw::inserts_mysql;
use crate::support::servers::Kind;
use crate::support::{fresh_chat, mysql_store, numbered, runtime};
use chat_system::store::Keep;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use mysql_async::Conn;

fn keep(criterion: &mut Criterion) {
    if !Kind::Mysql9.is_there() {
        return;
    }
    let runtime = runtime();
    let open = LazyCell::new(|| {
        let server = Kind::Mysql9.shared().expect("a server");
        runtime.block_on(async {
            let (store, url) = mysql_store(&server).await;
            (store, RefCell::new(Conn::from_url(url).await.expect("a connection")))
        })
    });
    let mut group = criterion.benchmark_group("keep-mysql");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    for batch in [1_usize, 50, 500, 1_000] {
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::new("MysqlStore", batch), |bencher| {
            let (store, _raw) = &*open;
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    let place = fresh_chat(store).await;
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
        group.bench_function(BenchmarkId::new("raw multi-row inserts", batch), |bencher| {
            let (store, raw) = &*open;
            let mut raw = raw.borrow_mut();
            bencher.iter_custom(|rounds| runtime.block_on(inserts_mysql(store, &mut raw, rounds, batch)));
        });
    }
    group.finish();
}

criterion_group!(benches, keep);
