use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::{Client, eventually};

/// Requests under way at once where many are sent.
const AT_ONCE: usize = 32;
/// What is written is found within this.
pub const FOUND_WITHIN: Duration = Duration::from_secs(1);

/// One chat of one service.
#[derive(Debug, Clone)]
pub struct Chat {
    pub client: Client,
    pub path: String,
}

/// A hit, as a table can say it.
pub type Shown = (u64, String);

impl Chat {
    /// A new chat in a new application.
    pub async fn new(client: &Client) -> Self {
        let application = client.new_application().await;
        Self { client: client.clone(), path: client.new_chat(&application).await }
    }

    pub async fn say(&self, body: &str) -> u64 {
        self.client.say(&self.path, body).await
    }

    /// Says all these, many at once; their numbers, in the order of the texts.
    pub async fn say_all(&self, bodies: &[String]) -> Vec<u64> {
        let said = |chat: Self, body: String| async move { chat.say(&body).await };
        self.each(bodies.to_vec(), said).await
    }

    /// Runs these, many at once; the answers, in the order of the questions.
    pub async fn each<Q, A, F>(&self, asked: Vec<Q>, ask: impl Fn(Self, Q) -> F) -> Vec<A>
    where
        F: Future<Output = A> + Send + 'static,
        A: Send + 'static,
    {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        for (place, question) in asked.into_iter().enumerate() {
            let (places, answer) = (Arc::clone(&places), ask(self.clone(), question));
            tasks.spawn(async move {
                let _held = places.acquire().await.expect("an open semaphore");
                (place, answer.await)
            });
        }
        let mut answers = Vec::new();
        while let Some(answer) = tasks.join_next().await {
            answers.push(answer.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
        }
        answers.sort_by_key(|&(place, _)| place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    pub fn message(&self, number: u64) -> String {
        format!("{}/messages/{number}", self.path)
    }

    /// One answer to a search by POST.
    pub async fn search(&self, asked: &Value) -> Value {
        self.client.post(&format!("{}/messages/search", self.path), asked).await.expect(200).json()
    }

    /// All hits, page by page; on every page the number of messages is that of all.
    pub async fn hits_by(&self, query: &str, limit: usize) -> Vec<Value> {
        let mut hits = Vec::new();
        let mut asked = json!({"query": query, "limit": limit});
        let mut total = None;
        loop {
            let page = self.search(&asked).await;
            let said = page["number_of_messages"].as_u64().expect("a number");
            assert_eq!(*total.get_or_insert(said), said, "{query:?}: another total on another page");
            let data = page["data"].as_array().expect("a list");
            let next = page.get("next").cloned();
            assert!(data.len() <= limit, "{query:?}: {} hits on a page of {limit}", data.len());
            // A page ends early when it is heavy or slow, and never with nothing.
            assert!(next.is_none() || !data.is_empty(), "{query:?}: nothing, and a next");
            hits.extend(data.iter().cloned());
            let Some(next) = next else { break };
            assert!(next.is_string(), "{next}");
            asked["after"] = next;
        }
        assert_eq!(total, Some(hits.len() as u64), "{query:?}: the total is not what the pages hold");
        hits
    }

    pub async fn hits(&self, query: &str) -> Vec<Value> {
        self.hits_by(query, 100).await
    }

    /// Numbers and kinds, in the order of the answer.
    pub async fn shown(&self, query: &str) -> Vec<Shown> {
        self.hits(query).await.iter().map(|hit| (number(hit), kind(hit))).collect()
    }

    pub async fn numbers(&self, query: &str) -> Vec<u64> {
        self.hits(query).await.iter().map(number).collect()
    }

    /// How long it takes until this is found in this message.
    pub async fn wait_for(&self, query: &str, sought: u64) -> Duration {
        let started = Instant::now();
        self.found_within(FOUND_WITHIN, query, sought).await;
        started.elapsed()
    }

    pub async fn found_within(&self, within: Duration, query: &str, sought: u64) {
        eventually(within, &format!("{query:?} in message {sought}"), async || {
            let page = self.search(&json!({"query": query, "limit": 100})).await;
            let hit = page["data"].as_array().expect("a list").iter().any(|hit| number(hit) == sought);
            if hit { Ok(()) } else { Err(page.to_string()) }
        })
        .await;
    }

    /// Waits until the index has caught up: a last word, said in another chat of the application, is found.
    pub async fn settle(&self) {
        let (application, _chat) = self.path.split_once("/chats/").expect("a chat's path");
        let path = self.client.new_chat(application).await;
        let elsewhere = Self { client: self.client.clone(), path };
        let number = elsewhere.say("settled").await;
        elsewhere.found_within(Duration::from_secs(20), "settled", number).await;
    }
}

pub fn number(hit: &Value) -> u64 {
    hit["number"].as_u64().expect("a number")
}

pub fn kind(hit: &Value) -> String {
    hit["match"].as_str().expect("a kind").to_owned()
}

pub fn body(hit: &Value) -> &str {
    hit["body"].as_str().expect("a body")
}

/// A highlight as a reader sees it.
#[derive(Debug)]
pub struct Marked {
    /// What stands before it in the body.
    pub before: Option<char>,
    pub text: String,
    pub kind: String,
}

/// What is highlighted. Checks that they lie within the body, in order, none over another.
pub fn highlights(hit: &Value) -> Vec<Marked> {
    let letters: Vec<char> = body(hit).chars().collect();
    let mut before = 0;
    let ranges = hit["highlights"].as_array().expect("a list");
    assert!(!ranges.is_empty(), "a hit without highlights: {hit}");
    let mut texts = Vec::new();
    for range in ranges {
        let place = |name: &str| range[name].as_u64().expect("a place") as usize;
        let (start, end) = (place("start"), place("end"));
        assert!(before <= start && start < end && end <= letters.len(), "{range} in {hit}");
        before = end;
        texts.push(Marked {
            before: start.checked_sub(1).map(|place| letters[place]),
            text: letters[start..end].iter().collect(),
            kind: range["kind"].as_str().expect("a kind").to_owned(),
        });
    }
    texts
}

/// Checks that the snippet is a part of the body of at most 160 characters with at least one mark, escaped, its
/// marks being highlights.
pub fn check_snippet(hit: &Value) {
    let snippet = hit["snippet"].as_str().expect("a snippet");
    let mut plain = String::new();
    let mut marked: Vec<String> = Vec::new();
    for (place, part) in snippet.split("<mark>").enumerate() {
        let rest = if place == 0 {
            part
        } else {
            let (inside, rest) = part.split_once("</mark>").unwrap_or_else(|| panic!("an open mark: {hit}"));
            let inside = unescaped(inside, hit);
            plain.push_str(&inside);
            marked.push(inside);
            rest
        };
        plain.push_str(&unescaped(rest, hit));
    }
    assert!(plain.chars().count() <= 160, "{} characters: {hit}", plain.chars().count());
    let whole = body(hit);
    if plain != whole {
        let cut = plain.strip_prefix('…').unwrap_or(&plain);
        let cut = cut.strip_suffix('…').unwrap_or(cut);
        assert!(whole.contains(cut), "{cut:?} is not in the body: {hit}");
        assert!(whole.chars().count() > 160 && cut.chars().count() >= 100, "cut too short: {hit}");
    }
    let texts = highlights(hit);
    assert!(!marked.is_empty(), "no mark in the snippet: {hit}");
    for (mark, highlight) in marked.iter().zip(&texts) {
        assert!(highlight.text.starts_with(mark.as_str()), "{mark:?} is marked, not {highlight:?}: {hit}");
    }
}

fn unescaped(text: &str, hit: &Value) -> String {
    assert!(!text.contains(['<', '>', '"', '\'']), "not escaped: {hit}");
    let mut plain = String::new();
    for (place, part) in text.split('&').enumerate() {
        if place == 0 {
            plain.push_str(part);
            continue;
        }
        let (name, rest) = part.split_once(';').unwrap_or_else(|| panic!("a bare ampersand: {hit}"));
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            other => panic!("&{other};: {hit}"),
        });
        plain.push_str(rest);
    }
    plain
}
