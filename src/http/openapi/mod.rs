//! The description of the interface (OpenAPI 3.1), made from the handlers.

// What may be asked: parameters and bodies.
pub(super) mod asked;
// What every call may answer.
mod answered;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::Bytes;
use utoipa::OpenApi;

use self::answered::Everywhere;
use super::{allowance, applications, chats, health, keys, messages, problem, search};

/// Applications own chats, chats own messages. Chats and messages are numbered 1, 2, 3 … without gap or repeat.
///
/// `/message` and `/messages` are the same path everywhere, and so is a path with one trailing slash. HEAD is GET
/// without a body. Bodies are JSON objects or forms: a JSON number where text is expected is taken as its text,
/// `null` as absent, and unknown fields are ignored; so are unknown query parameters. What is hardly HTTP (no `Host`,
/// a broken framing, headers without end) is answered by the server below, with a status and without a body.
#[derive(OpenApi)]
#[openapi(
    info(title = "Chat system"),
    paths(
        applications::list,
        applications::create,
        applications::read,
        applications::rename,
        applications::delete,
        keys::list,
        keys::create,
        keys::revoke,
        allowance::read,
        allowance::set,
        chats::list,
        chats::create,
        chats::read,
        chats::delete,
        messages::list,
        messages::create,
        messages::read,
        messages::edit,
        messages::delete,
        search::by_body,
        search::by_query_string,
        health::live,
        health::ready,
        health::metrics,
        describe,
    ),
    components(schemas(problem::ProblemDetails, problem::Code)),
    tags(
        (name = "applications", description = "They own chats; their tokens name them"),
        (name = "keys", description = "What opens an application, and how fast it may be used"),
        (name = "chats", description = "Numbered within their application"),
        (name = "messages", description = "Numbered within their chat, and searchable"),
        (name = "health", description = "For gateways and people who watch"),
    ),
    modifiers(&Everywhere),
)]
struct Document;

static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| Document::openapi().to_json().map_or_else(|_| Bytes::new(), Bytes::from));

/// Describes this interface.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "describe", tag = "health",
    responses((status = 200, description = "An OpenAPI 3.1 document", content_type = "application/json", body = asked::AnyObject)))]
pub(super) fn describe() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(DOCUMENT.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::http::call::ROUTES;
    use crate::http::route::Verb;

    fn document() -> Value {
        serde_json::from_slice(&DOCUMENT).expect("JSON")
    }

    fn operations(document: &Value) -> Vec<(String, String, Value)> {
        let paths = document["paths"].as_object().expect("paths");
        let of_path = |(path, item): (&String, &Value)| {
            let calls = item.as_object().expect("a path").clone();
            let path = path.clone();
            calls.into_iter().map(move |(verb, operation)| (path.clone(), verb, operation))
        };
        paths.iter().flat_map(of_path).collect()
    }

    #[test]
    fn the_document_and_the_routes_name_the_same_calls() {
        let name = |verb: &Verb| match verb {
            Verb::Get => "get",
            Verb::Post => "post",
            Verb::Put => "put",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        };
        let calls_of = |route: &'static crate::http::route::Route| {
            route.calls.iter().map(|(verb, _)| (route.pattern.to_owned(), name(verb).to_owned()))
        };
        let routed: BTreeSet<_> = ROUTES.iter().flat_map(calls_of).collect();
        let described: BTreeSet<_> =
            operations(&document()).into_iter().map(|(path, verb, _)| (path, verb)).collect();
        assert_eq!(routed, described);
    }

    #[test]
    fn the_document_is_3_1_with_an_id_for_each_operation() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let operations = operations(&document);
        let ids: BTreeSet<_> =
            operations.iter().map(|(.., operation)| operation["operationId"].to_string()).collect();
        assert_eq!(ids.len(), operations.len());
        assert!(!ids.contains("null"));
    }

    #[test]
    fn path_parameters_are_described_once_each() {
        for (path, verb, operation) in operations(&document()) {
            let empty = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&empty);
            let described: Vec<_> =
                parameters.iter().filter(|p| p["in"] == "path").map(|p| p["name"].as_str()).collect();
            let expected: Vec<_> =
                path.split('/').filter_map(|s| Some(Some(s.strip_prefix('{')?.strip_suffix('}')?))).collect();
            assert_eq!(described, expected, "{verb} {path}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    map.values().for_each(|value| references(value, found));
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("a local reference");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_answer_bears_the_request_id() {
        for (path, verb, operation) in operations(&document()) {
            for (status, answer) in operation["responses"].as_object().expect("answers") {
                assert!(answer["headers"]["X-Request-Id"].is_object(), "{verb} {path} {status}");
            }
        }
    }
}
