//! Step 3: what was kept becomes findable.
//!
//! Hears [`PersistenceActor`](super::persistence_actor::PersistenceActor) and the edge ([`Wake`]); tells nobody.
//! Applications take turns, so that nobody waits for all that another has written.
//! It works off the store's search backlog, which is written in the same transaction as the rows, so that a wake
//! that got lost delays, and loses nothing. Its bound is the size of one round; what waits, waits in the store.
//! When the engine is away it tries again, later each time; no write notices. A drain waits for the round at work;
//! the rest of the backlog is for the next start.
//!
//! An index that does not know every row (new, damaged, of another version) is built anew by walking the rows
//! before the backlog goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use tokio::time::Instant;

use super::contain::contain;
use super::inlet::Drain;
use super::search_round::{Desk, Round, round};
use super::vitals::Vitals;
use crate::connections::Backoff;
use crate::metrics::{Follower, METRICS};
use crate::search::{Search, SearchError};
use crate::store::Store;

/// A commit of an index costs tens of milliseconds whatever it holds, so a round that was not full is not followed
/// by another one sooner than this. What is written is found well within a second.
const ROUND_INTERVAL: Duration = Duration::from_millis(150);
/// The backlog is looked at this often without being woken: another node's claims may have come back.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The backlog grew.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Wake;

/// The index was found damaged by a reader.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Damaged;

pub struct SearchIndexer {
    desk: Arc<Desk>,
    phase: Phase,
    backoff: Backoff,
    damaged: bool,
    /// Since when something waits to be found that no round has begun with.
    waiting_since: Option<Instant>,
    drains: Vec<Drain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// A round is at work; woken again if the backlog grew meanwhile.
    AtWork {
        woken: bool,
    },
    /// The next round starts by a timer.
    Pausing,
}

impl SearchIndexer {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, search: Arc<dyn Search>, vitals: Arc<Vitals>, lease: Duration) -> Self {
        Self {
            desk: Arc::new(Desk {
                store,
                search,
                vitals,
                lease,
                stopping: AtomicBool::new(false),
                served: AtomicI64::new(0),
            }),
            phase: Phase::Idle,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            damaged: false,
            waiting_since: None,
            drains: Vec::new(),
        }
    }

    fn start_round(&mut self, ctx: &mut Context<Self>) {
        self.phase = Phase::AtWork { woken: false };
        let started = Instant::now();
        let renew = std::mem::take(&mut self.damaged);
        let waiting_since = self.waiting_since.take();
        let round = contain(round(Arc::clone(&self.desk), renew)).into_actor(self);
        ctx.spawn(round.map(move |end, actor, ctx| {
            let end = end.unwrap_or(Round::Failed);
            // An index that could not be started anew is as damaged as before.
            actor.damaged |= renew && end == Round::Failed;
            match (end, waiting_since) {
                (Round::Some | Round::Full, Some(since)) => {
                    METRICS.follows(Follower::Search, since.elapsed())
                }
                (Round::Failed | Round::Damaged | Round::Elsewhere, Some(since)) => {
                    actor.waiting_since = Some(since);
                }
                _ => {}
            }
            actor.finish_round(end, started, ctx);
        }));
    }

    fn finish_round(&mut self, end: Round, started: Instant, ctx: &mut Context<Self>) {
        let woken = self.phase == Phase::AtWork { woken: true };
        self.damaged |= end == Round::Damaged;
        if !matches!(end, Round::Failed | Round::Damaged | Round::Elsewhere) {
            self.backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        }
        if !self.drains.is_empty() {
            // What is left stays in the backlog for the next start.
            self.phase = Phase::Idle;
            return self.say_drained();
        }
        let pause = match end {
            Round::Full => Duration::ZERO,
            Round::Empty if !woken => {
                self.phase = Phase::Idle;
                return;
            }
            Round::Some | Round::Empty => ROUND_INTERVAL.saturating_sub(started.elapsed()),
            Round::Failed | Round::Damaged | Round::Elsewhere => self.backoff.step(),
        };
        self.phase = Phase::Pausing;
        ctx.run_later(pause, |actor, ctx| {
            if !actor.desk.stopping.load(Ordering::Relaxed) {
                actor.start_round(ctx);
            }
        });
    }

    fn say_drained(&mut self) {
        self.drains.drain(..).for_each(Drain::finish);
    }
}

impl Actor for SearchIndexer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.start_round(ctx);
        ctx.run_interval(LOOK_INTERVAL, |actor, ctx| actor.wake(ctx));
        let desk = Arc::clone(&self.desk);
        let verify = async move { desk.search.verify().await };
        ctx.spawn(verify.into_actor(self).map(|end, actor, ctx| match end {
            Ok(()) => {}
            Err(SearchError::Damaged(error)) => {
                tracing::warn!(error, "the search index is damaged");
                actor.damaged = true;
                actor.wake(ctx);
            }
            Err(SearchError::Away(error)) => tracing::warn!(error, "the search index could not be verified"),
        }));
    }
}

impl SearchIndexer {
    fn wake(&mut self, ctx: &mut Context<Self>) {
        if self.desk.stopping.load(Ordering::Relaxed) {
            return;
        }
        self.waiting_since.get_or_insert_with(Instant::now);
        match &mut self.phase {
            Phase::Idle => self.start_round(ctx),
            Phase::AtWork { woken } => *woken = true,
            Phase::Pausing => {}
        }
    }
}

impl Handler<Wake> for SearchIndexer {
    type Result = ();

    fn handle(&mut self, _wake: Wake, ctx: &mut Context<Self>) {
        self.wake(ctx);
    }
}

impl Handler<Damaged> for SearchIndexer {
    type Result = ();

    fn handle(&mut self, _damaged: Damaged, ctx: &mut Context<Self>) {
        self.damaged = true;
        self.wake(ctx);
    }
}

impl Handler<Drain> for SearchIndexer {
    type Result = ();

    fn handle(&mut self, drain: Drain, _ctx: &mut Context<Self>) {
        self.drains.push(drain);
        self.desk.stopping.store(true, Ordering::Relaxed);
        if !matches!(self.phase, Phase::AtWork { .. }) {
            self.say_drained();
        }
    }
}
