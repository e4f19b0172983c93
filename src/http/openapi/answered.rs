//! What every call may answer, added to what the handlers say of themselves.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, Header, HeaderBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder,
};

use super::asked::{EditedMessage, NewChat, NewLimits, Rename};
use utoipa::{Modify, ToSchema as _};

/// Adds errors, and the headers that every answer bears. Which errors a call may answer follows from what it
/// takes.
pub(super) struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme(BEARER, bearer);
        for item in document.paths.paths.values_mut() {
            if let Some(patch) = &mut item.patch {
                // The same handler as PUT, under a name of its own.
                patch.operation_id = patch.operation_id.take().map(|id| format!("{id}_by_patch"));
            }
            let operations =
                [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                complete(operation);
            }
        }
    }
}

/// The scheme of keys.
const BEARER: &str = "key";

fn complete(operation: &mut Operation) {
    if needs_an_engine(operation) {
        // An empty one: where the service is open, none is needed.
        let none = SecurityRequirement::default();
        operation.security = Some(vec![SecurityRequirement::new(BEARER, [] as [&str; 0]), none]);
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.required = Some(required(body));
    }
    for (status, description) in errors(operation) {
        let answers = &mut operation.responses.responses;
        answers.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem(status, description)));
    }
    for answer in operation.responses.responses.values_mut() {
        if let RefOr::T(answer) = answer {
            let header = text_header("The request's, or a fresh one; also in every problem as `request_id`");
            answer.headers.insert("X-Request-Id".to_owned(), RefOr::T(header));
        }
    }
}

/// A body may be left out where none of its fields is needed. A schema in reference names one of ours.
fn required(body: &RequestBody) -> Required {
    let optional = [NewChat::name(), NewLimits::name(), Rename::name(), EditedMessage::name()];
    let references = body.content.values().filter_map(|content| match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) => schema.ref_location.rsplit('/').next(),
        RefOr::T(_) | RefOr::Ref(_) => None,
    });
    if references.into_iter().any(|name| optional.iter().any(|optional| optional == name)) {
        Required::False
    } else {
        Required::True
    }
}

fn errors(operation: &Operation) -> Vec<(&'static str, &'static str)> {
    let takes = |matches: &dyn Fn(&Parameter) -> bool| {
        let parameters = operation.parameters.iter().flatten();
        parameters
            .filter_map(|parameter| if let RefOr::T(parameter) = parameter { Some(parameter) } else { None })
            .any(matches)
    };
    let named = |name: &'static str| takes(&move |parameter| parameter.name == name);
    let body = operation.request_body.is_some();
    let checked = |parameter: &Parameter| {
        let conditions = ["Idempotency-Key", "If-Match", "If-None-Match"];
        parameter.parameter_in == ParameterIn::Query || conditions.contains(&&*parameter.name)
    };

    let mut errors =
        vec![("405", "Another method; `Allow` names those that are taken"), ("500", "A mistake of ours")];
    if body || takes(&checked) {
        errors.push(("400", "Something is blank, missing, too long or malformed"));
    }
    if takes(&|parameter| parameter.parameter_in == ParameterIn::Path) {
        errors.push(("404", "Something on the path is not there"));
    }
    if named("If-Match") {
        errors.push(("412", "The message is at another version"));
    }
    if body {
        errors.push(("408", "The body did not arrive in time"));
        errors.push(("413", "The request or the message is too large"));
        errors.push(("415", "Another media type than JSON or a form in UTF-8"));
    }
    if named("Idempotency-Key") {
        errors.push(("409", "The first request with this key is still at work"));
        errors.push(("422", "The key was used with another body"));
    }
    if needs_an_engine(operation) {
        errors.push(("401", "No key, or one that opens nothing, where the service is closed"));
        errors.push(("403", "A good key, but not for this"));
        errors.push(("429", "More than a rate allows"));
        errors.push(("503", "An engine is missing: `not_taken`, or `outcome_unknown` where nobody knows"));
    }
    errors
}

fn needs_an_engine(operation: &Operation) -> bool {
    operation.tags.iter().flatten().all(|tag| tag != "health")
}

fn problem(status: &str, description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let answer = ResponseBuilder::new().description(description).content("application/problem+json", content);
    let answer = match status {
        "405" => answer.header("Allow", text_header("The methods of this path")),
        "401" => answer.header("WWW-Authenticate", text_header("`Bearer` (RFC 6750)")),
        "429" | "503" => answer.header("Retry-After", seconds_header()),
        _ => answer,
    };
    answer.build()
}

fn text_header(description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

fn seconds_header() -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    HeaderBuilder::new().schema(Some(schema)).description(Some("Seconds")).build()
}
