//! `Content-Type`: JSON, JSON by another name, and forms, all in UTF-8.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use super::problem::{Code, Problem};

/// How to read a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Form,
}

/// JSON where nothing is said.
pub(super) fn format_of(headers: &HeaderMap) -> Result<Format, Problem> {
    let unsupported =
        || Problem::new(Code::UnsupportedMediaType, "Send JSON or a form, in UTF-8, not compressed");
    let plain =
        headers.get_all(CONTENT_ENCODING).all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let mut types = headers.get_all(CONTENT_TYPE);
    let (first, second) = (types.next(), types.next());
    if !plain || second.is_some() {
        return Err(unsupported());
    }
    let Some(first) = first else {
        return Ok(Format::Json);
    };
    first.to_str().ok().and_then(parse_media_type).ok_or_else(unsupported)
}

fn parse_media_type(text: &str) -> Option<Format> {
    let mut parts = text.split(';');
    let essence = parts.next()?.trim();
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let utf_8 = value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8");
        if name.trim().eq_ignore_ascii_case("charset") && !utf_8 {
            return None;
        }
    }
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Some(Format::Form);
    }
    let (kind, subtype) = essence.split_once('/')?;
    let suffix =
        subtype.len().checked_sub("+json".len()).and_then(|start| Some((start, subtype.get(start..)?)));
    let structured = suffix.is_some_and(|(start, suffix)| start > 0 && suffix.eq_ignore_ascii_case("+json"));
    let json = subtype.eq_ignore_ascii_case("json") || structured;
    (kind.eq_ignore_ascii_case("application") && json).then_some(Format::Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Format, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, text.parse().expect("a header"));
        format_of(&headers)
    }

    #[test]
    fn json_and_forms_in_utf_8_are_taken() {
        for json in
            ["application/json", "Application/JSON; charset=\"UTF-8\"", "application/vnd.api+json;v=1"]
        {
            assert_eq!(of(json).expect(json), Format::Json);
        }
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(of(form).expect(form), Format::Form);
        assert_eq!(format_of(&HeaderMap::new()).expect("no type"), Format::Json);
    }

    #[test]
    fn other_types_are_refused() {
        let latin_1 = "application/json; charset=latin1";
        for other in [
            "text/plain",
            "application/xml",
            "application/+json",
            "text/json",
            "json",
            "",
            "*/*",
            "application/é",
            latin_1,
        ] {
            assert!(of(other).is_err(), "{other}");
        }
    }

    #[test]
    fn compressed_bodies_and_two_types_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_ENCODING, "gzip".parse().expect("a header"));
        assert!(format_of(&headers).is_err());
        headers.remove(CONTENT_ENCODING);
        headers.append(CONTENT_TYPE, "application/json".parse().expect("a header"));
        headers.append(CONTENT_TYPE, "application/json".parse().expect("a header"));
        assert!(format_of(&headers).is_err());
    }

    #[test]
    fn a_content_type_is_one_of_two_or_refused_whatever_comes() {
        crate::tests::fuzz("content_types", |input| {
            let Ok(line) = actix_web::http::header::HeaderValue::from_bytes(input) else { return };
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, line);
            let text = String::from_utf8_lossy(input).to_ascii_lowercase();
            match format_of(&headers) {
                Ok(Format::Json) => assert!(text.contains("application/") && text.contains("json")),
                Ok(Format::Form) => assert!(text.contains("application/x-www-form-urlencoded")),
                Err(refused) => assert_eq!(refused.respond("r").status().as_u16(), 415),
            }
        });
    }
}
