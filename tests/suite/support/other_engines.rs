use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chat_system::app::Engines;
use chat_system::domain::{BatchId, ChatPlace, Draft, MessagePlace, Number, Parent};
use chat_system::intake::{Adopted, Durability, EntryId, Intake, IntakeError, Receipt};
use chat_system::search::{HitPage, Hits, Query, Search, SearchError};
use chat_system::store::Row;

use super::gated::Gate;

/// An intake that says that it is durable. A process that is never killed cannot tell.
struct SaidToBeDurable(Arc<dyn Intake>);

pub fn durable_intake(engines: Engines) -> Engines {
    Engines { intake: Arc::new(SaidToBeDurable(Arc::clone(&engines.intake))), ..engines }
}

/// A search engine whose calls of two kinds wait at gates.
struct HeldSearch {
    inner: Arc<dyn Search>,
    gates: SearchGates,
}

#[derive(Clone)]
pub struct SearchGates {
    pub find: Gate,
    pub index: Gate,
}

impl SearchGates {
    pub fn new() -> Self {
        Self { find: Gate::new(), index: Gate::new() }
    }

    /// Puts the held search engine before the one of these engines.
    pub fn over(&self, engines: Engines) -> Engines {
        let held = HeldSearch { inner: Arc::clone(&engines.search), gates: self.clone() };
        Engines { search: Arc::new(held), ..engines }
    }
}

#[async_trait]
impl Intake for SaidToBeDurable {
    fn durability(&self) -> Durability {
        Durability::Durable
    }

    async fn accept(&self, batch: BatchId, drafts: &[Draft]) -> Result<Receipt, IntakeError> {
        self.0.accept(batch, drafts).await
    }

    async fn raise(&self, marks: &[(Parent, Option<Number>)]) -> Result<(), IntakeError> {
        self.0.raise(marks).await
    }

    async fn settle(&self, entries: &[EntryId]) -> Result<(), IntakeError> {
        self.0.settle(entries).await
    }

    async fn retire(&self, parent: Parent) -> Result<(), IntakeError> {
        self.0.retire(parent).await
    }

    async fn adopt(&self) -> Result<Vec<Adopted>, IntakeError> {
        self.0.adopt().await
    }

    async fn oldest(&self) -> Result<Option<Duration>, IntakeError> {
        self.0.oldest().await
    }

    async fn leave(&self) -> Result<(), IntakeError> {
        self.0.leave().await
    }
}

#[async_trait]
impl Search for HeldSearch {
    async fn name(&self) -> Result<Option<String>, SearchError> {
        self.inner.name().await
    }

    async fn renew(&self) -> Result<String, SearchError> {
        self.inner.renew().await
    }

    async fn present(&self, name: &str) -> Result<(), SearchError> {
        self.inner.present(name).await
    }

    async fn verify(&self) -> Result<(), SearchError> {
        self.inner.verify().await
    }

    async fn index(&self, rows: Vec<Row>) -> Result<(), SearchError> {
        self.gates.index.pass().await;
        self.inner.index(rows).await
    }

    async fn missing(&self, rows: &[Row]) -> Result<Vec<MessagePlace>, SearchError> {
        self.inner.missing(rows).await
    }

    async fn forget(&self, parents: Vec<Parent>) -> Result<(), SearchError> {
        self.gates.index.pass().await;
        self.inner.forget(parents).await
    }

    async fn find(&self, chat: ChatPlace, query: &Query, page: HitPage) -> Result<Hits, SearchError> {
        self.gates.find.pass().await;
        self.inner.find(chat, query, page).await
    }
}
