//! What answers look like in JSON.

use actix_web::HttpResponse;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::domain::{self, Body, Name, Timestamp, Token};

/// The `message` of every 200 and 201.
pub(super) const SUCCESS: &str = "success";

/// A chat backend's customer: it owns chats.
#[derive(Serialize, ToSchema)]
pub(super) struct Application {
    #[serde(serialize_with = "name")]
    #[schema(value_type = String, min_length = 1, max_length = 255)]
    name: Name,
    /// Names the application in paths.
    #[serde(serialize_with = "token")]
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    token: Token,
    /// Follows the chats within about a second.
    chats_count: u64,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<domain::Application> for Application {
    fn from(application: domain::Application) -> Self {
        let domain::Application { name, token, chats_count, created_at, updated_at } = application;
        Self { name, token, chats_count, created_at, updated_at }
    }
}

/// A chat: numbered 1, 2, 3 … within its application.
#[derive(Serialize, ToSchema)]
pub(super) struct Chat {
    #[schema(minimum = 1)]
    number: u64,
    #[serde(serialize_with = "token")]
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    application_token: Token,
    /// Follows the messages within about a second.
    messages_count: u64,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl Chat {
    pub(super) fn of(application_token: Token, chat: domain::Chat) -> Self {
        let domain::Chat { number, messages_count, created_at, updated_at } = chat;
        Self { number: number.get(), application_token, messages_count, created_at, updated_at }
    }
}

/// A message: numbered 1, 2, 3 … within its chat.
#[derive(Serialize, ToSchema)]
pub(super) struct Message {
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
}

impl From<domain::Message> for Message {
    fn from(message: domain::Message) -> Self {
        let domain::Message { number, body, version: _, created_at, updated_at } = message;
        Self { number: number.get(), body, created_at, updated_at }
    }
}

/// One thing.
#[derive(Serialize, ToSchema)]
pub(super) struct One<T: ToSchema> {
    /// `success`
    pub(super) message: &'static str,
    pub(super) data: T,
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct List<T: ToSchema, C: ToSchema> {
    /// `success`
    pub(super) message: &'static str,
    pub(super) data: Vec<T>,
    /// While there is more: what to give as `after` for the next page, descending as `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) next: Option<C>,
    /// On ascending lists: the place to come back to later. It never passes what is still to come; the `Link` to the
    /// next page keeps it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) cursor: Option<C>,
}

/// A created application.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundedApplication {
    /// `success`
    pub(super) message: &'static str,
    /// The secret that opens it, where one is needed. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) key: Option<String>,
    /// `null` where a replay finds it deleted.
    pub(super) data: Option<Application>,
}

/// A created chat.
#[derive(Serialize, ToSchema)]
pub(super) struct NumberedChat {
    /// `success`; on 202 it says that the chat is to be created.
    pub(super) message: &'static str,
    #[schema(minimum = 1)]
    pub(super) chat_number: u64,
    /// `null` where a replay finds it deleted.
    pub(super) data: Option<Chat>,
}

/// A created message.
#[derive(Serialize, ToSchema)]
pub(super) struct NumberedMessage {
    /// `success`; on 202 it says that the message is to be created.
    pub(super) message: &'static str,
    #[schema(minimum = 1)]
    pub(super) message_number: u64,
    /// `null` where a replay finds it deleted.
    pub(super) data: Option<Message>,
}

/// 200 with one thing.
pub(super) fn ok(data: impl Serialize + ToSchema) -> HttpResponse {
    HttpResponse::Ok().json(One { message: SUCCESS, data })
}

fn name<S: Serializer>(name: &Name, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

fn token<S: Serializer>(token: &Token, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.as_str())
}

pub(super) fn body<S: Serializer>(body: &Body, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(body.as_str())
}

pub(super) fn moment<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}
