//! Step 1: numbers and queue.
//!
//! Hears the edge ([`Create`], [`Retire`]); tells [`PersistenceActor`]. Its bound is the places of its inlet: each
//! draft holds one until it is answered for good, wherever it is, so that this bound covers the whole way.
//!
//! Three lanes, each with one batch at work at a time: drafts with a key are looked up first, so that a replay
//! takes no number; then all are accepted; those whose parent has no counter yet are seeded and accepted again,
//! and nobody waits for them. Applications take turns in each, and a batch is accepted when there is room for it in the
//! [`Window`] in front of keeping. Where the first of an application has waited too long to be kept in time behind it,
//! the next is refused at once. If a lane panics, the clients of that batch are told that nobody knows, and the
//! lane goes on.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};

use super::accepting::accept_surely;
use super::batch::{Cut, Lane, Work};
use super::contain::contain;
use super::door::{CreateError, Created};
use super::inlet::{Drain, Inlet};
use super::persistence_actor::{Entry, PersistenceActor};
use super::reply::Reply;
use super::vitals::{EngineState, STORE, Vitals};
use super::window::Window;
use crate::domain::{ApplicationId, Draft, KeyUse, Numbered, Parent};
use crate::intake::{Durability, Intake, Place};
use crate::store::{HighWater, Recalled, Store};

/// One accept at most.
const CUT: Cut = Cut { drafts: 512, bytes: 4 * 1024 * 1024 };
/// Of the time that a client waits, the first in line may have waited so much: whoever comes behind it has the rest.
const PATIENCE_SHARE: u32 = 4;

/// Create this.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Create {
    pub draft: Draft,
    pub reply: Reply,
}

/// This parent was deleted.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Retire(pub Parent);

pub struct NumberAllocator {
    desk: Arc<Desk>,
    with_key: Lane<Create>,
    to_accept: Lane<Create>,
    to_seed: Lane<Create>,
    /// Whose line has waited longer is refused; `None` where what is numbered can be answered without being kept.
    patience: Option<Duration>,
    drains: Vec<Drain>,
}

/// What a batch works with.
struct Desk {
    intake: Arc<dyn Intake>,
    store: Arc<dyn Store>,
    persistence: Inlet<PersistenceActor>,
    window: Window,
    vitals: Arc<Vitals>,
}

impl NumberAllocator {
    #[must_use]
    pub fn new(
        intake: Arc<dyn Intake>,
        store: Arc<dyn Store>,
        persistence: Inlet<PersistenceActor>,
        vitals: Arc<Vitals>,
        ack_wait: Duration,
    ) -> Self {
        let durability = intake.durability();
        let window = Window::new(durability);
        let desk = Arc::new(Desk { intake, store, persistence, window, vitals });
        Self {
            desk,
            with_key: Lane::new("recall"),
            to_accept: Lane::new("accept"),
            to_seed: Lane::new("seed"),
            patience: (durability == Durability::Volatile).then(|| ack_wait / PATIENCE_SHARE),
            drains: Vec::new(),
        }
    }

    /// Starts every lane that is free and has work.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if let Some(batch) = self.with_key.start(CUT) {
            let work = contain(recall(Arc::clone(&self.desk), batch)).into_actor(self);
            ctx.spawn(work.map(|new, actor, ctx| {
                actor.with_key.finish();
                for create in new.into_iter().flatten() {
                    line_up(create, &mut actor.to_accept, actor.patience);
                }
                actor.go_on(ctx);
            }));
        }
        if let Some(batch) = self.to_accept.start(CUT) {
            let work = contain(accept(Arc::clone(&self.desk), batch)).into_actor(self);
            ctx.spawn(work.map(|unseeded, actor, ctx| {
                actor.to_accept.finish();
                unseeded.into_iter().flatten().for_each(|create| actor.to_seed.push(create));
                actor.go_on(ctx);
            }));
        }
        if let Some(batch) = self.to_seed.start(CUT) {
            let work = contain(seed(Arc::clone(&self.desk), batch)).into_actor(self);
            ctx.spawn(work.map(|seeded, actor, ctx| {
                actor.to_seed.finish();
                actor.to_accept.push_front(seeded.unwrap_or_default());
                actor.go_on(ctx);
            }));
        }
        if self.with_key.is_idle() && self.to_accept.is_idle() && self.to_seed.is_idle() {
            self.drains.drain(..).for_each(Drain::finish);
        }
    }
}

impl Actor for NumberAllocator {
    type Context = Context<Self>;
}

impl Handler<Create> for NumberAllocator {
    type Result = ();

    fn handle(&mut self, create: Create, ctx: &mut Context<Self>) {
        let lane = if create.draft.key.is_some() { &mut self.with_key } else { &mut self.to_accept };
        line_up(create, lane, self.patience);
        self.go_on(ctx);
    }
}

impl Handler<Retire> for NumberAllocator {
    type Result = ();

    fn handle(&mut self, Retire(parent): Retire, ctx: &mut Context<Self>) {
        let intake = Arc::clone(&self.desk.intake);
        let retire = async move {
            if let Err(error) = intake.retire(parent).await {
                tracing::debug!(
                    ?parent,
                    ?error,
                    "the intake was not told of a delete; the store refuses instead"
                );
            }
        };
        ctx.spawn(retire.into_actor(self));
    }
}

impl Handler<Drain> for NumberAllocator {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Context<Self>) {
        self.drains.push(drain);
        self.go_on(ctx);
    }
}

impl Work for Create {
    fn application(&self) -> ApplicationId {
        self.draft.parent.application()
    }

    fn drafts(&self) -> usize {
        1
    }

    fn bytes(&self) -> usize {
        self.draft.weight_bytes()
    }
}

/// Behind the others of its application, unless the first of them has waited longer than this.
fn line_up(create: Create, lane: &mut Lane<Create>, patience: Option<Duration>) {
    if patience.is_some_and(|patience| lane.waited(create.application()) > patience) {
        return create.reply.answer(Err(CreateError::Full));
    }
    lane.push(create);
}

/// Answers those whose key was used before; gives back the others.
async fn recall(desk: Arc<Desk>, batch: Vec<Create>) -> Vec<Create> {
    let uses: Vec<KeyUse> = batch.iter().filter_map(|create| create.draft.key.clone()).collect();
    let recalled = match desk.store.recall(&uses).await {
        Ok(recalled) => recalled,
        Err(error) => {
            tracing::warn!(?error, "keys could not be looked up");
            refuse(batch, CreateError::Away);
            return Vec::new();
        }
    };
    let mut new = Vec::new();
    for (create, recalled) in batch.into_iter().zip(recalled) {
        match recalled {
            Some(recalled) => create.reply.answer(replay(create.draft.key.as_ref(), recalled)),
            None => new.push(create),
        }
    }
    new
}

/// What a second use of a key is answered.
pub(super) fn replay(key: Option<&KeyUse>, recalled: Recalled) -> Result<Created, CreateError> {
    let same_body = key.is_some_and(|key| key.body == recalled.body);
    if same_body { Ok(Created::Replay(recalled)) } else { Err(CreateError::KeyReused) }
}

/// Numbers a batch and hands it on; gives back those whose parent has no counter.
async fn accept(desk: Arc<Desk>, batch: Vec<Create>) -> Vec<Create> {
    let size = Cut { drafts: batch.len(), bytes: batch.iter().map(Work::bytes).sum() };
    let room = match desk.vitals.get(STORE) {
        EngineState::Away => desk.window.squeeze(size),
        _can_keep => desk.window.room(size).await,
    };
    let (drafts, replies): (Vec<Draft>, Vec<Reply>) =
        batch.into_iter().map(|create| (create.draft, create.reply)).unzip();
    let receipt = match accept_surely(&*desk.intake, &desk.vitals, &drafts).await {
        Ok(receipt) => receipt,
        Err(end) => {
            replies.into_iter().for_each(|reply| reply.answer(Err(end)));
            return Vec::new();
        }
    };
    let durable = desk.intake.durability() == Durability::Durable;
    let mut entry = Entry {
        entry: receipt.entry,
        drafts: Vec::with_capacity(drafts.len()),
        replies: Vec::new(),
        room: Some(room),
    };
    let mut unseeded = Vec::new();
    for ((draft, reply), place) in drafts.into_iter().zip(replies).zip(receipt.places) {
        match place {
            Place::Numbered(number) => {
                entry.replies.push(Some(if durable { reply.queued(number) } else { reply }));
                entry.drafts.push(Numbered { draft, number });
            }
            Place::Unseeded => unseeded.push(Create { draft, reply }),
            Place::Retired => reply.answer(Err(CreateError::NoParent)),
            Place::Held => reply.answer(Err(CreateError::KeyHeld)),
        }
    }
    // Dropping the entry of a persistence actor that is gone tells its clients that nobody knows.
    if let Err(error) = desk.persistence.tell(entry) {
        tracing::error!(%error, "an accepted batch could not be handed on");
    }
    unseeded
}

/// Brings counters that are missing from the store into the intake; gives back what can be accepted now.
async fn seed(desk: Arc<Desk>, batch: Vec<Create>) -> Vec<Create> {
    let mut parents: Vec<Parent> = batch.iter().map(|create| create.draft.parent).collect();
    parents.sort_unstable();
    parents.dedup();
    let marks = match desk.store.high_water(&parents).await {
        Ok(marks) => marks,
        Err(error) => {
            tracing::warn!(?error, "counters could not be seeded");
            refuse(batch, CreateError::Away);
            return Vec::new();
        }
    };
    let mut found = Vec::with_capacity(parents.len());
    for (parent, mark) in parents.into_iter().zip(marks) {
        if let HighWater::At(number) = mark {
            found.push((parent, number));
        }
    }
    if let Err(error) = desk.intake.raise(&found).await {
        tracing::warn!(?error, "the intake took no seeds");
        refuse(batch, CreateError::Away);
        return Vec::new();
    }
    let (there, gone): (Vec<Create>, Vec<Create>) = batch
        .into_iter()
        .partition(|create| found.binary_search_by_key(&create.draft.parent, |(parent, _)| *parent).is_ok());
    refuse(gone, CreateError::NoParent);
    there
}

fn refuse(batch: Vec<Create>, error: CreateError) {
    batch.into_iter().for_each(|create| create.reply.answer(Err(error)));
}
