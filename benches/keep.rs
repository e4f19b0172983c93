//! Rows a second into the store, beside raw transactions of the same rows into the same tables.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{numbered, store_with_chat};
use chat_system::domain::{Content, Numbered};
use chat_system::store::Keep;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use rusqlite::{Connection, TransactionBehavior, params};

fn keep(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut group = criterion.benchmark_group("keep");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    for batch in [1_usize, 50, 500] {
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
                let mut raw = open_raw(&folder.path().join("chat.db"));
                let mut spent = Duration::ZERO;
                for round in 0..rounds {
                    let drafts = numbered(place, round * batch as u64 + 1, batch);
                    let started = Instant::now();
                    insert_raw(&mut raw, &drafts);
                    spent += started.elapsed();
                }
                spent
            });
        });
    }
    group.finish();
}

/// As durable as the store itself.
fn open_raw(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("a file");
    connection.pragma_update(None, "synchronous", "full").expect("a pragma");
    connection.pragma_update(None, "wal_autocheckpoint", 4_000).expect("a pragma");
    connection
}

fn insert_raw(connection: &mut Connection, drafts: &[Numbered]) {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).expect("a transaction");
    {
        let mut insert = transaction
            .prepare_cached(
                "INSERT INTO messages
                     (application_id, chat_number, number, id, body, version, created_at, updated_at)
                 VALUES (1, 1, ?1, ?2, ?3, 1, ?4, ?4)",
            )
            .expect("a statement");
        for Numbered { draft, number } in drafts {
            let Content::Message(body) = &draft.content else { panic!("a message") };
            let number = number.get().cast_signed();
            insert
                .execute(params![
                    number,
                    draft.id.0.as_bytes().as_slice(),
                    body.as_str(),
                    draft.created_at.micros()
                ])
                .expect("a row");
        }
        let last = drafts.last().expect("a draft").number.get().cast_signed();
        transaction
            .prepare_cached(
                "INSERT INTO search_backlog (application_id, chat_number, first_number, last_number, kind)
                 VALUES (1, 1, ?1, ?2, 'index')",
            )
            .expect("a statement")
            .execute([last - drafts.len() as i64 + 1, last])
            .expect("a row");
    }
    transaction.commit().expect("a commit");
}

criterion_group!(benches, keep);
