use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use chat_system::actors::reindex::{Onlooker, Reindexed, reindex};

use super::chat::Chat;
use crate::support::in_process::InProcess;
use crate::support::servers::{Kind, unique};
use crate::support::service::program;
use crate::support::{Client, Service};

/// The index knows what was said within this on a busy machine.
const FOUND_WITHIN: Duration = Duration::from_secs(30);

fn run_reindex(service: &Service) -> Output {
    let mut command = Command::new(program());
    command.args(["reindex", "--data-dir"]).arg(service.folder());
    command.output().expect("the program")
}

#[tokio::test]
async fn an_embedded_index_is_built_anew_while_the_service_is_stopped() {
    let mut service = Service::start();
    let chat = Chat::new(&service).await;
    for place in 0..30 {
        chat.say(&format!("stone {place}")).await;
    }
    chat.settle().await;

    let refused = run_reindex(&service);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("another process has"), "{said}");
    assert_eq!(chat.numbers("stone").await.len(), 30, "and the service goes on");

    service.terminate();
    assert!(service.wait().success());
    let done = run_reindex(&service);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains(" 31 messages in ") && said.contains("; 0 more"), "{said}");

    let service = service.start_again();
    let chat = Chat { client: service.client(), ..chat };
    assert_eq!(chat.numbers("stone").await, (1..=30).rev().collect::<Vec<_>>());
}

/// Counts what it is told.
#[derive(Default)]
struct Watching {
    walked: AtomicU64,
    expected: AtomicU64,
    switched: AtomicBool,
}

impl Onlooker for Watching {
    fn walked(&self, rows: usize) {
        self.walked.fetch_add(rows as u64, Ordering::SeqCst);
    }

    fn expects(&self, messages: u64) {
        self.expected.store(messages, Ordering::SeqCst);
    }

    fn switched(&self) {
        self.switched.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_index_on_a_server_is_built_anew_while_messages_are_written_and_found() {
    let Some(url) = Kind::Elasticsearch8.shared() else { return };
    let alias = unique("reindex-");
    let (give, engines) = mpsc::channel();
    let arguments = ["--search", &format!("{url}/{alias}"), "--engine-timeout", "20s"];
    let service = InProcess::start(&arguments, move |engines| {
        give.send((Arc::clone(&engines.store), Arc::clone(&engines.search))).expect("someone waits");
        engines
    });
    let (store, search) = engines.recv().expect("engines");
    let chat = Chat::new(&service.client).await;
    let before: Vec<String> = (0..300).map(|place| format!("stone {place}")).collect();
    chat.say_all(&before).await;
    chat.settle().await;
    let old = search.name().await.expect("an answer").expect("a name");

    let watching = Watching::default();
    let writing = async {
        for place in 300..400 {
            chat.say(&format!("stone {place}")).await;
            // The old index or the new one, but always one that knows every row.
            assert!(
                chat.search(&serde_json::json!({"query": "stone"})).await["number_of_messages"].as_u64()
                    >= Some(300)
            );
        }
    };
    let (done, ()) = tokio::join!(reindex(&*store, &*search, &watching), writing);
    let Reindexed { built, .. } = done.expect("built").expect("this node leads");
    assert!(built.messages >= 300 && built.index != old, "{built:?}");
    assert_eq!(search.name().await.expect("an answer"), Some(built.index.clone()));
    assert_eq!(store.known_index().await.expect("an answer"), Some(built.index.clone()));
    assert!(watching.switched.load(Ordering::SeqCst));
    assert!(watching.walked.load(Ordering::SeqCst) >= 600, "walked twice");

    chat.found_within(FOUND_WITHIN, "stone 399", 400).await;
    assert_eq!(chat.numbers("stone").await, (1..=400).rev().collect::<Vec<_>>());
    let known = Client::new(&url).get(&format!("/_alias/{alias}*")).await.expect(200).json();
    let known: Vec<&String> = known.as_object().expect("an object").keys().collect();
    assert_eq!(known, [&built.index], "the old index is gone, and nothing is half built");
    service.stop().expect("drained");
}
