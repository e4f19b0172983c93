//! Step 4: what was kept is counted.
//!
//! Hears [`PersistenceActor`](super::persistence_actor::PersistenceActor) and the edge ([`Changed`]); tells nobody.
//! On a timer it brings the counters of the parents that changed since its last tick up to their rows, and looks
//! at no others. What a crash left uncounted is found at the start, and when the store says that a node died. Beside
//! that, in small steps that let writers pass: rows of deleted parents and stale keys go, and an audit walks round
//! the chats; what it says of holes is remembered until they are nobody's. Its bound is `CHANGED_LIMIT`
//! parents; beyond it, it does not wait for the timer, and where counting is held up, it forgets them and has the
//! store look for what was missed. When the store is away, what changed stays remembered.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};

use super::contain::contain;
use super::counting::{Changes, NOT_YET, count, settled_through};
use super::holes::Holes;
use super::housekeeping::{Chores, tend};
use super::inlet::Drain;
use super::persistence_actor::LOOKS_A_LEASE;
use super::suspects::Suspects;
use super::vitals::{EngineState, STORE, Vitals};
use crate::domain::{Number, Parent, Timestamp};
use crate::intake::Intake;
use crate::metrics::{Follower, METRICS};
use crate::store::{AuditPlace, Company, Entered, Store};

/// Parents that wait for a tick before one comes early.
const CHANGED_LIMIT: usize = 50_000;
/// How often a step of the audit is taken.
const AUDIT_INTERVAL: Duration = Duration::from_secs(10);

/// The rows of these parents changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Changed(pub Vec<Parent>);

/// A reader met a number without a row below this parent.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Suspect {
    pub parent: Parent,
    pub hole: Number,
}

pub struct CounterSync {
    desk: Arc<Desk>,
    pace: Pace,
    changed: HashSet<Parent>,
    /// Since when the first of them waits.
    changed_since: Option<Instant>,
    /// Parents changed that `changed` does not name.
    missed: bool,
    counting: bool,
    tending: bool,
    entering: bool,
    audit_is_due: bool,
    audited_to: Option<AuditPlace>,
    suspects: Suspects,
    holes: Holes,
    drains: Vec<Drain>,
}

/// What a step works with.
pub(super) struct Desk {
    pub(super) store: Arc<dyn Store>,
    pub(super) intake: Arc<dyn Intake>,
    pub(super) vitals: Arc<Vitals>,
    company: Company,
}

/// How often things happen, and how long they are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two ticks.
    pub interval: Duration,
    pub lease: Duration,
    /// After this, a number without a row that is in no queue either is nobody's.
    pub hole_patience: Duration,
}

impl CounterSync {
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        intake: Arc<dyn Intake>,
        vitals: Arc<Vitals>,
        company: Company,
        pace: Pace,
    ) -> Self {
        Self {
            desk: Arc::new(Desk { store, intake, vitals, company }),
            pace,
            changed: HashSet::new(),
            changed_since: None,
            missed: true,
            counting: false,
            tending: false,
            entering: false,
            audit_is_due: true,
            audited_to: None,
            suspects: Suspects::default(),
            holes: Holes::default(),
            drains: Vec::new(),
        }
    }

    /// Says to the store that this node lives, and hears whether another one died.
    fn enter(&mut self, ctx: &mut Context<Self>) {
        if self.entering || !self.drains.is_empty() {
            return;
        }
        self.entering = true;
        let work = contain(enter(Arc::clone(&self.desk))).into_actor(self);
        ctx.spawn(work.map(|uncounted, actor, _ctx| {
            actor.entering = false;
            actor.missed |= uncounted.unwrap_or(false);
        }));
    }

    /// Counts what changed since the last tick.
    fn tick(&mut self, ctx: &mut Context<Self>) {
        if self.counting {
            return;
        }
        if self.changed.is_empty() && !self.missed {
            return self.say_drained();
        }
        self.counting = true;
        let desk = Arc::clone(&self.desk);
        let through = contain(async move { settled_through(&*desk.intake).await }).into_actor(self);
        ctx.spawn(through.map(|through, actor, ctx| {
            // What was settled until then has been told by now.
            actor.count(through.unwrap_or(NOT_YET), ctx);
        }));
    }

    fn count(&mut self, through: Timestamp, ctx: &mut Context<Self>) {
        let since = self.changed_since.take();
        let changes =
            Changes { missed: std::mem::take(&mut self.missed), parents: self.changed.drain().collect() };
        let work = contain(count(Arc::clone(&self.desk), changes, through)).into_actor(self);
        ctx.spawn(work.map(move |left, actor, ctx| {
            actor.counting = false;
            let left = left.unwrap_or(Changes { missed: true, parents: Vec::new() });
            let failed = left.missed || !left.parents.is_empty();
            actor.missed |= left.missed;
            actor.changed.extend(left.parents);
            match since {
                Some(since) if failed => actor.changed_since = Some(since),
                Some(since) => METRICS.follows(Follower::Counters, since.elapsed()),
                None => {}
            }
            if failed {
                // The next tick tries again; after a drain, the next start does.
                actor.say_drained();
            } else if !actor.drains.is_empty() || actor.missed || actor.changed.len() >= CHANGED_LIMIT {
                actor.tick(ctx);
            }
        }));
    }

    /// One round of the housekeeping, unless one is at work.
    fn tend(&mut self, ctx: &mut Context<Self>) {
        if self.tending || !self.drains.is_empty() {
            return;
        }
        self.tending = true;
        let chores = Chores {
            audit_after: std::mem::take(&mut self.audit_is_due).then_some(self.audited_to),
            suspects: self.suspects.take(),
            holes: self.holes.older_than(self.pace.hole_patience, Instant::now()),
        };
        let work = contain(tend(Arc::clone(&self.desk), chores)).into_actor(self);
        ctx.spawn(work.map(|done, actor, _ctx| {
            actor.tending = false;
            let Ok(Some(done)) = done else { return };
            if let Some(audited_to) = done.audited_to {
                actor.audited_to = audited_to;
            }
            actor.holes.forget(&done.closed);
            actor.changed.extend(done.closed.iter().map(|hole| hole.parent));
            actor.holes.remember(done.seen, Instant::now());
        }));
    }

    fn say_drained(&mut self) {
        self.drains.drain(..).for_each(Drain::finish);
    }
}

impl Actor for CounterSync {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.tick(ctx);
        self.tend(ctx);
        ctx.run_interval(self.pace.interval, |actor, ctx| {
            actor.tick(ctx);
            actor.tend(ctx);
        });
        ctx.run_interval(self.pace.lease / LOOKS_A_LEASE, Self::enter);
        ctx.run_interval(AUDIT_INTERVAL, |actor, ctx| {
            // A round that is at work now does not make this one pass unseen.
            actor.audit_is_due = true;
            actor.tend(ctx);
        });
    }
}

impl Handler<Changed> for CounterSync {
    type Result = ();

    fn handle(&mut self, Changed(parents): Changed, ctx: &mut Context<Self>) {
        self.changed_since.get_or_insert_with(Instant::now);
        self.changed.extend(parents);
        if self.changed.len() < CHANGED_LIMIT {
            return;
        }
        if self.counting {
            self.changed.clear();
            self.missed = true;
        }
        self.tick(ctx);
    }
}

impl Handler<Suspect> for CounterSync {
    type Result = ();

    fn handle(&mut self, Suspect { parent, hole }: Suspect, _ctx: &mut Context<Self>) {
        self.suspects.meet(parent, hole, self.pace.hole_patience);
    }
}

impl Handler<Drain> for CounterSync {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Context<Self>) {
        self.drains.push(drain);
        self.tick(ctx);
    }
}

/// Says whether parents are uncounted because a node died.
async fn enter(desk: Arc<Desk>) -> bool {
    match desk.store.enter(desk.company).await {
        Ok(Entered::In { uncounted }) => {
            desk.vitals.set(STORE, EngineState::Up);
            uncounted
        }
        Ok(Entered::Refused) => {
            desk.vitals.set(STORE, EngineState::Away);
            tracing::error!(
                "another node works on this store, and engines that live in one process allow one node"
            );
            false
        }
        Err(error) => {
            desk.vitals.set(STORE, EngineState::Away);
            tracing::warn!(?error, "the store does not answer; it is asked again");
            false
        }
    }
}
