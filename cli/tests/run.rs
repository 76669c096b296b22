//! `cargo midair run`: a real workspace is edited on disk while its program runs.
//!
//! All tests share one copy of `tests/fixtures/live` and its target folder, so they
//! take turns; each begins with the sources as they are in the repository.
//!
//! `MIDAIR_RUN_TARGET` builds and runs the program for another target, by the linker
//! and the runner that cargo's variables name (`CARGO_TARGET_…`), and with the compiler
//! `MIDAIR_RUN_RUSTC`: see `ci/aarch64.sh`.

#[path = "run/called.rs"]
mod called;
#[path = "run/check.rs"]
mod check;
#[path = "run/client.rs"]
mod client;
#[path = "run/configured.rs"]
mod configured;
#[path = "run/counter.rs"]
mod counter;
#[path = "run/day.rs"]
mod day;
#[path = "run/debugger.rs"]
mod debugger;
#[path = "run/eval.rs"]
mod eval;
#[path = "run/failures.rs"]
mod failures;
#[path = "run/greeting.rs"]
mod greeting;
#[path = "run/hostile.rs"]
mod hostile;
#[path = "run/keeps.rs"]
mod keeps;
#[path = "run/keys.rs"]
mod keys;
#[path = "run/limits.rs"]
mod limits;
#[path = "run/live.rs"]
mod live;
#[path = "run/notes.rs"]
mod notes;
#[path = "run/partial.rs"]
mod partial;
#[path = "run/pinned.rs"]
mod pinned;
#[path = "run/program.rs"]
mod program;
#[path = "run/refused.rs"]
mod refused;
#[path = "run/relink.rs"]
mod relink;
#[path = "run/said.rs"]
mod said;
#[path = "run/server.rs"]
mod server;
#[path = "run/shadow.rs"]
mod shadow;
#[path = "run/soak.rs"]
mod soak;
#[path = "run/socket.rs"]
mod socket;
#[path = "run/unseen.rs"]
mod unseen;
#[path = "run/workspace.rs"]
mod workspace;
