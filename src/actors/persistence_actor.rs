//! Step 2: rows.
//!
//! Hears [`NumberAllocator`](super::number_allocator::NumberAllocator) ([`Entry`]); answers the waiting clients,
//! and tells [`SearchIndexer`] and [`CounterSync`] what was kept. Its bound is that of the allocator: every draft
//! here holds a place there.
//!
//! Several times a lease it says to the intake that this node lives, and takes what dead nodes left behind: those
//! batches go the same way, and nobody waits for them.
//!
//! Batches are kept one after the other, in the order in which they were numbered; what was kept is settled meanwhile. A store that is away holds the
//! line up, so that no later number is kept before an earlier one; the clients' own deadlines answer them. A batch
//! that the store cannot keep is halved until the draft that is in the way is alone; its number becomes a
//! tombstone.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};

use super::batch::{Cut, Lane, Work};
use super::contain::contain;
use super::counter_sync::{Changed, CounterSync};
use super::door::{CreateError, Created};
use super::full::Full;
use super::inlet::{Drain, Inlet};
use super::keeping::{Lost, keep_surely};
use super::number_allocator::replay;
use super::reply::Reply;
use super::search_indexer::{SearchIndexer, Wake};
use super::vitals::{EngineState, INTAKE, STORE, Vitals};
use super::window::Room;
use crate::domain::{ApplicationId, Numbered, Parent};
use crate::intake::{Adopted, EntryId, Intake};
use crate::metrics::METRICS;
use crate::store::{Kept, Store};

/// One transaction at most; a single accepted entry is never cut.
const CUT: Cut = Cut { drafts: 1_024, bytes: 8 * 1024 * 1024 };
/// How often in a lease this node says that it lives.
pub(super) const LOOKS_A_LEASE: u32 = 3;

/// An accepted batch, on its way to its rows.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Entry {
    pub entry: EntryId,
    pub drafts: Vec<Numbered>,
    /// One a draft; none where the client was lost with another node.
    pub replies: Vec<Option<Reply>>,
    /// Held until it is kept.
    pub room: Option<Room>,
}

pub struct PersistenceActor {
    desk: Arc<Desk>,
    to_keep: Lane<Entry>,
    /// Kept and answered; nobody waits for it.
    to_settle: Vec<EntryId>,
    settling: bool,
    /// Between two looks for what dead nodes left behind.
    adopt_interval: Duration,
    adopting: bool,
    drains: Vec<Drain>,
}

/// What a batch works with.
struct Desk {
    intake: Arc<dyn Intake>,
    store: Arc<dyn Store>,
    followers: Followers,
    vitals: Arc<Vitals>,
}

/// Those who are told what was kept.
pub struct Followers {
    pub indexer: Inlet<SearchIndexer>,
    pub counters: Inlet<CounterSync>,
    pub full: Arc<Full>,
}

impl PersistenceActor {
    #[must_use]
    pub fn new(
        intake: Arc<dyn Intake>,
        store: Arc<dyn Store>,
        followers: Followers,
        vitals: Arc<Vitals>,
        lease: Duration,
    ) -> Self {
        let desk = Arc::new(Desk { intake, store, followers, vitals });
        let adopt_interval = lease / LOOKS_A_LEASE;
        Self {
            desk,
            to_keep: Lane::new("keep"),
            to_settle: Vec::new(),
            settling: false,
            adopt_interval,
            adopting: false,
            drains: Vec::new(),
        }
    }

    fn adopt(&mut self, ctx: &mut Context<Self>) {
        if self.adopting || !self.drains.is_empty() {
            return;
        }
        self.adopting = true;
        let work = contain(adopt(Arc::clone(&self.desk))).into_actor(self);
        ctx.spawn(work.map(|adopted, actor, ctx| {
            actor.adopting = false;
            for Adopted { entry, drafts } in adopted.unwrap_or_default() {
                let replies = drafts.iter().map(|_lost| None).collect();
                actor.to_keep.push(Entry { entry, drafts, replies, room: None });
            }
            actor.go_on(ctx);
        }));
    }

    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if let Some(batch) = self.to_keep.start(CUT) {
            let work = contain(step(Arc::clone(&self.desk), batch)).into_actor(self);
            ctx.spawn(work.map(|kept, actor, ctx| {
                actor.to_keep.finish();
                actor.to_settle.extend(kept.unwrap_or_default());
                actor.go_on(ctx);
            }));
        }
        if !self.settling && !self.to_settle.is_empty() {
            self.settling = true;
            let kept = std::mem::take(&mut self.to_settle);
            let work = contain(settle(Arc::clone(&self.desk), kept)).into_actor(self);
            ctx.spawn(work.map(|_end, actor, ctx| {
                actor.settling = false;
                actor.go_on(ctx);
            }));
        }
        if self.to_keep.is_idle() && !self.settling {
            self.drains.drain(..).for_each(Drain::finish);
        }
    }
}

impl Actor for PersistenceActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.adopt(ctx);
        ctx.run_interval(self.adopt_interval, Self::adopt);
    }
}

impl Handler<Entry> for PersistenceActor {
    type Result = ();

    fn handle(&mut self, entry: Entry, ctx: &mut Context<Self>) {
        self.to_keep.push(entry);
        self.go_on(ctx);
    }
}

impl Handler<Drain> for PersistenceActor {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Context<Self>) {
        self.drains.push(drain);
        self.go_on(ctx);
    }
}

impl Work for Entry {
    /// Entries mix applications, and are kept in the order of their numbers.
    fn application(&self) -> ApplicationId {
        ApplicationId(0)
    }

    fn drafts(&self) -> usize {
        self.drafts.len()
    }

    fn bytes(&self) -> usize {
        self.drafts.iter().map(|numbered| numbered.draft.weight_bytes()).sum()
    }
}

/// Says that this node lives, and takes what nobody holds.
async fn adopt(desk: Arc<Desk>) -> Vec<Adopted> {
    // What others left behind is for a node that can keep it.
    let adopted = match desk.vitals.get(STORE) {
        EngineState::Away => desk.intake.stay().await.map(|()| Vec::new()),
        _can_keep => desk.intake.adopt().await,
    };
    match adopted {
        Ok(adopted) => {
            desk.vitals.set(INTAKE, EngineState::Up);
            if !adopted.is_empty() {
                METRICS.adopted.inc_by(adopted.len() as u64);
                let drafts: usize = adopted.iter().map(|entry| entry.drafts.len()).sum();
                tracing::info!(entries = adopted.len(), drafts, "keeping what was left behind");
            }
            adopted
        }
        Err(error) => {
            desk.vitals.set(INTAKE, EngineState::Away);
            tracing::warn!(?error, "the intake does not answer; it is asked again");
            Vec::new()
        }
    }
}

/// Keeps some entries, answers their clients, says what changed, and gives back what is to be settled.
async fn step(desk: Arc<Desk>, entries: Vec<Entry>) -> Vec<EntryId> {
    let (mut drafts, mut replies, mut ids) = (Vec::new(), Vec::new(), Vec::with_capacity(entries.len()));
    let mut rooms = Vec::with_capacity(entries.len());
    for entry in entries {
        rooms.push(entry.room);
        drafts.extend(entry.drafts);
        replies.extend(entry.replies);
        ids.push(entry.entry);
    }
    let drafts: Arc<[Numbered]> = drafts.into();
    let ends = keep_surely(&desk.store, &desk.vitals, &drafts).await;
    drop(rooms);
    let mut conflicts = Vec::new();
    for ((numbered, end), reply) in drafts.iter().zip(ends).zip(replies) {
        if let Ok(Kept::As(number)) = &end
            && *number != numbered.number
        {
            METRICS.conflicts.inc();
            conflicts.push((numbered.draft.parent, Some(*number)));
        }
        if matches!(end, Ok(Kept::OverQuota)) {
            desk.followers.full.remember(numbered.draft.parent.application());
        }
        if let Some(reply) = reply {
            reply.answer(end_for_client(numbered, end));
        }
    }
    announce(&desk, &drafts);
    if !conflicts.is_empty()
        && let Err(error) = desk.intake.raise(&conflicts).await
    {
        tracing::warn!(
            ?error,
            "counters could not be raised after a conflict; the next number conflicts too"
        );
    }
    ids
}

async fn settle(desk: Arc<Desk>, kept: Vec<EntryId>) {
    if let Err(error) = desk.intake.settle(&kept).await {
        tracing::warn!(?error, entries = kept.len(), "entries were not settled; they are kept once more");
    }
}

fn end_for_client(numbered: &Numbered, end: Result<Kept, Lost>) -> Result<Created, CreateError> {
    match end {
        Ok(Kept::As(number) | Kept::Before(number)) => Ok(Created::Kept(number)),
        Ok(Kept::Replay(recalled)) => replay(numbered.draft.key.as_ref(), recalled),
        Ok(Kept::NoParent) => Err(CreateError::NoParent),
        Ok(Kept::OverQuota) => Err(CreateError::OverQuota),
        Err(Lost) => Err(CreateError::Unknown),
    }
}

/// Followers that are not told catch up by themselves.
fn announce(desk: &Desk, drafts: &[Numbered]) {
    let mut parents: Vec<Parent> = drafts.iter().map(|numbered| numbered.draft.parent).collect();
    parents.sort_unstable();
    parents.dedup();
    let Followers { indexer, counters, .. } = &desk.followers;
    let told = counters.tell(Changed(parents)).and(indexer.tell(Wake));
    if let Err(error) = told {
        tracing::debug!(%error, "a follower was not told");
    }
}
