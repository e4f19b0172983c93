//! Drafts, rows and places that the benchmarks share.

/// A server to measure on.
pub mod redis;

use std::sync::Arc;

use chat_system::domain::{
    ApplicationId, Body, ChatPlace, Content, Draft, DraftId, MessagePlace, Name, NewApplication, Number,
    Numbered, Parent, Timestamp, Token,
};
use chat_system::store::sqlite::SqliteStore;
use chat_system::store::{Founded, Kept, Row, Store};

/// About as long as a chat message is: 100 bytes.
pub const BODY: &str =
    "Deploy of flag_check.exe moved to noon: qwen3.6 is slower than expected, see https://example.com/42 ok?";

/// What a variable says: where a server is.
#[expect(clippy::disallowed_methods, reason = "a benchmark is told by a variable where its server is")]
pub fn given(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|url| !url.is_empty())
}

pub fn number(value: u64) -> Number {
    Number::new(value).expect("a number")
}

pub fn chat(application: i64, chat: u64) -> ChatPlace {
    ChatPlace { application: ApplicationId(application), chat: number(chat) }
}

pub fn message(place: ChatPlace, body: &str) -> Draft {
    Draft {
        id: DraftId::fresh(),
        parent: Parent::Chat(place),
        content: Content::Message(Body::kept(body)),
        key: None,
        created_at: Timestamp::now(),
    }
}

pub fn messages(place: ChatPlace, count: usize) -> Vec<Draft> {
    (0..count).map(|_| message(place, BODY)).collect()
}

pub fn numbered(place: ChatPlace, first: u64, count: usize) -> Arc<[Numbered]> {
    let numbered = (first..).zip(messages(place, count));
    numbered.map(|(value, draft)| Numbered { draft, number: number(value) }).collect()
}

pub fn row(place: ChatPlace, value: u64, body: &str) -> Row {
    Row {
        place: MessagePlace { chat: place, number: number(value) },
        version: 1,
        body: Some(Body::kept(body)),
    }
}

/// A store with one application and one chat.
pub async fn store_with_chat(folder: &std::path::Path) -> (SqliteStore, ChatPlace) {
    let store =
        SqliteStore::open(&folder.join("chat.db"), std::time::Duration::from_secs(2)).expect("a store");
    let place = fresh_chat(&store).await;
    (store, place)
}

/// A chat of its own, in an application of its own.
pub async fn fresh_chat(store: &impl Store) -> ChatPlace {
    let new = NewApplication {
        token: Token::fresh().expect("a token"),
        name: Name::kept("bench"),
        key: None,
        access: None,
        created_at: Timestamp::now(),
    };
    let Ok(Founded::New(application)) = store.create_application(new).await else { panic!("an application") };
    let tenant = store.tenant(&application.token).await.expect("an answer").expect("a tenant");
    let draft = Draft {
        id: DraftId::fresh(),
        parent: Parent::Application(tenant.id),
        content: Content::Chat,
        key: None,
        created_at: Timestamp::now(),
    };
    let kept = store.keep(Arc::new([Numbered { draft, number: Number::FIRST }])).await.expect("kept");
    assert_eq!(kept, [Kept::As(Number::FIRST)]);
    ChatPlace { application: tenant.id, chat: Number::FIRST }
}
