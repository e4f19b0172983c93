//! What may be asked: parameters and bodies, as tight as the parsers are.

use std::borrow::Cow;

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{RefOr, Required};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::domain::text::NAME_LIMIT_CODE_POINTS;
use crate::http::allowance::QUOTA_LIMIT;
use crate::http::page::{LIST_DEFAULT, LIST_LIMIT};
use crate::search::HITS_LIMIT;

/// Holds a character that is not white space, as Unicode defines it.
const NOT_BLANK: &str =
    r"[^\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";
const QUERY_LIMIT_CODE_POINTS: usize = 256;
const ENTITY_TAGS: &str = r#"^([*]|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#;

/// Sets of parameters, each a type that handlers name.
macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident => [$($parameter:expr),* $(,)?];)*) => {$(
        $(#[$doc])*
        pub(in crate::http) enum $name {}

        impl IntoParams for $name {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                vec![$($parameter),*]
            }
        }
    )*};
}

parameters! {
    OfApplication => [token()];
    OfKey => [token(), number("key_number")];
    OfChat => [token(), number("chat_number")];
    OfMessage => [token(), number("chat_number"), number("message_number")];
    NumberPage => [
        limit(LIST_DEFAULT, LIST_LIMIT),
        query("after", place(), "Only numbers above this one"),
        query("before", place(), "Only numbers below this one"),
        query("cursor", place(), "The `cursor` of the page before, where it is below its `next`: that of this page does not pass it"),
        order(),
    ];
    TokenPage => [
        limit(LIST_DEFAULT, LIST_LIMIT),
        query("after", pattern("^(0|[0-9a-f]{32})$"), "A `next` or `cursor` of this list; `0` is its beginning"),
        query("before", pattern("^[0-9a-f]{32}$"), "A `next` of this list"),
        order(),
    ];
    SearchPage => [
        limit(20, HITS_LIMIT),
        query("after", hit(), "The `next` of the page before"),
    ];
    SearchQuery => [ParameterBuilder::from(query("query", searched(), "Words, of which every one has to match")).required(Required::True).build()];
    KeyHeader => [header(
        "Idempotency-Key",
        string().min_length(Some(1)).max_length(Some(255)).pattern(Some("^[!-~]+$")),
        "The same key on the same path makes one thing, for 24 hours",
    )];
    PreferHeader => [header("Prefer", string(), "`respond-async` asks for 202 as soon as it is durably queued")];
    IfMatchHeader => [header("If-Match", entity_tags(), "Only at one of these versions")];
    IfNoneMatchHeader => [header("If-None-Match", entity_tags(), "304 at one of these versions")];
}

/// Bodies, each a type that handlers name.
macro_rules! bodies {
    ($($name:ident => $schema:expr;)*) => {$(
        pub(in crate::http) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

bodies! {
    NewApplication => object().property("name", or_number(name())).required("name");
    NewApplicationForm => object().property("name", name()).required("name");
    Rename => object().property("name", or_number_or_null(name()));
    RenameForm => object().property("name", name());
    NewKey => closed_object()
        .property("name", or_number(name()))
        .property("scopes", ArrayBuilder::new().schema_type(or_null(Type::Array)).items(scope()).min_items(Some(1)))
        .required("name");
    NewKeyForm => closed_object()
        .property("name", name())
        .property("scopes", pattern("^(read|write|search)( (read|write|search))*$"))
        .required("name");
    NewLimits => closed_object()
        .property("rate", rate().schema_type(or_null(Type::String)))
        .property("max_chats", quota().schema_type(or_null(Type::Integer)))
        .property("max_messages", quota().schema_type(or_null(Type::Integer)))
        .property("max_bytes", quota().schema_type(or_null(Type::Integer)));
    NewLimitsForm => closed_object()
        .property("rate", rate())
        .property("max_chats", quota())
        .property("max_messages", quota())
        .property("max_bytes", quota());
    NewChat => object();
    NewMessage => object().property("body", or_number(body())).required("body");
    NewMessageForm => object().property("body", body()).required("body");
    EditedMessage => object().property("body", or_number_or_null(body()));
    EditedMessageForm => object().property("body", body());
    SearchFor => object()
        .property("query", or_number(searched()))
        .property("limit", integer().minimum(Some(1)).maximum(Some(HITS_LIMIT)))
        .property("after", hit())
        .required("query");
    SearchForForm => object()
        .property("query", searched())
        .property("limit", integer().minimum(Some(1)).maximum(Some(HITS_LIMIT)))
        .property("after", hit())
        .required("query");
    AnyObject => object();
}

fn object() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Object)
}

/// Without any other property.
fn closed_object() -> ObjectBuilder {
    object().additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn integer() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

fn pattern(pattern: &str) -> ObjectBuilder {
    string().pattern(Some(pattern))
}

fn not_blank(limit: usize) -> ObjectBuilder {
    pattern(NOT_BLANK).min_length(Some(1)).max_length(Some(limit))
}

fn entity_tags() -> ObjectBuilder {
    pattern(ENTITY_TAGS).examples([r#""1""#, "*"])
}

fn name() -> ObjectBuilder {
    not_blank(NAME_LIMIT_CODE_POINTS)
}

fn body() -> ObjectBuilder {
    // Over the limit is 413, which is not what a schema's limit stands for.
    pattern(NOT_BLANK).min_length(Some(1)).description(Some("At most 128 KiB of UTF-8"))
}

fn scope() -> ObjectBuilder {
    string().enum_values(Some(["read", "write", "search"]))
}

fn rate() -> ObjectBuilder {
    pattern("^([1-9][0-9]{0,5}|1000000)/(s|min|h)$")
}

fn quota() -> ObjectBuilder {
    integer().minimum(Some(0)).maximum(Some(QUOTA_LIMIT))
}

fn searched() -> ObjectBuilder {
    not_blank(QUERY_LIMIT_CODE_POINTS).description(Some("At most 16 words"))
}

fn or_number(text: ObjectBuilder) -> ObjectBuilder {
    text.schema_type(SchemaType::from_iter([Type::String, Type::Number]))
}

fn or_number_or_null(text: ObjectBuilder) -> ObjectBuilder {
    text.schema_type(SchemaType::from_iter([Type::String, Type::Number, Type::Null]))
}

fn or_null(of: Type) -> SchemaType {
    SchemaType::from_iter([of, Type::Null])
}

fn place() -> ObjectBuilder {
    integer().minimum(Some(0)).maximum(Some(i64::MAX))
}

fn hit() -> ObjectBuilder {
    pattern("^[1-9][0-9]{0,8}-[1-9][0-9]{0,17}$")
}

fn parameter(name: &str, place: ParameterIn, schema: ObjectBuilder) -> ParameterBuilder {
    ParameterBuilder::new().name(name).parameter_in(place).schema(Some(schema))
}

fn token() -> Parameter {
    let token = parameter("token", ParameterIn::Path, string()).required(Required::True);
    token.description(Some("The application's")).build()
}

fn number(name: &str) -> Parameter {
    let schema = integer().minimum(Some(1)).maximum(Some(i64::MAX));
    parameter(name, ParameterIn::Path, schema).required(Required::True).build()
}

fn query(name: &str, schema: ObjectBuilder, description: &str) -> Parameter {
    let optional = parameter(name, ParameterIn::Query, schema).required(Required::False);
    optional.description(Some(description)).build()
}

fn header(name: &str, schema: ObjectBuilder, description: &str) -> Parameter {
    let optional = parameter(name, ParameterIn::Header, schema).required(Required::False);
    optional.description(Some(description)).build()
}

fn limit(default: usize, most: usize) -> Parameter {
    let schema = integer().minimum(Some(1)).maximum(Some(most)).default(Some(default.into()));
    query("limit", schema, "Most items on the page; it may end earlier")
}

fn order() -> Parameter {
    let schema = string().enum_values(Some(["asc", "desc"])).default(Some("asc".into()));
    query("order", schema, "`desc` starts at the end")
}
