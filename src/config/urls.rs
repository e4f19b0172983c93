//! Which engine, and where it is: the scheme of a URL picks it.

use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntakeUrl {
    Memory,
    Redis(ServerUrl),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// In this file; `None`: `chat.db` in the data folder.
    Sqlite(Option<PathBuf>),
    Mysql(ServerUrl),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchUrl {
    /// In this folder; `None`: `search` in the data folder.
    Tantivy(Option<PathBuf>),
    Elasticsearch(ServerUrl),
}

/// A server's URL, which may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The URL if it has one of these schemes.
    fn with_scheme(url: &str, schemes: &[&str]) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        (schemes.contains(&scheme) && !rest.is_empty()).then(|| Self(url.to_owned()))
    }

    /// The whole of it, password included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ServerUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or_default();
        let place = rest.rsplit_once('@').map_or(rest, |(_user, place)| place);
        write!(formatter, "{scheme}://{place}")
    }
}

/// A URL whose scheme names no engine of this program. What follows the scheme may hold a password, so it is not
/// repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{scheme}` is no engine that this program knows here; it knows `{known}`")]
pub struct UnknownEngine {
    scheme: String,
    known: &'static str,
}

impl UnknownEngine {
    fn new(url: &str, known: &'static str) -> Self {
        let scheme = url.split_once(':').map_or(url, |(scheme, _rest)| scheme);
        Self { scheme: format!("{scheme}:"), known }
    }
}

impl std::str::FromStr for IntakeUrl {
    type Err = UnknownEngine;

    fn from_str(url: &str) -> Result<Self, UnknownEngine> {
        if url == "memory:" {
            return Ok(Self::Memory);
        }
        let server = ServerUrl::with_scheme(url, &["redis", "rediss"]);
        server.map(Self::Redis).ok_or_else(|| UnknownEngine::new(url, "memory:, redis://, rediss://"))
    }
}

impl std::str::FromStr for StoreUrl {
    type Err = UnknownEngine;

    fn from_str(url: &str) -> Result<Self, UnknownEngine> {
        if let Some(file) = url.strip_prefix("sqlite:") {
            return Ok(Self::Sqlite(path(file)));
        }
        let server = ServerUrl::with_scheme(url, &["mysql"]);
        server.map(Self::Mysql).ok_or_else(|| UnknownEngine::new(url, "sqlite:, mysql://"))
    }
}

impl std::str::FromStr for SearchUrl {
    type Err = UnknownEngine;

    fn from_str(url: &str) -> Result<Self, UnknownEngine> {
        if let Some(folder) = url.strip_prefix("tantivy:") {
            return Ok(Self::Tantivy(path(folder)));
        }
        let server = ServerUrl::with_scheme(url, &["http", "https"]);
        server.map(Self::Elasticsearch).ok_or_else(|| UnknownEngine::new(url, "tantivy:, http://, https://"))
    }
}

/// `sqlite:FILE` and `sqlite://FILE` are the same.
fn path(text: &str) -> Option<PathBuf> {
    let text = text.strip_prefix("//").unwrap_or(text);
    (!text.is_empty()).then(|| PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::Cli;

    #[test]
    fn an_unknown_engine_is_named_without_its_password() {
        let error = "oracle://user:secret@host/name".parse::<StoreUrl>().unwrap_err().to_string();
        assert!(
            error.contains("oracle:") && error.contains("sqlite:") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn a_password_is_not_shown_where_its_url_is_refused() {
        for flag in ["--intake", "--store", "--search"] {
            let refused = Cli::try_parse_from(["chat-system", flag, "oracle://user:secret@host/name"]);
            let said = refused.expect_err("refused").to_string();
            assert!(said.contains(flag) && said.contains("oracle:") && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let store: StoreUrl = "mysql://user:sec@ret@host/name".parse().unwrap();
        assert_eq!(format!("{store:?}"), "Mysql(mysql://host/name)");
        let intake: IntakeUrl = "redis://host:1".parse().unwrap();
        assert_eq!(format!("{intake:?}"), "Redis(redis://host:1)");
    }
}
