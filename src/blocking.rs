//! Bounded threads for calls that block: one for the writer of SQLite, some for its readers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

/// Threads with a state each (a connection, say) and one bounded queue in front of them.
pub struct Threads<S> {
    queue: Option<SyncSender<Job<S>>>,
    threads: Vec<JoinHandle<()>>,
}

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    #[error("too many calls are waiting")]
    Full,
    /// Its thread lives on.
    #[error("the call panicked")]
    Panicked,
}

impl<S: Send + 'static> Threads<S> {
    /// One thread a state. At most `waiting_limit` calls wait.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(name: &str, states: Vec<S>, waiting_limit: usize) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(waiting_limit);
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::with_capacity(states.len());
        for state in states {
            let jobs = Arc::clone(&jobs);
            threads
                .push(std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&jobs, state))?);
        }
        Ok(Self { queue: Some(queue), threads })
    }

    /// Runs a call on the next free thread. A caller that goes away does not stop it.
    ///
    /// # Errors
    /// When too many calls are waiting, or this one panicked.
    pub async fn run<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut S) -> R + Send + 'static,
    ) -> Result<R, Blocked> {
        let (answer, answered) = oneshot::channel();
        let job: Job<S> = Box::new(move |state| drop(answer.send(call(state))));
        let queue = self.queue.as_ref().ok_or(Blocked::Full)?;
        match queue.try_send(job) {
            Ok(()) => answered.await.map_err(|_closed| Blocked::Panicked),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Blocked::Full),
        }
    }
}

fn work<S>(jobs: &Mutex<Receiver<Job<S>>>, mut state: S) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // The panic's message was printed by the hook; its caller sees a closed channel.
        let _ = catch_unwind(AssertUnwindSafe(|| job(&mut state)));
    }
}

impl<S> Drop for Threads<S> {
    /// Waits until every queued call is done and every state is dropped.
    fn drop(&mut self) {
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}
