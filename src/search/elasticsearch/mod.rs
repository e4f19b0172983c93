//! On a server that nodes share: Elasticsearch 7.17, 8 and 9.
//!
//! It keeps the terms that [`analysis`](super::analysis) finished, and the version of each row, by which it refuses
//! older ones. An index has a name of its own behind an alias; a new one is built beside it, behind a second alias,
//! and every write goes to both, whichever node it comes from.

/// What is indexed of a row.
mod schema;
/// Which index answers, and which is being built.
mod aliases;
/// Writing.
mod bulk;
/// Dropping everything of a parent.
mod forget;
/// Looking up.
mod find;
/// Whether the index is sound, and what it lacks.
mod check;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use self::aliases::{Aliases, Target};
use self::bulk::{Bulk, BulkSize};
use super::{HitPage, Hits, Query, Search, SearchError};
use crate::Source;
use crate::connections::elasticsearch::{AskError, ClientError, Elasticsearch, Url};
use crate::domain::{ChatPlace, MessagePlace, Parent};
use crate::store::Row;

/// The alias where the URL has none.
const ALIAS_DEFAULT: &str = "chat-messages";
/// Longest alias, so that the names of its indices are short enough for the server.
const ALIAS_LIMIT_BYTES: usize = 200;

/// How a server is talked to.
#[derive(Debug, Clone)]
pub struct ElasticsearchOptions {
    /// How long any one call may take.
    pub timeout: Duration,
    /// Certificates that the server is trusted by, besides the usual ones; PEM.
    pub tls_ca: Option<PathBuf>,
}

/// Why a URL cannot be used. It may hold a password, so it is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("its URL is none: {0}")]
    Url(String),
    #[error(
        "`{0}` in its URL is no name for an alias: small letters, digits, `-`, `_` and `.`, a letter or digit first"
    )]
    Alias(String),
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The index behind one alias of a server.
pub struct ElasticsearchSearch {
    server: Arc<Elasticsearch>,
    aliases: Aliases,
    bulk_size: BulkSize,
}

impl ElasticsearchSearch {
    /// `http://USER:PASSWORD@HOST:9200/ALIAS`, or `https:`. The server is not asked for anything yet.
    ///
    /// # Errors
    /// When the URL or the certificates cannot be used.
    pub fn new(url: &str, options: &ElasticsearchOptions) -> Result<Self, OpenError> {
        let mut url = Url::parse(url).map_err(|error| OpenError::Url(error.to_string()))?;
        let alias = alias(url.path().trim_matches('/'))?;
        url.set_path("");
        let server = Elasticsearch::of(&url, options.timeout, options.tls_ca.as_deref())?;
        Ok(Self { aliases: Aliases::new(Arc::clone(&server), alias), server, bulk_size: BulkSize::new() })
    }

    async fn targets(&self) -> Result<Vec<Target>, SearchError> {
        let targets = self.aliases.targets().await.map_err(refused)?;
        if targets.is_empty() { Err(away("there is no index of this version")) } else { Ok(targets) }
    }
}

#[async_trait]
impl Search for ElasticsearchSearch {
    async fn name(&self) -> Result<Option<String>, SearchError> {
        self.aliases.name().await.map_err(refused)
    }

    async fn renew(&self) -> Result<String, SearchError> {
        self.aliases.begin().await.map_err(refused)
    }

    async fn present(&self, name: &str) -> Result<(), SearchError> {
        self.aliases.switch_to(name).await.map_err(refused)
    }

    async fn verify(&self) -> Result<(), SearchError> {
        check::verify(&self.server, &self.aliases).await
    }

    async fn index(&self, rows: Vec<Row>) -> Result<(), SearchError> {
        if rows.is_empty() {
            return Ok(());
        }
        let targets = self.targets().await?;
        let mut rows = rows.into_iter();
        while !rows.as_slice().is_empty() {
            let limit_bytes = self.bulk_size.bytes();
            // Long texts take milliseconds.
            let analysed = spawn_blocking(move || Bulk::of(rows, limit_bytes)).await.map_err(away)?;
            let (bulk, rest) = analysed.map_err(away)?;
            for target in &targets {
                bulk::write(&self.server, target, &bulk, &self.bulk_size).await.map_err(refused)?;
            }
            rows = rest;
        }
        Ok(())
    }

    async fn missing(&self, rows: &[Row]) -> Result<Vec<MessagePlace>, SearchError> {
        check::missing(&self.server, self.aliases.present(), rows).await.map_err(refused)
    }

    async fn forget(&self, parents: Vec<Parent>) -> Result<(), SearchError> {
        if parents.is_empty() {
            return Ok(());
        }
        for target in self.targets().await? {
            for &parent in &parents {
                forget::forget(&self.server, &self.aliases, &target, parent, &self.bulk_size)
                    .await
                    .map_err(refused)?;
            }
        }
        Ok(())
    }

    async fn find(&self, chat: ChatPlace, query: &Query, page: HitPage) -> Result<Hits, SearchError> {
        if query.words().is_empty() {
            return Ok(Hits { total: 0, page: Vec::new(), more: false });
        }
        find::find(&self.server, self.aliases.present(), chat, query, page).await.map_err(refused)
    }
}

fn alias(text: &str) -> Result<String, OpenError> {
    if text.is_empty() {
        return Ok(ALIAS_DEFAULT.to_owned());
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let well_begun = text.bytes().next().is_some_and(plain);
    let well_formed = text.bytes().all(|byte| plain(byte) || b"-_.".contains(&byte));
    if well_begun && well_formed && text.len() <= ALIAS_LIMIT_BYTES {
        Ok(text.to_owned())
    } else {
        Err(OpenError::Alias(text.to_owned()))
    }
}

fn refused(error: AskError) -> SearchError {
    away(error)
}

fn away(error: impl Into<Source>) -> SearchError {
    SearchError::Away(error.into())
}
