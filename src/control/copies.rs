//! Two copies of midair in one process, and one control socket.
//!
//! `cargo midair run` preloads an agent that carries a copy of midair: another one than
//! the program may be linked with, with statics of its own. The socket is the agent's
//! copy's, for it has hot reload, and all patches that are made over the socket have to
//! be of one registry. What it does not have are the program's `Var`s and `Slot`s. So
//! the program's copy gives it a function that answers requests in the protocol's JSON,
//! as soon as there is one of either ([`join`]), and the commands about these are passed
//! on to it ([`pass_on`]). When the program asks for a socket, it is told of the agent's
//! ([`serve`]).
//!
//! Nothing but C functions and bytes passes between the two, since they may be of
//! different versions and compilers. The agent's two functions are found by name, in
//! the agent's package.

use super::commands::{Answer, Words};
use super::socket::json::Json;
use super::socket::{self, session};
use super::{ControlError, Options, Served};
use std::ffi::{CStr, c_void};
use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};

/// Receives the bytes of an answer.
#[doc(hidden)]
pub type Told = unsafe extern "C" fn(to: *mut c_void, bytes: *const u8, len: usize);
/// Answers one request: a line of JSON, by a call of `told` with `to`.
#[doc(hidden)]
pub type Ask = unsafe extern "C" fn(line: *const u8, len: usize, told: Told, to: *mut c_void);
/// Opens the socket, also on this port of the loopback unless it is negative; answers
/// with a line of JSON.
type Serve = unsafe extern "C" fn(port: i32, told: Told, to: *mut c_void);
type Join = unsafe extern "C" fn(Ask);

/// What the agent's functions are called. The number changes with their types and with
/// what is said by them.
const JOIN: &CStr = c"midair_agent_join_1";
const SERVE: &CStr = c"midair_agent_serve_1";

/// The other copies that have joined this one.
static OTHERS: Mutex<Vec<Ask>> = Mutex::new(Vec::new());

/// For the agent's library: a copy offers what it has.
#[doc(hidden)]
pub fn __joined(ask: Ask) {
    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    // Not itself: `ask` would come back here for ever.
    if !std::ptr::fn_addr_eq(ask, answer as Ask) {
        others.push(ask);
    }
}

/// For the agent's library: the program asks for its socket.
///
/// # Safety
///
/// `told` may be called with `to`.
#[doc(hidden)]
pub unsafe fn __serve(port: i32, told: Told, to: *mut c_void) {
    let mut options = Options::new().quiet();
    options.port = u16::try_from(port).ok();
    let answer = match socket::open(&options) {
        Ok(Served { path, tcp }) => {
            let text = |path: &Path| Json::Text(path.display().to_string());
            let mut fields = vec![("path".to_owned(), text(&path))];
            if let Some((address, token)) = tcp {
                fields.push(("address".to_owned(), Json::Text(address.to_string())));
                fields.push(("token".to_owned(), text(&token)));
            }
            Json::Object(fields)
        }
        Err(error) => Json::object([("error", Json::Text(error.to_string()))]),
    };
    let answer = answer.to_string();
    // SAFETY: the caller's promise; the bytes live for the call.
    unsafe { told(to, answer.as_ptr(), answer.len()) };
}

/// Offers this copy to the agent's, if there is one. Only the first call does anything.
pub(super) fn join() {
    static JOINED: Once = Once::new();
    JOINED.call_once(|| {
        if let Some(join) = of_agent(JOIN) {
            // SAFETY: the agent's function of that name has this type, by its number.
            let join = unsafe { std::mem::transmute::<*mut c_void, Join>(join) };
            // SAFETY: it keeps the function, which lives as long as the process: what
            // has `Var`s or `Slot`s is never unloaded.
            unsafe { join(answer) };
        }
    });
}

/// The agent's socket, if there is an agent with a copy of its own.
pub(super) fn serve(options: &Options) -> Option<Result<Served, ControlError>> {
    let serve = of_agent(SERVE)?;
    // SAFETY: the agent's function of that name has this type, by its number.
    let serve = unsafe { std::mem::transmute::<*mut c_void, Serve>(serve) };
    let port = options.port.map_or(-1, i32::from);
    let mut said = Vec::new();
    // SAFETY: `collect` is called with the vector, before the call returns.
    unsafe { serve(port, collect, (&raw mut said).cast()) };
    Some(served(&said))
}

fn served(said: &[u8]) -> Result<Served, ControlError> {
    let said = json(said).map_err(|why| ControlError::Agent { why })?;
    let text = |name| said.field(name).and_then(Json::as_text);
    let Some(path) = text("path") else {
        let why = text("error").unwrap_or("it says nothing").to_owned();
        return Err(ControlError::Agent { why });
    };
    let address = text("address").and_then(|address| address.parse().ok());
    Ok(Served {
        path: path.into(),
        tcp: address.zip(text("token").map(Into::into)),
    })
}

/// Whether another copy has joined this one.
pub(super) fn has_joined() -> bool {
    !others().is_empty()
}

/// Passes a command on to the other copies: the first good answer, or all of them
/// together if it is a list.
pub(super) fn pass_on(words: &Words) -> Result<Answer, String> {
    let request = words.as_request().to_string();
    let mut text = String::new();
    let mut list = Vec::new();
    let mut errors = Vec::new();
    for other in others() {
        match asked(other, &request) {
            Ok(answer) => match answer.data {
                Json::List(items) => {
                    // The one that has none says so.
                    if list.is_empty() || !items.is_empty() {
                        text = if list.is_empty() {
                            answer.text
                        } else {
                            text + &answer.text
                        };
                    }
                    list.extend(items);
                }
                _ => return Ok(answer),
            },
            Err(why) => errors.push(why),
        }
    }
    match errors.is_empty() {
        true => Ok(Answer::new(text, Json::List(list))),
        false => Err(errors.join("; ")),
    }
}

/// The names that a list of the other copies has.
pub(super) fn names(list: &str) -> Vec<String> {
    let listed = pass_on(&Words::of(vec![list.to_owned()]));
    let Ok(Answer {
        data: Json::List(items),
        ..
    }) = listed
    else {
        return Vec::new();
    };
    let names = items
        .iter()
        .filter_map(|item| item.field("name")?.as_text());
    names.map(str::to_owned).collect()
}

fn asked(other: Ask, request: &str) -> Result<Answer, String> {
    let mut said = Vec::new();
    // SAFETY: the function is for good, the request lives for the call, and `collect`
    // is called with the vector before it returns.
    unsafe {
        other(
            request.as_ptr(),
            request.len(),
            collect,
            (&raw mut said).cast(),
        )
    };
    let said = json(&said)?;
    let text = |name| said.field(name).and_then(Json::as_text).unwrap_or_default();
    match said.field("ok") {
        Some(Json::Bool(true)) => {
            let data = said.field("data").cloned().unwrap_or(Json::Null);
            Ok(Answer::new(text("text"), data))
        }
        _ => Err(text("error").to_owned()),
    }
}

/// As they are now: a `FromStr` of the program is not waited for with the lock.
fn others() -> Vec<Ask> {
    OTHERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

fn json(said: &[u8]) -> Result<Json, String> {
    let confused = |why: String| format!("the other copy of midair in this process: {why}");
    let said = std::str::from_utf8(said).map_err(|e| confused(e.to_string()))?;
    Json::parse(said).map_err(confused)
}

/// What this copy says to a request of the agent's.
unsafe extern "C" fn answer(line: *const u8, len: usize, told: Told, to: *mut c_void) {
    // SAFETY: the agent passes a line that lives for the call.
    let line = unsafe { std::slice::from_raw_parts(line, len) };
    let answer = session::answer(line).unwrap_or_default();
    // SAFETY: the agent passes what belongs together.
    unsafe { told(to, answer.as_ptr(), answer.len()) };
}

unsafe extern "C" fn collect(to: *mut c_void, bytes: *const u8, len: usize) {
    // SAFETY: whoever passes this function passes a vector with it.
    let to = unsafe { &mut *to.cast::<Vec<u8>>() };
    // SAFETY: the caller's bytes live for the call.
    to.extend_from_slice(unsafe { std::slice::from_raw_parts(bytes, len) });
}

fn of_agent(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: looks a name up.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}
