//! `X-Request-Id`: in, on every answer, in every problem and in the log.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id taken from a client, in characters.
const REQUEST_ID_LIMIT: usize = 128;

/// The client's, if it is one line of 1 to 128 visible ASCII characters; otherwise a fresh one.
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(X_REQUEST_ID).filter(|given| {
            let visible = given.as_bytes().iter().all(u8::is_ascii_graphic);
            visible && (1..=REQUEST_ID_LIMIT).contains(&given.len())
        });
        given.map_or_else(Self::fresh, |given| Self(given.clone()))
    }

    fn fresh() -> Self {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown")))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn into_header(self) -> HeaderValue {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(given).expect("a header"));
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn a_visible_id_is_kept_and_any_other_replaced() {
        let longest = "r".repeat(128);
        for good in ["a", "!~{\"}", &longest] {
            assert_eq!(of(good.as_bytes()), good);
        }
        let too_long = "r".repeat(129);
        for bad in [&b""[..], b"a b", b"\xc3\xa9", too_long.as_bytes()] {
            assert!(Uuid::parse_str(&of(bad)).is_ok(), "{bad:?}");
        }
        assert!(Uuid::parse_str(RequestId::of(&HeaderMap::new()).as_str()).is_ok());
    }
}
