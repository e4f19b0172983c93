use super::case::{Case, Expected, form, post, refused, request};
use serde_json::json;

const APPLICATIONS: &str = "/api/v1/applications";
const BODY_LIMIT_BYTES: usize = 128 * 1024;
/// Every character that Unicode calls white space.
const WHITE: &str = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

pub fn cases() -> Vec<Case> {
    [names(), messages(), queries(), chats()].into_iter().flatten().collect()
}

fn names() -> Vec<Case> {
    let invalid = || refused(400, "invalid");
    let table: Vec<(&str, String, Expected)> = vec![
        ("an empty name", String::new(), invalid()),
        ("a name of all white space there is", WHITE.to_owned(), invalid()),
        ("a name of one no-break space", "\u{a0}".to_owned(), invalid()),
        ("a name of one ideographic space", "\u{3000}".to_owned(), invalid()),
        ("a name of 256 spaces", " ".repeat(256), invalid()),
        ("a name of 255 characters", "n".repeat(255), Expected::Taken(201)),
        ("a name of 256 characters", "n".repeat(256), invalid()),
        ("a name of 300 characters", "n".repeat(300), invalid()),
        ("a name of 255 characters of four bytes", "😀".repeat(255), Expected::Taken(201)),
        ("a name of 256 characters of four bytes", "😀".repeat(256), invalid()),
        ("a name of 256 code points that look like 128", "e\u{301}".repeat(128), invalid()),
        ("a name of half a megabyte", "n".repeat(500_000), invalid()),
        ("a name of NUL", "\0".to_owned(), Expected::Taken(201)),
        ("a name of a zero-width space", "\u{200b}".to_owned(), Expected::Taken(201)),
        (
            "a name of a quote that would end a statement",
            "'; DROP TABLE applications; --".to_owned(),
            Expected::Taken(201),
        ),
    ];
    let mut cases: Vec<_> = table
        .into_iter()
        .map(|(name, text, expected)| {
            post(APPLICATIONS, json!({"name": text}).to_string()).is(name, expected)
        })
        .collect();
    let blank = json!({"name": "\u{2003}"}).to_string();
    cases.extend([
        post(APPLICATIONS, "{}").is("no name", invalid()),
        post(APPLICATIONS, r#"{"name":null}"#).is("null as a name", invalid()),
        post(APPLICATIONS, r#"{"name":["a"]}"#).is("an array as a name", refused(400, "malformed_body")),
        form(APPLICATIONS, "name=").is("an empty name in a form", invalid()),
        form(APPLICATIONS, "name[]=a").is("a name in brackets", invalid()),
        post("{app}", "").is("POST to an application", refused(405, "method_not_allowed")),
        renamed("{app}", &blank).is("a blank new name", invalid()),
        renamed("{app}", &json!({"name": "n".repeat(256)}).to_string())
            .is("a new name of 256 characters", invalid()),
        renamed("{app}", r#"{"name":{}}"#).is("an object as a new name", refused(400, "malformed_body")),
        renamed("{app}", "[]").is("an array as a renaming", refused(400, "malformed_body")),
        renamed("{app}", r#"{"name":null}"#).is("null as a new name", Expected::Taken(200)),
    ]);
    cases
}

fn renamed(target: &str, body: &str) -> super::case::Sent {
    request("PATCH", target).with(super::case::Body::Whole(body.into()))
}

fn messages() -> Vec<Case> {
    let invalid = || refused(400, "invalid");
    let too_large = || refused(413, "too_large");
    let table: Vec<(&str, String, Expected)> = vec![
        ("an empty message", String::new(), invalid()),
        ("a message of all white space there is", WHITE.to_owned(), invalid()),
        ("a message of 128 KiB", "m".repeat(BODY_LIMIT_BYTES), Expected::Taken(201)),
        ("a message of 128 KiB and a byte", "m".repeat(BODY_LIMIT_BYTES + 1), too_large()),
        ("a message of 128 KiB of emoji", "😀".repeat(BODY_LIMIT_BYTES / 4), Expected::Taken(201)),
        (
            "a message of 128 KiB of emoji and a byte",
            format!("{}a", "😀".repeat(BODY_LIMIT_BYTES / 4)),
            too_large(),
        ),
        ("a message of 128 KiB of NUL", "\0".repeat(BODY_LIMIT_BYTES), Expected::Taken(201)),
        ("a message of 128 KiB and a byte of spaces", " ".repeat(BODY_LIMIT_BYTES + 1), too_large()),
        ("a message of one combining mark", "\u{301}".to_owned(), Expected::Taken(201)),
        (
            "a message of a thousand marks on one letter",
            format!("a{}", "\u{301}".repeat(1000)),
            Expected::Taken(201),
        ),
        ("a message of a non-character", "\u{ffff}".to_owned(), Expected::Taken(201)),
        ("a message of a script", "<script>alert(1)</script>".to_owned(), Expected::Taken(201)),
    ];
    let sent = |text: &str| json!({"body": text}).to_string();
    let mut cases: Vec<_> = table
        .iter()
        .map(|(name, text, expected)| post("{chat}/messages", sent(text)).is(*name, expected.clone()))
        .collect();
    cases.extend([
        renamed("{chat}/messages/1", &sent(" ")).is("a blank edit", invalid()),
        renamed("{chat}/messages/1", &sent(&"m".repeat(BODY_LIMIT_BYTES + 1)))
            .is("an edit of 128 KiB and a byte", too_large()),
        renamed("{chat}/messages/1", "null").is("an edit of null", refused(400, "malformed_body")),
        renamed("{chat}/messages/1", "{}").is("an edit of nothing", Expected::Taken(200)),
        renamed("{chat}/messages/99999", &sent("a")).is("an edit of no message", refused(404, "not_found")),
    ]);
    cases
}

fn queries() -> Vec<Case> {
    let invalid = || refused(400, "invalid");
    let search = "{chat}/messages/search";
    let found = |query: &str| post(search, json!({"query": query}).to_string());
    vec![
        post(search, "").is("a search without a body", invalid()),
        found("").is("an empty query", invalid()),
        found(WHITE).is("a query of all white space there is", invalid()),
        found(&"q".repeat(256)).is("a query of 256 characters", Expected::Taken(200)),
        found(&"q".repeat(257)).is("a query of 257 characters", invalid()),
        found(&"é".repeat(256)).is("a query of 256 characters of two bytes", Expected::Taken(200)),
        found("a b c d e f g h i j k l m n o p").is("a query of 16 words", Expected::Taken(200)),
        found("a b c d e f g h i j k l m n o p q").is("a query of 17 words", invalid()),
        found("?!… *:()[]{}\"").is("a query of punctuation", Expected::Taken(200)),
        found("body:* OR \"").is("a query in another language", Expected::Taken(200)),
        found("\0").is("a query of NUL", Expected::Taken(200)),
        post(search, r#"{"query":{"match_all":{}}}"#)
            .is("an object as a query", refused(400, "malformed_body")),
        post(search, r#"{"query":"a","limit":0}"#).is("no hits", refused(400, "invalid_parameter")),
        post(search, r#"{"query":"a","limit":101}"#).is("101 hits", refused(400, "invalid_parameter")),
        post(search, r#"{"query":"a","limit":1.5}"#)
            .is("one and a half hits", refused(400, "invalid_parameter")),
        post(search, r#"{"query":"a","limit":-1}"#)
            .is("fewer hits than none", refused(400, "invalid_parameter")),
        post(search, r#"{"query":"a","limit":1e999}"#)
            .is("hits beyond all floats", refused(400, "invalid_parameter")),
        post(search, r#"{"query":"a","limit":true}"#).is("true hits", refused(400, "malformed_body")),
        post(search, r#"{"query":"a","after":"x"}"#)
            .is("a place that no search gave", refused(400, "invalid_cursor")),
        post(search, r#"{"query":"a","after":7}"#)
            .is("a number as a place among hits", refused(400, "invalid_cursor")),
        request("GET", search).is("a search by no query string", invalid()),
        request("GET", format!("{search}?query=%20")).is("a search by a blank query string", invalid()),
        request("GET", format!("{search}?query=a&query=b"))
            .is("a search by two queries", refused(400, "invalid_parameter")),
        request("GET", format!("{search}?query=%ff"))
            .is("a search in invalid UTF-8", refused(400, "invalid_parameter")),
        request("GET", format!("{search}?query=a&limit=101"))
            .is("101 hits by query string", refused(400, "invalid_parameter")),
        post("{app}/chats/77/messages/search", r#"{"query":"a"}"#)
            .is("a search in no chat", refused(404, "not_found")),
    ]
}

fn chats() -> Vec<Case> {
    let chats = "{app}/chats";
    vec![
        post(chats, "[]").is("a chat of an array", refused(400, "malformed_body")),
        post(chats, "{").is("a chat of half an object", refused(400, "malformed_body")),
        post(chats, "\u{feff}").is("a chat of a byte-order mark", refused(400, "malformed_body")),
        post(chats, "a")
            .header("Content-Type", "text/plain")
            .is("a chat of plain text", refused(415, "unsupported_media_type")),
        post(chats, r#"{"number":7,"id":7}"#).is("a chat that chooses its number", Expected::Taken(201)),
        post("/api/v1/applications/nobody/chats", "{}")
            .is("a chat of no application", refused(404, "not_found")),
    ]
}
