//! From a path and a method to a call.

use actix_web::http::Method;
use actix_web::http::header::HeaderValue;

use super::call::{Call, ROUTES};
use super::problem::Problem;

/// A path of the document and what its methods call.
pub(super) struct Route {
    pub(super) pattern: &'static str,
    /// Segments of the pattern.
    depth: usize,
    pub(super) calls: &'static [(Verb, Call)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// HEAD is GET; that its answer has no body is the server's work.
    pub(super) fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Self::Get),
            Method::POST => Some(Self::Post),
            Method::PUT => Some(Self::Put),
            Method::PATCH => Some(Self::Patch),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// As `Allow` names it.
    const fn names(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Most segments of a path, and most of them that name something.
const DEPTH_LIMIT: usize = 8;
const NAMES_LIMIT: usize = 3;

impl Route {
    pub(super) const fn new(pattern: &'static str, calls: &'static [(Verb, Call)]) -> Self {
        let mut depth = 0;
        let mut rest = pattern.as_bytes();
        while let [first, after @ ..] = rest {
            if *first == b'/' {
                depth += 1;
            }
            rest = after;
        }
        Self { pattern, depth, calls }
    }

    /// What the path names, if it is this route's.
    fn names<'p>(&self, segments: &[&'p str]) -> Option<[&'p str; NAMES_LIMIT]> {
        if segments.len() != self.depth {
            return None;
        }
        let mut names = [""; NAMES_LIMIT];
        let mut free = names.iter_mut();
        for (expected, segment) in self.pattern.split('/').skip(1).zip(segments) {
            if expected.starts_with('{') && !segment.is_empty() {
                *free.next()? = segment;
            } else if expected != *segment && !(expected == "messages" && *segment == "message") {
                return None;
            }
        }
        Some(names)
    }

    pub(super) fn allow(&self) -> HeaderValue {
        let names: Vec<_> = self.calls.iter().map(|(verb, _)| verb.names()).collect();
        HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
    }
}

/// A path that is known.
pub(super) struct Found<'p> {
    pub(super) route: &'static Route,
    /// Token, chat and message, as far as the path names them.
    pub(super) names: [&'p str; NAMES_LIMIT],
}

/// One trailing slash is the same path; a double slash, or anything percent-encoded, is not.
pub(super) fn find(path: &str) -> Option<Found<'_>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut segments = [""; DEPTH_LIMIT];
    let mut depth = 0;
    for segment in path.split('/') {
        *segments.get_mut(depth)? = segment;
        depth += 1;
    }
    let segments = segments.get(..depth)?;
    ROUTES.iter().find_map(|route| Some(Found { route, names: route.names(segments)? }))
}

impl Found<'_> {
    pub(super) fn call(&self, method: &Method) -> Result<Call, Problem> {
        let verb = Verb::of(method);
        let call = self.route.calls.iter().find(|(taken, _)| Some(*taken) == verb);
        call.map(|(_, call)| *call).ok_or_else(|| Problem::method_not_allowed(self.route.allow()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_leads_to_its_own_route() {
        for route in &ROUTES {
            let found = find(route.pattern).expect(route.pattern);
            assert_eq!(found.route.pattern, route.pattern);
            assert!(route.depth <= DEPTH_LIMIT);
        }
    }

    #[test]
    fn aliases_name_the_same() {
        for path in ["/api/v1/applications/t/chats/2/messages/3", "/api/v1/applications/t/chats/2/message/3/"]
        {
            let found = find(path).expect(path);
            assert_eq!(found.names, ["t", "2", "3"]);
            assert_eq!(found.call(&Method::HEAD).expect("GET"), Call::ReadMessage);
        }
        let search = find("/api/v1/applications/t/chats/2/message/search").expect("a path");
        assert_eq!(search.call(&Method::POST).expect("POST"), Call::Search);
    }

    #[test]
    fn other_paths_are_unknown() {
        let paths = [
            "",
            "/",
            "//",
            "*",
            "/api/v1",
            "//api/v1/applications",
            "/api/v1//applications",
            "/api/v1/applications//",
            "/api/v1/applications//chats",
            "/api/v1/application",
            "/API/v1/applications",
            "/api/v1/applications/t/chat",
            "/api/v1/applications/t/chats/1/messages/1/1",
            "/api/v1/applications%00",
            "/health",
            "/health/live//",
        ];
        for path in paths {
            assert!(find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn other_methods_are_told_what_is_allowed() {
        let found = find("/api/v1/applications/t").expect("a path");
        for method in [Method::OPTIONS, Method::POST, Method::TRACE, Method::CONNECT] {
            let response = found.call(&method).expect_err("not taken").respond("r");
            assert_eq!(response.status(), 405);
            assert_eq!(response.headers().get("allow").expect("Allow"), "GET, HEAD, PUT, PATCH, DELETE");
        }
    }
}
