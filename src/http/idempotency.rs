//! `Idempotency-Key` and `Prefer`: how a creation is to be answered.

use actix_web::http::header::{HeaderMap, HeaderName};

use super::problem::{Code, Problem};
use crate::actors::door::Patience;
use crate::domain::{ApplicationId, Digest, Key, KeyUse};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Says that an answer is the one to the first request with this key.
pub(super) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Says that a preference was heard.
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
pub(super) const RESPOND_ASYNC: &str = "respond-async";

/// The use of a key, if there is one. `path` is the canonical path of the list, so that all its spellings are the
/// same; `body` is what the body means.
pub(super) fn key_use(
    headers: &HeaderMap,
    application: ApplicationId,
    path: impl FnOnce() -> String,
    body: &[&str],
) -> Result<Option<KeyUse>, Problem> {
    let Some(key) = key(headers)? else { return Ok(None) };
    Ok(Some(KeyUse { application, key, path: Digest::of(&[&path()]), body: Digest::of(body) }))
}

fn key(headers: &HeaderMap) -> Result<Option<Key>, Problem> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY);
    let Some(line) = lines.next() else { return Ok(None) };
    let key = Key::parse(line.as_bytes()).filter(|_| lines.next().is_none());
    key.map(Some).ok_or_else(|| {
        let detail = "Idempotency-Key has to be one line of 1 to 255 visible ASCII characters";
        Problem::new(Code::InvalidIdempotencyKey, detail)
    })
}

/// How long the client wants to wait (RFC 7240). What is not understood is ignored, as that asks for.
pub(super) fn patience(headers: &HeaderMap) -> Patience {
    let lines = headers.get_all(PREFER).filter_map(|line| line.to_str().ok());
    let mut preferences = lines.flat_map(|line| line.split(',')).map(|preference| {
        let end = preference.find([';', '=']).unwrap_or(preference.len());
        preference.get(..end).unwrap_or_default().trim()
    });
    if preferences.any(|name| name.eq_ignore_ascii_case(RESPOND_ASYNC)) {
        Patience::UntilQueued
    } else {
        Patience::UntilKept
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_bytes(line).expect("a header"));
        }
        headers
    }

    #[test]
    fn a_key_is_one_line_of_visible_ascii() {
        let longest = [b'k'; 255];
        for good in [&b"a"[..], b"!~\"", &longest] {
            let key = key(&headers(IDEMPOTENCY_KEY, &[good])).expect("a key").expect("a key");
            assert_eq!(key.as_str().as_bytes(), good);
        }
        let too_long = [b'k'; 256];
        for bad in [&b""[..], b"a b", b"\xc3\xa9", b"a\tb", &too_long] {
            assert!(key(&headers(IDEMPOTENCY_KEY, &[bad])).is_err(), "{bad:?}");
        }
        assert!(key(&headers(IDEMPOTENCY_KEY, &[b"a", b"a"])).is_err());
        assert_eq!(key(&HeaderMap::new()).expect("no key"), None);
    }

    #[test]
    fn the_path_is_not_written_where_there_is_no_key() {
        let unused = || -> String { unreachable!("there is no key") };
        assert!(key_use(&HeaderMap::new(), ApplicationId(1), unused, &[]).expect("no key").is_none());
    }

    #[test]
    fn respond_async_is_found_among_other_preferences() {
        for good in [&b"respond-async"[..], b"wait=10, Respond-Async;x=1", b"a , respond-async"] {
            assert_eq!(patience(&headers(PREFER, &[b"x", good])), Patience::UntilQueued, "{good:?}");
        }
        for other in [&b""[..], b"respond-asynchronously", b"wait=respond-async", b"\xff"] {
            assert_eq!(patience(&headers(PREFER, &[other])), Patience::UntilKept, "{other:?}");
        }
    }

    #[test]
    fn keys_and_preferences_are_read_or_refused_whatever_comes() {
        crate::tests::fuzz("idempotency", |input| {
            let Ok(line) = HeaderValue::from_bytes(input) else { return };
            let mut headers = HeaderMap::new();
            headers.insert(IDEMPOTENCY_KEY, line.clone());
            headers.insert(PREFER, line);
            match key(&headers) {
                Ok(key) => {
                    let key = key.expect("a line is a key or refused");
                    assert_eq!(key.as_str().as_bytes(), input);
                    assert!((1..=255).contains(&input.len()) && input.iter().all(u8::is_ascii_graphic));
                }
                Err(refused) => assert_eq!(refused.respond("r").status().as_u16(), 400),
            }
            let asked = String::from_utf8_lossy(input).to_ascii_lowercase().contains(RESPOND_ASYNC);
            assert!(asked || patience(&headers) == Patience::UntilKept);
            let id = crate::http::request_id::RequestId::of(&headers);
            assert!((1..=128).contains(&id.as_str().len()));
        });
    }
}
