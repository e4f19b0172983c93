use std::time::{Duration, Instant};

use crate::support::{Raw, Service};

const APPLICATIONS: &str = "POST /api/v1/applications HTTP/1.1\r\nHost: a\r\n";
const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";

fn hasty() -> Service {
    Service::start_with(&["--request-timeout", "300ms"])
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_let_go() {
    let service = hasty();
    let mut connection = Raw::connect(&service.url).await;
    connection.send(b"GET /health/live HTTP/1.1\r\nX-Slow: ").await;
    let reply = connection.reply("GET").await;
    assert_eq!(reply.map(|reply| reply.status), Some(408));
    assert!(connection.is_closed().await);
    service.get("/health/ready").await.expect(200);
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_body_is_told_so_and_let_go() {
    let service = hasty();
    for framing in
        ["Content-Length: 100\r\n\r\n{\"name\":", "Transfer-Encoding: chunked\r\n\r\n8\r\n{\"name\":\r\n"]
    {
        let mut connection = Raw::connect(&service.url).await;
        connection.send(format!("{APPLICATIONS}{framing}").as_bytes()).await;
        let reply = connection.reply("POST").await.expect("an answer");
        assert_eq!(
            (reply.status, reply.json()["code"].as_str()),
            (408, Some("request_timeout")),
            "{framing}"
        );
        assert!(connection.is_closed().await, "{framing}");
    }
    assert_eq!(service.all("/api/v1/applications").await.len(), 0);
}

#[tokio::test]
async fn a_body_that_drips_is_let_go_however_lively_it_is() {
    let service = hasty();
    let mut connection = Raw::connect(&service.url).await;
    connection.send(format!("{APPLICATIONS}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await;
    let started = Instant::now();
    while connection.send(b"1\r\n \r\n").await {
        assert!(started.elapsed() < Duration::from_secs(5), "it listens for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_chunked_body_without_end_is_cut_off() {
    let service = Service::start();
    let application = service.new_application().await;
    // Read by the handler, not read by it, and to a path that nobody reads at all.
    for target in
        ["/api/v1/applications".to_owned(), format!("{application}/chats/0/messages"), "/nowhere".to_owned()]
    {
        let mut connection = Raw::connect(&service.url).await;
        connection
            .send(
                format!("POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes(),
            )
            .await;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        let started = Instant::now();
        while connection.send(chunk.as_bytes()).await {
            assert!(started.elapsed() < Duration::from_secs(5), "{target} listens for ever");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    service.get("/health/ready").await.expect(200);
    assert_eq!(service.all("/api/v1/applications").await.len(), 1);
}

#[tokio::test]
async fn a_body_that_ends_early_makes_nothing() {
    let service = Service::start();
    for framing in [
        "Content-Length: 100\r\n\r\n{\"name\":\"a\"}",
        "Transfer-Encoding: chunked\r\n\r\nc\r\n{\"name\":\"a\"}\r\n",
    ] {
        let mut connection = Raw::connect(&service.url).await;
        connection.send(format!("{APPLICATIONS}{framing}").as_bytes()).await;
        connection.finish().await;
        if let Some(reply) = connection.reply("POST").await {
            assert_eq!(
                (reply.status, reply.json()["code"].as_str()),
                (400, Some("malformed_body")),
                "{framing}"
            );
        }
    }
    assert_eq!(service.all("/api/v1/applications").await.len(), 0);
}

#[tokio::test]
async fn a_client_that_waits_to_continue_is_answered_either_way() {
    let service = Service::start();
    let body = r#"{"name":"a"}"#;
    let mut connection = Raw::connect(&service.url).await;
    let head = format!("{APPLICATIONS}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len());
    connection.send(head.as_bytes()).await;
    assert_eq!(connection.reply("POST").await.map(|reply| reply.status), Some(100));
    connection.send(body.as_bytes()).await;
    assert_eq!(connection.reply("POST").await.map(|reply| reply.status), Some(201));
}

#[tokio::test]
async fn pipelined_requests_are_answered_one_after_the_other() {
    let service = Service::start();
    let mut connection = Raw::connect(&service.url).await;
    let create = format!("{APPLICATIONS}Content-Length: 12\r\n\r\n{{\"name\":\"a\"}}");
    let refuse = format!("{APPLICATIONS}Content-Length: 2\r\n\r\n[]");
    connection.send(&[LIVE, create.as_bytes(), refuse.as_bytes(), LIVE].concat()).await;
    for (method, status) in [("GET", 200), ("POST", 201), ("POST", 400), ("GET", 200)] {
        assert_eq!(connection.reply(method).await.map(|reply| reply.status), Some(status));
    }
}

#[tokio::test]
async fn after_a_refusal_a_connection_goes_on_or_says_that_it_ends() {
    let service = Service::start();
    let mut connection = Raw::connect(&service.url).await;
    let refused: [(&str, &[u8], u16); 5] = [
        ("GET", b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("POST", b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 404),
        ("PUT", b"PUT /health/live HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 405),
        ("HEAD", b"HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("GET", b"GET /api/v1/applications?limit=0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ];
    for (method, bytes, status) in refused {
        connection.send(bytes).await;
        let reply = connection.reply(method).await.expect("an answer");
        assert_eq!(reply.status, status, "{reply:?}");
        if reply.header("connection") == Some("close") {
            assert!(connection.is_closed().await);
            connection = Raw::connect(&service.url).await;
        }
    }
    connection.send(LIVE).await;
    assert_eq!(connection.reply("GET").await.map(|reply| reply.status), Some(200));
}

#[tokio::test]
async fn an_old_client_gets_an_old_answer() {
    let service = Service::start();
    let mut connection = Raw::connect(&service.url).await;
    connection.send(b"GET /health/live HTTP/1.0\r\n\r\n").await;
    assert_eq!(connection.reply("GET").await.map(|reply| reply.status), Some(200));
    assert!(connection.is_closed().await);
}
