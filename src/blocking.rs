//! Bounded threads for calls that block: one for the writer of SQLite, some for its readers, one for the writer of the
//! search index, which stands back.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

/// Threads with a state each (a connection, say) and one bounded queue in front of them.
pub struct Threads<S> {
    queue: Option<SyncSender<Job<S>>>,
    threads: Vec<JoinHandle<()>>,
}

/// How far what runs in the background stands back, as nice(2) has it: while processors are short, it gets a third of what
/// another thread gets, so that it is late and not lost.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

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
        Self::start_each(name, states, waiting_limit, || {})
    }

    /// The same, for work that nobody waits for.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start_in_background(name: &str, states: Vec<S>, waiting_limit: usize) -> std::io::Result<Self> {
        Self::start_each(name, states, waiting_limit, stand_back)
    }

    fn start_each(name: &str, states: Vec<S>, waiting_limit: usize, begin: fn()) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(waiting_limit);
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::with_capacity(states.len());
        for state in states {
            let jobs = Arc::clone(&jobs);
            let thread = std::thread::Builder::new().name(name.to_owned());
            threads.push(thread.spawn(move || {
                begin();
                work(&jobs, state);
            })?);
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

/// Does this on a thread that stands back, and waits for it. Threads that it starts stand back too.
pub fn in_background<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let done = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            stand_back();
            work()
        });
        thread.join()
    });
    done.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Where a thread has no niceness of its own, nothing changes.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "what runs in the background does not stand back");
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

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// Of a thread that this one starts.
    fn niceness() -> i32 {
        std::thread::spawn(|| rustix::process::getpriority_process(None)).join().unwrap().unwrap()
    }

    #[tokio::test]
    async fn what_runs_in_the_background_stands_back_with_the_threads_that_it_starts() {
        let ours = niceness();
        let behind = (ours + NICENESS).min(19);
        assert_eq!(in_background(niceness), behind);
        let background = Threads::start_in_background("background", vec![()], 1).unwrap();
        assert_eq!(background.run(|()| niceness()).await.unwrap(), behind);
        let foreground = Threads::start("foreground", vec![()], 1).unwrap();
        assert_eq!(foreground.run(|()| niceness()).await.unwrap(), ours);
    }
}
