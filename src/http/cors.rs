//! Pages of other origins: only those that the operator lists may read answers (<https://fetch.spec.whatwg.org>).

use actix_web::HttpResponse;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, ORIGIN, VARY,
};
use actix_web::http::{Method, StatusCode};

/// What a page may send and read besides what every page may.
const ASKED: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-match, if-none-match, prefer, x-request-id",
);
const ANSWERED: HeaderValue = HeaderValue::from_static(
    "etag, idempotent-replayed, link, location, preference-applied, ratelimit, ratelimit-policy, retry-after, \
     x-request-id",
);
/// How long a browser remembers what it was told, in seconds.
const REMEMBERED_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// Origins whose pages may read answers: none, if nobody says.
#[derive(Debug, Default)]
pub struct Origins(Vec<HeaderValue>);

impl Origins {
    /// Each as a browser writes it, `https://chat.example`. What no header could hold is nobody's origin.
    #[must_use]
    pub fn new(origins: &[String]) -> Self {
        Self(origins.iter().filter_map(|origin| HeaderValue::try_from(origin.as_str()).ok()).collect())
    }

    /// The answer to a browser that asks whether a page may ask.
    pub(super) fn preflight(
        &self,
        method: &Method,
        headers: &HeaderMap,
        allow: impl FnOnce() -> HeaderValue,
    ) -> Option<HttpResponse> {
        let asks = method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        asks.then(|| self.listed(headers)).flatten().map(|_origin| {
            HttpResponse::build(StatusCode::NO_CONTENT)
                .insert_header((ACCESS_CONTROL_ALLOW_METHODS, allow()))
                .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, ASKED))
                .insert_header((ACCESS_CONTROL_MAX_AGE, REMEMBERED_SECONDS))
                .finish()
        })
    }

    /// Says whose page may read this.
    pub(super) fn sign(&self, headers: &HeaderMap, response: &mut HttpResponse) {
        if self.0.is_empty() {
            return;
        }
        let answer = response.headers_mut();
        answer.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.listed(headers) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWERED);
        }
    }

    fn listed(&self, headers: &HeaderMap) -> Option<&HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.0.iter().find(|listed| *listed == origin)
    }
}
