use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chat_system::domain::{
    Application, ApplicationId, Body, Chat, DraftId, KeyUse, Listed, Message, MessagePlace, Name,
    NewApplication, Number, Numbered, Page, Parent, Tenant, Timestamp, Token,
};
use chat_system::store::{
    AuditPlace, Audited, Backlog, Claim, ClaimId, Company, Count, Edit, Entered, Expected, Founded,
    HighWater, Hole, Keep, Kept, Missing, Nodes, Range, Read, Recalled, Row, RowsOf, Store, StoreError,
    Unchanged, Uncounted,
};
use tokio::sync::watch;

use super::eventually;
use super::in_process::InProcess;
use super::passed_on::{pass_access_on, pass_quotas_on};

/// A store whose writes of drafts and applications wait while its [`Gate`] is shut; all else goes through.
pub struct Gated {
    inner: Arc<dyn Store>,
    gate: Gate,
}

/// Holds [`Keep::keep`] and [`Edit::create_application`] of a [`Gated`] store. Cloning shares it; it is open at first.
#[derive(Clone)]
pub struct Gate {
    open: Arc<watch::Sender<bool>>,
    held: Arc<AtomicUsize>,
}

/// The program on a store that can be held.
pub fn start_gated(arguments: &[&str]) -> (InProcess, Gate) {
    let gate = Gate::new();
    let held = gate.clone();
    let app = InProcess::start(arguments, move |mut engines| {
        engines.store = Arc::new(Gated::new(engines.store, held));
        engines
    });
    (app, gate)
}

impl Gated {
    pub fn new(inner: Arc<dyn Store>, gate: Gate) -> Self {
        Self { inner, gate }
    }
}

impl Gate {
    pub fn new() -> Self {
        Self { open: Arc::new(watch::Sender::new(true)), held: Arc::new(AtomicUsize::new(0)) }
    }

    /// Calls from now on wait.
    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    /// All who wait go on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// How many calls wait at the gate now.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Waits until a call waits at the gate.
    pub async fn holds(&self) {
        let held = async || if self.held() > 0 { Ok(()) } else { Err("nothing is held".to_owned()) };
        eventually(Duration::from_secs(5), "a held write", held).await;
    }

    pub async fn pass(&self) {
        self.held.fetch_add(1, Ordering::SeqCst);
        // The sender lives as long as this gate.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
        self.held.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Keep for Gated {
    async fn recall(&self, uses: &[KeyUse]) -> Result<Vec<Option<Recalled>>, StoreError> {
        self.inner.recall(uses).await
    }

    async fn high_water(&self, parents: &[Parent]) -> Result<Vec<HighWater>, StoreError> {
        self.inner.high_water(parents).await
    }

    async fn keep(&self, batch: Arc<[Numbered]>) -> Result<Vec<Kept>, StoreError> {
        self.gate.pass().await;
        self.inner.keep(batch).await
    }

    async fn bury(&self, numbers: &[(Parent, Number)]) -> Result<(), StoreError> {
        self.inner.bury(numbers).await
    }
}

#[async_trait]
impl Read for Gated {
    async fn tenant(&self, token: &Token) -> Result<Option<Tenant>, StoreError> {
        self.inner.tenant(token).await
    }

    async fn applications(
        &self,
        page: &Page<Token>,
    ) -> Result<Option<Listed<Application, Token>>, StoreError> {
        self.inner.applications(page).await
    }

    async fn application(&self, tenant: &Tenant) -> Result<Result<Application, Missing>, StoreError> {
        self.inner.application(tenant).await
    }

    async fn chats(
        &self,
        tenant: &Tenant,
        page: &Page<u64>,
    ) -> Result<Result<Listed<Chat, u64>, Missing>, StoreError> {
        self.inner.chats(tenant, page).await
    }

    async fn chat(&self, tenant: &Tenant, number: Number) -> Result<Result<Chat, Missing>, StoreError> {
        self.inner.chat(tenant, number).await
    }

    async fn messages(
        &self,
        tenant: &Tenant,
        chat: Number,
        page: &Page<u64>,
    ) -> Result<Result<Listed<Message, u64>, Missing>, StoreError> {
        self.inner.messages(tenant, chat, page).await
    }

    async fn message(
        &self,
        tenant: &Tenant,
        chat: Number,
        number: Number,
    ) -> Result<Result<Message, Missing>, StoreError> {
        self.inner.message(tenant, chat, number).await
    }

    async fn pick(
        &self,
        tenant: &Tenant,
        chat: Number,
        numbers: &[Number],
    ) -> Result<Result<Vec<Message>, Missing>, StoreError> {
        self.inner.pick(tenant, chat, numbers).await
    }
}

#[async_trait]
impl Edit for Gated {
    async fn create_application(&self, new: NewApplication) -> Result<Founded, StoreError> {
        self.gate.pass().await;
        self.inner.create_application(new).await
    }

    async fn rename_application(
        &self,
        tenant: &Tenant,
        name: Name,
    ) -> Result<Result<Application, Missing>, StoreError> {
        self.inner.rename_application(tenant, name).await
    }

    async fn delete_application(&self, tenant: &Tenant) -> Result<Result<(), Missing>, StoreError> {
        self.inner.delete_application(tenant).await
    }

    async fn delete_chat(&self, tenant: &Tenant, number: Number) -> Result<Result<(), Missing>, StoreError> {
        self.inner.delete_chat(tenant, number).await
    }

    async fn edit_message(
        &self,
        tenant: &Tenant,
        place: MessagePlace,
        body: Body,
        expected: Expected,
    ) -> Result<Result<Message, Unchanged>, StoreError> {
        self.inner.edit_message(tenant, place, body, expected).await
    }

    async fn delete_message(
        &self,
        tenant: &Tenant,
        place: MessagePlace,
        expected: Expected,
    ) -> Result<Result<(), Unchanged>, StoreError> {
        self.inner.delete_message(tenant, place, expected).await
    }
}

pass_access_on!(Gated, inner);
pass_quotas_on!(Gated, inner);

#[async_trait]
impl Backlog for Gated {
    async fn claim(
        &self,
        after: Option<ApplicationId>,
        limit: u64,
        until: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        self.inner.claim(after, limit, until).await
    }

    async fn rows(&self, ranges: &[Range]) -> Result<RowsOf, StoreError> {
        self.inner.rows(ranges).await
    }

    async fn release(&self, claims: &[Claim]) -> Result<(), StoreError> {
        self.inner.release(claims).await
    }

    async fn finish(&self, claims: &[ClaimId]) -> Result<(), StoreError> {
        self.inner.finish(claims).await
    }

    async fn walk(&self, after: Option<MessagePlace>, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.inner.walk(after, limit).await
    }

    async fn known_index(&self) -> Result<Option<String>, StoreError> {
        self.inner.known_index().await
    }

    async fn remember_index(&self, index: &str) -> Result<(), StoreError> {
        self.inner.remember_index(index).await
    }
}

#[async_trait]
impl Count for Gated {
    async fn count(&self, parents: &[Parent], through: Timestamp) -> Result<(), StoreError> {
        self.inner.count(parents, through).await
    }

    async fn uncounted(&self, after: Option<DraftId>, limit: usize) -> Result<Uncounted, StoreError> {
        self.inner.uncounted(after, limit).await
    }

    async fn audit(&self, after: Option<AuditPlace>, limit: usize) -> Result<Audited, StoreError> {
        self.inner.audit(after, limit).await
    }

    async fn holes(&self, parents: &[Parent]) -> Result<Vec<Hole>, StoreError> {
        self.inner.holes(parents).await
    }

    async fn purge(&self, limit: usize) -> Result<usize, StoreError> {
        self.inner.purge(limit).await
    }

    async fn sweep_keys(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.sweep_keys(before, limit).await
    }
}

#[async_trait]
impl Nodes for Gated {
    async fn enter(&self, company: Company) -> Result<Entered, StoreError> {
        self.inner.enter(company).await
    }

    async fn leave(&self) -> Result<(), StoreError> {
        self.inner.leave().await
    }

    async fn lead(&self) -> Result<bool, StoreError> {
        self.inner.lead().await
    }
}
