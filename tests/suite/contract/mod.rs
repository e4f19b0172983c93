//! What every engine of a port promises: a plain function a law, run against each engine, and against engines with
//! a bug planted in them, each of which must be caught.
//!
//! A new engine is one word in the `laws!` of its port, and a description of how it is opened. Where its server is
//! not installed it is not there, and its tests are skipped.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a law says so by panicking")]

/// Runs every law of a port against every engine of it: a test each, and a table of the laws for the planted bugs.
macro_rules! laws {
    ($engine:ty; engines [$($name:ident = $make:ident),* $(,)?]; laws $laws:tt) => {
        laws!(@table $engine; $laws);
        $(laws!(@tests $engine; $name = $make; $laws);)*
    };
    (@table $engine:ty; [$($law:ident),* $(,)?]) => {
        pub(crate) const LAWS: &[crate::contract::Law<$engine>] =
            &[$(crate::contract::Law { name: stringify!($law), run: |engine| Box::pin($law(engine)) }),*];
    };
    (@tests $engine:ty; $name:ident = $make:ident; [$($law:ident),* $(,)?]) => {
        mod $name {
            use super::*;

            $(#[tokio::test]
            async fn $law() {
                let engine: &$engine = &super::$make;
                if engine.is_there() {
                    super::$law(engine).await;
                }
            })*
        }
    };
}

/// Drafts, places and texts that the laws are tried with.
pub(crate) mod things;
/// Numbers and the queue.
mod intake;
/// The rows.
mod store;
/// Finding messages.
pub(crate) mod search;
/// Engines with a bug, and the law that catches it.
mod planted;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

/// One law by its name.
pub(crate) struct Law<E: ?Sized> {
    pub(crate) name: &'static str,
    pub(crate) run: for<'a> fn(&'a E) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
}

/// Does the same on so many threads at once, and gives back what each answered.
async fn side_by_side<T, F>(threads: u64, work: impl Fn(u64) -> F + Send + Sync + 'static) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let work = Arc::new(work);
    let start = Arc::new(std::sync::Barrier::new(usize::try_from(threads).expect("few threads")));
    let threads: Vec<_> = (0..threads)
        .map(|thread| {
            let (work, start) = (Arc::clone(&work), Arc::clone(&start));
            spawn_blocking(move || {
                start.wait();
                Handle::current().block_on(work(thread))
            })
        })
        .collect();
    let mut answers = Vec::new();
    for thread in threads {
        answers.push(thread.await.expect("no panic"));
    }
    answers
}
