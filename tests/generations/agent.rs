//! The agent in this process.

use midair::reload::protocol::{self, Answer, Hello, Load, Request, SOCKET, Swap, Undone};
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// For one test at a time: all of them change what runs.
pub(crate) struct Agent(UnixStream);

static AGENT: Mutex<Option<Agent>> = Mutex::new(None);

/// The agent, and everybody else waits.
pub(crate) fn agent() -> MutexGuard<'static, Option<Agent>> {
    let mut agent = AGENT.lock().unwrap_or_else(PoisonError::into_inner);
    agent.get_or_insert_with(|| {
        let (mut own, its) = UnixStream::pair().unwrap();
        // SAFETY: no other thread of this test reads the environment.
        unsafe { std::env::set_var(SOCKET, its.into_raw_fd().to_string()) };
        assert!(midair::agent());
        let hello: Hello = protocol::receive(&mut own).unwrap();
        assert_eq!(hello.pid, u64::from(std::process::id()));
        Agent(own)
    });
    agent
}

impl Agent {
    fn ask(&mut self, request: &Request) -> Answer {
        protocol::send(&mut self.0, request).unwrap();
        protocol::receive(&mut self.0).unwrap()
    }

    /// Leads functions elsewhere; the generation that this is.
    pub(crate) fn reload(&mut self, swaps: &[(usize, usize)]) -> u64 {
        self.load(Load {
            swaps: swaps
                .iter()
                .map(|&(target, replacement)| Swap {
                    target: target as u64,
                    replacement: replacement as u64,
                })
                .collect(),
            ..Load::default()
        })
        .unwrap()
    }

    pub(crate) fn load(&mut self, load: Load) -> Result<u64, String> {
        match self.ask(&Request::Load(load)) {
            Answer::Loaded(loaded) => Ok(loaded.generation),
            Answer::Failed(why) => Err(why),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn undo(&mut self) -> Result<Undone, String> {
        match self.ask(&Request::Undo) {
            Answer::Undone(undone) => Ok(undone),
            Answer::Failed(why) => Err(why),
            other => panic!("{other:?}"),
        }
    }

    /// Goes back as far as it goes.
    pub(crate) fn undo_all(&mut self) {
        while self.undo().is_ok() {}
    }
}
