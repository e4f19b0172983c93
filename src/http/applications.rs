//! Applications: they own chats, and their tokens name them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::ask::{Answer, Ask};
use super::creation::{created, replayed};
use super::idempotency::key_use;
use super::keys::{FIRST_KEY, fresh_secret};
use super::openapi::asked;
use super::page::BEGINNING;
use super::problem::{Code, Problem};
use super::shape::{self, FoundedApplication, List, One, SUCCESS};
use crate::domain::{
    ApplicationId, Name, NewAccessKey, NewApplication, Order, Parent, Scopes, Secret, Timestamp, Token,
};
use crate::store::{Founded, Made, Recalled};

const PATH: &str = "/api/v1/applications";
/// Founding an application belongs to no tenant.
const NO_TENANT: ApplicationId = ApplicationId(0);

/// Lists applications, oldest first.
#[utoipa::path(get, path = "/api/v1/applications", operation_id = "list_applications", tag = "applications",
    params(asked::TokenPage),
    responses((status = 200, description = "A page", body = List<shape::Application, String>,
        headers(("Link" = String, description = "The next page, while there is more")))))]
pub(super) async fn list(ask: Ask<'_>) -> Answer {
    let given = ask.query()?;
    let page = given.tokens()?;
    let listed = ask.edge.limits.read(ask.edge.store.applications(&page)).await?;
    let listed = listed.ok_or_else(super::page::invalid_cursor)?;
    let cursor = || listed.cursor.map_or_else(|| BEGINNING.to_owned(), |token| token.to_string());
    let list = List {
        message: SUCCESS,
        data: listed.items.into_iter().map(shape::Application::from).collect(),
        next: listed.next.map(|token| token.to_string()),
        cursor: (page.order == Order::Ascending).then(cursor),
    };
    Ok(given.answer(ask.request, page.order, &list, None))
}

/// Creates an application.
#[utoipa::path(post, path = "/api/v1/applications", operation_id = "create_application", tag = "applications",
    params(asked::KeyHeader),
    request_body(content((asked::NewApplication = "application/json"),
        (asked::NewApplicationForm = "application/x-www-form-urlencoded"))),
    responses((status = 201, description = "Created", body = FoundedApplication,
        headers(("Location" = String, description = "Path of the application"),
            ("Idempotent-Replayed" = Option<String>, description = "`true` where an earlier request with this key made it")))))]
pub(super) async fn create(mut ask: Ask<'_>) -> Answer {
    let sent = ask.body().await?;
    let [name] = sent.fields(["name"])?;
    let name = parse_name(&name.unwrap_or_default())?;
    let key = key_use(ask.headers(), NO_TENANT, || PATH.to_owned(), &["name", name.as_str()])?;
    let meant = key.as_ref().map(|key| key.body);
    let token = Token::fresh().map_err(|error| {
        tracing::error!(%error, "no random bits");
        Problem::internal()
    })?;

    let created_at = Timestamp::now();
    let secret = if ask.edge.is_open() { None } else { Some(fresh_secret()?) };
    let first = |secret: &Secret| NewAccessKey {
        name: Name::kept(FIRST_KEY),
        scopes: Scopes::ALL,
        digest: secret.digest(),
        // The application has it.
        key: None,
        created_at,
    };
    let new = NewApplication { token, name, key, access: secret.as_ref().map(first), created_at };
    match ask.edge.limits.edit(ask.edge.store.create_application(new)).await? {
        Founded::New(application) => {
            let location = format!("{PATH}/{}", application.token);
            let data = Some(application.into());
            let key = secret.map(|secret| secret.reveal().to_owned());
            Ok(created(location).json(FoundedApplication { message: SUCCESS, key, data }))
        }
        Founded::Replay(Recalled { body, .. }) if Some(body) != meant => Err(Problem::key_reused()),
        Founded::Replay(Recalled { made: Made::Application(token), .. }) => replay(&ask, &token).await,
        Founded::Replay(Recalled { made: Made::Numbered(_), .. }) => {
            tracing::error!("a key of an application recalled a number");
            Err(Problem::internal())
        }
    }
}

async fn replay(ask: &Ask<'_>, token: &Token) -> Answer {
    let tenant = ask.edge.limits.read(ask.edge.store.tenant(token)).await?;
    let data = match tenant {
        Some(tenant) => ask.edge.limits.read(ask.edge.store.application(&tenant)).await?.ok(),
        None => None,
    };
    let data = data.map(shape::Application::from);
    Ok(replayed(format!("{PATH}/{token}")).json(FoundedApplication { message: SUCCESS, key: None, data }))
}

/// Shows an application.
#[utoipa::path(get, path = "/api/v1/applications/{token}", operation_id = "read_application", tag = "applications",
    params(asked::OfApplication),
    responses((status = 200, description = "The application", body = One<shape::Application>)))]
pub(super) async fn read(ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let application = ask.edge.limits.read(ask.edge.store.application(&tenant)).await??;
    Ok(shape::ok(shape::Application::from(application)))
}

/// Renames an application. Without a name nothing changes.
#[utoipa::path(method(put, patch), path = "/api/v1/applications/{token}", operation_id = "rename_application",
    tag = "applications",
    params(asked::OfApplication),
    request_body(content((asked::Rename = "application/json"), (asked::RenameForm = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The application as it is now", body = One<shape::Application>)))]
pub(super) async fn rename(mut ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let sent = ask.body().await?;
    let [name] = sent.fields(["name"])?;
    let application = match name {
        Some(name) => {
            let name = parse_name(&name)?;
            ask.edge.limits.edit(ask.edge.store.rename_application(&tenant, name)).await??
        }
        None => ask.edge.limits.read(ask.edge.store.application(&tenant)).await??,
    };
    Ok(shape::ok(shape::Application::from(application)))
}

/// Deletes an application with its chats and messages.
#[utoipa::path(delete, path = "/api/v1/applications/{token}", operation_id = "delete_application",
    tag = "applications",
    params(asked::OfApplication),
    responses((status = 204, description = "Deleted")))]
pub(super) async fn delete(ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    ask.edge.limits.edit(ask.edge.store.delete_application(&tenant)).await??;
    ask.edge.tenants.forget(&tenant);
    ask.edge.door.retire(Parent::Application(tenant.id));
    ask.edge.door.backlog_grew();
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

fn parse_name(text: &str) -> Result<Name, Problem> {
    Name::parse(text).map_err(|why| Problem::field(Code::Invalid, "Name", why))
}
