use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chat_system::app::Engines;
use chat_system::domain::{
    Application, ApplicationId, Body, Chat, DraftId, KeyUse, Listed, Message, MessagePlace, Name,
    NewApplication, Number, Numbered, Page, Parent, Tenant, Timestamp, Token,
};
use chat_system::store::{
    AuditPlace, Audited, Backlog, Claim, ClaimId, Company, Count, Edit, Entered, Expected, Founded,
    HighWater, Hole, Keep, Kept, Missing, Nodes, Range, Read, Recalled, Row, RowsOf, Store, StoreError,
    Unchanged, Uncounted,
};

use super::gated::Gate;
use super::passed_on::{pass_access_on, pass_quotas_on};

/// A store whose calls can be held, failed and looked at, kind by kind.
struct Watched {
    inner: Arc<dyn Store>,
    watch: Watch,
}

/// The test's end of a watched store. Cloning shares it.
#[derive(Clone)]
pub struct Watch {
    gates: Arc<BTreeMap<Kind, Gate>>,
    fault: Arc<Mutex<Option<Fault>>>,
    answers_to_lose: Arc<AtomicUsize>,
    seen: Arc<Mutex<Seen>>,
}

/// What a call of the store is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Recall,
    HighWater,
    Keep,
    Bury,
    Read,
    Edit,
    Backlog,
    Count,
    Tend,
}

/// Decides what becomes of a batch before it reaches the rows.
type Fault = Arc<dyn Fn(&[Numbered]) -> Result<(), StoreError> + Send + Sync>;

#[derive(Default)]
struct Seen {
    counted: Vec<Parent>,
    calls: BTreeMap<Kind, usize>,
}

impl Watch {
    pub fn new() -> Self {
        let kinds = [
            Kind::Recall,
            Kind::HighWater,
            Kind::Keep,
            Kind::Bury,
            Kind::Read,
            Kind::Edit,
            Kind::Backlog,
            Kind::Count,
            Kind::Tend,
        ];
        Self {
            gates: Arc::new(kinds.into_iter().map(|kind| (kind, Gate::new())).collect()),
            fault: Arc::default(),
            answers_to_lose: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// Puts the watched store before the one of these engines.
    pub fn over(&self) -> impl FnOnce(Engines) -> Engines + Send + 'static {
        let watch = self.clone();
        |engines| Engines { store: Arc::new(Watched { inner: Arc::clone(&engines.store), watch }), ..engines }
    }

    pub fn gate(&self, kind: Kind) -> &Gate {
        self.gates.get(&kind).expect("a gate for every kind")
    }

    /// Every batch meets this before it reaches the rows.
    pub fn fail_keeps(&self, fault: impl Fn(&[Numbered]) -> Result<(), StoreError> + Send + Sync + 'static) {
        *self.fault.lock().expect("no panic") = Some(Arc::new(fault));
    }

    pub fn heal(&self) {
        *self.fault.lock().expect("no panic") = None;
    }

    /// The next answers of keeps that committed get lost.
    pub fn lose_answers(&self, answers: usize) {
        self.answers_to_lose.store(answers, Ordering::SeqCst);
    }

    pub fn answers_still_to_lose(&self) -> usize {
        self.answers_to_lose.load(Ordering::SeqCst)
    }

    /// Every parent that was counted since this was last asked, as often as it was.
    pub fn take_counted(&self) -> Vec<Parent> {
        std::mem::take(&mut self.seen.lock().expect("no panic").counted)
    }

    /// How many calls of this kind there were.
    pub fn calls(&self, kind: Kind) -> usize {
        self.seen.lock().expect("no panic").calls.get(&kind).copied().unwrap_or(0)
    }

    async fn before(&self, kind: Kind) {
        *self.seen.lock().expect("no panic").calls.entry(kind).or_default() += 1;
        self.gate(kind).pass().await;
    }

    fn judge(&self, batch: &[Numbered]) -> Result<(), StoreError> {
        // Judged outside the lock: a fault may panic on purpose, or be replaced meanwhile.
        let fault = self.fault.lock().expect("no panic").clone();
        fault.map_or(Ok(()), |fault| fault(batch))
    }

    fn loses_this_answer(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.answers_to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }
}

#[async_trait]
impl Keep for Watched {
    async fn recall(&self, uses: &[KeyUse]) -> Result<Vec<Option<Recalled>>, StoreError> {
        self.watch.before(Kind::Recall).await;
        self.inner.recall(uses).await
    }

    async fn high_water(&self, parents: &[Parent]) -> Result<Vec<HighWater>, StoreError> {
        self.watch.before(Kind::HighWater).await;
        self.inner.high_water(parents).await
    }

    async fn keep(&self, batch: Arc<[Numbered]>) -> Result<Vec<Kept>, StoreError> {
        self.watch.before(Kind::Keep).await;
        self.watch.judge(&batch)?;
        let kept = self.inner.keep(batch).await?;
        if self.watch.loses_this_answer() {
            return Err(StoreError::Unknown("the answer got lost on purpose".into()));
        }
        Ok(kept)
    }

    async fn bury(&self, numbers: &[(Parent, Number)]) -> Result<(), StoreError> {
        self.watch.before(Kind::Bury).await;
        self.inner.bury(numbers).await
    }
}

/// Each call waits at the gate of its kind and then goes on.
macro_rules! pass_on {
    ($port:ident, $kind:expr; $($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $port for Watched {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                self.watch.before($kind).await;
                self.inner.$name($($argument),*).await
            })*
        }
    };
}

pass_on! { Read, Kind::Read;
    tenant(token: &Token) -> Option<Tenant>;
    applications(page: &Page<Token>) -> Option<Listed<Application, Token>>;
    application(tenant: &Tenant) -> Result<Application, Missing>;
    chats(tenant: &Tenant, page: &Page<u64>) -> Result<Listed<Chat, u64>, Missing>;
    chat(tenant: &Tenant, number: Number) -> Result<Chat, Missing>;
    messages(tenant: &Tenant, chat: Number, page: &Page<u64>) -> Result<Listed<Message, u64>, Missing>;
    message(tenant: &Tenant, chat: Number, number: Number) -> Result<Message, Missing>;
    pick(tenant: &Tenant, chat: Number, numbers: &[Number]) -> Result<Vec<Message>, Missing>;
}

pass_on! { Edit, Kind::Edit;
    create_application(new: NewApplication) -> Founded;
    rename_application(tenant: &Tenant, name: Name) -> Result<Application, Missing>;
    delete_application(tenant: &Tenant) -> Result<(), Missing>;
    delete_chat(tenant: &Tenant, number: Number) -> Result<(), Missing>;
    edit_message(tenant: &Tenant, place: MessagePlace, body: Body, expected: Expected)
        -> Result<Message, Unchanged>;
    delete_message(tenant: &Tenant, place: MessagePlace, expected: Expected) -> Result<(), Unchanged>;
}

pass_access_on!(Watched, inner);
pass_quotas_on!(Watched, inner);

pass_on! { Backlog, Kind::Backlog;
    claim(after: Option<ApplicationId>, limit: u64, until: Timestamp) -> Vec<Claim>;
    rows(ranges: &[Range]) -> RowsOf;
    release(claims: &[Claim]) -> ();
    finish(claims: &[ClaimId]) -> ();
    walk(after: Option<MessagePlace>, limit: usize) -> Vec<Row>;
    known_index() -> Option<String>;
    remember_index(index: &str) -> ();
}

#[async_trait]
impl Count for Watched {
    async fn count(&self, parents: &[Parent], through: Timestamp) -> Result<(), StoreError> {
        self.watch.before(Kind::Count).await;
        self.watch.seen.lock().expect("no panic").counted.extend(parents);
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
        self.watch.before(Kind::Tend).await;
        self.inner.purge(limit).await
    }

    async fn sweep_keys(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.sweep_keys(before, limit).await
    }
}

#[async_trait]
impl Nodes for Watched {
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
