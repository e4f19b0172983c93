use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::schema::{NUMBER, SUFFIXES, WORDS, routing, term_prefix};
use crate::connections::elasticsearch::{AskError, Asked, Elasticsearch, Method};
use crate::domain::{ChatPlace, Number};
use crate::search::analysis::{Kind, Query, QueryWord};
use crate::search::{Hit, HitPage, Hits};

/// What is read of an answer.
const ANSWER_FILTER: &str = "hits.total.value,hits.hits.sort";

/// An index takes the place of another within this, about.
const SWITCH_TIME: Duration = Duration::from_millis(100);

/// One page of the hits in one chat.
pub(super) async fn find(
    server: &Arc<Elasticsearch>,
    alias: &str,
    chat: ChatPlace,
    query: &Query,
    page: HitPage,
) -> Result<Hits, AskError> {
    let find_with = async |neighbours| {
        let asked = Asked::new(Method::Post, format!("{alias}/_search"))
            .with("routing", routing(chat.application))
            .with("allow_partial_search_results", "false")
            .with("filter_path", ANSWER_FILTER)
            .json(&asked(chat, query, page, neighbours));
        server.ask(asked).await?.read::<Answered>()
    };
    let mut answered = find_with(Neighbours::Few).await;
    if matches!(answered, Err(AskError::Refused { status: 404 | 503, .. })) {
        // An index goes when another takes its place, also while it is searched: the alias leads to the other by now.
        sleep(SWITCH_TIME).await;
        answered = find_with(Neighbours::Few).await;
    }
    let answered = match answered {
        Err(AskError::Refused { status: 400 | 500, .. }) => find_with(Neighbours::Many).await?,
        answered => answered?,
    };
    answered.into_hits(page.limit)
}

/// How words nearby are looked up. Building their automaton is most of what a search costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Neighbours {
    /// The automaton is built once a search. The server refuses a search in which more words are nearby than it
    /// allows clauses (1,024 or more).
    Few,
    /// However many there are. The automaton is built once a segment.
    Many,
}

/// Every word must be found; a hit's score is the sum of their best kinds' weights: small whole numbers, which a
/// score holds exactly.
fn asked(chat: ChatPlace, query: &Query, page: HitPage, neighbours: Neighbours) -> Value {
    let prefix = term_prefix(chat);
    let words: Vec<Value> =
        query.words().iter().map(|word| best_kind_of(&prefix, word, neighbours)).collect();
    let mut asked = json!({
        // One more tells whether there are more.
        "size": page.limit + 1,
        "track_total_hits": true,
        "_source": false,
        "query": { "bool": { "must": words } },
        "sort": [{ "_score": "desc" }, { NUMBER: "desc" }],
    });
    if let (Some(after), Some(asked)) = (page.after, asked.as_object_mut()) {
        asked.insert("search_after".to_owned(), json!([after.weight, after.number.get()]));
    }
    asked
}

/// None of these tries only some of the terms, as the server would by default.
fn best_kind_of(prefix: &str, word: &QueryWord, neighbours: Neighbours) -> Value {
    let term = format!("{prefix}{}", word.text());
    let mut kinds = vec![
        weighed(Kind::Exact, &json!({ "term": { WORDS: term } })),
        weighed(
            Kind::Prefix,
            &json!({ "prefix": { WORDS: { "value": term, "rewrite": "constant_score" } } }),
        ),
    ];
    if word.in_parts() {
        let part = json!({ "prefix": { SUFFIXES: { "value": term, "rewrite": "constant_score" } } });
        kinds.push(weighed(Kind::Part, &part));
    }
    if word.distance() > 0 {
        let rewrite = match neighbours {
            Neighbours::Few => "constant_score_boolean",
            Neighbours::Many => "constant_score",
        };
        let near = json!({ "fuzzy": { WORDS: {
            "value": term,
            "fuzziness": word.distance(),
            "prefix_length": prefix.len(),
            "transpositions": true,
            "rewrite": rewrite,
        } } });
        kinds.push(weighed(Kind::Typo, &near));
    }
    json!({ "dis_max": { "queries": kinds } })
}

fn weighed(kind: Kind, filter: &Value) -> Value {
    json!({ "constant_score": { "filter": filter, "boost": kind.weight() } })
}

#[derive(Deserialize)]
struct Answered {
    hits: Found,
}

#[derive(Deserialize)]
struct Found {
    total: Total,
    #[serde(default)]
    hits: Vec<Sorted>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

#[derive(Deserialize)]
struct Sorted {
    sort: (f64, u64),
}

impl Answered {
    /// What contradicts itself is no answer.
    fn into_hits(self, limit: usize) -> Result<Hits, AskError> {
        let Found { total: Total { value: total }, hits } = self.hits;
        let more = hits.len() > limit;
        let is_possible = u64::try_from(hits.len()).is_ok_and(|there| there <= total);
        let hit = |Sorted { sort: (weight, number) }| {
            Number::new(number).map(|number| Hit { weight: weight.round() as u32, number })
        };
        let page: Option<Vec<Hit>> = hits.into_iter().take(limit).map(hit).collect();
        match page {
            Some(page) if is_possible => Ok(Hits { total, page, more }),
            _ => Err(AskError::Refused { status: 200, reason: "hits that cannot be".to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_hits_is_a_page_or_refused_whatever_comes() {
        crate::tests::fuzz("hits_answers", |input| {
            let Ok(text) = std::str::from_utf8(input) else { return };
            let Ok(answered) = serde_json::from_str::<Answered>(text) else { return };
            let there = answered.hits.hits.len();
            let Ok(hits) = answered.into_hits(2) else { return };
            assert_eq!(hits.more, there > 2);
            assert_eq!(hits.page.len(), there.min(2), "no hit is left out");
            assert!(hits.total >= there as u64, "there are more hits than the total says");
            assert!(hits.page.iter().all(|hit| i64::try_from(hit.number.get()).is_ok()));
        });
    }
}
