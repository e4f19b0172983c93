//! Messages of a chat.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;

use super::ask::{Answer, Ask};
use super::condition::{allows, etag, expected, known};
use super::creation::{self, Outcome};
use super::idempotency::key_use;
use super::openapi::asked;
use super::problem::{Code, Problem};
use super::shape::{self, List, NumberedMessage, One, SUCCESS};
use crate::domain::{
    Body, ChatPlace, Content, Draft, DraftId, Message, MessagePlace, Parent, Tenant, TextError, Timestamp,
};

/// Lists the messages of a chat in the order of their numbers.
#[utoipa::path(get, path = "/api/v1/applications/{token}/chats/{chat_number}/messages", operation_id = "list_messages",
    tag = "messages",
    params(asked::OfChat, asked::NumberPage),
    responses((status = 200, description = "A page", body = List<shape::Message, u64>,
        headers(("Link" = String, description = "The next page, while there is more")))))]
pub(super) async fn list(ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let chat = ask.chat()?;
    let given = ask.query()?;
    let page = given.numbers()?;
    let listed = ask.edge.limits.read(ask.edge.store.messages(&tenant, chat, &page)).await??;
    let last = listed.items.last().map(|message| message.number);
    let parent = Parent::Chat(ChatPlace { application: tenant.id, chat });
    ask.edge.look_for_a_hole(parent, page.order, listed.cursor, last);
    let list = List {
        message: SUCCESS,
        data: listed.items.into_iter().map(shape::Message::from).collect(),
        next: listed.next,
        cursor: given.cursor(&page, listed.cursor)?,
    };
    Ok(given.answer_numbers(ask.request, page.order, &list))
}

/// Creates a message.
#[utoipa::path(post, path = "/api/v1/applications/{token}/chats/{chat_number}/messages", operation_id = "create_message",
    tag = "messages",
    params(asked::OfChat, asked::KeyHeader, asked::PreferHeader),
    request_body(content((asked::NewMessage = "application/json"), (asked::NewMessageForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 201, description = "Created: readable at once", body = NumberedMessage,
            headers(("Location" = String, description = "Path of the message"),
                ("ETag" = Option<String>, description = "The version, where the message is there"),
                ("Idempotent-Replayed" = Option<String>, description = "`true` where an earlier request with this key made it"))),
        (status = 202, description = "Numbered and durably queued", body = NumberedMessage,
            headers(("Location" = String, description = "Path of the message, once it is created"),
                ("Preference-Applied" = Option<String>, description = "`respond-async` where that was asked for")))))]
pub(super) async fn create(mut ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let place = ask.chat_of(&tenant)?;
    let sent = ask.body().await?;
    let [body] = sent.fields(["body"])?;
    let body = parse_body(&body.unwrap_or_default())?;
    let key = key_use(ask.headers(), tenant.id, || path(&tenant, place), &["body", body.as_str()])?;
    let created_at = Timestamp::now();
    let content = Content::Message(body.clone());
    let draft = Draft { id: DraftId::fresh(), parent: Parent::Chat(place), content, key, created_at };

    let outcome = creation::create(&ask, draft).await?;
    let number = outcome.number();
    let fresh = Message { number, body, version: 1, created_at, updated_at: created_at };
    let mut head = outcome.head(format!("{}/{number}", path(&tenant, place)));
    let (message, data) = match outcome {
        Outcome::Kept(_) => (SUCCESS, Some(fresh)),
        Outcome::Queued(..) => ("The message is to be created", Some(fresh)),
        Outcome::Replayed(_) => {
            let kept = ask.edge.limits.read(ask.edge.store.message(&tenant, place.chat, number)).await?;
            (SUCCESS, kept.ok())
        }
    };
    if let Some(kept) = data.as_ref().filter(|_| message == SUCCESS) {
        head.insert_header((ETAG, etag(kept.version)));
    }
    let data = data.map(shape::Message::from);
    Ok(head.json(NumberedMessage { message, message_number: number.get(), data }))
}

/// Shows a message.
#[utoipa::path(get, path = "/api/v1/applications/{token}/chats/{chat_number}/messages/{message_number}",
    operation_id = "read_message", tag = "messages",
    params(asked::OfMessage, asked::IfMatchHeader, asked::IfNoneMatchHeader),
    responses(
        (status = 200, description = "The message", body = One<shape::Message>, headers(("ETag" = String, description = "The version"))),
        (status = 304, description = "It is at a version that `If-None-Match` names", headers(("ETag" = String, description = "The version")))))]
pub(super) async fn read(ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let (chat, number) = (ask.chat()?, ask.message()?);
    let (expected, known) = (expected(ask.headers())?, known(ask.headers())?);
    let message = ask.edge.limits.read(ask.edge.store.message(&tenant, chat, number)).await??;
    if !allows(&expected, message.version) {
        return Err(Problem::stale());
    }
    if known.is_some_and(|known| known.name(message.version)) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag(message.version))).finish());
    }
    Ok(versioned(message))
}

/// Edits a message. Without a body nothing changes.
#[utoipa::path(method(put, patch), path = "/api/v1/applications/{token}/chats/{chat_number}/messages/{message_number}",
    operation_id = "edit_message", tag = "messages",
    params(asked::OfMessage, asked::IfMatchHeader),
    request_body(content((asked::EditedMessage = "application/json"), (asked::EditedMessageForm = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The message as it is now", body = One<shape::Message>,
        headers(("ETag" = String, description = "The version")))))]
pub(super) async fn edit(mut ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let place = MessagePlace { chat: ask.chat_of(&tenant)?, number: ask.message()? };
    let expected = expected(ask.headers())?;
    let sent = ask.body().await?;
    let [body] = sent.fields(["body"])?;
    let Some(body) = body else {
        let present = ask.edge.store.message(&tenant, place.chat.chat, place.number);
        let present = ask.edge.limits.read(present).await??;
        return if allows(&expected, present.version) {
            Ok(versioned(present))
        } else {
            Err(Problem::stale())
        };
    };
    let body = parse_body(&body)?;
    let edited = ask.edge.limits.edit(ask.edge.store.edit_message(&tenant, place, body, expected)).await??;
    ask.edge.door.backlog_grew();
    Ok(versioned(edited))
}

/// Deletes a message. Its number is not used again.
#[utoipa::path(delete, path = "/api/v1/applications/{token}/chats/{chat_number}/messages/{message_number}",
    operation_id = "delete_message", tag = "messages",
    params(asked::OfMessage, asked::IfMatchHeader),
    responses((status = 204, description = "Deleted")))]
pub(super) async fn delete(ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let place = MessagePlace { chat: ask.chat_of(&tenant)?, number: ask.message()? };
    let expected = expected(ask.headers())?;
    ask.edge.limits.edit(ask.edge.store.delete_message(&tenant, place, expected)).await??;
    ask.edge.door.changed(vec![Parent::Chat(place.chat)]);
    ask.edge.door.backlog_grew();
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

fn versioned(message: Message) -> HttpResponse {
    let etag = etag(message.version);
    let data = shape::Message::from(message);
    HttpResponse::Ok().insert_header((ETAG, etag)).json(One { message: SUCCESS, data })
}

fn path(tenant: &Tenant, place: ChatPlace) -> String {
    format!("/api/v1/applications/{}/chats/{}/messages", tenant.token, place.chat)
}

fn parse_body(text: &str) -> Result<Body, Problem> {
    Body::parse(text).map_err(|why| {
        let code = match why {
            TextError::Blank => Code::Invalid,
            TextError::TooLong { .. } => Code::TooLarge,
        };
        Problem::field(code, "Body", why)
    })
}
