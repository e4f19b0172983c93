use super::case::{Body, Case, Expected, MIB, form, malformed, post, refused, request};

const MESSAGES: &str = "{chat}/messages";

pub fn cases() -> Vec<Case> {
    [json(), forms(), media_types(), sizes()].into_iter().flatten().collect()
}

fn json() -> Vec<Case> {
    let nested = |lists: usize| format!(r#"{{"body":"a","x":{}1{}}}"#, "[".repeat(lists), "]".repeat(lists));
    let unclosed = format!(r#"{{"x":{}"#, "{\"x\":".repeat(50_000));
    let table: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("an array at the top", b"[]".into(), malformed()),
        ("an array of an object at the top", br#"[{"body":"a"}]"#.into(), malformed()),
        ("text at the top", br#""body""#.into(), malformed()),
        ("a number at the top", b"1".into(), malformed()),
        ("null at the top", b"null".into(), malformed()),
        ("true at the top", b"true".into(), malformed()),
        ("an empty object", b"{}".into(), refused(400, "invalid")),
        ("an unknown field alone", br#"{"text":"a"}"#.into(), refused(400, "invalid")),
        ("a field in other case", br#"{"Body":"a"}"#.into(), refused(400, "invalid")),
        (
            "an unknown field beside ours",
            br#"{"x":{"y":[null,1.5]},"body":"a"}"#.into(),
            Expected::Taken(201),
        ),
        ("only white space", b" \r\n\t".into(), malformed()),
        ("an open object", b"{".into(), malformed()),
        ("an open string", br#"{"body":"a"#.into(), malformed()),
        ("half an object", br#"{"body":"a""#.into(), malformed()),
        ("a comma at the end", br#"{"body":"a",}"#.into(), malformed()),
        ("no comma", br#"{"body":"a" "x":1}"#.into(), malformed()),
        ("no colon", br#"{"body" "a"}"#.into(), malformed()),
        ("single quotes", b"{'body':'a'}".into(), malformed()),
        ("a key without quotes", br#"{body:"a"}"#.into(), malformed()),
        ("a comment", br#"{"body":"a"} // b"#.into(), malformed()),
        ("two objects", br#"{"body":"a"}{"body":"b"}"#.into(), malformed()),
        ("text after the object", br#"{"body":"a"}x"#.into(), malformed()),
        ("a duplicate key", br#"{"body":"a","body":"b"}"#.into(), malformed()),
        ("a duplicate key of null", br#"{"body":null,"body":"b"}"#.into(), malformed()),
        ("a duplicate key, one of them escaped", br#"{"body":"a","b\u006fdy":"b"}"#.into(), malformed()),
        ("an escaped key", br#"{"b\u006fdy":"a"}"#.into(), Expected::Taken(201)),
        ("true as a body", br#"{"body":true}"#.into(), malformed()),
        ("false as a body", br#"{"body":false}"#.into(), malformed()),
        ("an array as a body", br#"{"body":["a"]}"#.into(), malformed()),
        ("an object as a body", br#"{"body":{"body":"a"}}"#.into(), malformed()),
        ("null as a body", br#"{"body":null}"#.into(), refused(400, "invalid")),
        ("NaN as a body", br#"{"body":NaN}"#.into(), malformed()),
        ("Infinity as a body", br#"{"body":-Infinity}"#.into(), malformed()),
        ("undefined as a body", br#"{"body":undefined}"#.into(), malformed()),
        ("TRUE as a body", br#"{"body":TRUE}"#.into(), malformed()),
        ("a number as a body", br#"{"body":42}"#.into(), Expected::Taken(201)),
        ("a number that no float holds", br#"{"body":1e999}"#.into(), Expected::Taken(201)),
        ("a number with a leading zero", br#"{"body":01}"#.into(), malformed()),
        ("a number with a sign", br#"{"body":+1}"#.into(), malformed()),
        ("a hexadecimal number", br#"{"body":0x1F}"#.into(), malformed()),
        ("half a number", br#"{"body":1.}"#.into(), malformed()),
        ("a raw line break in text", b"{\"body\":\"a\nb\"}".into(), malformed()),
        ("a raw NUL in text", b"{\"body\":\"a\0b\"}".into(), malformed()),
        ("an unknown escape", br#"{"body":"\x41"}"#.into(), malformed()),
        ("half an escape", br#"{"body":"\u00e"}"#.into(), malformed()),
        ("a lone high surrogate", br#"{"body":"\ud800"}"#.into(), malformed()),
        ("a lone low surrogate", br#"{"body":"\udc00"}"#.into(), malformed()),
        ("surrogates in the wrong order", br#"{"body":"\ude00\ud83d"}"#.into(), malformed()),
        ("a lone surrogate in a key", br#"{"\ud800":1,"body":"a"}"#.into(), malformed()),
        ("a pair of surrogates", br#"{"body":"\ud83d\ude00"}"#.into(), Expected::Taken(201)),
        ("an escaped NUL", br#"{"body":"a\u0000b"}"#.into(), Expected::Taken(201)),
        ("a byte-order mark", b"\xef\xbb\xbf{\"body\":\"a\"}".into(), malformed()),
        ("UTF-16", "{\"body\":\"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect(), malformed()),
        ("invalid UTF-8 in text", b"{\"body\":\"\xff\"}".into(), malformed()),
        ("invalid UTF-8 in another field", b"{\"body\":\"a\",\"x\":\"\xc3\"}".into(), malformed()),
        ("overlong UTF-8", b"{\"body\":\"\xc0\xaf\"}".into(), malformed()),
        ("a surrogate in UTF-8", b"{\"body\":\"\xed\xa0\x80\"}".into(), malformed()),
        ("a code point past the last", b"{\"body\":\"\xf4\x90\x80\x80\"}".into(), malformed()),
        ("the deepest nesting, in a field that nobody reads", nested(63).into(), Expected::Taken(201)),
        ("nesting one deeper", nested(64).into(), malformed()),
        ("nesting without bounds", nested(100_000).into(), malformed()),
        ("nesting without an end", unclosed.into(), malformed()),
        ("a form without saying so", b"body=a".into(), malformed()),
        ("XML", b"<body>a</body>".into(), malformed()),
    ];
    table.into_iter().map(|(name, body, expected)| post(MESSAGES, body).is(name, expected)).collect()
}

fn forms() -> Vec<Case> {
    let table: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("JSON as a form", br#"{"body":"a"}"#.into(), refused(400, "invalid")),
        ("a form without its value", b"body".into(), refused(400, "invalid")),
        ("a form with an empty value", b"body=".into(), refused(400, "invalid")),
        ("a form of white space", b"body=+%09%0a".into(), refused(400, "invalid")),
        ("a form of ampersands", b"&&&&".into(), refused(400, "invalid")),
        ("a form with ampersands too many", b"&&body=a&&".into(), Expected::Taken(201)),
        ("a form with equals signs in its value", b"body=a=b==".into(), Expected::Taken(201)),
        ("a form with a name that has none of its own", b"=a&body=b".into(), Expected::Taken(201)),
        ("a form with NUL", b"body=a%00b".into(), Expected::Taken(201)),
        ("a form with a field twice", b"body=a&body=a".into(), malformed()),
        ("a form with invalid UTF-8, encoded", b"body=%ff".into(), malformed()),
        ("a form with invalid UTF-8, raw", b"body=\xff".into(), malformed()),
        ("a form with half an encoding", b"body=%4".into(), malformed()),
        ("a form with a bare percent sign", b"body=100%".into(), malformed()),
        ("a form with an encoding that is none", b"body=%zz".into(), malformed()),
        ("a form with a surrogate, encoded", b"body=%ed%a0%80".into(), malformed()),
        ("a form with a broken field of another name", b"x=%&body=a".into(), malformed()),
    ];
    table.into_iter().map(|(name, body, expected)| form(MESSAGES, body).is(name, expected)).collect()
}

fn media_types() -> Vec<Case> {
    let unsupported = || refused(415, "unsupported_media_type");
    let body = r#"{"body":"a"}"#;
    let of = |media_type: &[u8]| post(MESSAGES, body).header("Content-Type", media_type);
    let refused_types: [&[u8]; 16] = [
        b"text/plain",
        b"text/json",
        b"text/html",
        b"application/xml",
        b"application/octet-stream",
        b"application/jsonp",
        b"application/+json",
        b"application/json-seq",
        b"multipart/form-data; boundary=x",
        b"json",
        b"/",
        b"*/*",
        b"application/json, text/plain",
        b"application/json; charset=latin1",
        b"application/json; charset=utf-16",
        b"application/\xff",
    ];
    let mut cases: Vec<_> = refused_types
        .into_iter()
        .map(|media_type| of(media_type).is(format!("as {}", media_type.escape_ascii()), unsupported()))
        .collect();
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabVJ\xcaO\xa9T\xb2RJT\xaa\x05\x00".to_vec();
    let encoded = |coding: &str| post(MESSAGES, body).header("Content-Encoding", coding);
    cases.extend([
        of(b"").is("as nothing", unsupported()),
        of(b"application/json").header("Content-Type", "application/json").is("a type twice", unsupported()),
        of(b"APPLICATION/JSON ; Charset=\"UTF-8\"").is("a type in capitals", Expected::Taken(201)),
        of(b"application/x+json").is("a structured type", Expected::Taken(201)),
        post(MESSAGES, gzip).header("Content-Encoding", "gzip").is("a compressed body", unsupported()),
        encoded("gzip").is("a body that only claims to be compressed", unsupported()),
        encoded("br").is("brotli", unsupported()),
        encoded("nonsense").is("an unknown coding", unsupported()),
        encoded("identity").is("no coding, said aloud", Expected::Taken(201)),
        request("POST", MESSAGES)
            .header("Content-Type", "text/plain")
            .is("no body of another type", refused(400, "invalid")),
    ]);
    cases
}

fn sizes() -> Vec<Case> {
    let padded = |bytes: usize| {
        let empty = r#"{"body":"a","x":""}"#;
        format!(r#"{{"body":"a","x":"{}"}}"#, "x".repeat(bytes - empty.len())).into_bytes()
    };
    let of = |body| request("POST", MESSAGES).with(body);
    let too_large = || refused(413, "too_large");
    vec![
        of(Body::None).is("no body", refused(400, "invalid")),
        of(Body::Whole(vec![])).is("an empty body", refused(400, "invalid")),
        of(Body::Chunked(vec![], 1)).is("an empty chunked body", refused(400, "invalid")),
        of(Body::Whole(padded(MIB))).is("a request of exactly 1 MiB", Expected::Taken(201)),
        of(Body::Whole(padded(MIB + 1))).is("a request of 1 MiB and a byte", too_large()),
        of(Body::Chunked(padded(MIB), 10_000)).is("a chunked request of exactly 1 MiB", Expected::Taken(201)),
        of(Body::Chunked(padded(MIB + 1), 10_000)).is("a chunked request of 1 MiB and a byte", too_large()),
        of(Body::Chunked(padded(20_000), 1)).is("a request in chunks of one byte", Expected::Taken(201)),
        of(Body::Chunked(padded(4 * MIB), 65_536)).is("a chunked request of 4 MiB", too_large()),
        request("POST", "{app}/chats")
            .with(Body::Whole(padded(MIB + 1)))
            .is("a chat of 1 MiB and a byte", too_large()),
        request("POST", "{chat}/messages/search")
            .with(Body::Whole(padded(MIB + 1)))
            .is("a search of 1 MiB and a byte", too_large()),
    ]
}
