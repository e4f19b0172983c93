//! Keys of applications: the operator's calls.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::ask::{Answer, Ask};
use super::creation::{created, number_of, replayed};
use super::idempotency::key_use;
use super::openapi::asked;
use super::problem::{Code, Problem};
use super::shape::{List, SUCCESS, moment};
use crate::domain::{AccessKey, Name, NewAccessKey, Scopes, Secret, Timestamp};
use crate::store::{ACCESS_KEYS_LIMIT, KeyMade, NoKey, Recalled};

/// What a key is called where nobody says.
pub(super) const FIRST_KEY: &str = "first";

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct Key {
    #[schema(minimum = 1)]
    number: u64,
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    scopes: Vec<&'static str>,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<AccessKey> for Key {
    fn from(key: AccessKey) -> Self {
        let AccessKey { number, name, scopes, created_at } = key;
        let (number, name) = (number.get(), name.as_str().to_owned());
        Self { number, name, scopes: scopes.names().collect(), created_at }
    }
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeKey {
    /// `success`
    message: &'static str,
    /// The secret. It is shown this once, and not where an earlier request with the same key made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    key: Option<String>,
    /// `null` where a replay finds it revoked.
    data: Option<Key>,
}

/// Lists the keys of an application that were not revoked.
#[utoipa::path(get, path = "/api/v1/applications/{token}/keys", operation_id = "list_keys", tag = "keys",
    params(asked::OfApplication),
    responses((status = 200, description = "All of them", body = List<Key, u64>)))]
pub(super) async fn list(ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let keys = ask.edge.limits.read(ask.edge.store.access_keys(&tenant)).await??;
    let data = keys.into_iter().map(Key::from).collect();
    Ok(HttpResponse::Ok().json(List::<Key, u64> { message: SUCCESS, data, next: None, cursor: None }))
}

/// Makes a key for an application. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/applications/{token}/keys", operation_id = "create_key", tag = "keys",
    params(asked::OfApplication, asked::KeyHeader),
    request_body(content((asked::NewKey = "application/json"), (asked::NewKeyForm = "application/x-www-form-urlencoded"))),
    responses((status = 201, description = "Made", body = MadeKey,
        headers(("Location" = String, description = "Path of the key"),
            ("Idempotent-Replayed" = Option<String>, description = "`true` where an earlier request with this key made it")))))]
pub(super) async fn create(mut ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let sent = ask.body().await?;
    let [name, scopes] = sent.only_fields(["name", "scopes"])?;
    let name = Name::parse(&name.unwrap_or_default());
    let name = name.map_err(|why| Problem::field(Code::Invalid, "Name", why))?;
    let scopes = match scopes {
        None => Scopes::ALL,
        Some(written) => parse_scopes(&written)?,
    };
    let path = || format!("/api/v1/applications/{}/keys", tenant.token);
    let meaning = ["access key", name.as_str(), &scopes.bits().to_string()];
    let key = key_use(ask.headers(), tenant.id, path, &meaning)?;
    let meant = key.as_ref().map(|key| key.body);
    let secret = fresh_secret()?;
    let new = NewAccessKey { name, scopes, digest: secret.digest(), key, created_at: Timestamp::now() };
    let made = ask.edge.limits.edit(ask.edge.store.add_access_key(&tenant, new)).await?;
    let made = made.map_err(|why| match why {
        NoKey::Missing(missing) => missing.into(),
        NoKey::Full => {
            let why = format!("can't be more than {ACCESS_KEYS_LIMIT} for one application");
            Problem::field(Code::Invalid, "Keys", why)
        }
    })?;
    match made {
        KeyMade::New(made) => {
            let location = format!("{}/{}", path(), made.number);
            let (key, data) = (Some(secret.reveal().to_owned()), Some(made.into()));
            Ok(created(location).json(MadeKey { message: SUCCESS, key, data }))
        }
        KeyMade::Replay(Recalled { body, .. }) if Some(body) != meant => Err(Problem::key_reused()),
        KeyMade::Replay(Recalled { made, .. }) => {
            let number = number_of(&made)?;
            let keys = ask.edge.limits.read(ask.edge.store.access_keys(&tenant)).await??;
            let data = keys.into_iter().find(|key| key.number == number).map(Key::from);
            let location = format!("{}/{number}", path());
            Ok(replayed(location).json(MadeKey { message: SUCCESS, key: None, data }))
        }
    }
}

/// Revokes a key: within 5 seconds it opens nothing, on any node.
#[utoipa::path(delete, path = "/api/v1/applications/{token}/keys/{key_number}", operation_id = "revoke_key", tag = "keys",
    params(asked::OfKey),
    responses((status = 204, description = "Revoked")))]
pub(super) async fn revoke(ask: Ask<'_>) -> Answer {
    let tenant = ask.tenant().await?;
    let number = ask.key()?;
    ask.edge.limits.edit(ask.edge.store.revoke_access_key(&tenant, number)).await??;
    Ok(HttpResponse::new(StatusCode::NO_CONTENT))
}

/// A secret that nobody has yet.
pub(super) fn fresh_secret() -> Result<Secret, Problem> {
    Secret::fresh().map_err(|error| {
        tracing::error!(%error, "no random bits");
        Problem::internal()
    })
}

/// A list in JSON, or words with blanks between, as RFC 6749 writes scopes.
fn parse_scopes(written: &str) -> Result<Scopes, Problem> {
    let listed: Result<Vec<String>, _> = serde_json::from_str(written);
    let scopes = match &listed {
        Ok(names) => Scopes::parse(names.iter().map(String::as_str)),
        Err(_words) => Scopes::parse(written.split_whitespace()),
    };
    scopes.ok_or_else(|| Problem::field(Code::Invalid, "Scopes", "have to be some of read, write and search"))
}
