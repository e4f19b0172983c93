use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::aliases::{Aliases, Target};
use super::bulk::{self, Bulk, BulkSize};
use super::schema::{CHAT, application_prefix, chat_key, routing};
use crate::connections::elasticsearch::{AskError, Asked, Elasticsearch, Method};
use crate::domain::Parent;

/// Documents deleted at once: a parent may have millions.
const CHUNK_DOCUMENTS: usize = 2_000;

#[derive(Deserialize)]
struct Answered {
    /// An answer that says nothing at all is none.
    timed_out: bool,
    #[serde(default)]
    hits: Found,
}

#[derive(Default, Deserialize)]
struct Found {
    #[serde(default)]
    hits: Vec<Document>,
}

#[derive(Deserialize)]
struct Document {
    _id: String,
    _version: u64,
}

/// Deletes every document of a parent, chunk by chunk, until a search finds none.
pub(super) async fn forget(
    server: &Arc<Elasticsearch>,
    aliases: &Aliases,
    target: &Target,
    parent: Parent,
    size: &BulkSize,
) -> Result<(), AskError> {
    let routing = routing(parent.application());
    loop {
        aliases.refresh(&target.alias).await?;
        let asked = Asked::new(Method::Post, format!("{}/_search", target.alias))
            .with("routing", &routing)
            .with("allow_partial_search_results", "false")
            .with("filter_path", "timed_out,hits.hits._id,hits.hits._version")
            .json(&json!({
                "size": CHUNK_DOCUMENTS,
                "_source": false,
                "version": true,
                "sort": ["_doc"],
                "query": children_of(parent),
            }));
        let Answered { timed_out, hits } = server.ask(asked).await?.read()?;
        if hits.hits.is_empty() && !timed_out {
            return Ok(());
        }
        let mut bulk = Bulk::default();
        for document in hits.hits {
            bulk.delete(document._id, &routing, document._version).map_err(AskError::Garbled)?;
        }
        bulk::write(server, target, &bulk, size).await?;
    }
}

fn children_of(parent: Parent) -> Value {
    match parent {
        Parent::Application(application) => json!({ "prefix": { CHAT: application_prefix(application) } }),
        Parent::Chat(chat) => json!({ "term": { CHAT: chat_key(chat) } }),
    }
}
