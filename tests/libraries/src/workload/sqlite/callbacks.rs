//! SQLite calling back: functions, aggregates, window functions, collations,
//! hooks, the authoriser, `exec` with rows.
//!
//! A callback gets the functions of SQLite through a thread-local pointer, set
//! while [`run`] runs: SQLite calls back on the thread that called it.

use super::api::{Api, Context, DETERMINISTIC, OK, UTF8, Value};
use super::connection::Connection;
use crate::{Digest, Result};
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;

thread_local! {
    static API: Cell<*const Api> = const { Cell::new(ptr::null()) };
}

/// What the function `twist` gets as its user data.
static FACTOR: i64 = 31;

/// Runs all of it.
pub(super) fn run(connection: &mut Connection) -> Result<()> {
    API.set(connection.api);
    let result = all(connection);
    API.set(ptr::null());
    result
}

fn all(connection: &mut Connection) -> Result<()> {
    define(connection)?;
    for statement in [
        c"select twist(price), twist(name) from item where id < 200 order by id",
        c"select kind, mix(price) from item group by kind order by kind",
        c"select id, mix(price) over (order by id rows 4 preceding) from item where id < 300",
        c"select name from item where id < 300 order by name collate backwards, id",
        c"select id from item where twist(id) % 3 = 0 and id < 400",
    ] {
        connection.run(statement)?;
    }
    connection.fail(c"select twist('')")?;
    hooks(connection)?;
    authoriser(connection)?;
    tables(connection);
    Ok(())
}

/// `twist(x)`, `mix(x)` and the collation `backwards`.
fn define(connection: &Connection) -> Result<()> {
    let (api, db) = (connection.api, connection.db);
    let factor = (&raw const FACTOR).cast_mut().cast();
    let (none, flags) = (ptr::null_mut(), UTF8 | DETERMINISTIC);
    // SAFETY: the functions have the types that SQLite calls; the factor is never written.
    let codes = unsafe {
        [
            (api.sqlite3_create_function_v2)(
                db,
                c"twist".as_ptr(),
                1,
                flags,
                factor,
                Some(twist),
                None,
                None,
                none,
            ),
            (api.sqlite3_create_window_function)(
                db,
                c"mix".as_ptr(),
                1,
                flags,
                none,
                Some(mix_step),
                Some(mix_value),
                Some(mix_value),
                Some(mix_inverse),
                none,
            ),
            (api.sqlite3_create_collation_v2)(
                db,
                c"backwards".as_ptr(),
                UTF8,
                none,
                Some(backwards),
                none,
            ),
        ]
    };
    match codes.into_iter().find(|code| *code != OK) {
        None => Ok(()),
        Some(code) => Err(connection.failed("to define a function", code)),
    }
}

/// The functions of the SQLite that is calling back on this thread.
fn api<'a>() -> &'a Api {
    // SAFETY: set by `run`, which outlives every callback and clears it afterwards.
    unsafe { API.get().as_ref() }.expect("a callback comes only while `run` runs")
}

/// Text turned around, a number times the factor; an error for no text.
unsafe extern "C" fn twist(context: Context, _: c_int, values: *mut Value) {
    let api = api();
    // SAFETY: SQLite passes one value and a context, and the result is copied.
    unsafe {
        let factor = *(api.sqlite3_user_data)(context).cast::<i64>();
        let number = (api.sqlite3_value_int64)(*values);
        if number != 0 {
            return (api.sqlite3_result_int64)(context, number.wrapping_mul(factor));
        }
        let text = (api.sqlite3_value_text)(*values);
        let length = (api.sqlite3_value_bytes)(*values);
        if length == 0 {
            return (api.sqlite3_result_error)(context, c"nothing to twist".as_ptr(), -1);
        }
        let mut turned = std::slice::from_raw_parts(text, length as usize).to_vec();
        turned.reverse();
        (api.sqlite3_result_text)(
            context,
            turned.as_ptr().cast(),
            length,
            super::api::TRANSIENT,
        );
    }
}

unsafe extern "C" fn mix_step(context: Context, _: c_int, values: *mut Value) {
    // SAFETY: called by SQLite.
    unsafe { mix(context, values, 1) };
}

unsafe extern "C" fn mix_inverse(context: Context, _: c_int, values: *mut Value) {
    // SAFETY: called by SQLite.
    unsafe { mix(context, values, -1) };
}

/// Adds the square of the value, or takes it away.
///
/// # Safety
///
/// SQLite calls with one value for an aggregate.
unsafe fn mix(context: Context, values: *mut Value, sign: i64) {
    let api = api();
    // SAFETY: there is one value; the aggregate's memory is eight bytes, zero at first.
    unsafe {
        let sum = (api.sqlite3_aggregate_context)(context, 8).cast::<i64>();
        let value = (api.sqlite3_value_int64)(*values);
        *sum = (*sum).wrapping_add(value.wrapping_mul(value).wrapping_mul(sign));
    }
}

unsafe extern "C" fn mix_value(context: Context) {
    let api = api();
    // SAFETY: as in `mix`.
    unsafe {
        let sum = (api.sqlite3_aggregate_context)(context, 8).cast::<i64>();
        (api.sqlite3_result_int64)(context, *sum);
    }
}

/// Compares from the last byte to the first.
unsafe extern "C" fn backwards(
    _: *mut c_void,
    left_length: c_int,
    left: *const c_void,
    right_length: c_int,
    right: *const c_void,
) -> c_int {
    // SAFETY: SQLite passes two strings with their lengths.
    let (left, right) = unsafe {
        (
            std::slice::from_raw_parts(left.cast::<u8>(), left_length as usize),
            std::slice::from_raw_parts(right.cast::<u8>(), right_length as usize),
        )
    };
    left.iter().rev().cmp(right.iter().rev()) as c_int
}

/// The hooks of changes, commits, progress and statements, all of which count
/// into one digest.
fn hooks(connection: &mut Connection) -> Result<()> {
    unsafe extern "C" fn update(
        digest: *mut c_void,
        what: c_int,
        _: *const c_char,
        table: *const c_char,
        row: i64,
    ) {
        // SAFETY: the digest given with this function, and a name from SQLite.
        unsafe {
            let digest = &mut *digest.cast::<Digest>();
            digest.code(what);
            digest.bytes(CStr::from_ptr(table).to_bytes());
            digest.code(row);
        }
    }
    unsafe extern "C" fn commit(digest: *mut c_void) -> c_int {
        // SAFETY: the digest given with this function.
        unsafe { (*digest.cast::<Digest>()).code(1) };
        0
    }
    unsafe extern "C" fn progress(digest: *mut c_void) -> c_int {
        // SAFETY: the digest given with this function.
        unsafe { (*digest.cast::<Digest>()).code(2) };
        0
    }
    unsafe extern "C" fn trace(
        kind: c_uint,
        digest: *mut c_void,
        _: *mut c_void,
        sql: *mut c_void,
    ) -> c_int {
        // SAFETY: the digest given with this function; of a statement that starts, SQLite passes the text.
        unsafe {
            let digest = &mut *digest.cast::<Digest>();
            digest.code(kind);
            digest.bytes(CStr::from_ptr(sql.cast()).to_bytes());
        }
        0
    }
    /// `SQLITE_TRACE_STMT`
    const STATEMENT: c_uint = 1;

    let mut seen = Digest::new();
    let data = (&raw mut seen).cast();
    let (api, db) = (connection.api, connection.db);
    // SAFETY: `seen` outlives the hooks, which are taken off below.
    unsafe {
        (api.sqlite3_update_hook)(db, Some(update), data);
        (api.sqlite3_commit_hook)(db, Some(commit), data);
        (api.sqlite3_progress_handler)(db, 500, Some(progress), data);
        connection
            .digest
            .code((api.sqlite3_trace_v2)(db, STATEMENT, Some(trace), data));
    }
    let result = connection
        .run(c"update item set weight = weight + 1 where id between 100 and 160")
        .and_then(|()| connection.run(c"delete from item where id between 160 and 170"));
    let none = ptr::null_mut();
    // SAFETY: as above.
    unsafe {
        (api.sqlite3_update_hook)(db, None, none);
        (api.sqlite3_commit_hook)(db, None, none);
        (api.sqlite3_progress_handler)(db, 0, None, none);
        (api.sqlite3_trace_v2)(db, 0, None, none);
    }
    connection.digest.bytes(seen.to_string().as_bytes());
    result
}

/// An authoriser that forbids to delete.
fn authoriser(connection: &mut Connection) -> Result<()> {
    unsafe extern "C" fn authorise(
        _: *mut c_void,
        action: c_int,
        _: *const c_char,
        _: *const c_char,
        _: *const c_char,
        _: *const c_char,
    ) -> c_int {
        /// `SQLITE_DELETE`
        const DELETE: c_int = 9;
        c_int::from(action == DELETE)
    }
    let (api, db) = (connection.api, connection.db);
    // SAFETY: the function needs no data, and is taken off below.
    unsafe { (api.sqlite3_set_authorizer)(db, Some(authorise), ptr::null_mut()) };
    let result = connection
        .fail(c"delete from item")
        .and_then(|()| connection.run(c"select count(*) from item"));
    // SAFETY: as above.
    unsafe { (api.sqlite3_set_authorizer)(db, None, ptr::null_mut()) };
    result
}

/// `exec` with a callback that stops it, and `get_table`.
fn tables(connection: &mut Connection) {
    unsafe extern "C" fn row(
        digest: *mut c_void,
        count: c_int,
        values: *mut *mut c_char,
        _: *mut *mut c_char,
    ) -> c_int {
        // SAFETY: the digest given with this function, and as many strings as SQLite says.
        unsafe {
            let digest = &mut *digest.cast::<Digest>();
            for index in 0..count as usize {
                digest_text(digest, *values.add(index));
            }
            // The seventh kind is the last to be seen.
            c_int::from(CStr::from_ptr(*values).to_bytes() == b"7")
        }
    }
    let (api, db) = (connection.api, connection.db);
    let sql = c"select id, name, parent from kind order by id; select 'never'";
    let data = ptr::from_mut(&mut *connection.digest).cast();
    let mut message = ptr::null_mut();
    let (mut table, mut rows, mut columns) = (ptr::null_mut(), 0, 0);
    // SAFETY: the digest outlives the calls; what SQLite allocates is freed by it.
    unsafe {
        let code = (api.sqlite3_exec)(db, sql.as_ptr(), Some(row), data, &mut message);
        connection.digest.code(code);
        digest_text(connection.digest, message);
        (api.sqlite3_free)(message.cast());

        let sql = c"select id, name from item where id < 40 order by name, id";
        let code = (api.sqlite3_get_table)(
            db,
            sql.as_ptr(),
            &mut table,
            &mut rows,
            &mut columns,
            ptr::null_mut(),
        );
        connection.digest.code(code);
        for index in 0..((rows + 1) * columns) as usize {
            digest_text(connection.digest, *table.add(index));
        }
        (api.sqlite3_free_table)(table);
    }
}

/// # Safety
///
/// `text` is null or a string.
unsafe fn digest_text(digest: &mut Digest, text: *const c_char) {
    if !text.is_null() {
        // SAFETY: the caller says so.
        digest.bytes(unsafe { CStr::from_ptr(text) }.to_bytes());
    }
}
