//! Bodies of requests: JSON objects and forms, read into the few fields that a call knows.

use std::borrow::Cow;

use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use percent_encoding::percent_decode_str;
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::media_type::{Format, format_of};
use super::problem::{Code, Problem};

/// A body that has arrived, and how to read it.
pub(super) struct Sent {
    bytes: Bytes,
    format: Format,
}

impl Sent {
    /// An empty body has no fields, whatever its type.
    pub(super) fn new(headers: &HeaderMap, bytes: Bytes) -> Result<Self, Problem> {
        let format = if bytes.is_empty() { Format::Json } else { format_of(headers)? };
        Ok(Self { bytes, format })
    }

    /// The fields of these names, absent where they are missing or `null`. Others are ignored.
    pub(super) fn fields<const N: usize>(&self, names: [&str; N]) -> Result<Fields<'_, N>, Problem> {
        self.read(Known { names, others_ignored: true })
    }

    /// The same where others are refused: what grants or limits something does more, or less, than was meant when a
    /// misspelt name passes for one that is missing.
    pub(super) fn only_fields<const N: usize>(&self, names: [&str; N]) -> Result<Fields<'_, N>, Problem> {
        self.read(Known { names, others_ignored: false })
    }

    fn read<const N: usize>(&self, known: Known<'_, N>) -> Result<Fields<'_, N>, Problem> {
        if self.bytes.is_empty() {
            return Ok([const { None }; N]);
        }
        let text = std::str::from_utf8(&self.bytes).map_err(|error| malformed(&error))?;
        match self.format {
            Format::Json => json(text, known),
            Format::Form => form(text, &known),
        }
    }
}

/// What fields hold, in the order of their names.
type Fields<'a, const N: usize> = [Option<Cow<'a, str>>; N];

/// The fields of a body at its top.
struct Known<'n, const N: usize> {
    names: [&'n str; N],
    others_ignored: bool,
}

impl<const N: usize> Known<'_, N> {
    /// Which of them this is; `None` where it is to be ignored.
    fn place(&self, name: &str) -> Result<Option<usize>, String> {
        let place = self.names.iter().position(|known| *known == name);
        if place.is_none() && !self.others_ignored {
            return Err(format!("there is no field {name}, only {}", self.names.join(", ")));
        }
        Ok(place)
    }
}

/// How deep the values of a body may nest. What is within is skipped, but not without end.
const NESTING_LIMIT: usize = 64;

fn json<'a, const N: usize>(text: &'a str, known: Known<'_, N>) -> Result<Fields<'a, N>, Problem> {
    if nests_deeper(text, NESTING_LIMIT) {
        return Err(malformed(&format_args!("it nests deeper than {NESTING_LIMIT} levels")));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fields = deserializer.deserialize_map(known).map_err(|error| malformed(&error))?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(fields)
}

/// Brackets within texts count for nothing. What is no JSON may count as anything.
fn nests_deeper(text: &str, limit: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

/// Fields that may be lists: what is in one is for its reader to say.
const LISTS: [&str; 1] = ["scopes"];

impl<'de, const N: usize> Visitor<'de> for Known<'_, N> {
    type Value = Fields<'de, N>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = [false; N];
        let mut fields = [const { None }; N];
        while let Some(Name(name)) = map.next_key()? {
            let place = self.place(&name).map_err(A::Error::custom)?;
            let ours = place.and_then(|place| seen.get_mut(place).zip(fields.get_mut(place)));
            let Some((seen, field)) = ours else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if std::mem::replace(seen, true) {
                return Err(A::Error::custom(format_args!("the field {name} is given twice")));
            }
            let raw = map.next_value::<&RawValue>()?.get();
            let is_list = LISTS.contains(&&*name) && raw.starts_with('[');
            let text = if is_list { Ok(Some(Cow::Borrowed(raw))) } else { text_of(raw) };
            *field = text.map_err(|why| A::Error::custom(format_args!("the field {name}: {why}")))?;
        }
        Ok(fields)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The text of a field: a string, or a number as it is written.
fn text_of(raw: &str) -> Result<Option<Cow<'_, str>>, Cow<'static, str>> {
    match raw.as_bytes().first() {
        Some(b'"') => {
            let plain = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            match plain {
                Some(plain) if !plain.contains('\\') => Ok(Some(Cow::Borrowed(plain))),
                _ => serde_json::from_str(raw)
                    .map(|text: String| Some(Cow::Owned(text)))
                    .map_err(|why| why.to_string().into()),
            }
        }
        Some(b'-' | b'0'..=b'9') => Ok(Some(Cow::Borrowed(raw))),
        Some(b'n') => Ok(None),
        _ => Err("it has to be text".into()),
    }
}

fn form<'a, const N: usize>(text: &'a str, known: &Known<'_, N>) -> Result<Fields<'a, N>, Problem> {
    let mut fields = [const { None }; N];
    for pair in pairs(text) {
        let (name, value) = pair.ok_or_else(|| malformed(&"percent encoding that is not UTF-8"))?;
        let place = known.place(&name).map_err(|why| malformed(&why))?;
        let Some(field) = place.and_then(|place| fields.get_mut(place)) else { continue };
        if field.replace(value).is_some() {
            return Err(malformed(&format_args!("the field {name} is given twice")));
        }
    }
    Ok(fields)
}

/// Name and value of one pair.
pub(super) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The pairs of a form or of a query string; `None` for one whose percent encoding is broken.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = Option<Pair<'_>>> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name)?, decode(value)?))
    })
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let well_formed = text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    well_formed.then(|| Cow::Owned(decoded.into_owned()))
}

/// Longest reason shown, in bytes. A parser may quote all that it was given.
const REASON_LIMIT_BYTES: usize = 200;

fn malformed(why: &dyn std::fmt::Display) -> Problem {
    let mut detail = format!("The body cannot be read: {why}");
    if detail.len() > REASON_LIMIT_BYTES {
        detail.truncate(detail.floor_char_boundary(REASON_LIMIT_BYTES));
        detail.push('…');
    }
    Problem::new(Code::MalformedBody, detail)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::CONTENT_TYPE;

    use super::*;

    fn read(media_type: Option<&str>, bytes: &[u8]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        if let Some(media_type) = media_type {
            headers.insert(CONTENT_TYPE, media_type.parse().unwrap());
        }
        let sent = Sent::new(&headers, Bytes::copy_from_slice(bytes))?;
        let [name] = sent.fields(["name"])?;
        Ok(name.map(Cow::into_owned))
    }

    fn json(text: &str) -> Option<String> {
        read(None, text.as_bytes()).expect(text)
    }

    fn status(media_type: Option<&str>, bytes: &[u8]) -> u16 {
        let problem = read(media_type, bytes).expect_err(&String::from_utf8_lossy(bytes));
        problem.respond("r").status().as_u16()
    }

    #[test]
    fn text_numbers_and_null_are_taken_as_text_text_and_absent() {
        assert_eq!(json(r#"{"name":"a\u0000 \ud83d\ude00"}"#), Some("a\0 😀".into()));
        assert_eq!(json(r#" { "name" : "  é" , "x":[{}] } "#), Some("  é".into()));
        assert_eq!(json(r#"{"name":-1.50e+3}"#), Some("-1.50e+3".into()));
        assert_eq!(json(r#"{"n\u0061me":"a"}"#), Some("a".into()));
        assert_eq!(json(r#"{"name":null}"#), None);
        assert_eq!(json("{}"), None);
        let deepest = "[".repeat(NESTING_LIMIT - 1) + &"]".repeat(NESTING_LIMIT - 1);
        assert_eq!(json(&format!(r#"{{"x":{deepest},"y":"\"[[","name":"a"}}"#)), Some("a".into()));
        assert_eq!(json(""), None);
    }

    #[test]
    fn what_is_not_an_object_of_text_is_malformed() {
        let deep = format!("{{\"x\":{}", "[".repeat(100_000));
        let closed = format!("{{\"x\":{}{}}}", "[".repeat(NESTING_LIMIT), "]".repeat(NESTING_LIMIT));
        let cases = [
            "[]",
            "\"name\"",
            "1",
            "null",
            "{",
            "{}x",
            "{\"name\":tru}",
            "{\"name\":true}",
            "{\"name\":[]}",
            "{\"name\":{}}",
            "{\"name\":\"a\",\"name\":\"a\"}",
            "{\"name\":null,\"name\":\"a\"}",
            "{\"name\":\"\\ud800\"}",
            "{\"name\":01}",
            "{\"name\":\"a\nb\"}",
            "\u{feff}{}",
            " ",
            "{\"name\":\"a\",}",
            "name=a",
            &deep,
            &closed,
        ];
        for case in cases {
            assert_eq!(status(None, case.as_bytes()), 400, "{case}");
        }
        assert_eq!(status(None, b"{\"x\":\"\xff\"}"), 400);
    }

    #[test]
    fn where_others_are_refused_a_misspelt_name_is() {
        let form =
            HeaderMap::from_iter([(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap())]);
        for (headers, good, bad) in [
            (HeaderMap::new(), r#"{"name":"a"}"#, r#"{"name":"a","Name":1}"#),
            (form, "name=a", "name=a&names=b"),
        ] {
            let sent = |body: &'static str| Sent::new(&headers, Bytes::from_static(body.as_bytes())).unwrap();
            assert_eq!(sent(good).only_fields(["name"]).unwrap(), [Some("a".into())]);
            assert_eq!(sent(bad).fields(["name"]).unwrap(), [Some("a".into())]);
            let problem = sent(bad).only_fields(["name"]).expect_err(bad);
            assert_eq!(problem.respond("r").status().as_u16(), 400);
        }
    }

    #[test]
    fn forms_are_decoded_strictly() {
        let form = |bytes: &[u8]| read(Some("application/x-www-form-urlencoded"), bytes).expect("a form");
        assert_eq!(form(b"&x=1&name=a+b%2B%C3%A9=&"), Some("a b+é=".into()));
        assert_eq!(form(b"name"), Some(String::new()));
        assert_eq!(form(b"names=a"), None);
        for case in [
            &b"name=%ff"[..],
            b"name=%",
            b"name=%4",
            b"name=%zz",
            b"name=%+1",
            b"name=a&name=a",
            b"x=%80",
            b"name=\xff",
        ] {
            assert_eq!(status(Some("application/x-www-form-urlencoded"), case), 400, "{case:?}");
        }
    }

    #[test]
    fn a_body_is_read_as_everybody_reads_it_or_refused_whatever_comes() {
        crate::tests::fuzz("bodies", |input| {
            let refused = |problem: Problem| assert_eq!(problem.respond("r").status().as_u16(), 400);
            match read(None, input) {
                Ok(name) if !input.is_empty() => {
                    let whole: serde_json::Value = match serde_json::from_slice(input) {
                        Ok(whole) => whole,
                        // What we skip may be what nobody can hold.
                        Err(error) => {
                            let skipped = ["out of range", "escape", "unicode"];
                            return assert!(
                                skipped.iter().any(|why| error.to_string().contains(why)),
                                "{error}"
                            );
                        }
                    };
                    match &whole["name"] {
                        serde_json::Value::String(text) => assert_eq!(name.as_ref(), Some(text)),
                        serde_json::Value::Null => assert_eq!(name, None),
                        other => assert!(other.is_number() && name.is_some(), "{other}"),
                    }
                }
                Ok(name) => assert_eq!(name, None),
                Err(problem) => refused(problem),
            }
            match read(Some("application/x-www-form-urlencoded"), input) {
                Ok(name) => {
                    let pairs: Vec<_> = form_urlencoded::parse(input).collect();
                    let of_that_name = pairs.iter().find(|(given, _)| given == "name");
                    assert_eq!(name.as_deref(), of_that_name.map(|(_, value)| &**value));
                }
                Err(problem) => refused(problem),
            }
        });
    }
}
