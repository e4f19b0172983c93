use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::aliases::Aliases;
use super::schema::{document_id, mapping, routing};
use super::{away, refused};
use crate::connections::elasticsearch::{AskError, Asked, Elasticsearch, Method};
use crate::domain::MessagePlace;
use crate::search::SearchError;
use crate::store::Row;

/// Documents asked for at once.
const CHUNK_DOCUMENTS: usize = 1_000;

#[derive(Deserialize)]
struct Health {
    status: String,
}

#[derive(Deserialize)]
struct Mapped {
    mappings: Value,
}

/// Whether the index is of the shape that it was made with, and each of its shards answers. The server compares
/// checksums by itself, whenever it opens, moves or merges files, and takes a shard away that is damaged.
pub(super) async fn verify(server: &Arc<Elasticsearch>, aliases: &Aliases) -> Result<(), SearchError> {
    let Some(name) = aliases.name().await.map_err(refused)? else {
        return Err(away("there is no index of this version"));
    };
    let asked = Asked::new(Method::Get, format!("_cluster/health/{name}")).with("filter_path", "status");
    let health: Health = server.ask(asked).await.and_then(|answer| answer.read()).map_err(refused)?;
    if health.status == "red" {
        return Err(away(format!("some shards of {name} are not there")));
    }
    let asked = Asked::new(Method::Get, format!("{name}/_mapping"));
    let answer = server.ask(asked).await.map_err(refused)?;
    let mapped: BTreeMap<String, Mapped> = answer.read().map_err(refused)?;
    if mapped.get(&name).is_none_or(|mapped| mapped.mappings != mapping()) {
        return Err(SearchError::Damaged(format!("{name} has another mapping").into()));
    }
    aliases.refresh(&name).await.map_err(refused)
}

#[derive(Deserialize)]
struct Got {
    docs: Vec<Document>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    found: bool,
    #[serde(default)]
    _version: u64,
    error: Option<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    reason: String,
}

/// Those of which the index holds neither this version nor a newer one.
pub(super) async fn missing(
    server: &Arc<Elasticsearch>,
    alias: &str,
    rows: &[Row],
) -> Result<Vec<MessagePlace>, AskError> {
    let mut missing = Vec::new();
    for rows in rows.chunks(CHUNK_DOCUMENTS) {
        let document = |row: &Row| json!({ "_id": document_id(row.place), "routing": routing(row.place.chat.application) });
        let documents: Vec<Value> = rows.iter().map(document).collect();
        let asked = Asked::new(Method::Post, format!("{alias}/_mget"))
            .with("_source", "false")
            .with("filter_path", "docs.found,docs._version,docs.error.reason")
            .json(&json!({ "docs": documents }));
        missing.extend(server.ask(asked).await?.read::<Got>()?.missing(rows)?);
    }
    Ok(missing)
}

impl Got {
    fn missing(self, asked: &[Row]) -> Result<Vec<MessagePlace>, AskError> {
        if self.docs.len() != asked.len() {
            let reason = format!("{} answers for {} documents", self.docs.len(), asked.len());
            return Err(AskError::Refused { status: 200, reason });
        }
        let mut missing = Vec::new();
        for (row, document) in asked.iter().zip(self.docs) {
            if let Some(Reason { reason }) = document.error {
                return Err(AskError::Refused { status: 404, reason });
            }
            if !document.found || document._version < row.version {
                missing.push(row.place);
            }
        }
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ApplicationId, ChatPlace, Number};

    #[test]
    fn what_is_missing_is_told_of_each_document_or_refused_whatever_comes() {
        let chat = ChatPlace { application: ApplicationId(1), chat: Number::FIRST };
        let row = |at| Row {
            place: MessagePlace { chat, number: Number::new(at).unwrap() },
            version: at,
            body: None,
        };
        let rows: Vec<Row> = (1..=3).map(row).collect();
        crate::tests::fuzz("got_answers", |input| {
            let Ok(text) = std::str::from_utf8(input) else { return };
            let Ok(got) = serde_json::from_str::<Got>(text) else { return };
            let Ok(whole) = serde_json::from_str::<Value>(text) else { return };
            let Ok(missing) = got.missing(&rows) else { return };
            for (row, document) in rows.iter().zip(whole["docs"].as_array().unwrap()) {
                let version = document["_version"].as_u64().unwrap_or(0);
                let is_there = document["found"] == true && version >= row.version;
                assert_eq!(missing.contains(&row.place), !is_there, "{document}");
            }
            assert_eq!(whole["docs"].as_array().unwrap().len(), rows.len(), "each has an answer of its own");
        });
    }
}
