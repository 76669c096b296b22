//! Databases as bytes: incremental blobs, backup, serialisation.

use super::api::{DONE, OK};
use super::connection::Connection;
use crate::error::Error;
use crate::{Digest, Result};
use std::ffi::{CStr, c_int};
use std::ptr;

/// Reads and writes a blob piece by piece.
pub(super) fn blob(connection: &mut Connection) -> Result<()> {
    connection.run(c"create table photo (id integer primary key, content blob)")?;
    connection.run(c"insert into photo values (1, zeroblob(20000)), (2, zeroblob(10))")?;
    let (api, db) = (connection.api, connection.db);
    let mut blob = ptr::null_mut();
    let mut room = [0_u8; 1000];
    // SAFETY: the blob is open until it is closed; the buffer has the length given.
    unsafe {
        let (schema, table, column) = (c"main".as_ptr(), c"photo".as_ptr(), c"content".as_ptr());
        let code = (api.sqlite3_blob_open)(db, schema, table, column, 1, 1, &mut blob);
        if code != OK {
            return Err(connection.failed("sqlite3_blob_open", code));
        }
        for place in (0..(api.sqlite3_blob_bytes)(blob)).step_by(3000) {
            room.fill(place as u8);
            let length = room.len() as c_int;
            let digest = &mut *connection.digest;
            digest.code((api.sqlite3_blob_write)(
                blob,
                room.as_ptr().cast(),
                length,
                place,
            ));
            digest.code((api.sqlite3_blob_read)(
                blob,
                room.as_mut_ptr().cast(),
                length,
                place / 2,
            ));
            digest.bytes(&room);
        }
        connection.digest.code((api.sqlite3_blob_reopen)(blob, 2));
        connection.digest.code((api.sqlite3_blob_read)(
            blob,
            room.as_mut_ptr().cast(),
            11,
            0,
        ));
        connection.digest.code((api.sqlite3_blob_close)(blob));
    }
    connection.run(c"select hex(substr(content, 2990, 30)) from photo")
}

/// Copies the database to `path`, a few pages at a time.
pub(super) fn backup(connection: &mut Connection, path: &CStr) -> Result<()> {
    let mut digest = Digest::new();
    let mut copy = Connection::open(connection.api, path, &mut digest)?;
    let (api, main) = (connection.api, c"main".as_ptr());
    // SAFETY: both connections are open until the backup is finished.
    unsafe {
        let backup = (api.sqlite3_backup_init)(copy.db, main, connection.db, main);
        if backup.is_null() {
            return Err(copy.failed("sqlite3_backup_init", 0));
        }
        let mut code = OK;
        while code == OK {
            code = (api.sqlite3_backup_step)(backup, 50);
            connection
                .digest
                .code((api.sqlite3_backup_remaining)(backup));
        }
        connection
            .digest
            .code((api.sqlite3_backup_pagecount)(backup));
        let end = (api.sqlite3_backup_finish)(backup);
        if (code, end) != (DONE, OK) {
            return Err(copy.failed("sqlite3_backup_step", code));
        }
    }
    copy.run(c"select count(*), sum(price), max(name) from item")?;
    copy.close()?;
    connection.digest.bytes(digest.to_string().as_bytes());
    Ok(())
}

/// Takes the whole database as bytes and opens another one on them.
pub(super) fn serialise(connection: &mut Connection) -> Result<()> {
    /// `SQLITE_DESERIALIZE_FREEONCLOSE`
    const FREE_ON_CLOSE: u32 = 1;

    let mut digest = Digest::new();
    let mut copy = Connection::open(connection.api, c":memory:", &mut digest)?;
    let (api, main) = (connection.api, c"main".as_ptr());
    let mut size = 0;
    // SAFETY: the bytes are SQLite's own allocation and go over to the copy.
    unsafe {
        let bytes = (api.sqlite3_serialize)(connection.db, main, &mut size, 0);
        if bytes.is_null() {
            return Err(Error::call("sqlite3_serialize", size));
        }
        let code = (api.sqlite3_deserialize)(copy.db, main, bytes, size, size, FREE_ON_CLOSE);
        if code != OK {
            return Err(copy.failed("sqlite3_deserialize", code));
        }
    }
    copy.run(c"select count(*), sum(price), max(name) from item")?;
    copy.run(c"pragma integrity_check")?;
    copy.close()?;
    connection.digest.code(size);
    connection.digest.bytes(digest.to_string().as_bytes());
    Ok(())
}
