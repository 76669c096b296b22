//! SQLite's functions, from `sqlite3.h`.

use crate::functions::functions;
use std::ffi::{c_char, c_double, c_int, c_uchar, c_uint, c_void};

pub(super) const OK: c_int = 0;
pub(super) const ROW: c_int = 100;
pub(super) const DONE: c_int = 101;
pub(super) const INTEGER: c_int = 1;
pub(super) const FLOAT: c_int = 2;
pub(super) const TEXT: c_int = 3;
pub(super) const BLOB: c_int = 4;
pub(super) const UTF8: c_int = 1;
pub(super) const DETERMINISTIC: c_int = 0x800;
/// `SQLITE_TRANSIENT`: SQLite makes its own copy.
pub(super) const TRANSIENT: isize = -1;

/// `sqlite3 *`
pub(super) type Db = *mut c_void;
/// `sqlite3_stmt *`
pub(super) type Statement = *mut c_void;
/// `sqlite3_value *`
pub(super) type Value = *mut c_void;
/// `sqlite3_context *`
pub(super) type Context = *mut c_void;
/// `xFunc`, `xStep` and `xInverse`
pub(super) type Step = unsafe extern "C" fn(Context, c_int, *mut Value);
/// `xFinal` and `xValue`
pub(super) type Last = unsafe extern "C" fn(Context);
/// `xCompare`
pub(super) type Compare =
    unsafe extern "C" fn(*mut c_void, c_int, *const c_void, c_int, *const c_void) -> c_int;
/// The callback of `sqlite3_exec`
pub(super) type Row =
    unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_char, *mut *mut c_char) -> c_int;
/// The callback of `sqlite3_update_hook`
pub(super) type Update =
    unsafe extern "C" fn(*mut c_void, c_int, *const c_char, *const c_char, i64);
/// The callback of `sqlite3_set_authorizer`
pub(super) type Authorize = unsafe extern "C" fn(
    *mut c_void,
    c_int,
    *const c_char,
    *const c_char,
    *const c_char,
    *const c_char,
) -> c_int;
/// The callbacks of `sqlite3_progress_handler` and `sqlite3_commit_hook`
pub(super) type Notice = unsafe extern "C" fn(*mut c_void) -> c_int;
/// The callback of `sqlite3_trace_v2`
pub(super) type Trace =
    unsafe extern "C" fn(c_uint, *mut c_void, *mut c_void, *mut c_void) -> c_int;

functions! {
    /// The functions of SQLite.
    pub(super) struct Api {
        fn sqlite3_libversion() -> *const c_char;
        fn sqlite3_compileoption_get(c_int) -> *const c_char;
        fn sqlite3_compileoption_used(*const c_char) -> c_int;
        fn sqlite3_complete(*const c_char) -> c_int;
        fn sqlite3_strglob(*const c_char, *const c_char) -> c_int;
        fn sqlite3_strlike(*const c_char, *const c_char, c_uint) -> c_int;
        fn sqlite3_stricmp(*const c_char, *const c_char) -> c_int;
        fn sqlite3_keyword_count() -> c_int;
        fn sqlite3_mprintf(*const c_char, ...) -> *mut c_char;
        fn sqlite3_free(*mut c_void);
        fn sqlite3_errstr(c_int) -> *const c_char;

        fn sqlite3_open_v2(*const c_char, *mut Db, c_int, *const c_char) -> c_int;
        fn sqlite3_close(Db) -> c_int;
        fn sqlite3_busy_timeout(Db, c_int) -> c_int;
        fn sqlite3_extended_result_codes(Db, c_int) -> c_int;
        fn sqlite3_errcode(Db) -> c_int;
        fn sqlite3_extended_errcode(Db) -> c_int;
        fn sqlite3_errmsg(Db) -> *const c_char;
        fn sqlite3_limit(Db, c_int, c_int) -> c_int;
        fn sqlite3_changes(Db) -> c_int;
        fn sqlite3_total_changes(Db) -> c_int;
        fn sqlite3_last_insert_rowid(Db) -> i64;
        fn sqlite3_get_autocommit(Db) -> c_int;
        fn sqlite3_exec(Db, *const c_char, Option<Row>, *mut c_void, *mut *mut c_char) -> c_int;
        fn sqlite3_get_table(Db, *const c_char, *mut *mut *mut c_char, *mut c_int, *mut c_int, *mut *mut c_char) -> c_int;
        fn sqlite3_free_table(*mut *mut c_char);

        fn sqlite3_prepare_v2(Db, *const c_char, c_int, *mut Statement, *mut *const c_char) -> c_int;
        fn sqlite3_step(Statement) -> c_int;
        fn sqlite3_reset(Statement) -> c_int;
        fn sqlite3_finalize(Statement) -> c_int;
        fn sqlite3_clear_bindings(Statement) -> c_int;
        fn sqlite3_stmt_readonly(Statement) -> c_int;
        fn sqlite3_bind_int64(Statement, c_int, i64) -> c_int;
        fn sqlite3_bind_double(Statement, c_int, c_double) -> c_int;
        fn sqlite3_bind_text(Statement, c_int, *const c_char, c_int, isize) -> c_int;
        fn sqlite3_bind_blob(Statement, c_int, *const c_void, c_int, isize) -> c_int;
        fn sqlite3_bind_zeroblob(Statement, c_int, c_int) -> c_int;
        fn sqlite3_bind_null(Statement, c_int) -> c_int;
        fn sqlite3_bind_parameter_count(Statement) -> c_int;
        fn sqlite3_bind_parameter_index(Statement, *const c_char) -> c_int;
        fn sqlite3_bind_parameter_name(Statement, c_int) -> *const c_char;
        fn sqlite3_expanded_sql(Statement) -> *mut c_char;
        fn sqlite3_column_count(Statement) -> c_int;
        fn sqlite3_column_name(Statement, c_int) -> *const c_char;
        fn sqlite3_column_decltype(Statement, c_int) -> *const c_char;
        fn sqlite3_column_type(Statement, c_int) -> c_int;
        fn sqlite3_column_int64(Statement, c_int) -> i64;
        fn sqlite3_column_double(Statement, c_int) -> c_double;
        fn sqlite3_column_text(Statement, c_int) -> *const c_uchar;
        fn sqlite3_column_blob(Statement, c_int) -> *const c_void;
        fn sqlite3_column_bytes(Statement, c_int) -> c_int;

        fn sqlite3_create_function_v2(Db, *const c_char, c_int, c_int, *mut c_void, Option<Step>, Option<Step>, Option<Last>, *mut c_void) -> c_int;
        fn sqlite3_create_window_function(Db, *const c_char, c_int, c_int, *mut c_void, Option<Step>, Option<Last>, Option<Last>, Option<Step>, *mut c_void) -> c_int;
        fn sqlite3_create_collation_v2(Db, *const c_char, c_int, *mut c_void, Option<Compare>, *mut c_void) -> c_int;
        fn sqlite3_aggregate_context(Context, c_int) -> *mut c_void;
        fn sqlite3_user_data(Context) -> *mut c_void;
        fn sqlite3_value_int64(Value) -> i64;
        fn sqlite3_value_bytes(Value) -> c_int;
        fn sqlite3_value_text(Value) -> *const c_uchar;
        fn sqlite3_result_int64(Context, i64);
        fn sqlite3_result_text(Context, *const c_char, c_int, isize);
        fn sqlite3_result_error(Context, *const c_char, c_int);
        fn sqlite3_update_hook(Db, Option<Update>, *mut c_void) -> *mut c_void;
        fn sqlite3_commit_hook(Db, Option<Notice>, *mut c_void) -> *mut c_void;
        fn sqlite3_progress_handler(Db, c_int, Option<Notice>, *mut c_void);
        fn sqlite3_set_authorizer(Db, Option<Authorize>, *mut c_void) -> c_int;
        fn sqlite3_trace_v2(Db, c_uint, Option<Trace>, *mut c_void) -> c_int;

        fn sqlite3_blob_open(Db, *const c_char, *const c_char, *const c_char, i64, c_int, *mut *mut c_void) -> c_int;
        fn sqlite3_blob_bytes(*mut c_void) -> c_int;
        fn sqlite3_blob_read(*mut c_void, *mut c_void, c_int, c_int) -> c_int;
        fn sqlite3_blob_write(*mut c_void, *const c_void, c_int, c_int) -> c_int;
        fn sqlite3_blob_reopen(*mut c_void, i64) -> c_int;
        fn sqlite3_blob_close(*mut c_void) -> c_int;
        fn sqlite3_backup_init(Db, *const c_char, Db, *const c_char) -> *mut c_void;
        fn sqlite3_backup_step(*mut c_void, c_int) -> c_int;
        fn sqlite3_backup_remaining(*mut c_void) -> c_int;
        fn sqlite3_backup_pagecount(*mut c_void) -> c_int;
        fn sqlite3_backup_finish(*mut c_void) -> c_int;
        fn sqlite3_serialize(Db, *const c_char, *mut i64, c_uint) -> *mut c_uchar;
        fn sqlite3_deserialize(Db, *const c_char, *mut c_uchar, i64, i64, c_uint) -> c_int;
    }
}
