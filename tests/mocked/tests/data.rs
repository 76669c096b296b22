//! SQLite by rusqlite, and chrono's clock.

use chrono::{DateTime, TimeZone as _, Utc};
use midair::mock;
use midair_mocked::{is_over, names};
use rusqlite::{Connection, ErrorCode, ffi};

fn people(database: &Connection) {
    database
        .execute_batch("create table people (name text); insert into people values ('Bo'), ('Al')")
        .unwrap();
}

#[test]
fn a_database_in_memory_instead_of_a_file() {
    assert!(names("/none/people.db").is_err());
    let mock = mock!(Connection::open::<&str> => |path| {
        assert_eq!(path, "/none/people.db");
        let database = Connection::open_in_memory()?;
        people(&database);
        Ok(database)
    });
    assert_eq!(names("/none/people.db").unwrap(), ["Al", "Bo"]);
    drop(mock);
    assert!(names("/none/people.db").is_err());
}

#[test]
fn the_library_below_says_that_it_is_busy() {
    let database = Connection::open_in_memory().unwrap();
    people(&database);
    type Step = unsafe extern "C" fn(*mut ffi::sqlite3_stmt) -> std::ffi::c_int;
    let step = mock!(ffi::sqlite3_step as Step).returns_in_order([ffi::SQLITE_BUSY]);
    let insert = "insert into people values ('Cy')";
    match database.execute(insert, []) {
        Err(rusqlite::Error::SqliteFailure(error, _)) => {
            assert_eq!(error.code, ErrorCode::DatabaseBusy);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(step.count(), 1);
    drop(step);
    assert_eq!(database.execute(insert, []).unwrap(), 1);
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_transaction() {
    let mut database = Connection::open_in_memory().unwrap();
    people(&database);
    let step = mock!(
        ffi::sqlite3_step as unsafe extern "C" fn(_) -> _ => |statement| {
            // SAFETY: the statement is rusqlite's, and its text ends with a zero.
            let text = unsafe { std::ffi::CStr::from_ptr(ffi::sqlite3_sql(statement)) };
            if text.to_string_lossy().contains("Cy") {
                return ffi::SQLITE_FULL;
            }
            call_original!(statement)
        }
    );
    let transaction = database.transaction().unwrap();
    transaction
        .execute("insert into people values ('Di')", [])
        .unwrap();
    let full = transaction
        .execute("insert into people values ('Cy')", [])
        .unwrap_err();
    assert_eq!(full.sqlite_error_code(), Some(ErrorCode::DiskFull));
    drop(transaction); // rolls back
    let count: u32 = database
        .query_row("select count(*) from people", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 2);
    assert!(step.count() >= 5, "{}", step.count());
}

#[test]
fn chronos_clock() {
    let at = |year| Utc.with_ymd_and_hms(year, 12, 31, 23, 59, 59).unwrap();
    let now: DateTime<Utc> = at(2024);
    let mock = mock!(Utc::now).returns_in_order([now, now + chrono::TimeDelta::seconds(1)]);
    assert!(!is_over(at(2024)));
    assert!(is_over(at(2024)));
    drop(mock);
    assert!(is_over(at(2024)));
    // What chrono itself calls it for.
    let _mock = mock!(Utc::now).returns(now);
    assert_eq!(chrono::Local::now().timestamp(), now.timestamp());
}
