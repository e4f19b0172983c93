//! A closed service: who gets in, and how fast.

/// No tenant sees another's, by any call of the document.
mod isolation;
/// Keys from their making to their end.
mod keys;
/// So many requests and no more.
mod rates;
/// So much and no more.
mod quotas;
/// What one tenant does to another.
mod fairness;
/// What attackers send.
mod attacks;
/// Connections by the thousand, and fewer than there might be.
mod connections;
/// TLS, and certificates that are renewed.
mod tls;
/// What is on the outside: headers, other origins, the operator's own listener, logs.
mod surface;

use std::time::Duration;

use serde_json::json;
use tokio::sync::Mutex;

use crate::support::pace::Pace;
use crate::support::{Client, Service, Stack, eventually};

const ADMIN_KEY: &str = "operator-0123456789abcdef";

/// Measures how long somebody's answers take beside others and without them: the 99th of a hundred may take twice as long.
/// What else this machine does makes a round worse and never better, so that the best of three counts.
async fn slow_nobody_down(mut round: impl AsyncFnMut() -> Measured) {
    /// What is shorter than this is the machine's noise.
    const NOISE: Duration = Duration::from_millis(10);
    /// Those who measure do not disturb each other.
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = ALONE.lock().await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let Measured { beside, without } = round().await;
        let (beside, without) = (beside.share(99), without.share(99));
        seen.push(format!("{beside:?} beside them, {without:?} without"));
        if beside <= 2 * without.max(NOISE) {
            println!("the 99th: {}", seen.join("; "));
            return;
        }
    }
    panic!("the 99th, three times: {}", seen.join("; "));
}

/// How long somebody waited for answers.
#[derive(Default)]
struct Measured {
    beside: Pace,
    without: Pace,
}

/// What makes a service a closed one.
const CLOSED: [&str; 4] = ["--admin-key", ADMIN_KEY, "--operator-listen", "127.0.0.1:0"];

/// A closed service, told this besides.
fn closed(arguments: &[&str]) -> Service {
    Service::start_with(&[&CLOSED, arguments].concat())
}

/// Three closed nodes on the same servers, ready. `None` where a server is not installed, which is said.
async fn three_nodes(arguments: &[&str]) -> Option<Vec<Service>> {
    let stack = Stack::fresh()?;
    let arguments = [&CLOSED, arguments].concat();
    let nodes: Vec<_> = (0..3).map(|_| Service::start_on(&stack, &arguments)).collect();
    for node in &nodes {
        eventually(Duration::from_secs(60), "a node is ready", async || {
            match node.get("/health/ready").await.status.as_u16() {
                200 => Ok(()),
                status => Err(status.to_string()),
            }
        })
        .await;
    }
    Some(nodes)
}

fn operator(service: &Client) -> Client {
    service.with_key(ADMIN_KEY)
}

/// An application, its path, and somebody who holds its first key.
struct Tenant {
    path: String,
    client: Client,
    key: String,
}

impl Tenant {
    async fn of(service: &Client, name: &str) -> Self {
        let made =
            operator(service).post("/api/v1/applications", &json!({"name": name})).await.expect(201).json();
        let key = made["key"].as_str().expect("a key").to_owned();
        let path = format!("/api/v1/applications/{}", made["data"]["token"].as_str().expect("a token"));
        Self { path, client: service.with_key(&key), key }
    }

    fn token(&self) -> &str {
        self.path.rsplit('/').next().expect("a token")
    }
}

/// Another key of this application: its number and its secret.
async fn another_key(service: &Client, tenant: &Tenant, scopes: &[&str]) -> (u64, String) {
    let new = json!({"name": scopes.join(" and "), "scopes": scopes});
    let made = operator(service).post(&format!("{}/keys", tenant.path), &new).await.expect(201).json();
    let number = made["data"]["number"].as_u64().expect("a number");
    (number, made["key"].as_str().expect("a key").to_owned())
}

/// It answers, it did not panic, and it takes no more memory than it may.
async fn unharmed(service: &Service) {
    operator(service).get("/api/v1/applications").await.expect(200);
    let (log, resident_mib) = (service.log(), service.resident_kib() / 1024);
    assert!(!log.contains("panicked") && !log.contains("chat_key_") && !log.contains(ADMIN_KEY), "{log}");
    assert!(!log.contains('\u{1b}'), "what commands a terminal");
    assert!(resident_mib < 512, "{resident_mib} MiB");
}
