//! A connection and its statements, every row of which goes into the digest.

use super::api::{Api, BLOB, DONE, Db, FLOAT, INTEGER, OK, ROW, Statement, TEXT, TRANSIENT};
use crate::error::Error;
use crate::{Digest, Result};
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

/// `SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI`
const OPEN: c_int = 0x2 | 0x4 | 0x40;

/// An open database.
pub(super) struct Connection<'a> {
    pub(super) api: &'a Api,
    pub(super) db: Db,
    pub(super) digest: &'a mut Digest,
}

impl<'a> Connection<'a> {
    pub(super) fn open(api: &'a Api, path: &CStr, digest: &'a mut Digest) -> Result<Self> {
        let mut db = ptr::null_mut();
        // SAFETY: the path is a string; the connection is written to our pointer even on failure.
        let code = unsafe { (api.sqlite3_open_v2)(path.as_ptr(), &mut db, OPEN, ptr::null()) };
        let connection = Self { api, db, digest };
        if code != OK {
            return Err(connection.failed(&path.to_string_lossy(), code));
        }
        // SAFETY: the connection is open.
        unsafe {
            (api.sqlite3_extended_result_codes)(db, 1);
            (api.sqlite3_busy_timeout)(db, 1000);
        }
        Ok(connection)
    }

    /// The error for `what`, with SQLite's own words.
    pub(super) fn failed(&self, what: &str, code: c_int) -> Error {
        // SAFETY: the connection exists, the message is a string until the next call.
        let message = unsafe { CStr::from_ptr((self.api.sqlite3_errmsg)(self.db)) };
        Error::call(format!("{what} ({})", message.to_string_lossy()), code)
    }

    pub(super) fn prepare(&self, sql: &CStr) -> Result<Prepared<'a>> {
        let mut statement = ptr::null_mut();
        // SAFETY: an open connection and a string.
        let code = unsafe {
            (self.api.sqlite3_prepare_v2)(
                self.db,
                sql.as_ptr(),
                -1,
                &mut statement,
                ptr::null_mut(),
            )
        };
        if code == OK {
            Ok(Prepared {
                api: self.api,
                statement,
            })
        } else {
            Err(self.failed(&sql.to_string_lossy(), code))
        }
    }

    /// Runs one statement to its end and digests its rows.
    pub(super) fn run(&mut self, sql: &CStr) -> Result<()> {
        let statement = self.prepare(sql)?;
        statement.describe(self.digest);
        let code = statement.rows(self.digest);
        if code == DONE {
            Ok(())
        } else {
            Err(self.failed(&sql.to_string_lossy(), code))
        }
    }

    /// Runs what must fail, and digests how it does.
    pub(super) fn fail(&mut self, sql: &CStr) -> Result<()> {
        let code = match self.prepare(sql) {
            Ok(statement) => statement.rows(self.digest),
            Err(Error::Call { returned, .. }) => returned as c_int,
            Err(error) => return Err(error),
        };
        if code == DONE {
            return Err(Error::call(
                format!("{} must fail and", sql.to_string_lossy()),
                code,
            ));
        }
        self.digest.code(code);
        // SAFETY: the connection is open; the messages are strings until the next call.
        unsafe {
            self.digest.code((self.api.sqlite3_errcode)(self.db));
            self.digest
                .code((self.api.sqlite3_extended_errcode)(self.db));
            let message = CStr::from_ptr((self.api.sqlite3_errmsg)(self.db));
            self.digest.bytes(message.to_bytes());
            self.digest
                .bytes(CStr::from_ptr((self.api.sqlite3_errstr)(code)).to_bytes());
        }
        Ok(())
    }

    /// Closes, which fails if a statement was forgotten.
    pub(super) fn close(self) -> Result<()> {
        // SAFETY: the connection is open and not used again.
        match unsafe { (self.api.sqlite3_close)(self.db) } {
            OK => Ok(()),
            code => Err(self.failed("sqlite3_close", code)),
        }
    }
}

/// A prepared statement.
pub(super) struct Prepared<'a> {
    api: &'a Api,
    pub(super) statement: Statement,
}

impl Prepared<'_> {
    /// Digests the names and types of the columns.
    fn describe(&self, digest: &mut Digest) {
        // SAFETY: the statement is prepared; names are strings until it is finalised.
        unsafe {
            digest.code((self.api.sqlite3_stmt_readonly)(self.statement));
            for column in 0..(self.api.sqlite3_column_count)(self.statement) {
                let name = (self.api.sqlite3_column_name)(self.statement, column);
                digest.bytes(CStr::from_ptr(name).to_bytes());
                let declared = (self.api.sqlite3_column_decltype)(self.statement, column);
                if !declared.is_null() {
                    digest.bytes(CStr::from_ptr(declared).to_bytes());
                }
            }
        }
    }

    /// Digests all rows and returns the code that ended them.
    fn rows(&self, digest: &mut Digest) -> c_int {
        loop {
            // SAFETY: the statement is prepared.
            let code = unsafe { (self.api.sqlite3_step)(self.statement) };
            if code != ROW {
                return code;
            }
            // SAFETY: as above.
            let columns = unsafe { (self.api.sqlite3_column_count)(self.statement) };
            for column in 0..columns {
                self.value(column, digest);
            }
        }
    }

    fn value(&self, column: c_int, digest: &mut Digest) {
        let (api, statement) = (self.api, self.statement);
        // SAFETY: the statement has a row; a text or blob has as many bytes as it says, until the next step.
        unsafe {
            let kind = (api.sqlite3_column_type)(statement, column);
            digest.code(kind);
            match kind {
                INTEGER => digest.code((api.sqlite3_column_int64)(statement, column)),
                FLOAT => digest.number((api.sqlite3_column_double)(statement, column).to_bits()),
                TEXT | BLOB => {
                    let bytes = if kind == TEXT {
                        (api.sqlite3_column_text)(statement, column)
                    } else {
                        (api.sqlite3_column_blob)(statement, column).cast()
                    };
                    let length = (api.sqlite3_column_bytes)(statement, column) as usize;
                    if length > 0 {
                        digest.bytes(std::slice::from_raw_parts(bytes, length));
                    }
                }
                _ => {}
            }
        }
    }

    /// Runs a statement without rows once and makes it ready for the next time.
    pub(super) fn once(&self) -> Result<()> {
        // SAFETY: the statement is prepared.
        let (code, _) = unsafe {
            (
                (self.api.sqlite3_step)(self.statement),
                (self.api.sqlite3_reset)(self.statement),
            )
        };
        if code == DONE {
            Ok(())
        } else {
            Err(Error::call("sqlite3_step", code))
        }
    }

    pub(super) fn bind_text(&self, index: c_int, text: &str) -> Result<()> {
        let (from, length) = (text.as_ptr().cast(), text.len() as c_int);
        // SAFETY: the text has that length and is copied.
        let code =
            unsafe { (self.api.sqlite3_bind_text)(self.statement, index, from, length, TRANSIENT) };
        bound(code)
    }

    pub(super) fn bind_blob(&self, index: c_int, blob: &[u8]) -> Result<()> {
        let (from, length) = (blob.as_ptr().cast::<c_void>(), blob.len() as c_int);
        // SAFETY: the blob has that length and is copied.
        let code =
            unsafe { (self.api.sqlite3_bind_blob)(self.statement, index, from, length, TRANSIENT) };
        bound(code)
    }

    pub(super) fn bind_integer(&self, index: c_int, value: i64) -> Result<()> {
        // SAFETY: the statement is prepared.
        bound(unsafe { (self.api.sqlite3_bind_int64)(self.statement, index, value) })
    }

    pub(super) fn bind_float(&self, index: c_int, value: f64) -> Result<()> {
        // SAFETY: the statement is prepared.
        bound(unsafe { (self.api.sqlite3_bind_double)(self.statement, index, value) })
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        // SAFETY: prepared once, finalised once. Its code repeats the last error, which was seen.
        unsafe { (self.api.sqlite3_finalize)(self.statement) };
    }
}

fn bound(code: c_int) -> Result<()> {
    if code == OK {
        Ok(())
    } else {
        Err(Error::call("sqlite3_bind", code))
    }
}
