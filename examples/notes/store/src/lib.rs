//! Notes in a database file.

use rusqlite::Connection;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use rusqlite::Error;

/// An open database.
pub struct Store {
    connection: Mutex<Connection>,
}

impl Store {
    /// Opens the file, or makes it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
        )?;
        let connection = Mutex::new(connection);
        Ok(Self { connection })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // Whoever panicked has left no half of a note behind.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a note; its number.
    pub fn add(&self, text: &str) -> Result<i64, Error> {
        let connection = self.connection();
        connection.execute("INSERT INTO notes (text) VALUES (?1)", [tidy(text)])?;
        Ok(connection.last_insert_rowid())
    }

    /// All notes, oldest first.
    pub fn all(&self) -> Result<Vec<String>, Error> {
        let connection = self.connection();
        let mut query = connection.prepare("SELECT text FROM notes ORDER BY id")?;
        let notes = query.query_map([], |row| row.get(0))?;
        notes.collect()
    }

    /// How many there are.
    pub fn count(&self) -> Result<i64, Error> {
        let connection = self.connection();
        connection.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
    }
}

/// A note as it is kept.
fn tidy(text: &str) -> String {
    text.trim().to_owned()
}
