use super::case::{Body, Case, Expected, get, post, refused, request};
use crate::support::stack::is_of_servers;

pub fn cases() -> Vec<Case> {
    [methods(), keys(), conditions(), harmless()].into_iter().flatten().collect()
}

/// Every route with methods that it does not take. That `Allow` is right is in the contract.
fn methods() -> Vec<Case> {
    let routes: [(&str, &[&str]); 11] = [
        ("/api/v1/applications", &["GET", "POST"]),
        ("{app}", &["GET", "PUT", "PATCH", "DELETE"]),
        ("{app}/chats", &["GET", "POST"]),
        ("{chat}", &["GET", "DELETE"]),
        ("{chat}/messages", &["GET", "POST"]),
        ("{chat}/message", &["GET", "POST"]),
        ("{chat}/messages/1", &["GET", "PUT", "PATCH", "DELETE"]),
        ("{chat}/messages/search", &["GET", "POST"]),
        ("/api/v1/openapi.json", &["GET"]),
        ("/health/live", &["GET"]),
        ("/health/ready", &["GET"]),
    ];
    let methods =
        ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "X", "SEARCH"];
    let mut cases = Vec::new();
    for (route, taken) in routes {
        for method in methods.into_iter().filter(|method| !taken.contains(method)) {
            let expected = refused(405, "method_not_allowed");
            cases.push(request(method, route).is(format!("{method} {route}"), expected));
        }
    }
    let not_found = || refused(404, "not_found");
    cases.extend([
        request("OPTIONS", "/").is("OPTIONS of nothing", not_found()),
        request("DELETE", "/").is("DELETE of everything", not_found()),
        request("HEAD", "/nowhere").is("HEAD of nothing", not_found()),
        request("HEAD", "{chat}/messages/0").is("HEAD of message 0", not_found()),
        request("HEAD", "{chat}/messages?limit=0")
            .is("HEAD of no messages", refused(400, "invalid_parameter")),
        request("DELETE", "{chat}/messages/99999").is("DELETE of no message", not_found()),
        request("DELETE", "{app}/chats/99999").is("DELETE of no chat", not_found()),
        request("GET", "{chat}/messages/1")
            .with(Body::Whole(b"{".into()))
            .is("GET with a body", Expected::Taken(200)),
    ]);
    cases
}

fn keys() -> Vec<Case> {
    let body = r#"{"body":"a"}"#;
    let keyed = |key: &[u8]| post("{chat}/messages", body).header("Idempotency-Key", key);
    let bad = || refused(400, "invalid_idempotency_key");
    let long = [b'k'; 256];
    let longest = [b'k'; 255];
    vec![
        keyed(b"").is("an empty key", bad()),
        keyed(b"a b").is("a key of two words", bad()),
        keyed(b"a\tb").is("a key with a tab", bad()),
        keyed("é".as_bytes()).is("a key with an accent", bad()),
        keyed(b"\xff").is("a key of no text", bad()),
        keyed(&long).is("a key of 256 characters", bad()),
        keyed(&longest).is("a key of 255 characters", Expected::Taken(201)),
        keyed(b"a").header("Idempotency-Key", "b").is("two keys", bad()),
        keyed(b"a").header("Idempotency-Key", "a").is("the same key twice", bad()),
        post("{app}/chats", "").header("Idempotency-Key", "").is("an empty key for a chat", bad()),
        post("/api/v1/applications", r#"{"name":"a"}"#)
            .header("Idempotency-Key", "a b")
            .is("a key of two words for an application", bad()),
        post("{chat}/messages", r#"{"body":" "}"#)
            .header("Idempotency-Key", "blank")
            .is("a key of a blank message", refused(400, "invalid")),
        keyed(b"blank").is("the key of a message that was refused", Expected::Taken(201)),
        post("{chat}/messages", r#"{"body":"b"}"#)
            .header("Idempotency-Key", "blank")
            .is("a key for another body", refused(422, "idempotency_key_reused")),
    ]
}

fn conditions() -> Vec<Case> {
    let edit = |tags: &[u8]| {
        let edit = request("PATCH", "{chat}/messages/1").with(Body::Whole(br#"{"body":"changed"}"#.into()));
        edit.header("If-Match", tags)
    };
    let bad = || refused(400, "invalid_entity_tag");
    let stale = || refused(412, "stale_version");
    vec![
        edit(b"").is("no tag", bad()),
        edit(b"1").is("a tag without quotes", bad()),
        edit(b"\"1").is("a tag with one quote", bad()),
        edit(b"'1'").is("a tag in single quotes", bad()),
        edit(b"\"1\" \"2\"").is("tags without a comma", bad()),
        edit(b"*, \"1\"").is("any tag and one", bad()),
        edit(b"W/1").is("a weak tag without quotes", bad()),
        edit(b"w/\"1\"").is("a tag of a lower-case w", bad()),
        edit(b"\"0\"").is("tag 0", stale()),
        edit(b"\"01\"").is("tag 01", stale()),
        edit(b"\"-1\"").is("tag -1", stale()),
        edit(b"\"2\"").is("a tag to come", stale()),
        edit(b"\"\"").is("an empty tag", stale()),
        edit(b"W/\"1\"").is("a weak tag", stale()),
        edit(b"\"99999999999999999999999999\"").is("a tag beyond all numbers", stale()),
        edit(b"\"\xff\"").is("a tag of no text", stale()),
        request("DELETE", "{chat}/messages/1")
            .header("If-Match", "\"7\"")
            .is("DELETE at another version", stale()),
        request("DELETE", "{chat}/messages/1").header("If-Match", "7").is("DELETE at a bad tag", bad()),
        get("{chat}/messages/1").header("If-None-Match", "1").is("a known tag without quotes", bad()),
        get("{chat}/messages/1").header("If-None-Match", "\"1\"").is("a known tag", Expected::Taken(304)),
    ]
}

/// What other services stumble over.
fn harmless() -> Vec<Case> {
    let read = || get("{chat}/messages/1");
    let ok = || Expected::Taken(200);
    let long = vec![b'x'; 20_000];
    // A volatile intake answers after the commit or not at all.
    let at_once = if is_of_servers() { 202 } else { 201 };
    vec![
        read().header("Accept", "text/html;q=0.9, image/*, nonsense").is("an absurd Accept", ok()),
        read().header("Accept", "\u{ff}").is("an Accept of no text", ok()),
        read().header("Accept-Encoding", "nonsense;q=9").is("an absurd Accept-Encoding", ok()),
        read().header("X-Request-Id", "").is("an empty request id", ok()),
        read().header("X-Request-Id", "a b").is("a request id of two words", ok()),
        read().header("X-Request-Id", b"\xff\xfe".to_vec()).is("a request id of no text", ok()),
        read().header("X-Request-Id", long.clone()).is("a request id of 20,000 characters", ok()),
        read().header("X-Long", long).is("a header of 20,000 characters", ok()),
        read().header("Range", "bytes=0-1").is("a range", ok()),
        read().header("If-Modified-Since", "never").is("an absurd date", ok()),
        read().header("Cookie", "=;=;").is("an absurd cookie", ok()),
        read().header("Prefer", "=,;\"").is("an absurd preference", ok()),
        read().header("Content-Type", "text/plain").is("a type without a body", ok()),
        read().header("Authorization", "Bearer").is("half an authorization", ok()),
        read().header("X-HTTP-Method-Override", "DELETE").is("another method by a header", ok()),
        post("{chat}/messages", r#"{"body":"a"}"#)
            .header("Prefer", "respond-async")
            .is("an answer at once", Expected::Taken(at_once)),
        post("{chat}/messages", r#"{"body":"a"}"#)
            .header("Expect", "nonsense")
            .is("an unknown expectation", Expected::Taken(201)),
    ]
}
