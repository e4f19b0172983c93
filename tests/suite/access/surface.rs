use std::process::Command;

use reqwest::Method;
use serde_json::json;

use super::{ADMIN_KEY, Tenant, closed, operator};
use crate::support::service::program;
use crate::support::{Client, Service};

#[test]
fn an_open_service_does_not_listen_beyond_loopback_unless_that_is_meant() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(program());
        command.args(["--listen", "0.0.0.0:0", "--data-dir"]).arg(folder.path()).args(arguments);
        command.output().expect("the program")
    };
    let refused = run(&[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("--open") && said.contains("--admin-key"), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    let weak = run(&["--admin-key", "guess-me"]);
    let said = String::from_utf8_lossy(&weak.stderr).into_owned();
    assert!(!weak.status.success() && said.contains("16") && !said.contains("guess-me"), "{said}");
}

#[tokio::test]
async fn health_in_detail_and_metrics_are_the_operators() {
    let service = closed(&[]);
    let ready = service.get("/health/ready").await.expect(200).json();
    assert_eq!(ready, json!({"status": "ready"}));
    service.get("/health/live").await.expect(200);
    service.get("/metrics").await.expect(404);
    let operator = service.operator();
    assert_ne!(operator.url, service.url);
    let ready = operator.get("/health/ready").await.expect(200).json();
    assert_eq!(ready["engines"]["store"]["state"], "up");
    assert!(operator.get("/metrics").await.expect(200).text.contains("chat_http_requests_total"));
    for path in ["/api/v1/applications", "/api/v1/openapi.json"] {
        operator.with_key(ADMIN_KEY).get(path).await.expect(404);
    }
    let open = Service::start();
    assert_eq!(open.operator().url, open.url);
    open.get("/metrics").await.expect(200);
}

const HEADERS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
];

#[tokio::test]
async fn every_answer_says_that_it_is_nobodys_page_and_nobodys_to_keep() {
    let service = Service::start();
    let path = service.new_application().await;
    let asked = [
        (Method::GET, path.clone()),
        (Method::GET, "/nowhere".to_owned()),
        (Method::TRACE, path.clone()),
        (Method::POST, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::GET, path),
    ];
    for (method, path) in asked {
        let reply = service.send(service.request(method.clone(), &path)).await;
        for (name, value) in HEADERS {
            assert_eq!(reply.header(name), value, "{method} {path} {}", reply.status);
        }
    }
}

#[tokio::test]
async fn whoever_watches_a_drain_does_not_hold_it_up() {
    let mut service = closed(&[]);
    let watched = service.operator().clone();
    let watching = tokio::spawn(async move {
        let mut looks = 0;
        while watched.try_send(watched.request(Method::GET, "/health/ready")).await.is_ok() {
            looks += 1;
        }
        looks
    });
    // It is being watched.
    service.operator().get("/health/live").await.expect(200);
    service.terminate();
    let ended = tokio::task::spawn_blocking(move || service.wait()).await.expect("no panic");
    assert!(ended.success());
    assert!(watching.await.expect("no panic") > 0);
}

async fn preflight(client: &Client, origin: &str, path: &str) -> crate::support::Reply {
    let request = client.request(Method::OPTIONS, path);
    client.send(request.header("Origin", origin).header("Access-Control-Request-Method", "POST")).await
}

#[tokio::test]
async fn pages_of_listed_origins_may_read_and_no_others() {
    let (good, bad) = ("https://chat.example", "https://chat.example.evil");
    let service = Service::start_with(&["--cors-origins", &format!("http://127.0.0.1:3000,{good}")]);
    let list = "/api/v1/applications";
    let reply = preflight(&service, good, list).await.expect(204);
    assert_eq!(reply.header("access-control-allow-origin"), good);
    assert_eq!(reply.header("access-control-allow-methods"), "GET, HEAD, POST");
    assert!(reply.header("access-control-allow-headers").contains("authorization"));
    let reply = preflight(&service, bad, list).await.expect(405);
    assert_eq!(reply.header("access-control-allow-origin"), "");
    for (origin, allowed) in [(good, good), (bad, ""), ("null", "")] {
        let reply =
            service.send(service.request(Method::GET, list).header("Origin", origin)).await.expect(200);
        assert_eq!(reply.header("access-control-allow-origin"), allowed);
        assert_eq!(reply.header("vary"), "Origin");
    }
    let closed_to_all = Service::start();
    let reply = preflight(&closed_to_all, good, list).await.expect(405);
    assert_eq!((reply.header("access-control-allow-origin"), reply.header("vary")), ("", ""));
}

#[tokio::test]
async fn the_log_tells_of_the_operator_and_of_wrong_keys_a_line_each_whatever_was_sent() {
    let service = closed(&["--trusted-proxies", "127.0.0.0/8"]);
    let tenant = Tenant::of(&service, "company\nwith a line").await;
    let wrong = service.with_key("chat_key_111111111111111111111111111111111111");
    let forged = "203.0.113.9";
    let request = wrong.request(Method::GET, &tenant.path).header("X-Forwarded-For", forged);
    let reply = wrong.send(request.header("X-Request-Id", "seen-in-the-log")).await.expect(401);
    assert_eq!(reply.header("x-request-id"), "seen-in-the-log");
    operator(&service).delete(&tenant.path).await.expect(204);
    let log = service.log();
    let line = log.lines().find(|line| line.contains("seen-in-the-log")).expect("a line");
    assert!(line.contains("a wrong key was shown") && line.contains(forged), "{line}");
    let line = log.lines().find(|line| line.contains("DeleteApplication")).expect("a line");
    assert!(line.contains(tenant.token()) && line.contains("127.0.0.1"), "{line}");
    assert!(!log.contains("chat_key_") && !log.contains(ADMIN_KEY) && !log.contains("with a line"), "{log}");
}
