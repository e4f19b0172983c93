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
/// TLS, and certificates that are renewed.
mod tls;
/// What is on the outside: headers, other origins, the operator's own listener, logs.
mod surface;

use serde_json::json;

use crate::support::{Client, Service};

const ADMIN_KEY: &str = "operator-0123456789abcdef";

/// A closed service, told this besides.
fn closed(arguments: &[&str]) -> Service {
    Service::start_with(
        &[&["--admin-key", ADMIN_KEY, "--operator-listen", "127.0.0.1:0"], arguments].concat(),
    )
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
