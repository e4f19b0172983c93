use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::{ApplicationId, ChatPlace, MessagePlace};
use crate::search::analysis::terms;
use crate::store::Row;

/// Goes up when the same rows would be indexed otherwise: by another mapping, or by another analysis.
const INDEX_VERSION: u32 = 2;

/// Fields of a document.
pub(super) const CHAT: &str = "chat";
pub(super) const NUMBER: &str = "number";
pub(super) const WORDS: &str = "words";
pub(super) const SUFFIXES: &str = "suffixes";

/// The name of a new index behind this alias.
pub(super) fn fresh_name(alias: &str) -> String {
    format!("{}{}", version_prefix(alias), Uuid::now_v7().simple())
}

/// Whether an index holds what this version of the program puts into one.
pub(super) fn is_own_version(alias: &str, name: &str) -> bool {
    name.starts_with(&version_prefix(alias))
}

fn version_prefix(alias: &str) -> String {
    format!("{alias}-v{INDEX_VERSION}-")
}

/// No body and no source: a hit is a number, and the store has its row. In the words of the answer to
/// `GET _mapping`, so that the two can be compared.
pub(super) fn mapping() -> Value {
    let terms = json!({ "type": "text", "analyzer": "whitespace", "index_options": "docs", "norms": false });
    json!({
        "dynamic": "strict",
        "_source": { "enabled": false },
        "_routing": { "required": true },
        "properties": {
            CHAT: { "type": "keyword", "doc_values": false },
            NUMBER: { "type": "long", "index": false },
            WORDS: terms,
            SUFFIXES: terms,
        },
    })
}

/// How many shards there are is left to the cluster and its templates.
pub(super) fn settings() -> Value {
    json!({ "index": { "auto_expand_replicas": "0-1", "translog": { "durability": "request" } } })
}

/// An application's documents lie in one shard, by this routing.
pub(super) fn routing(application: ApplicationId) -> String {
    format!("{:x}", application.0)
}

/// What is in [`CHAT`] of every message of this application begins so.
pub(super) fn application_prefix(application: ApplicationId) -> String {
    format!("{:x}-", application.0)
}

/// What is in [`CHAT`].
pub(super) fn chat_key(place: ChatPlace) -> String {
    format!("{}{:x}", application_prefix(place.application), place.chat.get())
}

/// What stands in front of every term of a chat, so that a search reads its own chat's vocabulary and nothing else.
/// No chat's begins another's.
pub(super) fn term_prefix(place: ChatPlace) -> String {
    chat_key(place) + ":"
}

/// One message: its versions replace each other.
pub(super) fn document_id(place: MessagePlace) -> String {
    format!("{}-{:x}", chat_key(place.chat), place.number.get())
}

#[derive(Serialize)]
struct Action {
    index: Versioned,
}

#[derive(Serialize)]
struct Versioned {
    _id: String,
    routing: String,
    version: u64,
    version_type: &'static str,
}

#[derive(Serialize)]
struct Document {
    chat: String,
    number: u64,
    words: String,
    suffixes: String,
}

/// Adds what is indexed of a row to a bulk: two lines. A tombstone has a version and no terms.
pub(super) fn write_lines(row: &Row, lines: &mut Vec<u8>) -> serde_json::Result<()> {
    let chat = row.place.chat;
    let action = Versioned {
        _id: document_id(row.place),
        routing: routing(chat.application),
        version: row.version,
        version_type: "external_gte",
    };
    let mut document = Document {
        chat: chat_key(chat),
        number: row.place.number.get(),
        words: String::new(),
        suffixes: String::new(),
    };
    if let Some(body) = &row.body {
        let terms = terms(body.as_str());
        let prefix = term_prefix(chat);
        document.words = joined(&prefix, terms.words());
        document.suffixes = joined(&prefix, terms.suffixes());
    }
    serde_json::to_writer(&mut *lines, &Action { index: action })?;
    lines.push(b'\n');
    serde_json::to_writer(&mut *lines, &document)?;
    lines.push(b'\n');
    Ok(())
}

/// No term has white space in it.
fn joined<'t>(prefix: &str, terms: impl Iterator<Item = &'t str>) -> String {
    let mut text = String::new();
    for term in terms {
        text.push_str(prefix);
        text.push_str(term);
        text.push(' ');
    }
    text
}
