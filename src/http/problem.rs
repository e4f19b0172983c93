//! Every error a client can see: the one map from errors to status codes (RFC 9457).

use std::borrow::Cow;
use std::error::Error;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use utoipa::ToSchema;

use crate::actors::CreateError;
use crate::search::SearchError;
use crate::store::{Missing, StoreError, Unchanged};

/// What a client may decide by. Codes never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A field is blank, missing or too long; `errors` has the sentences.
    Invalid,
    /// The body is not the JSON object or the form it has to be.
    MalformedBody,
    /// A query parameter is malformed, out of its range or given twice.
    InvalidParameter,
    /// `after` or `before` is not a place in this list.
    InvalidCursor,
    /// `Idempotency-Key` is not 1 to 255 visible ASCII characters, or there are several.
    InvalidIdempotencyKey,
    /// `If-Match` or `If-None-Match` is not a list of entity tags.
    InvalidEntityTag,
    /// No key, or one that opens nothing.
    Unauthenticated,
    /// A good key, but not for this.
    Forbidden,
    NotFound,
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The application holds as much as its quota allows.
    QuotaReached,
    /// The first request with this key is still at work.
    IdempotencyKeyInUse,
    /// The thing is at another version than `If-Match` says.
    StaleVersion,
    /// The request or the body of the message is over its limit.
    TooLarge,
    UnsupportedMediaType,
    /// The key was used with another body.
    IdempotencyKeyReused,
    /// More than a rate allows: `Retry-After` says when.
    TooManyRequests,
    Internal,
    /// An engine is missing or full, and nothing was taken: the same again is safe.
    NotTaken,
    /// Nobody knows whether it was done: try again with the same key.
    OutcomeUnknown,
}

impl Code {
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Invalid
            | Self::MalformedBody
            | Self::InvalidParameter
            | Self::InvalidCursor
            | Self::InvalidIdempotencyKey
            | Self::InvalidEntityTag => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::QuotaReached => StatusCode::FORBIDDEN,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::IdempotencyKeyInUse => StatusCode::CONFLICT,
            Self::StaleVersion => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotTaken | Self::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// One error on its way to a client. Holds no text of a driver.
#[derive(Debug)]
pub(super) struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    /// Whether `detail` is about a field, and so one of `errors`.
    about_field: bool,
    /// What the answer bears besides.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), about_field: false, headers: Vec::new() }
    }

    /// A field that cannot be taken: `Name can't be blank`.
    pub(super) fn field(code: Code, field: &str, why: impl std::fmt::Display) -> Self {
        Self { about_field: true, ..Self::new(code, format!("{field} {why}")) }
    }

    pub(super) fn with(mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(super) fn too_many(detail: String, wait_seconds: u64) -> Self {
        Self::new(Code::TooManyRequests, detail).with([(RETRY_AFTER, HeaderValue::from(wait_seconds))])
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(Code::NotFound, "There is nothing at this path")
    }

    pub(super) fn method_not_allowed(allow: HeaderValue) -> Self {
        let detail = "This path does not take this method";
        Self::new(Code::MethodNotAllowed, detail).with([(ALLOW, allow)])
    }

    pub(super) fn internal() -> Self {
        Self::new(Code::Internal, "Something went wrong here")
    }

    pub(super) fn not_taken() -> Self {
        Self::new(Code::NotTaken, "Nothing was done: a part of the service is away, try again")
    }

    pub(super) fn outcome_unknown() -> Self {
        Self::new(Code::OutcomeUnknown, "Nobody knows whether this was done: try again with the same key")
    }

    pub(super) fn quota_reached() -> Self {
        Self::new(Code::QuotaReached, "The application holds as much as its quota allows")
    }

    pub(super) fn stale() -> Self {
        Self::new(Code::StaleVersion, "The message is at another version")
    }

    /// The answer. What may leave bytes of the request unread ends an HTTP/1 connection.
    pub(super) fn respond(self, request_id: &str) -> HttpResponse {
        let status = self.code.status();
        let mut response = HttpResponse::build(status);
        response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
        for header in self.headers {
            response.insert_header(header);
        }
        match self.code {
            Code::NotTaken | Code::OutcomeUnknown => {
                response.insert_header((RETRY_AFTER, HeaderValue::from_static("1")));
            }
            Code::TooLarge | Code::RequestTimeout => {
                response.force_close();
            }
            Code::Invalid
            | Code::MalformedBody
            | Code::InvalidParameter
            | Code::InvalidCursor
            | Code::InvalidIdempotencyKey
            | Code::InvalidEntityTag
            | Code::Unauthenticated
            | Code::Forbidden
            | Code::QuotaReached
            | Code::TooManyRequests
            | Code::NotFound
            | Code::MethodNotAllowed
            | Code::IdempotencyKeyInUse
            | Code::StaleVersion
            | Code::UnsupportedMediaType
            | Code::IdempotencyKeyReused
            | Code::Internal => {}
        }
        response.json(ProblemDetails {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            message: &self.detail,
            errors: self.about_field.then(|| [&*self.detail]),
        })
    }
}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDetails<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    /// The words of the status.
    title: &'a str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, for people.
    detail: &'a str,
    code: Code,
    /// Name this when you ask for help.
    request_id: &'a str,
    /// The same as `detail`.
    message: &'a str,
    /// One sentence for each invalid field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>, nullable = false)]
    errors: Option<[&'a str; 1]>,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away(source) => {
                tracing::warn!(cause = &*source as &(dyn Error + 'static), "the store does not answer");
                Self::not_taken()
            }
            StoreError::Unknown(source) => {
                tracing::warn!(cause = &*source as &(dyn Error + 'static), "the store's answer got lost");
                Self::outcome_unknown()
            }
            StoreError::Broken(source) => {
                tracing::error!(cause = &*source as &(dyn Error + 'static), "the store cannot do this");
                Self::internal()
            }
        }
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Away(source) | SearchError::Damaged(source) => {
                tracing::warn!(cause = &*source as &(dyn Error + 'static), "the search engine cannot answer");
                Self::not_taken()
            }
        }
    }
}

impl Problem {
    /// A creation that did not happen, or may not have. `parent` is what is not there where the parent is not.
    pub(super) fn not_created(error: CreateError, parent: Missing) -> Self {
        match error {
            CreateError::NoParent => parent.into(),
            CreateError::OverQuota => Self::quota_reached(),
            CreateError::KeyHeld => {
                Self::new(Code::IdempotencyKeyInUse, "The first request with this key is still at work")
            }
            CreateError::KeyReused => Self::key_reused(),
            CreateError::Full | CreateError::Away => Self::not_taken(),
            CreateError::Unknown => Self::outcome_unknown(),
        }
    }

    pub(super) fn key_reused() -> Self {
        Self::new(Code::IdempotencyKeyReused, "The key was used with another body")
    }
}

impl From<Missing> for Problem {
    fn from(missing: Missing) -> Self {
        let detail = match missing {
            Missing::Application => "Couldn't find Application",
            Missing::Chat => "Couldn't find Chat",
            Missing::Message => "Couldn't find Message",
            Missing::Key => "Couldn't find Key",
        };
        Self::new(Code::NotFound, detail)
    }
}

impl From<Unchanged> for Problem {
    fn from(unchanged: Unchanged) -> Self {
        match unchanged {
            Unchanged::Missing(missing) => missing.into(),
            Unchanged::Stale => Self::stale(),
            Unchanged::OverQuota => Self::quota_reached(),
        }
    }
}
