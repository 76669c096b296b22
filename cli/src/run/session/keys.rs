//! `--interactive`: what is typed is for this program, not for the one that runs.
//!
//! A terminal is told to hand out each key at once and to show none; it is as it
//! was when this is dropped. Ctrl-C and its like remain signals.

use super::events::Event;
use std::io::{IsTerminal as _, Read as _};
use std::mem::MaybeUninit;
use std::sync::mpsc::Sender;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Restart,
    RestartSlots,
    Undo,
    Quit,
    Help,
}

/// What each key does.
pub(super) const HELP: &str = "r restarts with the newest code, s restarts the program's Slots, u undoes the last edit, \
     q quits";

impl Key {
    fn of(byte: u8) -> Option<Self> {
        match byte {
            b'r' | b'R' => Some(Self::Restart),
            b's' | b'S' => Some(Self::RestartSlots),
            b'u' | b'U' => Some(Self::Undo),
            b'q' | b'Q' => Some(Self::Quit),
            b'?' | b'h' => Some(Self::Help),
            _ => None,
        }
    }
}

/// Keys are listened to; what the terminal was like before.
pub(super) struct Keys {
    before: Option<libc::termios>,
}

impl Keys {
    pub(super) fn listen(tell: Sender<Event>) -> Self {
        let before = if std::io::stdin().is_terminal() {
            one_by_one()
        } else {
            None
        };
        std::thread::spawn(move || {
            let bytes = std::io::stdin().lock().bytes();
            for byte in bytes.map_while(Result::ok) {
                if let Some(key) = Key::of(byte)
                    && tell.send(Event::Key(key)).is_err()
                {
                    return;
                }
            }
        });
        Self { before }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // SAFETY: gives the terminal the settings that it had.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, before) };
        }
    }
}

/// Lets the terminal hand out each key at once; the settings before.
fn one_by_one() -> Option<libc::termios> {
    let mut settings = MaybeUninit::<libc::termios>::uninit();
    // SAFETY: fills `settings`.
    if unsafe { libc::tcgetattr(libc::STDIN_FILENO, settings.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: filled by a call that succeeded.
    let before = unsafe { settings.assume_init() };
    let mut settings = before;
    settings.c_lflag &= !(libc::ICANON | libc::ECHO);
    settings.c_cc[libc::VMIN] = 1;
    settings.c_cc[libc::VTIME] = 0;
    // SAFETY: settings that came from the terminal, but for the flags.
    let set = unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &settings) };
    (set == 0).then_some(before)
}
