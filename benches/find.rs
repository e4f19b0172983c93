//! Searches in a chat of a million messages (ten thousand with `--test`), beside Tantivy's own queries with the same
//! clauses on an index of the same terms; and on Elasticsearch, beside a bare search with the same clauses.

use std::cell::LazyCell;
use std::time::{Duration, Instant};

use crate::index::fresh_on;
use crate::support::machine;
use crate::support::servers::Kind;
use crate::support::{chat, is_test, row, runtime};
use chat_system::search::analysis::{Kind as HitKind, QueryWord, terms};
use chat_system::search::elasticsearch::ElasticsearchSearch;
use chat_system::search::tantivy::TantivySearch;
use chat_system::search::{HitPage, Query, Search};
use criterion::{BenchmarkId, Criterion, criterion_group};
use serde_json::{Value, json};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, FuzzyTermQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, SchemaBuilder, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{Index, Searcher, TantivyDocument, Term};
use tokio::runtime::Runtime;

const PAGE: usize = 20;
const FIRST_PAGE: HitPage = HitPage { after: None, limit: PAGE };
/// Messages indexed at once.
const PORTION: usize = 5_000;
/// What is asked, and what makes it dear.
const QUERIES: [(&str, &str); 5] = [
    ("rare word", "w4242"),
    ("word in every tenth message", "common7"),
    ("two words", "common7 w4242"),
    ("part of many words", "ommo"),
    ("typo", "comon7"),
];

fn find(criterion: &mut Criterion) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    let search = LazyCell::new(|| {
        let search = TantivySearch::open(folder.path()).expect("an index");
        runtime.block_on(fill(&search));
        search
    });
    let bare = LazyCell::new(Bare::build);
    let mut group = criterion.benchmark_group("find");
    for (name, text) in QUERIES {
        let query = Query::parse(text).expect("a query");
        group.bench_function(BenchmarkId::new("TantivySearch", name), |bencher| {
            let ours = || runtime.block_on(search.find(chat(1, 1), &query, FIRST_PAGE)).expect("hits");
            assert_eq!(ours().total, bare.find(&query) as u64, "{name}");
            bencher.iter(ours);
        });
        group.bench_function(BenchmarkId::new("Tantivy's own queries", name), |bencher| {
            let bare = &*bare;
            bencher.iter(|| bare.find(&query));
        });
    }
    group.finish();
}

/// Each message has a rare word, and one of ten common ones.
fn body(number: u64) -> String {
    format!("common{} w{number} deploys qwen{} at example.com", number % 10, number % 100)
}

fn messages() -> u64 {
    if is_test() { 10_000 } else { 1_000_000 }
}

async fn fill(search: &impl Search) {
    for first in (1..=messages()).step_by(PORTION) {
        let numbers = first..(first + PORTION as u64).min(messages() + 1);
        let rows = numbers.map(|number| row(chat(1, 1), number, &body(number))).collect();
        search.index(rows).await.expect("indexed");
    }
}

/// One field of words, and one of their suffixes.
struct Bare {
    searcher: Searcher,
    words: Field,
    suffixes: Field,
}

impl Bare {
    fn build() -> Self {
        let indexing = TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(IndexRecordOption::Basic)
            .set_fieldnorms(false);
        let mut schema = SchemaBuilder::new();
        let options = TextOptions::default().set_indexing_options(indexing);
        let words = schema.add_text_field("words", options.clone());
        let suffixes = schema.add_text_field("suffixes", options);
        let index = Index::create_in_ram(schema.build());
        let mut writer = index.writer_with_num_threads(1, 256 * 1024 * 1024).expect("a writer");
        for number in 1..=messages() {
            let terms = terms(&body(number));
            let mut document = TantivyDocument::new();
            document.add_pre_tokenized_text(words, tokens(terms.words()));
            document.add_pre_tokenized_text(suffixes, tokens(terms.suffixes()));
            writer.add_document(document).expect("added");
        }
        writer.commit().expect("a commit");
        Self { searcher: index.reader().expect("a reader").searcher(), words, suffixes }
    }

    /// How many hits there are; the best page is found too.
    fn find(&self, query: &Query) -> usize {
        let query = BooleanQuery::intersection(query.words().iter().map(|word| self.clauses(word)).collect());
        let page = TopDocs::with_limit(PAGE).order_by_score();
        let (best, count) = self.searcher.search(&query, &(page, Count)).expect("hits");
        assert_eq!(best.len(), count.min(PAGE));
        count
    }

    /// The word itself, what begins with it, what it is a part of, what is near: the best counts.
    fn clauses(&self, word: &QueryWord) -> Box<dyn tantivy::query::Query> {
        let text = |field| Term::from_field_text(field, word.text());
        let beginning = |field| FuzzyTermQuery::new_prefix(text(field), 0, true);
        let mut kinds: Vec<(HitKind, Box<dyn tantivy::query::Query>)> = vec![
            (HitKind::Exact, Box::new(TermQuery::new(text(self.words), IndexRecordOption::Basic))),
            (HitKind::Prefix, Box::new(beginning(self.words))),
        ];
        if word.in_parts() {
            kinds.push((HitKind::Part, Box::new(beginning(self.suffixes))));
        }
        if word.distance() > 0 {
            let near = FuzzyTermQuery::new(text(self.words), word.distance(), true);
            kinds.push((HitKind::Typo, Box::new(near)));
        }
        let weigh =
            |(kind, clause): (HitKind, Box<dyn tantivy::query::Query>)| -> Box<dyn tantivy::query::Query> {
                Box::new(ConstScoreQuery::new(clause, kind.weight() as f32))
            };
        Box::new(DisjunctionMaxQuery::new(kinds.into_iter().map(weigh).collect()))
    }
}

fn tokens<'a>(words: impl Iterator<Item = &'a str>) -> PreTokenizedString {
    let tokens = words.map(|word| Token { text: word.to_owned(), position: 0, ..Token::default() }).collect();
    PreTokenizedString { text: String::new(), tokens }
}

/// Before anything is measured both sides search for so long: right behind a million messages the first to search is the
/// slower for a while, whoever it is.
const WARM_UP: Duration = Duration::from_secs(60);

/// The same on Elasticsearch, beside a bare client that sends the same clauses to the same index.
fn find_on_elasticsearch(criterion: &mut Criterion) {
    if !Kind::Elasticsearch9.is_there() {
        return;
    }
    let queries = QUERIES.map(|(name, text)| (name, Query::parse(text).expect("a query")));
    let sides = LazyCell::new(|| {
        let sides = OnElasticsearch::open();
        let started = Instant::now();
        loop {
            for (name, query) in &queries {
                assert_eq!(sides.ours(query), sides.bare(query), "{name}");
            }
            if is_test() || started.elapsed() > WARM_UP {
                break;
            }
        }
        sides.runtime.block_on(machine::idle());
        sides
    });
    let mut group = criterion.benchmark_group("find on Elasticsearch");
    for (name, query) in &queries {
        group.bench_function(BenchmarkId::new("ElasticsearchSearch", name), |bencher| {
            let sides = &*sides;
            bencher.iter(|| sides.ours(query));
        });
        group.bench_function(BenchmarkId::new("a bare search with the same clauses", name), |bencher| {
            let sides = &*sides;
            bencher.iter(|| sides.bare(query));
        });
    }
    group.finish();
}

struct OnElasticsearch {
    runtime: Runtime,
    search: ElasticsearchSearch,
    bare: reqwest::Client,
    url: String,
}

impl OnElasticsearch {
    fn open() -> Self {
        let server = Kind::Elasticsearch9.shared().expect("a server");
        let runtime = runtime();
        let (search, name) = runtime.block_on(fresh_on(&server, "bench-find"));
        runtime.block_on(fill(&search));
        let bare = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("{server}/{name}/_search?routing=1&filter_path=hits.total.value,hits.hits.sort");
        Self { runtime, search, bare, url }
    }

    fn ours(&self, query: &Query) -> (u64, Vec<u64>) {
        let hits = self.runtime.block_on(self.search.find(chat(1, 1), query, FIRST_PAGE)).expect("hits");
        (hits.total, hits.page.iter().map(|hit| hit.number.get()).collect())
    }

    fn bare(&self, query: &Query) -> (u64, Vec<u64>) {
        let asked = json!({
            "size": PAGE + 1,
            "track_total_hits": true,
            "_source": false,
            "query": { "bool": { "must": query.words().iter().map(clauses).collect::<Vec<_>>() } },
            "sort": [{ "_score": "desc" }, { "number": "desc" }],
        });
        self.runtime.block_on(async {
            let sent = self.bare.post(&self.url).json(&asked).send().await.expect("an answer");
            let hits = &sent.json::<Value>().await.expect("hits")["hits"];
            let page = hits["hits"].as_array().expect("a page").iter().take(PAGE);
            let numbers = page.map(|hit| hit["sort"][1].as_u64().expect("a number"));
            (hits["total"]["value"].as_u64().expect("a total"), numbers.collect())
        })
    }
}

/// As [`Bare::clauses`], in Elasticsearch's words; terms begin with their chat.
fn clauses(word: &QueryWord) -> Value {
    let term = format!("1-1:{}", word.text());
    let beginning =
        |field: &str| json!({ "prefix": { field: { "value": term, "rewrite": "constant_score" } } });
    let mut kinds =
        vec![(HitKind::Exact, json!({ "term": { "words": term } })), (HitKind::Prefix, beginning("words"))];
    if word.in_parts() {
        kinds.push((HitKind::Part, beginning("suffixes")));
    }
    if word.distance() > 0 {
        let near = json!({ "fuzzy": { "words": {
            "value": term,
            "fuzziness": word.distance(),
            "prefix_length": "1-1:".len(),
            "rewrite": "constant_score_boolean",
        } } });
        kinds.push((HitKind::Typo, near));
    }
    let weigh = |(kind, filter): (HitKind, Value)| json!({ "constant_score": { "filter": filter, "boost": kind.weight() } });
    json!({ "dis_max": { "queries": kinds.into_iter().map(weigh).collect::<Vec<_>>() } })
}

criterion_group!(benches, find, find_on_elasticsearch);
