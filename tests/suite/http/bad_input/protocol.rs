use super::case::{Case, Expected, Sent, refused};

pub fn cases() -> Vec<Case> {
    let below = |name: &str, bytes: &[u8]| Sent::Bytes(bytes.into()).is(name, Expected::Below(400));
    let taken = |name: &str, bytes: &[u8]| Sent::Bytes(bytes.into()).is(name, Expected::Taken(200));
    let path = "POST /api/v1/applications HTTP/1.1\r\nHost: a\r\n";
    let framed = |name: &str, framing: &str| {
        let bytes = format!("{path}{framing}\r\n\r\n{{\"name\":\"a\"}}");
        Sent::Bytes(bytes.into_bytes()).is(name, Expected::Below(400))
    };
    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    let many = format!("GET /health/live HTTP/1.1\r\n{many}\r\n");
    let endless = format!("GET /health/live HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(300_000));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(60_000));
    vec![
        below("not HTTP", b"hello\r\n\r\n"),
        below("bytes of no protocol", b"\x00\x01\x02\x03\r\n\r\n"),
        below("the beginning of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        below("no version", b"GET /health/live\r\n\r\n"),
        below("an unknown version", b"GET /health/live HTTP/3.0\r\nHost: a\r\n\r\n"),
        below("a target of raw UTF-8", "GET /é HTTP/1.1\r\nHost: a\r\n\r\n".as_bytes()),
        below(
            "a full-width digit in a path",
            "GET /api/v1/applications/１ HTTP/1.1\r\nHost: a\r\n\r\n".as_bytes(),
        ),
        below("a target of no text", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
        below("no target", b"GET  HTTP/1.1\r\nHost: a\r\n\r\n"),
        below("a target of two words", b"GET /health/live x HTTP/1.1\r\nHost: a\r\n\r\n"),
        below("a header without a colon", b"GET /health/live HTTP/1.1\r\nHost\r\n\r\n"),
        below("a header with a space in its name", b"GET /health/live HTTP/1.1\r\nX Y: a\r\n\r\n"),
        below("a header with a space before its colon", b"GET /health/live HTTP/1.1\r\nX : a\r\n\r\n"),
        below("a header without a name", b"GET /health/live HTTP/1.1\r\n: a\r\n\r\n"),
        below("a header with NUL", b"GET /health/live HTTP/1.1\r\nX: \0\r\n\r\n"),
        below("a folded header", b"GET /health/live HTTP/1.1\r\nX: a\r\n b\r\n\r\n"),
        Sent::Bytes(many.into_bytes()).is("200 headers", Expected::Below(431)),
        Sent::Bytes(endless.into_bytes()).is("a header of 300,000 characters", Expected::Below(431)),
        framed("a length of no number", "Content-Length: x"),
        framed("a negative length", "Content-Length: -1"),
        framed("a length with a sign", "Content-Length: +12"),
        framed("a length beyond all numbers", "Content-Length: 99999999999999999999999999"),
        framed("two lengths", "Content-Length: 12\r\nContent-Length: 13"),
        framed("a list of lengths", "Content-Length: 12, 12"),
        framed("a hexadecimal length", "Content-Length: 0xc"),
        framed("an empty length", "Content-Length:"),
        framed("a length and chunks", "Content-Length: 12\r\nTransfer-Encoding: chunked"),
        framed("an unknown transfer coding", "Transfer-Encoding: nonsense"),
        framed("chunks that are not last", "Transfer-Encoding: chunked, gzip"),
        Sent::Bytes(format!("{path}Content-Length: 5000000000\r\n\r\n").into_bytes())
            .is("a length of five billion", refused(413, "too_large")),
        Sent::Bytes(format!("{path}Transfer-Encoding: chunked\r\n\r\nzz\r\n").into_bytes())
            .is("a chunk whose length is no number", refused(400, "malformed_body")),
        Sent::Bytes(format!("{path}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n").into_bytes())
            .is("a chunk beyond all numbers", refused(400, "malformed_body")),
        Sent::Bytes(format!("{path}Transfer-Encoding: chunked\r\n\r\n-1\r\n").into_bytes())
            .is("a negative chunk", refused(400, "malformed_body")),
        taken("HTTP/1.0", b"GET /health/live HTTP/1.0\r\n\r\n"),
        below("no Host", b"GET /health/live HTTP/1.1\r\n\r\n"),
        taken("a strange Host", b"GET /health/live HTTP/1.1\r\nHost: %%%\r\n\r\n"),
        taken("an absolute target", b"GET http://elsewhere.example/health/live HTTP/1.1\r\nHost: a\r\n\r\n"),
        taken("an empty line first", b"\r\nGET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"),
        Sent::Bytes(long.into_bytes()).is("a path of 60,000 characters", refused(404, "not_found")),
        Sent::Bytes(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into())
            .is("OPTIONS *", refused(404, "not_found")),
        Sent::Bytes(b"GET /health/live#x HTTP/1.1\r\nHost: a\r\n\r\n".into())
            .is("a fragment", Expected::Taken(200)),
    ]
}
