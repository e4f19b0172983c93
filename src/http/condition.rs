//! Conditional requests (RFC 9110, section 13): the `ETag` of a message is its version.

use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};

use super::problem::{Code, Problem};
use crate::store::Expected;

/// The `ETag` of a version.
pub(super) fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// The versions that a change is made for.
pub(super) fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    Ok(match tags(headers, IF_MATCH)? {
        None | Some(Tags::Any) => Expected::Any,
        Some(Tags::Listed(tags)) => {
            Expected::OneOf(tags.iter().filter(|tag| !tag.weak).filter_map(Tag::version).collect())
        }
    })
}

/// Whether a change may be made at this version.
pub(super) fn allows(expected: &Expected, version: u64) -> bool {
    match expected {
        Expected::Any => true,
        Expected::OneOf(versions) => versions.contains(&version),
    }
}

/// What a reader has already.
pub(super) fn known(headers: &HeaderMap) -> Result<Option<Tags<'_>>, Problem> {
    tags(headers, IF_NONE_MATCH)
}

/// A condition's entity tags.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tags<'h> {
    Any,
    Listed(Vec<Tag<'h>>),
}

impl Tags<'_> {
    /// Weak comparison, as for `If-None-Match`.
    pub(super) fn name(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|tag| tag.version() == Some(version)),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag<'h> {
    weak: bool,
    opaque: &'h [u8],
}

impl Tag<'_> {
    /// The version that bears this tag. Others than ours match nothing.
    fn version(&self) -> Option<u64> {
        let text = std::str::from_utf8(self.opaque).ok()?;
        let canonical = text.starts_with(|first: char| ('1'..='9').contains(&first));
        canonical.then(|| text.parse().ok())?
    }
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags<'_>>, Problem> {
    let lines: Vec<&[u8]> = headers.get_all(&name).map(|line| line.as_bytes().trim_ascii()).collect();
    match lines.as_slice() {
        [] => return Ok(None),
        [b"*"] => return Ok(Some(Tags::Any)),
        _ => {}
    }
    let mut tags = Vec::new();
    for line in lines {
        parse_list(line, &mut tags).ok_or_else(|| no_list(&name))?;
    }
    if tags.is_empty() {
        return Err(no_list(&name));
    }
    Ok(Some(Tags::Listed(tags)))
}

fn no_list(name: &HeaderName) -> Problem {
    Problem::new(Code::InvalidEntityTag, format!("{name} has to be * or a list of entity tags"))
}

/// `#entity-tag`; empty elements are ignored (section 5.6.1.2).
fn parse_list<'h>(line: &'h [u8], tags: &mut Vec<Tag<'h>>) -> Option<()> {
    let mut rest = after_commas(line);
    while !rest.is_empty() {
        let (weak, quoted) = rest.strip_prefix(b"W/").map_or((false, rest), |strong| (true, strong));
        let opened = quoted.strip_prefix(b"\"")?;
        let length = opened.iter().position(|byte| *byte == b'"')?;
        let (opaque, closed) = opened.split_at_checked(length)?;
        if !opaque.iter().all(|byte| byte.is_ascii_graphic() || *byte >= 0x80) {
            return None;
        }
        tags.push(Tag { weak, opaque });
        rest = closed.strip_prefix(b"\"")?.trim_ascii_start();
        if !rest.is_empty() {
            rest = after_commas(rest.strip_prefix(b",")?);
        }
    }
    Some(())
}

fn after_commas(mut rest: &[u8]) -> &[u8] {
    while let [b',' | b' ' | b'\t', after @ ..] = rest {
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, line.parse().expect("a header"));
            headers.append(IF_NONE_MATCH, line.parse().expect("a header"));
        }
        headers
    }

    #[test]
    fn only_strong_tags_of_ours_match_a_change() {
        let cases: [(&[&str], Expected); 7] = [
            (&[], Expected::Any),
            (&["*"], Expected::Any),
            (&["\"1\""], Expected::OneOf(vec![1])),
            (&["\"1\" , W/\"2\",\"x,y\",\"03\",\"\"", "\"4\""], Expected::OneOf(vec![1, 4])),
            (&[", \"1\",,\"2\" ,"], Expected::OneOf(vec![1, 2])),
            (&["W/\"1\""], Expected::OneOf(vec![])),
            (&["\"99999999999999999999\""], Expected::OneOf(vec![])),
        ];
        for (lines, versions) in cases {
            assert_eq!(expected(&headers(lines)).expect("tags"), versions, "{lines:?}");
        }
    }

    #[test]
    fn readers_are_compared_weakly() {
        let headers = headers(&["W/\"2\""]);
        let tags = known(&headers).expect("tags").expect("a condition");
        assert!(tags.name(2) && !tags.name(1) && Tags::Any.name(7));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        let bad = [
            "",
            "1",
            "\"1",
            "\"1\" \"2\"",
            ",",
            " , ,",
            "w/\"1\"",
            "*,\"1\"",
            "\"a b\"",
            "W/ \"1\"",
            "W/1",
            "**",
        ];
        for line in bad {
            assert!(expected(&headers(&[line])).is_err(), "{line}");
        }
        assert!(expected(&headers(&["*", "*"])).is_err());
    }

    #[test]
    fn entity_tags_are_read_or_refused_whatever_comes() {
        crate::tests::fuzz("entity_tags", |input| {
            let Ok(line) = actix_web::http::header::HeaderValue::from_bytes(input) else { return };
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, line.clone());
            headers.insert(IF_NONE_MATCH, line);
            match (expected(&headers), known(&headers)) {
                (Ok(Expected::Any), Ok(tags)) => assert_eq!(tags, Some(Tags::Any)),
                (Ok(Expected::OneOf(versions)), Ok(Some(tags))) => {
                    for version in versions {
                        assert!(tags.name(version) && version > 0);
                        // The tag of that version stands there as this service writes it.
                        let ours = etag(version);
                        assert!(input.windows(ours.len()).any(|part| part == ours.as_bytes()), "{version}");
                    }
                }
                (Err(refused), Err(_)) => assert_eq!(refused.respond("r").status().as_u16(), 400),
                other => panic!("{other:?}"),
            }
        });
    }
}
