//! What belongs to one run of a component, so that it can be stopped.

use super::Stopped;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// The threads, listeners and connections of one run of a component.
#[derive(Clone, Debug)]
pub struct Scope(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stopping: AtomicBool,
    next: AtomicU64,
    running: Mutex<Running>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Running {
    threads: BTreeMap<u64, (String, Option<ThreadId>)>,
    /// Descriptors of their own for the same sockets.
    listeners: Vec<OwnedFd>,
    connections: BTreeMap<u64, OwnedFd>,
    is_cut: bool,
}

impl Scope {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Starts a thread that belongs to the component. It ends soon once
    /// [`Scope::is_stopping`]; a panic ends it too.
    ///
    /// # Errors
    ///
    /// The operating system has no thread for it.
    pub fn spawn(&self, name: &str, work: impl FnOnce(&Scope) + Send + 'static) -> io::Result<()> {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.running().threads.insert(id, (name.to_owned(), None));
        let ended = Ended {
            inner: Arc::clone(&self.0),
            id,
        };
        let scope = self.clone();
        // If there is no thread, `ended` is dropped with the closure.
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let ended = ended;
                if let Some((_, thread)) = scope.0.running().threads.get_mut(&ended.id) {
                    *thread = Some(std::thread::current().id());
                }
                work(&scope);
            })
            .map(drop)
    }

    /// Whether the component is to come to its end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire)
    }

    /// Waits for `time`, or until the component is to come to its end; returns
    /// whether it is.
    pub fn sleep(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut running = self.0.running();
        while !self.is_stopping() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.0.ended.wait_timeout(running, left);
            running = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.is_stopping()
    }

    /// Shuts the socket down when the component is stopped. For a listener:
    /// whoever waits in `accept` gets an error then, and the port is free.
    ///
    /// # Errors
    ///
    /// There is no descriptor left for it.
    pub fn shut_on_stop(&self, listener: &impl AsFd) -> io::Result<()> {
        let descriptor = listener.as_fd().try_clone_to_owned()?;
        let mut running = self.0.running();
        if self.is_stopping() {
            shut_down(&descriptor);
        } else {
            running.listeners.push(descriptor);
        }
        Ok(())
    }

    /// Shuts the socket down when the time for a graceful stop is over: whoever
    /// reads from it or writes to it gets an end or an error. Until the result is
    /// dropped.
    ///
    /// # Errors
    ///
    /// There is no descriptor left for it.
    pub fn shut_on_hard_stop(&self, connection: &impl AsFd) -> io::Result<OnHardStop> {
        let descriptor = connection.as_fd().try_clone_to_owned()?;
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mut running = self.0.running();
        if running.is_cut {
            shut_down(&descriptor);
        }
        running.connections.insert(id, descriptor);
        drop(running);
        Ok(OnHardStop {
            inner: Arc::clone(&self.0),
            id,
        })
    }

    /// The names of the threads that run.
    pub(super) fn threads(&self) -> Vec<String> {
        self.0.running().names()
    }

    /// Stops everything: gracefully for `grace`, then hard, then for `grace` again.
    /// The calling thread is not waited for.
    pub(super) fn stop(&self, grace: Duration) -> Stopped {
        let mut running = self.0.running();
        self.0.stopping.store(true, Ordering::Release);
        // Closes our descriptors of the listeners too: the port is free when the
        // component has closed its own, and may be bound again before that.
        running.listeners.drain(..).for_each(|l| shut_down(&l));
        self.0.ended.notify_all();
        let (mut running, is_done) = self.wait(running, grace);
        if is_done {
            return Stopped::default();
        }
        running.is_cut = true;
        running.connections.values().for_each(shut_down);
        let cut = running.connections.len();
        let (running, _) = self.wait(running, grace);
        let left = running.names_of_others();
        Stopped { cut, left }
    }

    /// Waits until no thread is left but the caller's.
    fn wait<'a>(
        &'a self,
        mut running: MutexGuard<'a, Running>,
        time: Duration,
    ) -> (MutexGuard<'a, Running>, bool) {
        let until = Instant::now() + time;
        loop {
            if running.names_of_others().is_empty() {
                return (running, true);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return (running, false);
            }
            let waited = self.0.ended.wait_timeout(running, left);
            running = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn names(&self) -> Vec<String> {
        self.threads
            .values()
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn names_of_others(&self) -> Vec<String> {
        let this = Some(std::thread::current().id());
        let others = self.threads.values().filter(|(_, id)| *id != this);
        others.map(|(name, _)| name.clone()).collect()
    }
}

/// A connection that is shut down if the component is stopped hard, until this is
/// dropped: [`Scope::shut_on_hard_stop`].
#[derive(Debug)]
#[must_use = "the connection is forgotten when this is dropped"]
pub struct OnHardStop {
    inner: Arc<Inner>,
    id: u64,
}

impl Drop for OnHardStop {
    fn drop(&mut self) {
        self.inner.running().connections.remove(&self.id);
    }
}

/// A thread comes to its end, however.
struct Ended {
    inner: Arc<Inner>,
    id: u64,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.inner.running().threads.remove(&self.id);
        self.inner.ended.notify_all();
    }
}

/// Ends what waits for the socket. What is no socket, or not connected any more,
/// needs no end.
fn shut_down(socket: &OwnedFd) {
    // SAFETY: takes no pointers; the descriptor is open.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) };
}
