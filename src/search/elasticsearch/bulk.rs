use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::aliases::Target;
use super::schema::{document_id, write_lines};
use crate::connections::elasticsearch::{AskError, Asked, Elasticsearch, Method};
use crate::connections::{Backoff, CallError};
use crate::metrics::{METRICS, PortLabels};
use crate::store::Row;

/// A bulk ends when it holds so many documents, or so many bytes. One document alone may hold more bytes.
const LIMIT_DOCUMENTS: usize = 2_000;
const LIMIT_BYTES: usize = 8 * 1024 * 1024;
/// However slow the server is, a bulk may be so large.
const LEAST_BYTES: usize = 64 * 1024;

/// How often documents are sent that the server has no room for.
const ATTEMPTS: usize = 6;
/// Longer than a circuit that opened leaves the server alone.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What goes to the server in one request.
#[derive(Default)]
pub(super) struct Bulk {
    lines: Vec<u8>,
    documents: Vec<Document>,
}

struct Document {
    id: String,
    /// Its part of the bulk.
    lines: Range<usize>,
}

#[derive(Serialize)]
struct Action<'d> {
    delete: Deletion<'d>,
}

#[derive(Serialize)]
struct Deletion<'d> {
    _id: &'d str,
    routing: &'d str,
    version: u64,
    version_type: &'static str,
}

impl Bulk {
    /// As many of the next rows as one bulk holds, and the rest.
    pub(super) fn of(
        mut rows: std::vec::IntoIter<Row>,
        limit_bytes: usize,
    ) -> serde_json::Result<(Self, std::vec::IntoIter<Row>)> {
        let mut bulk = Self::default();
        while bulk.documents.len() < LIMIT_DOCUMENTS && bulk.lines.len() < limit_bytes {
            let Some(row) = rows.next() else { break };
            let start = bulk.lines.len();
            write_lines(&row, &mut bulk.lines)?;
            bulk.documents.push(Document { id: document_id(row.place), lines: start..bulk.lines.len() });
        }
        Ok((bulk, rows))
    }

    /// Deletes a document, unless a newer version is there.
    pub(super) fn delete(&mut self, id: String, routing: &str, version: u64) -> serde_json::Result<()> {
        let start = self.lines.len();
        let delete = Deletion { _id: &id, routing, version, version_type: "external_gte" };
        serde_json::to_writer(&mut self.lines, &Action { delete })?;
        self.lines.push(b'\n');
        self.documents.push(Document { id, lines: start..self.lines.len() });
        Ok(())
    }

    fn request(&self, documents: &[&Document], target: &Target, patience: Duration) -> Asked {
        let lines = documents.iter().filter_map(|document| self.lines.get(document.lines.clone()));
        let mut asked = Asked::new(Method::Post, format!("{}/_bulk", target.alias))
            .with("require_alias", "true")
            .with("refresh", if target.searched { "true" } else { "false" })
            .with("timeout", format!("{}ms", patience.as_millis()))
            .with("filter_path", "items.*.status,items.*.error.type,items.*.error.reason");
        asked.body = lines.collect::<Vec<_>>().concat();
        asked
    }
}

/// What became of each document, in their order.
#[derive(Deserialize)]
struct Answered {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(alias = "delete")]
    index: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    r#type: String,
    reason: String,
}

enum Verdict {
    /// It is there, or a newer version of it is.
    Taken,
    /// The server has no room for it now.
    Again,
    /// No server will ever take it.
    Poison(String),
    /// Nothing can be written there.
    Refused(AskError),
}

impl Outcome {
    fn verdict(self) -> Verdict {
        let missing_before = self.status == 404 && self.error.is_none();
        let reason =
            self.error.map(|error| format!("{}: {}", error.r#type, error.reason)).unwrap_or_default();
        match self.status {
            200..300 | 409 => Verdict::Taken,
            404 if missing_before => Verdict::Taken,
            429 | 503 => Verdict::Again,
            400 => Verdict::Poison(reason),
            status => Verdict::Refused(AskError::Refused { status, reason }),
        }
    }
}

/// Writes a bulk into one index; judges each document on its own, and sends those again that the server had no room
/// for. One that it will never take is set aside, said in the log and counted, so that it does not block the line.
/// A bulk that is not answered in time is sent again in halves.
pub(super) async fn write(
    server: &Arc<Elasticsearch>,
    target: &Target,
    bulk: &Bulk,
    size: &BulkSize,
) -> Result<(), AskError> {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut parts: Vec<Vec<&Document>> = vec![bulk.documents.iter().collect()];
    while let Some(part) = parts.pop() {
        let (first, second) = part.split_at(part.len() / 2);
        match write_part(server, target, bulk, part.clone()).await {
            Ok(()) => size.grow(),
            Err(AskError::Gone(CallError::TimedOut)) if !first.is_empty() => {
                size.shrink();
                parts.push(second.to_vec());
                parts.push(first.to_vec());
                backoff.wait().await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn write_part(
    server: &Arc<Elasticsearch>,
    target: &Target,
    bulk: &Bulk,
    mut waiting: Vec<&Document>,
) -> Result<(), AskError> {
    // A shard that is not there is told of before the call is given up.
    let patience = server.timeout() / 2;
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    for attempt in 1..=ATTEMPTS {
        waiting = match server.ask(bulk.request(&waiting, target, patience)).await?.read::<Answered>() {
            Ok(answered) => judge(waiting, answered)?,
            Err(AskError::Refused { status: 429, .. }) => waiting,
            Err(error) => return Err(error),
        };
        if waiting.is_empty() {
            return Ok(());
        }
        if attempt < ATTEMPTS {
            METRICS.retries.get_or_create(&PortLabels { port: "search" }).inc();
            backoff.wait().await;
        }
    }
    let reason = format!("{} documents found no room, {ATTEMPTS} times", waiting.len());
    Err(AskError::Refused { status: 429, reason })
}

/// The documents to send again.
fn judge(sent: Vec<&Document>, answered: Answered) -> Result<Vec<&Document>, AskError> {
    if sent.len() != answered.items.len() {
        let reason = format!("{} answers for {} documents", answered.items.len(), sent.len());
        return Err(AskError::Refused { status: 200, reason });
    }
    let mut again = Vec::new();
    for (document, item) in sent.into_iter().zip(answered.items) {
        match item.index.verdict() {
            Verdict::Taken => {}
            Verdict::Again => again.push(document),
            Verdict::Poison(reason) => {
                METRICS.unindexable.inc();
                tracing::error!(
                    document = document.id,
                    reason,
                    "a message cannot be indexed: it is set aside"
                );
            }
            Verdict::Refused(error) => return Err(error),
        }
    }
    Ok(again)
}

/// How large bulks may be now: after each that was not answered in time, half as large, lest the same too much is
/// sent for ever.
pub(super) struct BulkSize(AtomicUsize);

impl BulkSize {
    pub(super) const fn new() -> Self {
        Self(AtomicUsize::new(LIMIT_BYTES))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Slowly, so that what the server can take is found again and kept to.
    pub(super) fn grow(&self) {
        self.0.store((self.bytes() + LEAST_BYTES).min(LIMIT_BYTES), Ordering::Relaxed);
    }

    pub(super) fn shrink(&self) {
        self.0.store((self.bytes() / 2).max(LEAST_BYTES), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bulk_answer_is_judged_document_by_document_or_refused_whatever_comes() {
        let documents: Vec<Document> =
            (0..3).map(|id| Document { id: id.to_string(), lines: 0..0 }).collect();
        crate::tests::fuzz("bulk_answers", |input| {
            let Ok(text) = std::str::from_utf8(input) else { return };
            let Ok(answered) = serde_json::from_str::<Answered>(text) else { return };
            let Ok(whole) = serde_json::from_str::<serde_json::Value>(text) else { return };
            let Ok(again) = judge(documents.iter().collect(), answered) else { return };
            let items = whole["items"].as_array().unwrap();
            assert_eq!(items.len(), documents.len(), "each has an answer of its own");
            for (document, item) in documents.iter().zip(items) {
                let outcome = item.as_object().unwrap().values().next_back().unwrap();
                let is_again = again.iter().any(|again| again.id == document.id);
                match outcome["status"].as_u64().unwrap() {
                    200..300 | 400 | 404 | 409 => assert!(!is_again),
                    429 | 503 => assert!(is_again, "it is taken for indexed"),
                    status => panic!("{status} is taken for an answer"),
                }
            }
        });
    }
}
