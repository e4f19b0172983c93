//! The bounded way into an actor. actix's mailboxes bound nothing that is sent to them in earnest, and a dropped
//! `send` erases its message; so a place is taken here first, travels inside the message, and is free again when
//! the work is done, not when the caller leaves.

use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// What an actor is asked through. Cloning shares its bounds.
pub struct Inlet<A: Actor> {
    addr: Addr<A>,
    bounds: Bounds,
}

/// How much may be on its way at once.
#[derive(Clone)]
pub struct Bounds {
    places: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
}

/// A place taken; dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    _place: OwnedSemaphorePermit,
    _kibibytes: OwnedSemaphorePermit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InletError {
    #[error("too much is waiting")]
    Full,
    #[error("the actor is gone")]
    Gone,
}

/// Finish what was accepted, then say so.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain {
    done: oneshot::Sender<()>,
}

impl Drain {
    /// Nothing that was accepted is left.
    pub fn finish(self) {
        // Whoever asked may have run out of time.
        let _ = self.done.send(());
    }
}

impl Bounds {
    #[must_use]
    pub fn new(places: usize, bytes: usize) -> Self {
        let kibibytes = (bytes / 1024).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let places = places.clamp(1, Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(places)), kibibytes: Arc::new(Semaphore::new(kibibytes)) }
    }

    /// # Errors
    /// At once, when there is no place or too many bytes are waiting.
    pub fn enter(&self, weight_bytes: usize) -> Result<Place, InletError> {
        let kibibytes = u32::try_from(weight_bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_none| InletError::Full)?;
        let weight = Arc::clone(&self.kibibytes)
            .try_acquire_many_owned(kibibytes)
            .map_err(|_none| InletError::Full)?;
        Ok(Place { _place: place, _kibibytes: weight })
    }

    /// Places that are free now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }
}

impl<A: Actor> Inlet<A> {
    #[must_use]
    pub fn new(addr: Addr<A>, bounds: Bounds) -> Self {
        Self { addr, bounds }
    }

    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Hands a message over. What needs a bound carries a [`Place`].
    ///
    /// # Errors
    /// When the actor is gone.
    #[expect(clippy::disallowed_methods, reason = "the one place that sends: the bound was taken before")]
    pub fn tell<M>(&self, message: M) -> Result<(), InletError>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message<Result = ()> + Send + 'static,
    {
        if !self.addr.connected() {
            return Err(InletError::Gone);
        }
        self.addr.do_send(message);
        Ok(())
    }

    /// Waits until the actor has finished what it accepted. An actor that is gone has nothing left.
    pub async fn drain(&self)
    where
        A: Handler<Drain>,
        A::Context: ToEnvelope<A, Drain>,
    {
        let (done, drained) = oneshot::channel();
        if self.tell(Drain { done }).is_ok() {
            // A sender that was dropped means that the actor is gone.
            let _ = drained.await;
        }
    }
}

impl<A: Actor> Clone for Inlet<A> {
    fn clone(&self) -> Self {
        Self { addr: self.addr.clone(), bounds: self.bounds.clone() }
    }
}
