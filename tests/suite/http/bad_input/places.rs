use super::case::{Case, Expected, get, not_found, post, refused};

pub fn cases() -> Vec<Case> {
    [numbers(), tokens(), paths(), query_strings(), cursors()].into_iter().flatten().collect()
}

fn numbers() -> Vec<Case> {
    let strange = [
        "0",
        "-1",
        "+1",
        "01",
        "001",
        "1.0",
        "1e0",
        "0x1",
        "1_000",
        "1,0",
        "%31",
        "1%20",
        "%201",
        "1%00",
        "%00",
        "%EF%BC%91",
        "a",
        "null",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999999999999999",
        "..",
        "*",
        "1;2",
        "%2e",
        "%2F",
        "%zz",
        "%",
    ];
    let message =
        |number| get(format!("{{chat}}/messages/{number}")).is(format!("message {number}"), not_found());
    let chat = |number| get(format!("{{app}}/chats/{number}")).is(format!("chat {number}"), not_found());
    let listed = |number| {
        get(format!("{{app}}/chats/{number}/messages")).is(format!("messages of {number}"), not_found())
    };
    let long = "1".repeat(5000);
    strange
        .into_iter()
        .flat_map(|number| [message(number), chat(number), listed(number)])
        .chain([get(format!("{{chat}}/messages/{long}")).is("a number of 5,000 digits", not_found())])
        .collect()
}

fn tokens() -> Vec<Case> {
    let strange = [
        "0",
        "null",
        "%00",
        "..",
        "*",
        "00000000000000000000000000000000",
        "ffffffffffffffffffffffffffffffff",
        "%ff",
        "'--",
    ];
    let mut cases: Vec<_> = strange
        .into_iter()
        .map(|token| {
            get(format!("/api/v1/applications/{token}")).is(format!("application {token}"), not_found())
        })
        .collect();
    cases.push(
        get(format!("/api/v1/applications/{}", "a".repeat(5000)))
            .is("a token of 5,000 characters", not_found()),
    );
    cases
}

fn paths() -> Vec<Case> {
    let unknown = [
        "/",
        "//",
        "/api",
        "/api/v1",
        "/api/v2/applications",
        "/api/v1/application",
        "/API/V1/APPLICATIONS",
        "//api/v1/applications",
        "/api//v1/applications",
        "/api/v1/applications//",
        "/api/v1/%61pplications",
        "/api/v1/applications%2F",
        "/api/v1/applications%00",
        "/api/v1/../v1/applications",
        "/api/v1/./applications",
        "/api/v1/applications/..",
        "/api/v1/applications;x=1",
        "/api/v1/applications.json",
        "/etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "{app}//chats",
        "{app}/chats/1/messages/1/1",
        "{app}/chats/1/messages//",
        "{app}/chat",
        "{app}/Chats",
        "/health",
        "/health/",
        "/health/dead",
        "/api/v1/openapi",
        "/%",
    ];
    let long = format!("/{}", "a/".repeat(2000));
    let mut cases: Vec<_> =
        unknown.into_iter().map(|path| get(path).is(format!("the path {path}"), not_found())).collect();
    cases.extend([
        get(long).is("a path of 2,000 segments", not_found()),
        get("/api/v1/applications/?limit=1").is("a trailing slash", Expected::Taken(200)),
        get("{chat}/message/").is("a trailing slash after the other name", Expected::Taken(200)),
        get("{chat}/messages/search/").is("a trailing slash after search", refused(400, "invalid")),
        post("/nowhere", "{").is("a bad body to nowhere", not_found()),
    ]);
    cases
}

fn query_strings() -> Vec<Case> {
    let bad = || refused(400, "invalid_parameter");
    let taken = || Expected::Taken(200);
    let long = format!("x={}", "y".repeat(20_000));
    let many = "x=1&".repeat(4_000);
    let table: Vec<(&str, Expected)> = vec![
        ("limit=0", bad()),
        ("limit=1001", bad()),
        ("limit=1000", taken()),
        ("limit=-1", bad()),
        ("limit=%2B1", bad()),
        ("limit=+1", bad()),
        ("limit=1.5", bad()),
        ("limit=1.0", bad()),
        ("limit=1e2", bad()),
        ("limit=0x10", bad()),
        ("limit=", bad()),
        ("limit", bad()),
        ("limit=a", bad()),
        ("limit=%EF%BC%91", bad()),
        ("limit=99999999999999999999999", bad()),
        ("limit=1&limit=1", bad()),
        ("limit=1&limit=2", bad()),
        ("order=up", bad()),
        ("order=", bad()),
        ("order=DESC", bad()),
        ("order=desc&order=asc", bad()),
        ("order=asc", taken()),
        ("order=desc", taken()),
        ("x=%zz", bad()),
        ("x=%", bad()),
        ("x=%ff", bad()),
        ("%ff=1", bad()),
        ("x=1&y=2&offset=3&page=4", taken()),
        ("&&&", taken()),
        ("=", taken()),
        ("?", taken()),
        ("limit[]=0", taken()),
        ("LIMIT=0", taken()),
        (&long, taken()),
        (&many, taken()),
    ];
    let listed = |(query, expected): (&str, Expected)| {
        let name: String = query.chars().take(40).collect();
        [
            get(format!("{{chat}}/messages?{query}")).is(format!("messages?{name}"), expected.clone()),
            get(format!("/api/v1/applications?{query}")).is(format!("applications?{name}"), expected),
        ]
    };
    table.into_iter().flat_map(listed).collect()
}

fn cursors() -> Vec<Case> {
    let bad = || refused(400, "invalid_cursor");
    let taken = || Expected::Taken(200);
    let numbers: [(&str, Expected); 17] = [
        ("after=-1", bad()),
        ("after=1.5", bad()),
        ("after=a", bad()),
        ("after=", bad()),
        ("after=0x1", bad()),
        ("after=%EF%BC%91", bad()),
        ("after=%00", bad()),
        ("after=9223372036854775808", bad()),
        ("after=99999999999999999999999999", bad()),
        ("before=-1", bad()),
        ("before=", bad()),
        ("before=null", bad()),
        ("after=1&after=2", refused(400, "invalid_parameter")),
        ("after=0", taken()),
        ("after=9223372036854775807", taken()),
        ("after=1&before=3", taken()),
        ("after=3&before=1", taken()),
    ];
    let tokens: [(&str, Expected); 8] = [
        ("after=1", bad()),
        ("after=", bad()),
        ("after=a", bad()),
        ("after=%F0%9F%98%80", bad()),
        ("after=ffffffffffffffffffffffffffffffff", bad()),
        ("before=ffffffffffffffffffffffffffffffff", bad()),
        ("before=-1", bad()),
        ("after=0", taken()),
    ];
    let of_messages = |(query, expected): (&str, Expected)| {
        get(format!("{{chat}}/messages?{query}")).is(format!("messages at {query}"), expected)
    };
    let of_chats = |(query, expected): (&str, Expected)| {
        get(format!("{{app}}/chats?{query}")).is(format!("chats at {query}"), expected)
    };
    let of_applications = |(query, expected): (&str, Expected)| {
        get(format!("/api/v1/applications?{query}")).is(format!("applications at {query}"), expected)
    };
    let both = numbers.clone().into_iter().map(of_messages).chain(numbers.into_iter().map(of_chats));
    both.chain(tokens.into_iter().map(of_applications)).collect()
}
