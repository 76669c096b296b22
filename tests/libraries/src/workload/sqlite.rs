//! SQLite: a database filled and asked, in memory and in a file.
//!
//! Inserts by prepared statements, every kind of query, triggers, views,
//! savepoints, callbacks into functions of ours, incremental blobs, backup,
//! serialisation, the write-ahead log, full-text and spatial indexes where they
//! are compiled in, and errors. All rows and codes are digested.

mod api;
mod callbacks;
mod connection;
mod copies;
mod queries;

use crate::temporary::Folder;
use crate::{Digest, Result, functions};
use api::Api;
use connection::Connection;
use libloading::Library;
use std::path::Path;

/// A loaded SQLite.
pub struct Sqlite {
    api: Api,
    // The functions above are in it.
    _library: Library,
}

impl Sqlite {
    /// Loads the SQLite at `path`.
    pub fn load(path: &Path) -> Result<Self> {
        let library = functions::open(path)?;
        Ok(Self {
            api: Api::load(&library)?,
            _library: library,
        })
    }

    /// Runs the workload with `rows` rows in its largest table and digests all
    /// output. Several threads may do this at a time.
    pub fn run(&self, rows: u32) -> Result<Digest> {
        let mut digest = Digest::new();
        let folder = Folder::new()?;
        let memory = Connection::open(&self.api, c":memory:", &mut digest)?;
        queries::about(&self.api, memory.digest);
        let file = folder.file("data.db");
        run_all(memory, rows)?;
        let disk = Connection::open(&self.api, &file, &mut digest)?;
        disk_only(disk, rows / 4, &folder)?;
        Ok(digest)
    }
}

fn run_all(mut memory: Connection, rows: u32) -> Result<()> {
    queries::fill(&mut memory, rows)?;
    queries::ask(&mut memory)?;
    queries::change(&mut memory)?;
    queries::extensions(&mut memory)?;
    queries::mistakes(&mut memory)?;
    callbacks::run(&mut memory)?;
    copies::serialise(&mut memory)?;
    memory.close()
}

/// What only a file has: the journal, the log, vacuum, and a second connection.
fn disk_only(mut disk: Connection, rows: u32, folder: &Folder) -> Result<()> {
    queries::fill(&mut disk, rows)?;
    copies::blob(&mut disk)?;
    copies::backup(&mut disk, &folder.file("copy.db"))?;
    for statement in [
        c"pragma journal_mode = wal",
        c"update item set price = price + 1 where id % 10 = 3",
        c"pragma wal_checkpoint(truncate)",
        c"pragma journal_mode = delete",
        c"delete from item where id % 3 = 0",
        c"vacuum",
        c"pragma integrity_check",
        c"pragma page_count",
        c"select count(*), sum(price), total(weight) from item",
    ] {
        disk.run(statement)?;
    }
    disk.close()
}
