//! `chat-system keys`: keys of an application, made and revoked past the edge.

use std::io::Write as _;

use anyhow::Context as _;

use super::engines::rows;
use crate::config::{Config, KeysCommand};
use crate::domain::{Name, NewAccessKey, Number, Scopes, Secret, Tenant, Timestamp, Token};
use crate::store::{ACCESS_KEYS_LIMIT, NoKey, Store};

/// Does what was asked, and says on standard output what came of it.
///
/// # Errors
/// When the store does not answer, or what is named is not there.
pub async fn keys(config: &Config, command: KeysCommand) -> anyhow::Result<()> {
    let store = rows(config)?;
    let mut out = std::io::stdout();
    match command {
        KeysCommand::List { token } => {
            let tenant = tenant(&*store, &token).await?;
            let keys = store.access_keys(&tenant).await?.ok().context("there is no such application")?;
            for key in keys {
                let scopes: Vec<_> = key.scopes.names().collect();
                // As JSON writes it, so that a name is one line whatever is in it.
                let name = serde_json::to_string(key.name.as_str())?;
                writeln!(out, "{}\t{}\t{}\t{name}", key.number, key.created_at, scopes.join(","))?;
            }
        }
        KeysCommand::Make { token, name, scopes } => {
            let tenant = tenant(&*store, &token).await?;
            let name = Name::parse(&name).map_err(|why| anyhow::anyhow!("the name {why}"))?;
            let scopes = Scopes::parse(scopes.iter().map(String::as_str));
            let scopes = scopes.context("scopes have to be some of read, write and search")?;
            let secret = Secret::fresh().context("no random bits")?;
            let (digest, created_at) = (secret.digest(), Timestamp::now());
            let new = NewAccessKey { name, scopes, digest, key: None, created_at };
            match store.add_access_key(&tenant, new).await? {
                Ok(_key) => writeln!(out, "{}", secret.reveal())?,
                Err(NoKey::Missing(_)) => anyhow::bail!("there is no such application"),
                Err(NoKey::Full) => anyhow::bail!("an application has {ACCESS_KEYS_LIMIT} keys at most"),
            }
        }
        KeysCommand::Revoke { token, number } => {
            let tenant = tenant(&*store, &token).await?;
            let number = Number::new(number).context("keys are numbered from 1")?;
            store.revoke_access_key(&tenant, number).await?.ok().context("there is no such key")?;
            writeln!(out, "revoked")?;
        }
    }
    Ok(())
}

async fn tenant(store: &dyn Store, token: &str) -> anyhow::Result<Tenant> {
    let token = Token::parse(token).context("that is no application's token")?;
    store.tenant(&token).await?.context("there is no such application")
}
