//! What an attacker sends, and what happens. Requests that are hardly HTTP are in `http::bad_input`.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Measured, Tenant, closed, slow_nobody_down, unharmed};

/// One attempt. `{a}` in it stands for the attacker's own application, `{b}` for its neighbour's, `{key}` for the
/// attacker's key.
struct Attack {
    name: String,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// What it may be answered.
    expected: Vec<u16>,
}

fn attack(name: impl Into<String>, method: Method, path: impl Into<String>, expected: &[u16]) -> Attack {
    let (name, path, expected) = (name.into(), path.into(), expected.to_vec());
    Attack { name, method, path, headers: Vec::new(), body: None, expected }
}

impl Attack {
    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// By the attacker. What was answered instead, if it is not what was expected.
    async fn send(&self, a: &Tenant, b: &Tenant) -> Result<(), String> {
        let fill = |text: &str| text.replace("{a}", &a.path).replace("{b}", &b.path).replace("{key}", &a.key);
        let mut request = a.client.request(self.method.clone(), &fill(&self.path));
        for (name, value) in &self.headers {
            request = request.header(*name, fill(value));
        }
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        match a.client.try_send(request).await {
            Ok(reply) if self.expected.contains(&reply.status.as_u16()) => {
                let is_told = self.path.contains("{b}") && reply.text.contains("secret");
                if is_told { Err(format!("{}: {}", self.name, reply.text)) } else { Ok(()) }
            }
            // A client that would not even send it.
            Err(error) if error.is_builder() || error.is_request() => Ok(()),
            other => Err(format!("{}: {other:?}", self.name)),
        }
    }
}

const SQL: [&str; 4] = [
    "'; DROP TABLE messages; --",
    "\\'; DELETE FROM access_keys; #",
    "1 OR 1=1",
    "\u{bf27} UNION SELECT digest FROM access_keys /*",
];

const LUCENE: [&str; 10] = [
    "*",
    "*:*",
    "body:(secret OR *)",
    "/.*.*.*.*.*/",
    "secret~100000",
    "[* TO *]",
    "\"unclosed",
    "{\"match_all\":{}}",
    "a AND NOT (b OR (c AND NOT d))",
    "\\u0000\u{202e}\u{feff}?????????????????????????????",
];

/// Every byte as `%XX`.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Text in every field that takes some: it is kept or refused as text, and nothing else happens.
fn injections() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (at, sql) in SQL.into_iter().enumerate() {
        let encoded = encoded(sql);
        let named = |what: &str| format!("SQL {at} as {what}");
        attacks.extend([
            attack(named("a name"), Method::PUT, "{a}", &[200]).body(json!({"name": sql})),
            attack(named("a body"), Method::POST, "{a}/chats/1/messages", &[201]).body(json!({"body": sql})),
            attack(named("a query"), Method::POST, "{a}/chats/1/messages/search", &[200])
                .body(json!({"query": sql})),
            attack(named("a cursor"), Method::GET, format!("{{a}}/chats/1/messages?after={encoded}"), &[400]),
            attack(named("a limit"), Method::GET, format!("{{a}}/chats?limit={encoded}"), &[400]),
            attack(named("an order"), Method::GET, format!("{{a}}/chats?order={encoded}"), &[400]),
            attack(named("a chat"), Method::GET, format!("{{a}}/chats/{encoded}"), &[404]),
            attack(named("a token"), Method::GET, format!("/api/v1/applications/{encoded}"), &[404]),
        ]);
        if sql.is_ascii() {
            let keyed = attack(named("an idempotency key"), Method::POST, "{a}/chats", &[201, 400]);
            attacks.push(keyed.header("Idempotency-Key", sql.replace(' ', "_")));
            attacks.push(
                attack(named("a version"), Method::DELETE, "{a}/chats/1/messages/1", &[400])
                    .header("If-Match", sql),
            );
        }
    }
    let search = |(at, query): (usize, &str)| {
        attack(format!("Lucene {at}"), Method::POST, "{a}/chats/1/messages/search", &[200])
            .body(json!({"query": query}))
    };
    attacks.extend(LUCENE.into_iter().enumerate().map(search));
    attacks
}

/// Keys, tokens, cursors and versions that are another's, made up or shown in a place of their own.
fn forgeries() -> Vec<Attack> {
    let get = |name: &str, path: &str, expected: &[u16]| attack(name, Method::GET, path, expected);
    vec![
        get("a neighbour's application", "{b}", &[404]),
        get("a neighbour's chat", "{b}/chats/1", &[404]),
        get("a neighbour's messages", "{b}/chats/1/messages", &[404]),
        attack("a neighbour's search", Method::POST, "{b}/chats/1/messages/search", &[404])
            .body(json!({"query": "secret"})),
        attack("a neighbour's message changed", Method::PUT, "{b}/chats/1/messages/1", &[404])
            .body(json!({"body": "x"})),
        attack("a neighbour deleted", Method::DELETE, "{b}", &[403]),
        attack("a key for a neighbour", Method::POST, "{b}/keys", &[403]).body(json!({"name": "x"})),
        attack("a key for oneself", Method::POST, "{a}/keys", &[403]).body(json!({"name": "x"})),
        attack("a rate for oneself", Method::PUT, "{a}/limits", &[403]).body(json!({"rate": "1000000/s"})),
        get("everybody's applications", "/api/v1/applications", &[403]),
        get("a path that climbs", "{a}/../{b}", &[404]),
        get("an encoded path that climbs", "{a}/chats/%2e%2e%2f%2e%2e/chats/1", &[404]),
        get("an encoded slash", "{a}%2fchats", &[404]),
        get("an encoded end", "{a}%00", &[404]),
        get("a path with a parameter", "{a};admin=1", &[404]),
        get("a doubled slash", "{a}//chats", &[404]),
        get("an upper-case token", "/api/v1/applications/ABCDEFABCDEFABCDEFABCDEFABCDEFAB", &[404]),
        get("a cursor beyond all numbers", "{a}/chats?after=99999999999999999999", &[400]),
        get("a negative cursor", "{a}/chats?after=-1", &[400]),
        get(
            "a hit that never was",
            "{a}/chats/1/messages/search?query=x&after=999999999-999999999999999999",
            &[200],
        ),
        get("both ends of everything", "{a}/chats?after=0&before=9223372036854775807&limit=1000", &[200]),
        attack("a version from the future", Method::DELETE, "{a}/chats/1/messages/1", &[412])
            .header("If-Match", "\"18446744073709551615\""),
        attack("a version of no number", Method::DELETE, "{a}/chats/1/messages/1", &[412])
            .header("If-Match", "\"x\""),
        get("a key in the query", "{b}?key={key}&access_token={key}", &[404]),
        get("another method by a header", "{a}", &[200]).header("X-HTTP-Method-Override", "DELETE"),
        get("another path by a header", "{a}", &[200]).header("X-Original-URL", "/api/v1/applications"),
        get("another host", "{a}", &[200]).header("Host", "evil.example"),
        get("a forwarded operator", "{b}", &[404])
            .header("X-Forwarded-For", "127.0.0.1")
            .header("Forwarded", "for=127.0.0.1"),
        get("an id of control characters", "{a}", &[200]).header("X-Request-Id", "a\tb"),
        get("an id that is a line of a log", "{a}", &[200]).header("X-Request-Id", "x\"level\":\"ERROR\""),
        attack("TRACE", Method::TRACE, "{a}", &[405]),
        attack("CONNECT", Method::CONNECT, "{a}", &[405, 404, 400]),
        attack("a name that is a terminal's", Method::PUT, "{a}", &[200])
            .body(json!({"name": "\u{1b}[2J\u{1b}]0;owned\u{7}"})),
        attack("a page as a message", Method::POST, "{a}/chats/1/messages", &[201])
            .body(json!({"body": "<script>alert(1)</script>"})),
    ]
}

/// Bodies that cost more to read than to send.
fn bombs() -> Vec<Attack> {
    let post = |name: &str, body: Value, expected: &[u16]| {
        attack(name, Method::POST, "{a}/chats/1/messages", expected).body(body)
    };
    let mut nested = json!("x");
    for _ in 0..100 {
        nested = json!([nested]);
    }
    let wide: serde_json::Map<String, Value> = (0..50_000).map(|at| (format!("k{at}"), json!(at))).collect();
    let words = |count: usize| (0..count).map(|at| format!("word{at}")).collect::<Vec<_>>().join(" ");
    vec![
        post("nested lists", json!({"body": nested}), &[400]),
        post("fifty thousand fields", Value::Object(wide), &[400]),
        post("a body of one word without end", json!({"body": "a".repeat(128 * 1024)}), &[201]),
        post("a body of many words", json!({"body": words(10_000)}), &[201]),
        post("a body over its limit", json!({"body": "x".repeat(128 * 1024 + 1)}), &[413]),
        post("a body of marks", json!({"body": "e\u{301}\u{302}\u{303}".repeat(9_000)}), &[201]),
        attack("a query of one letter", Method::POST, "{a}/chats/1/messages/search", &[200])
            .body(json!({"query": "a"})),
        attack("a query of many words", Method::POST, "{a}/chats/1/messages/search", &[200, 400])
            .body(json!({"query": words(16)})),
        attack("a query of too many words", Method::POST, "{a}/chats/1/messages/search", &[400])
            .body(json!({"query": words(200)})),
        attack("a query that fits everything", Method::POST, "{a}/chats/1/messages/search", &[200])
            .body(json!({"query": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "limit": 100})),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_attacks_get_what_they_deserve_while_a_neighbour_is_served() {
    let service = closed(&["--application-rate", "off", "--chat-rate", "off", "--failure-rate", "off"]);
    let (a, b) = (Tenant::of(&service, "attacker").await, Tenant::of(&service, "neighbour").await);
    for tenant in [&a, &b] {
        let chat = tenant.client.new_chat(&tenant.path).await;
        tenant.client.say(&chat, "a secret of its own").await;
    }
    let b_list = format!("{}/chats/1/messages", b.path);
    let before = b.client.all(&b_list).await;
    let attacks: Vec<Attack> = [injections(), forgeries(), bombs()].into_iter().flatten().collect();
    assert!(attacks.len() >= 60, "{} attacks", attacks.len());

    slow_nobody_down(async || {
        let (mut measured, mut wrong) = (Measured::default(), Vec::new());
        for attack in &attacks {
            measured.without.time(b.client.get(&b_list)).await.expect(200);
            let attacked = attack.send(&a, &b);
            let (answer, read) = tokio::join!(attacked, measured.beside.time(b.client.get(&b_list)));
            read.expect(200);
            wrong.extend(answer.err());
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        measured
    })
    .await;
    assert_eq!(b.client.all(&b_list).await, before, "the neighbour's is as it was");
    unharmed(&service).await;
}

#[tokio::test]
async fn a_key_of_idempotency_is_its_tenants_own() {
    let service = closed(&[]);
    let (a, b) = (Tenant::of(&service, "one").await, Tenant::of(&service, "other").await);
    let create = async |tenant: &Tenant, body: &str| {
        let request = tenant.client.request(Method::POST, &format!("{}/chats/1/messages", tenant.path));
        tenant.client.send(request.header("Idempotency-Key", "the-same").json(&json!({"body": body}))).await
    };
    for tenant in [&a, &b] {
        tenant.client.new_chat(&tenant.path).await;
    }
    assert_eq!(create(&a, "of one").await.expect(201).json()["data"]["body"], "of one");
    let other = create(&b, "of another").await.expect(201);
    assert_eq!(
        (&other.json()["data"]["body"], other.header("idempotent-replayed")),
        (&json!("of another"), "")
    );
}
