//! Each hop of a message's way beside the raw limit of its engine, in the same run. `cargo bench -- keep` runs one.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on says so by panicking"
)]

mod support;

mod accept;
mod keep;
mod keep_mysql;
mod actors;
mod index;
mod find;
mod request;
mod compare;

fn main() {
    let mut line = std::env::args().skip(1).peekable();
    if line.peek().is_some_and(|word| word == "compare") {
        return compare::run(line);
    }
    accept::benches();
    keep::benches();
    keep_mysql::benches();
    actors::benches();
    index::benches();
    find::benches();
    request::benches();
    criterion::Criterion::default().configure_from_args().final_summary();
}
