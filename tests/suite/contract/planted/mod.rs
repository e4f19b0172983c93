//! Engines with one bug each, around a right one. A suite that lets one of them pass is worth nothing.

/// Intakes.
mod intake;
/// Stores.
mod store;
/// Indexes.
mod search;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::Law;

const THREAD: &str = "planted-bug";

/// The law catches the engine with the bug, and only because of the bug: without it, the same engine passes.
fn is_caught<E: ?Sized + Sync>(laws: &[Law<E>], by: &str, right: &E, wrong: &E) {
    let law = laws.iter().find(|law| law.name == by).unwrap_or_else(|| panic!("there is no law {by}"));
    if let Err(why) = broken(law, right) {
        panic!("{by} fails without a bug: {why}");
    }
    match broken(law, wrong) {
        Ok(()) => panic!("{by} does not catch it"),
        Err(why) => println!("caught by {by}: {why}"),
    }
}

/// What the law says of this engine, on a thread whose panics are not printed.
fn broken<E: ?Sized + Sync>(law: &Law<E>, engine: &E) -> Result<(), String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let say = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() != Some(THREAD) {
                say(panic);
            }
        }));
    });
    let run = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().thread_name(THREAD).build().expect("a runtime");
        runtime.block_on((law.run)(engine));
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(THREAD.to_owned()).spawn_scoped(scope, move || {
            panic::catch_unwind(AssertUnwindSafe(run)).map_err(|payload| match payload.downcast::<String>() {
                Ok(text) => *text,
                Err(payload) => {
                    payload.downcast_ref::<&str>().map_or(String::new(), |text| (*text).to_owned())
                }
            })
        });
        thread.expect("a thread").join().expect("no panic beyond the law's")
    })
}

/// A test a bug: its name, the bug, and the law that must catch it.
macro_rules! planted {
    ($laws:path, $bug:ident, $engine:ident; $($name:ident: $kind:ident by $law:ident;)*) => {
        $(#[test]
        fn $name() {
            let (right, wrong) = ($engine($bug::None), $engine($bug::$kind));
            if right.is_there() {
                crate::contract::planted::is_caught($laws, stringify!($law), &right, &wrong);
            }
        })*
    };
}
use planted;
