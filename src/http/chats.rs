//! Chats of an application.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::ask::{Answer, Ask};
use super::creation::{self, Outcome};
use super::idempotency::key_use;
use super::openapi::asked;
use super::shape::{self, List, NumberedChat, One, SUCCESS};
use crate::domain::{Chat, ChatPlace, Content, Draft, DraftId, Parent, Tenant, Timestamp};

/// Lists the chats of an application in the order of their numbers.
#[utoipa::path(get, path = "/api/v1/applications/{token}/chats", operation_id = "list_chats", tag = "chats",
    params(asked::OfApplication, asked::NumberPage),
    responses((status = 200, description = "A page", body = List<shape::Chat, u64>,
        headers(("Link" = String, description = "The next page, while there is more")))))]
pub(super) async fn list(ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let given = ask.query()?;
    let page = given.numbers()?;
    let listed = ask.edge.limits.read(ask.edge.store.chats(&tenant, &page)).await??;
    let last = listed.items.last().map(|chat| chat.number);
    ask.edge.look_for_a_hole(Parent::Application(tenant.id), page.order, listed.cursor, last);
    let list = List {
        message: SUCCESS,
        data: listed.items.into_iter().map(|chat| shape::Chat::of(tenant.token.clone(), chat)).collect(),
        next: listed.next,
        cursor: given.cursor(&page, listed.cursor)?,
    };
    Ok(given.answer_numbers(ask.request, page.order, &list))
}

/// Creates a chat. It needs no body.
#[utoipa::path(post, path = "/api/v1/applications/{token}/chats", operation_id = "create_chat", tag = "chats",
    params(asked::OfApplication, asked::KeyHeader, asked::PreferHeader),
    request_body(content((asked::NewChat = "application/json"), (asked::NewChat = "application/x-www-form-urlencoded"))),
    responses(
        (status = 201, description = "Created: readable at once", body = NumberedChat,
            headers(("Location" = String, description = "Path of the chat"),
                ("Idempotent-Replayed" = Option<String>, description = "`true` where an earlier request with this key made it"))),
        (status = 202, description = "Numbered and durably queued", body = NumberedChat,
            headers(("Location" = String, description = "Path of the chat, once it is created"),
                ("Preference-Applied" = Option<String>, description = "`respond-async` where that was asked for")))))]
pub(super) async fn create(mut ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let [] = ask.body().await?.fields([])?;
    let path = || format!("/api/v1/applications/{}/chats", tenant.token);
    let key = key_use(ask.headers(), tenant.id, path, &["chat"])?;
    let created_at = Timestamp::now();
    let parent = Parent::Application(tenant.id);
    let draft = Draft { id: DraftId::fresh(), parent, content: Content::Chat, key, created_at };

    let outcome = creation::create(&ask, draft).await?;
    let number = outcome.number();
    let fresh = Chat { number, messages_count: 0, created_at, updated_at: created_at };
    let (message, chat) = match outcome {
        Outcome::Kept(_) => (SUCCESS, Some(fresh)),
        Outcome::Queued(..) => ("The chat is to be created", Some(fresh)),
        Outcome::Replayed(_) => {
            (SUCCESS, ask.edge.limits.read(ask.edge.store.chat(&tenant, number)).await?.ok())
        }
    };
    let data = chat.map(|chat| shape::Chat::of(tenant.token.clone(), chat));
    let location = format!("/api/v1/applications/{}/chats/{number}", tenant.token);
    Ok(outcome.head(location).json(NumberedChat { message, chat_number: number.get(), data }))
}

/// Shows a chat.
#[utoipa::path(get, path = "/api/v1/applications/{token}/chats/{chat_number}", operation_id = "read_chat", tag = "chats",
    params(asked::OfChat),
    responses((status = 200, description = "The chat", body = One<shape::Chat>)))]
pub(super) async fn read(ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let number = ask.chat()?;
    let chat = ask.edge.limits.read(ask.edge.store.chat(&tenant, number)).await??;
    Ok(shape::ok(shape::Chat::of(tenant.token, chat)))
}

/// Deletes a chat with its messages. Its number is not used again.
#[utoipa::path(delete, path = "/api/v1/applications/{token}/chats/{chat_number}", operation_id = "delete_chat",
    tag = "chats",
    params(asked::OfChat),
    responses((status = 204, description = "Deleted")))]
pub(super) async fn delete(ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let number = ask.chat()?;
    ask.edge.limits.edit(ask.edge.store.delete_chat(&tenant, number)).await??;
    announce_deleted(&ask, &tenant, ChatPlace { application: tenant.id, chat: number }).await;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

async fn announce_deleted(ask: &Ask<'_>, tenant: &Tenant, place: ChatPlace) {
    ask.edge.door.retire(Parent::Chat(place));
    ask.edge.door.changed(vec![Parent::Application(tenant.id)]);
    ask.edge.door.backlog_grew();
}
