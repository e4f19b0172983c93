//! Searching the messages of a chat.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::{ContentType, LINK};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::ask::{Answer, Ask};
use super::openapi::asked;
use super::page::{invalid, invalid_cursor, limit};
use super::problem::{Code, Problem};
use super::shape::{SUCCESS, body, moment};
use crate::actors::EngineState;
use crate::actors::vitals::SEARCH;
use crate::domain::{Body, ChatPlace, Message, Number, Order, Timestamp};
use crate::search::{HITS_LIMIT, Hit, HitPage, Hits, Query, SearchError, analysis};
use crate::store::{PAGE_LIMIT_BYTES, json_bytes};

/// Hits on a page where nobody says.
const HITS_DEFAULT: usize = 20;

/// One page of hits.
#[derive(Serialize, ToSchema)]
pub(super) struct Found {
    /// `success`
    message: &'static str,
    /// Of all pages.
    number_of_messages: u64,
    data: Vec<FoundMessage>,
    /// While there is more: what to give as `after` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// A message, and where it matched.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundMessage {
    #[schema(minimum = 1)]
    number: u64,
    #[serde(serialize_with = "body")]
    #[schema(value_type = String, min_length = 1)]
    body: Body,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// The weakest kind among the words of the query.
    #[serde(rename = "match")]
    #[schema(pattern = "^(exact|prefix|part|typo)$")]
    kind: &'static str,
    highlights: Vec<Highlight>,
    /// Up to 160 characters around the first match, HTML-escaped, matches in `<mark>`.
    snippet: String,
}

/// A range of the body in Unicode code points, its end excluded.
#[derive(Serialize, ToSchema)]
pub(super) struct Highlight {
    start: usize,
    end: usize,
    #[schema(pattern = "^(exact|prefix|part|typo)$")]
    kind: &'static str,
}

/// Finds messages by words, beginnings, parts and typos.
///
/// `limit` and `after` may stand in the query string too, if they say the same.
#[utoipa::path(post, path = "/api/v1/applications/{token}/chats/{chat_number}/messages/search",
    operation_id = "search_messages", tag = "messages",
    params(asked::OfChat),
    request_body(content((asked::SearchFor = "application/json"), (asked::SearchForForm = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "A page of hits, the best first", body = Found)))]
pub(super) async fn by_body(mut ask: Ask<'_>) -> Answer {
    let sent = ask.body().await?;
    let [query, limit, after] = sent.fields(["query", "limit", "after"])?;
    let given = ask.query()?;
    let limit = either("limit", limit.map(whole), given.one("limit")?)?;
    let after = either("after", after, given.one("after")?)?;
    let found = find(&ask, query.as_deref(), page(limit.as_deref(), after.as_deref())?).await?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(found.json))
}

/// Finds messages by words, beginnings, parts and typos, from the query string.
#[utoipa::path(get, path = "/api/v1/applications/{token}/chats/{chat_number}/messages/search",
    operation_id = "search_messages_by_query_string", tag = "messages",
    params(asked::OfChat, asked::SearchQuery, asked::SearchPage),
    responses((status = 200, description = "A page of hits, the best first", body = Found,
        headers(("Link" = String, description = "The next page, while there is more")))))]
pub(super) async fn by_query_string(ask: Ask<'_>) -> Answer {
    let given = ask.query()?;
    let page = page(given.one("limit")?, given.one("after")?)?;
    let found = find(&ask, given.one("query")?, page).await?;
    let mut response = HttpResponse::Ok();
    if let Some(next) = &found.next {
        response.insert_header((LINK, given.link(ask.request, Order::Ascending, next, None)));
    }
    Ok(response.content_type(ContentType::json()).body(found.json))
}

/// A page, ready to be sent.
struct Page {
    json: Vec<u8>,
    next: Option<String>,
}

async fn find(ask: &Ask<'_>, query: Option<&str>, page: HitPage) -> Result<Page, Problem> {
    let query = Query::parse(query.unwrap_or_default());
    let query = query.map_err(|why| Problem::field(Code::Invalid, "Query", why))?;
    let tenant = ask.tenant().await?;
    let place = ask.chat_of(&tenant)?;
    // Held by whoever does the work, which may go on when nobody waits for it any more.
    let share = Arc::new(ask.edge.limits.calls.searching(tenant.id)?);
    ask.edge.limits.read(ask.edge.store.chat(&tenant, place.chat)).await??;
    let deadline = Instant::now() + ask.edge.limits.engine_timeout;
    let query = Arc::new(query);
    let hits = hits(ask, place, &query, page, Arc::clone(&share)).await?;

    let numbers: Vec<Number> = hits.page.iter().map(|hit| hit.number).collect();
    let messages = ask.edge.limits.read(ask.edge.store.pick(&tenant, place.chat, &numbers)).await??;
    // Looking at long bodies takes longer than others on this thread should wait.
    let shown = web::block(move || {
        let page = Shown::of(&query, &hits, messages, deadline).into_page(&hits);
        drop(share);
        page
    });
    ask.edge.limits.find(async { Ok(shown.await.map_err(|_pool_is_gone| Problem::not_taken())) }).await??
}

async fn hits(
    ask: &Ask<'_>,
    place: ChatPlace,
    query: &Arc<Query>,
    page: HitPage,
    share: Arc<OwnedSemaphorePermit>,
) -> Result<Hits, Problem> {
    match ask.edge.vitals.get(SEARCH) {
        // It does not know all messages yet, and would leave some out.
        EngineState::Rebuilding => Err(Problem::not_taken()),
        EngineState::Up | EngineState::Away => {
            let (search, query) = (Arc::clone(&ask.edge.search), Arc::clone(query));
            let finding = tokio::spawn(async move {
                let found = search.find(place, &query, page).await;
                drop(share);
                found
            });
            let found = async {
                let found =
                    finding.await.unwrap_or_else(|panicked| Err(SearchError::Away(Box::new(panicked))));
                if let Err(SearchError::Damaged(_)) = &found {
                    ask.edge.door.index_is_damaged();
                }
                found
            };
            ask.edge.limits.find(found).await
        }
    }
}

/// What is shown of a page of hits.
struct Shown {
    data: Vec<FoundMessage>,
    /// Hits that do not match any more: the index may be behind the rows.
    stale: u64,
    /// The last hit that was looked at, where the page ended early: it was heavy, or took long.
    ended_at: Option<Hit>,
}

impl Shown {
    /// In the order of the hits. Ends early, but never before the first that is shown.
    fn of(query: &Query, hits: &Hits, messages: Vec<Message>, deadline: Instant) -> Self {
        let looker = query.looker();
        let mut messages = messages.into_iter().peekable();
        let mut shown = Self { data: Vec::new(), stale: 0, ended_at: None };
        let (mut bytes, mut last) = (0, None);
        for &hit in &hits.page {
            if !shown.data.is_empty() && (bytes >= PAGE_LIMIT_BYTES || Instant::now() >= deadline) {
                shown.ended_at = last;
                break;
            }
            last = Some(hit);
            let message = messages.next_if(|message| message.number == hit.number);
            match message.and_then(|message| show(&looker, message)) {
                Some(found) => {
                    bytes += found.weigh_bytes();
                    shown.data.push(found);
                }
                None => shown.stale += 1,
            }
        }
        shown
    }

    fn into_page(self, hits: &Hits) -> Result<Page, Problem> {
        let last = self.ended_at.or(hits.page.last().copied().filter(|_last| hits.more));
        let next = last.map(cursor);
        let number_of_messages = hits.total.saturating_sub(self.stale);
        let found = Found { message: SUCCESS, number_of_messages, data: self.data, next: next.clone() };
        let json = serde_json::to_vec(&found).map_err(|error| {
            tracing::error!(%error, "a page of hits could not be written");
            Problem::internal()
        })?;
        Ok(Page { json, next })
    }
}

impl FoundMessage {
    /// About what JSON takes for it.
    fn weigh_bytes(&self) -> usize {
        const HIGHLIGHT_BYTES: usize = 48;
        json_bytes(self.body.as_str()) + json_bytes(&self.snippet) + self.highlights.len() * HIGHLIGHT_BYTES
    }
}

/// `None` where the newest version does not match.
fn show(looker: &analysis::Looker<'_>, message: Message) -> Option<FoundMessage> {
    let look = looker.look_at(message.body.as_str())?;
    let highlight = |found: &analysis::Highlight| Highlight {
        start: found.start,
        end: found.end,
        kind: found.kind.name(),
    };
    Some(FoundMessage {
        number: message.number.get(),
        body: message.body,
        created_at: message.created_at,
        updated_at: message.updated_at,
        kind: look.kind.name(),
        highlights: look.highlights.iter().map(highlight).collect(),
        snippet: look.snippet,
    })
}

/// JSON knows one kind of number: 20, 20.0 and 2e1 are the same, and some clients have no other way to write it.
fn whole(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && (1.0..=1e9).contains(&number) => number.to_string().into(),
        Ok(_) | Err(_) => text,
    }
}

/// A parameter that may stand in the body and in the query string, if both say the same.
fn either<'a>(
    name: &str,
    body: Option<Cow<'a, str>>,
    query: Option<&'a str>,
) -> Result<Option<Cow<'a, str>>, Problem> {
    match (body, query) {
        (Some(body), Some(query)) if body != query => {
            Err(invalid(format!("{name} in the body and in the query string differ")))
        }
        (Some(body), _) => Ok(Some(body)),
        (None, query) => Ok(query.map(Cow::Borrowed)),
    }
}

fn page(limit_given: Option<&str>, after: Option<&str>) -> Result<HitPage, Problem> {
    let limit = limit(limit_given, HITS_DEFAULT, HITS_LIMIT)?;
    let after = after.map(|text| parse_cursor(text).ok_or_else(invalid_cursor)).transpose()?;
    Ok(HitPage { after, limit })
}

/// The weight and number of the last hit, as [`cursor`] wrote them.
fn parse_cursor(text: &str) -> Option<Hit> {
    let (weight, number) = text.split_once('-')?;
    let weight = Number::parse(weight).and_then(|weight| u32::try_from(weight.get()).ok())?;
    Some(Hit { weight, number: Number::parse(number)? })
}

fn cursor(hit: Hit) -> String {
    format!("{}-{}", hit.weight, hit.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let hit = Hit { weight: 128, number: Number::parse("9223372036854775807").expect("a number") };
        assert_eq!(parse_cursor(&cursor(hit)), Some(hit));
        for bad in [
            "",
            "-",
            "8",
            "8-",
            "-8",
            "0-1",
            "8-0",
            "08-1",
            "+8-1",
            "8-1-1",
            "8-1 ",
            "4294967296-1",
            "8-9223372036854775808",
        ] {
            assert_eq!(parse_cursor(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_page_of_hits_has_its_own_sizes() {
        assert_eq!(page(None, None).expect("a page"), HitPage { after: None, limit: 20 });
        assert_eq!(page(Some("100"), None).expect("a page").limit, 100);
        assert!(
            page(Some("101"), None).is_err()
                && page(Some("0"), None).is_err()
                && page(None, Some("x")).is_err()
        );
    }

    #[test]
    fn a_whole_number_is_one_however_json_writes_it() {
        for same in ["20", "20.0", "2e1", "200E-1"] {
            assert_eq!(whole(same.into()), "20");
        }
        for other in ["20.5", "0.0", "-20", "1e999", "a", ""] {
            assert_eq!(whole(other.into()), other);
        }
    }

    #[test]
    fn body_and_query_string_may_not_differ() {
        let both = |body: &'static str, query| either("limit", Some(body.into()), Some(query));
        assert_eq!(both("5", "5").expect("the same").as_deref(), Some("5"));
        assert!(both("5", "6").is_err());
    }
}
