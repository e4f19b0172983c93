//! The engines that the configuration names, behind their ports.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::config::{Config, IntakeUrl, SearchUrl, StoreUrl};
use crate::connections::MysqlOptions;
use crate::http::EngineNames;
use crate::intake::Intake;
use crate::intake::memory::MemoryIntake;
use crate::intake::redis::{RedisIntake, RedisOptions};
use crate::search::Search;
use crate::search::elasticsearch::{ElasticsearchOptions, ElasticsearchSearch};
use crate::search::tantivy::TantivySearch;
use crate::store::mysql::MysqlStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Company, Store};

/// The three engines, and what to call them.
pub struct Engines {
    pub intake: Arc<dyn Intake>,
    pub store: Arc<dyn Store>,
    pub search: Arc<dyn Search>,
    /// Whether other nodes may work on the same store.
    pub company: Company,
    pub names: EngineNames,
}

impl Engines {
    /// Opens the engines that the configuration names. Servers are not asked for anything yet.
    ///
    /// # Errors
    /// When one of them cannot be opened; the message says which and why.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        // The store first: an embedded one holds the lock that keeps a second process away from all files.
        let (store, store_name) = store(config)?;
        let (search, search_name) = search(config)?;
        let (intake, intake_name) = intake(config)?;
        let embedded =
            matches!(config.intake, IntakeUrl::Memory) || matches!(config.search, SearchUrl::Tantivy(_));
        let company = if embedded { Company::Alone } else { Company::Many };
        let names = EngineNames { intake: intake_name, store: store_name, search: search_name };
        Ok(Self { intake, store, search, company, names })
    }
}

/// What `keys` works with.
pub(super) fn rows(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    Ok(store(config)?.0)
}

/// Those that `reindex` works with.
pub(super) fn rows_and_index(config: &Config) -> anyhow::Result<(Arc<dyn Store>, Arc<dyn Search>)> {
    let (store, _name) = store(config)?;
    let (search, _name) = search(config)?;
    Ok((store, search))
}

fn store(config: &Config) -> anyhow::Result<(Arc<dyn Store>, &'static str)> {
    match &config.store {
        StoreUrl::Sqlite(file) => {
            let file = match file {
                Some(file) => file.clone(),
                None => make_folder(&config.data_dir)?.join("chat.db"),
            };
            Ok((Arc::new(SqliteStore::open(&file, config.engine_timeout)?), "sqlite"))
        }
        StoreUrl::Mysql(url) => {
            let options = MysqlOptions {
                lease: config.lease,
                timeout: config.engine_timeout,
                tls_ca: config.tls_ca.clone(),
                connections: config.engine_connections,
            };
            Ok((Arc::new(MysqlStore::new(url.as_str(), options)?), "mysql"))
        }
    }
}

fn search(config: &Config) -> anyhow::Result<(Arc<dyn Search>, &'static str)> {
    match &config.search {
        SearchUrl::Tantivy(folder) => {
            let folder = match folder {
                Some(folder) => folder.clone(),
                None => make_folder(&config.data_dir)?.join("search"),
            };
            let search = TantivySearch::open(&folder)
                .with_context(|| format!("the search index in {} cannot be opened", folder.display()))?;
            Ok((Arc::new(search), "tantivy"))
        }
        SearchUrl::Elasticsearch(url) => {
            let options =
                ElasticsearchOptions { timeout: config.engine_timeout, tls_ca: config.tls_ca.clone() };
            let search = ElasticsearchSearch::new(url.as_str(), &options)
                .with_context(|| format!("the search engine at {url:?} cannot be used"))?;
            Ok((Arc::new(search), "elasticsearch"))
        }
    }
}

fn intake(config: &Config) -> anyhow::Result<(Arc<dyn Intake>, &'static str)> {
    // A copy of a request looks into the store at most this much later.
    let key_hold = config.ack_wait * 2;
    match &config.intake {
        IntakeUrl::Memory => Ok((Arc::new(MemoryIntake::new(key_hold)), "memory")),
        IntakeUrl::Redis(url) => {
            let options = RedisOptions {
                lease: config.lease,
                key_hold,
                timeout: config.engine_timeout,
                tls_ca: config.tls_ca.clone(),
                connections: config.engine_connections,
            };
            let intake = RedisIntake::new(url.as_str(), options)
                .with_context(|| format!("the intake {url:?} cannot be used"))?;
            Ok((Arc::new(intake), "redis"))
        }
    }
}

fn make_folder(folder: &Path) -> anyhow::Result<&Path> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the data folder {} cannot be made", folder.display()))?;
    Ok(folder)
}
