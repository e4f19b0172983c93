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
mod index;
mod find;
mod request;

criterion::criterion_main!(
    accept::benches,
    keep::benches,
    keep_mysql::benches,
    index::benches,
    find::benches,
    request::benches
);
