//! Searches a second in a chat of 100,000 messages, beside bare Tantivy queries with as many exact terms on a bare
//! index of the same messages.

use std::cell::LazyCell;
use std::ops::Range;

use crate::support::{chat, row};
use chat_system::search::analysis::terms;
use chat_system::search::tantivy::TantivySearch;
use chat_system::search::{HitPage, Query, Search};
use criterion::{BenchmarkId, Criterion, criterion_group};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{BooleanQuery, Occur, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, SchemaBuilder, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{Index, Searcher, TantivyDocument, Term};

const MESSAGES: u64 = 100_000;
const PAGE: usize = 20;
/// What is asked, and what makes it dear.
const QUERIES: [(&str, &str); 5] = [
    ("rare word", "w4242"),
    ("word in every tenth message", "common7"),
    ("two words", "common7 w4242"),
    ("part of many words", "ommo"),
    ("typo", "comon7"),
];

fn find(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let search = LazyCell::new(|| {
        let search = TantivySearch::open(folder.path()).expect("an index");
        runtime.block_on(async {
            for numbers in portions() {
                let rows = numbers.map(|number| row(chat(1, 1), number, &body(number))).collect();
                search.index(rows).await.expect("indexed");
            }
        });
        search
    });
    let bare = LazyCell::new(Bare::build);
    let mut group = criterion.benchmark_group("find");
    for (name, text) in QUERIES {
        let query = Query::parse(text).expect("a query");
        group.bench_function(BenchmarkId::new("TantivySearch", name), |bencher| {
            let search = &*search;
            bencher.iter(|| {
                let page = HitPage { after: None, limit: PAGE };
                runtime.block_on(search.find(chat(1, 1), &query, page)).expect("hits")
            });
        });
        group.bench_function(BenchmarkId::new("bare exact terms", name), |bencher| {
            let bare = &*bare;
            bencher.iter(|| bare.find(text));
        });
    }
    group.finish();
}

/// Each message has a rare word, and one of ten common ones.
fn body(number: u64) -> String {
    format!("common{} w{number} deploys qwen{} at example.com", number % 10, number % 100)
}

fn portions() -> impl Iterator<Item = Range<u64>> {
    (1..=MESSAGES).step_by(5_000).map(|first| first..(first + 5_000).min(MESSAGES + 1))
}

/// One field of words.
struct Bare {
    searcher: Searcher,
    words: Field,
}

impl Bare {
    fn build() -> Self {
        let indexing = TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(IndexRecordOption::Basic)
            .set_fieldnorms(false);
        let mut schema = SchemaBuilder::new();
        let words = schema.add_text_field("words", TextOptions::default().set_indexing_options(indexing));
        let index = Index::create_in_ram(schema.build());
        let mut writer = index.writer_with_num_threads(1, 64 * 1024 * 1024).expect("a writer");
        for number in 1..=MESSAGES {
            let terms = terms(&body(number));
            let tokens =
                terms.words().map(|word| Token { text: word.to_owned(), ..Token::default() }).collect();
            let mut document = TantivyDocument::new();
            document.add_pre_tokenized_text(words, PreTokenizedString { text: String::new(), tokens });
            writer.add_document(document).expect("added");
        }
        writer.commit().expect("a commit");
        Self { searcher: index.reader().expect("a reader").searcher(), words }
    }

    /// The best page and the exact number of hits.
    fn find(&self, text: &str) -> usize {
        let terms = text.split(' ').map(|word| {
            let term = TermQuery::new(Term::from_field_text(self.words, word), IndexRecordOption::Basic);
            (Occur::Must, Box::new(term) as Box<dyn tantivy::query::Query>)
        });
        let query = BooleanQuery::new(terms.collect());
        let page = TopDocs::with_limit(PAGE).order_by_score();
        let (best, count) = self.searcher.search(&query, &(page, Count)).expect("hits");
        best.len() + count
    }
}

criterion_group!(benches, find);
