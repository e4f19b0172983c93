//! Messages a second into the search index, beside a bare Tantivy index of the same finished terms; and into an index of
//! Elasticsearch, beside bare bulks of the same documents.

use std::cell::LazyCell;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::servers::Kind;
use crate::support::{BODY, chat, is_test, machine, row, runtime};
use chat_system::search::Search;
use chat_system::search::analysis::terms;
use chat_system::search::elasticsearch::{ElasticsearchOptions, ElasticsearchSearch};
use chat_system::search::tantivy::TantivySearch;
use chat_system::store::Row;
use criterion::{Bencher, BenchmarkId, Criterion, Throughput, criterion_group};
use reqwest::RequestBuilder;
use serde_json::json;
use tantivy::schema::{BytesOptions, Field, SchemaBuilder};
use tantivy::{Index, IndexWriter, TantivyDocument};

fn index(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("index");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    for batch in [1_u64, 50, 1_000, 2_000] {
        group.throughput(Throughput::Elements(batch));
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let ours = LazyCell::new(|| TantivySearch::open(folders[0].path()).expect("an index"));
        let mut done = 0;
        group.bench_function(BenchmarkId::new("TantivySearch", batch), |bencher| {
            let ours = &*ours;
            go_on(bencher, &mut done, |rounds| runtime.block_on(indexed_in(ours, rounds, batch)));
        });
        let mut bare = LazyCell::new(|| Bare::open(folders[1].path()));
        let mut done = 0;
        group.bench_function(BenchmarkId::new("bare documents and a commit", batch), |bencher| {
            let bare = &mut *bare;
            go_on(bencher, &mut done, |rounds| bare.index(rounds, batch));
        });
    }
    if Kind::Elasticsearch9.is_there() {
        let server = LazyCell::new(|| {
            let server = Kind::Elasticsearch9.shared().expect("a server");
            // What a new server learns of its work counts for neither side.
            let (ours, bare) = runtime.block_on(both_on(&server));
            for round in (0..if is_test() { 0 } else { 60 }).step_by(15) {
                runtime.block_on(indexed_in(&ours, round..round + 15, 2_000));
                runtime.block_on(bare_bulks(&bare, round..round + 15, 2_000));
            }
            server
        });
        for batch in [1_u64, 50, 1_000, 2_000] {
            let both = LazyCell::new(|| runtime.block_on(both_on(&server)));
            group.throughput(Throughput::Elements(batch));
            let mut done = 0;
            group.bench_function(BenchmarkId::new("ElasticsearchSearch", batch), |bencher| {
                let index = &both.0;
                runtime.block_on(machine::idle());
                go_on(bencher, &mut done, |rounds| runtime.block_on(indexed_in(index, rounds, batch)));
            });
            let mut done = 0;
            group.bench_function(BenchmarkId::new("bare bulks", batch), |bencher| {
                let index = &both.1;
                runtime.block_on(machine::idle());
                go_on(bencher, &mut done, |rounds| runtime.block_on(bare_bulks(index, rounds, batch)));
            });
        }
    }
    group.finish();
}

/// Measures the next rounds of an index that is there for all samples: what is made within one counts when criterion decides
/// how many rounds it has.
fn go_on(bencher: &mut Bencher<'_>, done: &mut u64, mut index: impl FnMut(Range<u64>) -> Duration) {
    bencher.iter_custom(|rounds| {
        *done += rounds;
        index(*done - rounds..*done)
    });
}

fn rows(round: u64, batch: u64) -> Vec<Row> {
    let numbers = (1..=batch).map(|offset| round * batch + offset);
    numbers.map(|number| row(chat(1, 1), number, &body(number))).collect()
}

/// An empty index, which takes the place of the one before it, and its name.
pub async fn fresh_on(server: &str, alias: &str) -> (ElasticsearchSearch, String) {
    let options = ElasticsearchOptions { timeout: Duration::from_secs(60), tls_ca: None };
    let search = ElasticsearchSearch::new(&format!("{server}/{alias}"), &options).expect("a URL");
    let name = search.renew().await.expect("begun");
    search.present(&name).await.expect("presented");
    (search, name)
}

/// An index for this program, and one of the same mapping for bare bulks.
async fn both_on(server: &str) -> (ElasticsearchSearch, RequestBuilder) {
    let (_search, name) = fresh_on(server, "bench-bare").await;
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{server}/{name}/_bulk?refresh=true&filter_path=errors");
    let bare = http.post(url).header("content-type", "application/json");
    (fresh_on(server, "bench-ours").await.0, bare)
}

async fn indexed_in(search: &impl Search, rounds: Range<u64>, batch: u64) -> Duration {
    let mut spent = Duration::ZERO;
    for round in rounds {
        let rows = rows(round, batch);
        let started = Instant::now();
        search.index(rows).await.expect("indexed");
        spent += started.elapsed();
    }
    spent
}

/// Documents of the same terms, written beforehand.
async fn bare_bulks(bare: &RequestBuilder, rounds: Range<u64>, batch: u64) -> Duration {
    let mut spent = Duration::ZERO;
    for round in rounds {
        let bulk: String = rows(round, batch).iter().map(lines).collect();
        let bulk = bare.try_clone().expect("no body yet").body(bulk);
        let started = Instant::now();
        let answer = bulk.send().await.expect("an answer").text().await.expect("a text");
        spent += started.elapsed();
        assert_eq!(answer, r#"{"errors":false}"#);
    }
    spent
}

fn lines(row: &Row) -> String {
    let terms = terms(row.body.as_ref().expect("a body").as_str());
    let joined = |terms: Vec<&str>| terms.iter().map(|term| format!("1-1:{term} ")).collect::<String>();
    let number = row.place.number.get();
    let action = json!({ "index": { "_id": format!("1-1-{number:x}"), "routing": "1" } });
    let words = joined(terms.words().collect());
    let suffixes = joined(terms.suffixes().collect());
    let document = json!({ "chat": "1-1", "number": number, "words": words, "suffixes": suffixes });
    format!("{action}\n{document}\n")
}

fn body(number: u64) -> String {
    format!("{BODY} {number}")
}

/// The same terms, finished beforehand and each with its chat in front, in the same two fields.
struct Bare {
    writer: IndexWriter,
    words: Field,
    suffixes: Field,
}

impl Bare {
    fn open(folder: &Path) -> Self {
        let term = BytesOptions::default().set_indexed();
        let mut schema = SchemaBuilder::new();
        let (words, suffixes) =
            (schema.add_bytes_field("words", term.clone()), schema.add_bytes_field("suffixes", term));
        let index = Index::create_in_dir(folder, schema.build()).expect("an index");
        let writer = index.writer_with_num_threads(1, 16 * 1024 * 1024).expect("a writer");
        Self { writer, words, suffixes }
    }

    fn index(&mut self, rounds: Range<u64>, batch: u64) -> Duration {
        let mut spent = Duration::ZERO;
        for round in rounds {
            let documents = (1..=batch).map(|offset| {
                let terms = terms(&body(round * batch + offset));
                let mut document = TantivyDocument::new();
                terms.words().for_each(|word| document.add_bytes(self.words, &of_chat(word)));
                terms.suffixes().for_each(|suffix| document.add_bytes(self.suffixes, &of_chat(suffix)));
                document
            });
            let documents: Vec<_> = documents.collect();
            let started = Instant::now();
            for document in documents {
                self.writer.add_document(document).expect("added");
            }
            self.writer.commit().expect("a commit");
            spent += started.elapsed();
        }
        spent
    }
}

/// As long as a term of a small chat.
fn of_chat(term: &str) -> Vec<u8> {
    [b"\x01\x01\x01\x01", term.as_bytes()].concat()
}

criterion_group!(benches, index);
