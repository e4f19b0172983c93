//! Rows a second into a MySQL or MariaDB server, beside raw multi-row inserts of the same rows into the same table.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::support::{fresh_chat, given, numbered};
use chat_system::connections::MysqlOptions;
use chat_system::domain::{ChatPlace, Content, Numbered};
use chat_system::store::Keep;
use chat_system::store::mysql::MysqlStore;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

fn keep(criterion: &mut Criterion) {
    let Some(server) = given("CHAT_TEST_MYSQL_URL") else {
        eprintln!("SKIPPED keep-mysql: CHAT_TEST_MYSQL_URL names no server");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (store, mut raw) = runtime.block_on(open(&server));
    let mut group = criterion.benchmark_group("keep-mysql");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    for batch in [1_usize, 50, 500] {
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::new("MysqlStore", batch), |bencher| {
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    let place = fresh_chat(&store).await;
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
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    let place = fresh_chat(&store).await;
                    let mut spent = Duration::ZERO;
                    for round in 0..rounds {
                        let drafts = numbered(place, round * batch as u64 + 1, batch);
                        let started = Instant::now();
                        raw.query_drop(insert(place, &drafts)).await.expect("rows");
                        spent += started.elapsed();
                    }
                    spent
                })
            });
        });
    }
    group.finish();
}

/// A database of this run's own.
async fn open(server: &str) -> (MysqlStore, Conn) {
    let database = format!("bench_{}", std::process::id());
    let mut conn = Conn::from_url(server).await.expect("a connection");
    conn.query_drop(format!("CREATE DATABASE {database}")).await.expect("a database");
    let url = format!("{server}/{database}");
    let second = Duration::from_secs(1);
    let options = MysqlOptions { lease: second * 60, timeout: second * 10, tls_ca: None, connections: 4 };
    let store = MysqlStore::new(&url, options).expect("a store");
    store.high_water(&[]).await.expect("open");
    let mut raw = Conn::from_url(&url).await.expect("a connection");
    raw.query_drop("SET SESSION wait_timeout = 600").await.expect("set");
    (store, raw)
}

fn insert(place: ChatPlace, drafts: &[Numbered]) -> String {
    let mut sql = String::from(
        "INSERT INTO messages (application_id, chat_number, number, id, body, version, created_at, updated_at)
         VALUES ",
    );
    for (index, Numbered { draft, number }) in drafts.iter().enumerate() {
        let Content::Message(body) = &draft.content else { panic!("a message") };
        let (comma, at) = (if index > 0 { "," } else { "" }, draft.created_at.micros());
        write!(
            sql,
            "{comma}({}, {}, {number}, x'{}', '{}', 1, {at}, {at})",
            place.application.0,
            place.chat,
            draft.id.0.simple(),
            body.as_str()
        )
        .expect("text");
    }
    sql
}

criterion_group!(benches, keep);
