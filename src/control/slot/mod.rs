//! A running component in a static: a server, a pool, a task.
//!
//! - [`Component`]: how it is started.
//! - [`scope`]: what belongs to one run of it: threads, listeners, connections.
//! - [`Slot`]: starts, stops and restarts it.

pub(crate) mod scope;

pub use scope::{OnHardStop, Scope};

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a component has to come to its end by itself, and again after its
/// connections were shut down.
pub const GRACE: Duration = Duration::from_millis(100);
/// The port, if neither the caller nor the environment names one.
pub const PORT: u16 = 8888;

/// What a [`Slot`] holds.
///
/// ```
/// use midair::control::{Component, Scope};
/// use std::io::Write;
/// use std::net::{Ipv4Addr, TcpListener};
///
/// struct Greeter;
///
/// impl Component for Greeter {
///     fn start(
///         scope: &Scope,
///         port: u16,
///         _before: Option<&Self>,
///     ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
///         let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
///         scope.shut_on_stop(&listener)?;
///         scope.spawn("acceptor", move |scope| {
///             while let Ok((mut stream, _)) = listener.accept() {
///                 if scope.is_stopping() {
///                     break;
///                 }
///                 let _ = stream.write_all(b"hello\n");
///             }
///         })?;
///         Ok(Self)
///     }
/// }
///
/// midair::slot! { static SERVER: Greeter }
///
/// # let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
/// SERVER.start(Some(port))?;
/// let stopped = SERVER.stop()?;
/// assert!(stopped.was_graceful());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Component: Send + Sync + Sized + 'static {
    /// Brings it up, and returns when it is ready. Threads are started by
    /// [`Scope::spawn`]. `before` is what ran last in this slot, or none: take from
    /// it what is to be kept (a counter, a pool), and leave the rest.
    ///
    /// # Errors
    ///
    /// Why it cannot run. What `scope` was given is stopped then, and `before` is
    /// kept for the next start.
    fn start(
        scope: &Scope,
        port: u16,
        before: Option<&Self>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>>;
}

/// A component in a static: Clojure's `defonce` and atom in one. Made by
/// [`slot!`](crate::slot); over the control socket `start SERVER 8080`, `stop
/// SERVER`, `restart SERVER`.
///
/// **Stopping.** First gracefully: [`Scope::is_stopping`] becomes true, listeners
/// are shut down, so that `accept` returns, and threads have 100 ms to come to their
/// end. Then hard, which in Rust means: connections are shut down, so that whoever
/// reads from them or writes to them gets an end or an error at once, and threads
/// have another 100 ms. What still runs then is *left*: it is named in the answer
/// and runs on beside whatever is started next.
///
/// **Why not harder.** A thread cannot be killed without ending the process or its
/// safety. `pthread_cancel` unwinds by force, which is undefined behaviour in frames
/// of Rust with destructors; where it does not unwind, locks stay locked for ever
/// and memory that other threads borrow from the dead stack is gone. A signal that
/// kills kills the process. So a thread that computes without asking `is_stopping`,
/// or that waits for something that is not registered with the scope, cannot be
/// ended from outside. Only a process can: put there what must be killable.
pub struct Slot<S> {
    name: &'static str,
    state: Mutex<State<S>>,
}

enum State<S> {
    Stopped {
        /// What ran last.
        before: Option<Arc<S>>,
    },
    /// Somebody starts or stops it just now.
    Changing,
    Running {
        component: Arc<S>,
        scope: Scope,
        port: u16,
    },
}

impl<S: Component> Slot<S> {
    /// What [`slot!`](crate::slot) makes.
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            state: Mutex::new(State::Stopped { before: None }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The component, if it runs.
    pub fn get(&self) -> Option<Arc<S>> {
        match &*self.state() {
            State::Running { component, .. } => Some(Arc::clone(component)),
            _ => None,
        }
    }

    /// Starts it on `port`, else on the port that the environment variable `PORT`
    /// names, else on 8888. Returns the port.
    ///
    /// # Errors
    ///
    /// [`SlotError`].
    pub fn start(&self, port: Option<u16>) -> Result<u16, SlotError> {
        let port = match port {
            Some(port) => port,
            None => port_of_environment()?,
        };
        let before = {
            let mut state = self.state();
            match &*state {
                State::Stopped { before } => {
                    let before = before.clone();
                    *state = State::Changing;
                    before
                }
                State::Changing => return Err(self.changing()),
                State::Running { port, .. } => {
                    return Err(SlotError::Running {
                        name: self.name,
                        port: *port,
                    });
                }
            }
        };
        let mut leave = Leave {
            slot: self,
            state: Some(State::Stopped {
                before: before.clone(),
            }),
        };
        let scope = Scope::new();
        let mut unless_started = StopOnDrop(Some(scope.clone()));
        match S::start(&scope, port, before.as_deref()) {
            Ok(component) => {
                leave.state = Some(State::Running {
                    component: Arc::new(component),
                    scope,
                    port,
                });
                unless_started.0 = None;
                Ok(port)
            }
            Err(source) => Err(SlotError::Failed {
                name: self.name,
                port,
                source,
            }),
        }
    }

    /// Stops it: gracefully within 100 ms, then hard. The answer says how it went,
    /// and what could not be ended.
    ///
    /// # Errors
    ///
    /// [`SlotError::Stopped`] and [`SlotError::Changing`].
    pub fn stop(&self) -> Result<Stopped, SlotError> {
        self.stop_and_tell().map(|(stopped, _)| stopped)
    }

    /// Also returns the port that it was on.
    fn stop_and_tell(&self) -> Result<(Stopped, u16), SlotError> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Changing) {
            State::Running {
                component,
                scope,
                port,
            } => {
                // Its threads may ask for the component meanwhile.
                drop(state);
                let _leave = Leave {
                    slot: self,
                    state: Some(State::Stopped {
                        before: Some(component),
                    }),
                };
                Ok((scope.stop(GRACE), port))
            }
            State::Changing => Err(self.changing()),
            stopped => {
                *state = stopped;
                Err(SlotError::Stopped { name: self.name })
            }
        }
    }

    /// Stops it if it runs, and starts it: on `port`, else where it was, else as
    /// [`Slot::start`] does.
    ///
    /// # Errors
    ///
    /// [`SlotError`]; it is stopped then.
    pub fn restart(&self, port: Option<u16>) -> Result<Restarted, SlotError> {
        let (stopped, was) = match self.stop_and_tell() {
            Ok((stopped, was)) => (Some(stopped), Some(was)),
            Err(SlotError::Stopped { .. }) => (None, None),
            Err(error) => return Err(error),
        };
        let port = self.start(port.or(was))?;
        Ok(Restarted { stopped, port })
    }

    fn changing(&self) -> SlotError {
        SlotError::Changing { name: self.name }
    }
}

/// What the state becomes in the end, also if the component panics.
struct Leave<'a, S> {
    slot: &'a Slot<S>,
    state: Option<State<S>>,
}

impl<S> Drop for Leave<'_, S> {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            let mut now = self
                .slot
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *now = state;
        }
    }
}

/// A start that failed or panicked leaves nothing running.
struct StopOnDrop(Option<Scope>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(scope) = &self.0 {
            scope.stop(GRACE);
        }
    }
}

fn port_of_environment() -> Result<u16, SlotError> {
    let Some(text) = std::env::var_os("PORT") else {
        return Ok(PORT);
    };
    let text = text.to_string_lossy().into_owned();
    text.parse().map_err(|_| SlotError::Port { text })
}

/// How a component was stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Connections that were shut down, since they were open when the time was up.
    pub cut: usize,
    /// Threads that run on: see [`Slot`].
    pub left: Vec<String>,
}

impl Stopped {
    /// Whether everything came to its end by itself.
    #[must_use]
    pub fn was_graceful(&self) -> bool {
        self.cut == 0 && self.left.is_empty()
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.was_graceful() {
            return f.write_str("stopped");
        }
        f.write_str("stopped hard")?;
        if self.cut > 0 {
            write!(f, "; {} connections were cut", self.cut)?;
        }
        if !self.left.is_empty() {
            write!(
                f,
                "; these threads did not end and run on, for nothing can kill a thread: {}",
                self.left.join(", ")
            )?;
        }
        Ok(())
    }
}

/// How a component was restarted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Restarted {
    /// How the last run ended; none if it did not run.
    pub stopped: Option<Stopped>,
    /// Where it is now.
    pub port: u16,
}

/// Why a component was not started or stopped.
#[non_exhaustive]
pub enum SlotError {
    /// It runs already.
    Running {
        /// The slot.
        name: &'static str,
        /// The port that it is on.
        port: u16,
    },
    /// It does not run.
    Stopped {
        /// The slot.
        name: &'static str,
    },
    /// Somebody else starts or stops it just now.
    Changing {
        /// The slot.
        name: &'static str,
    },
    /// `PORT` is no port.
    Port {
        /// What it is.
        text: String,
    },
    /// The component says that it cannot start.
    Failed {
        /// The slot.
        name: &'static str,
        /// The port that it was to be on.
        port: u16,
        /// What it says.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// As `Display`: it is what a `main` that returns the error shows.
impl fmt::Debug for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { name, port } => {
                write!(f, "{name} runs already, on port {port}; restart it instead")
            }
            Self::Stopped { name } => write!(f, "{name} does not run; start it"),
            Self::Changing { name } => {
                write!(
                    f,
                    "{name} is being started or stopped just now; wait for it"
                )
            }
            Self::Port { text } => write!(
                f,
                "the environment variable PORT is `{text}`, which is no port; unset it or pass one"
            ),
            Self::Failed { name, port, source } => {
                write!(f, "{name} did not start on port {port}: {source}")
            }
        }
    }
}

impl Error for SlotError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

/// A [`Slot`] of any component, as it is seen from outside.
pub trait Restartable: Sync {
    /// Its name with the path of its module.
    fn name(&self) -> &'static str;
    /// What it does now, in words.
    fn status(&self) -> String;
    /// [`Slot::start`].
    ///
    /// # Errors
    ///
    /// As there.
    fn start(&self, port: Option<u16>) -> Result<u16, SlotError>;
    /// [`Slot::stop`].
    ///
    /// # Errors
    ///
    /// As there.
    fn stop(&self) -> Result<Stopped, SlotError>;
    /// [`Slot::restart`].
    ///
    /// # Errors
    ///
    /// As there.
    fn restart(&self, port: Option<u16>) -> Result<Restarted, SlotError>;
}

impl<S: Component> Restartable for Slot<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn status(&self) -> String {
        match &*self.state() {
            State::Stopped { before: None } => "was never started".to_owned(),
            State::Stopped { .. } => "stopped".to_owned(),
            State::Changing => "is being started or stopped".to_owned(),
            State::Running { scope, port, .. } => {
                format!(
                    "runs on port {port}, threads: {}",
                    scope.threads().join(", ")
                )
            }
        }
    }

    fn start(&self, port: Option<u16>) -> Result<u16, SlotError> {
        Slot::start(self, port)
    }

    fn stop(&self) -> Result<Stopped, SlotError> {
        Slot::stop(self)
    }

    fn restart(&self, port: Option<u16>) -> Result<Restarted, SlotError> {
        Slot::restart(self, port)
    }
}

/// Declares a [`Slot`](crate::control::Slot) for a
/// [`Component`](crate::control::Component), whose example shows it.
#[macro_export]
macro_rules! slot {
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty $(;)?) => {
        $(#[$attribute])*
        $vis static $name: $crate::control::Slot<$type> = $crate::control::Slot::new(
            ::core::concat!(::core::module_path!(), "::", ::core::stringify!($name)),
        );
        $crate::__at_start!($crate::control::__add_slot(&$name));
    };
}

#[cfg(test)]
mod tests;
