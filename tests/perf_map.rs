//! Names of gates and copies for profilers.

use midair::PerfMapError;
use std::hint::black_box;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};

/// There is one file for the process.
static ALONE: Mutex<()> = Mutex::new(());

struct MapFile {
    path: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl MapFile {
    fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self {
            path,
            _alone: alone,
        }
    }
}

impl Drop for MapFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

type Number = fn(u64) -> u64;

#[inline(never)]
fn in_the_map(n: u64) -> u64 {
    black_box(black_box(n) * 3)
}

fn pass_through(target: Number) -> midair::RawPatch {
    // SAFETY: the original is a replacement that nobody can tell from it.
    unsafe { midair::patch_raw(target as *const (), |original| original) }.unwrap()
}

#[test]
fn every_gate_and_copy_has_a_line_of_its_own() {
    let file = MapFile::new();
    let patch = pass_through(in_the_map);
    let path = midair::perf_map().unwrap();
    assert_eq!(path, file.path);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut found = Vec::new();
    for line in text.lines() {
        let [start, size, name] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let start = usize::from_str_radix(start, 16).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        assert!((1..256).contains(&size), "{line}");
        if let Some(what) = name.strip_suffix(" of perf_map::in_the_map") {
            found.push((what.to_owned(), start));
        }
    }
    let plan = midair::can_patch(patch.target()).unwrap();
    let copy = ("midair copy".to_owned(), plan.copy as usize);
    let original = ("midair original".to_owned(), patch.original() as usize);
    assert!(found.contains(&copy), "{text}");
    assert!(found.contains(&original), "{text}");
    assert!(
        found.iter().any(|(what, _)| what == "midair gate"),
        "{text}"
    );
    // Nothing twice, and what others wrote stays.
    let other = "7f0000000000 10 of another engine\n";
    std::fs::write(&path, format!("{other}{text}")).unwrap();
    midair::perf_map().unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        format!("{other}{text}")
    );
    drop(patch);
}

#[test]
fn a_file_that_is_not_ours_is_not_written_to() {
    let file = MapFile::new();
    let victim = file.path.with_extension("victim");
    let _ = std::fs::remove_file(&victim);
    std::fs::write(&victim, "precious").unwrap();
    symlink(&victim, &file.path).unwrap();
    let error = midair::perf_map().unwrap_err();
    assert!(matches!(error, PerfMapError::Open { .. }), "{error}");

    std::fs::remove_file(&file.path).unwrap();
    std::fs::hard_link(&victim, &file.path).unwrap();
    let error = midair::perf_map().unwrap_err();
    assert!(matches!(error, PerfMapError::NotOurs { .. }), "{error}");
    assert!(error.to_string().contains("another name"), "{error}");

    std::fs::remove_file(&file.path).unwrap();
    std::fs::write(&file.path, "").unwrap();
    std::fs::set_permissions(&file.path, PermissionsExt::from_mode(0o666)).unwrap();
    let error = midair::perf_map().unwrap_err();
    assert!(error.to_string().contains("other users"), "{error}");

    std::fs::remove_file(&file.path).unwrap();
    let path = std::ffi::CString::new(file.path.to_str().unwrap()).unwrap();
    // SAFETY: a C string.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let error = midair::perf_map().unwrap_err(); // and does not wait
    assert!(matches!(error, PerfMapError::Open { .. }), "{error}");

    std::fs::remove_file(&file.path).unwrap();
    std::fs::create_dir(&file.path).unwrap();
    let error = midair::perf_map().unwrap_err();
    assert!(matches!(error, PerfMapError::Open { .. }), "{error}");
    std::fs::remove_dir(&file.path).unwrap();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    std::fs::remove_file(&victim).unwrap();
}

#[test]
fn what_an_earlier_process_of_the_same_number_wrote_is_taken_away() {
    const CHILD: &str = "MIDAIR_PERF_MAP_CHILD";
    const NAME: &str = "what_an_earlier_process_of_the_same_number_wrote_is_taken_away";
    if std::env::var_os(CHILD).is_some() {
        let file = MapFile::new();
        std::fs::write(&file.path, "1000 10 long ago\n").unwrap();
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        let old = std::fs::File::options()
            .write(true)
            .open(&file.path)
            .unwrap();
        old.set_modified(time).unwrap();
        let patch = pass_through(in_the_map);
        midair::perf_map().unwrap();
        let text = std::fs::read_to_string(&file.path).unwrap();
        assert!(
            text.contains("midair copy of") && !text.contains("long ago"),
            "{text}"
        );
        drop(patch);
        return;
    }
    // A process that has not written yet.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
}

#[test]
fn perf_report_shows_the_names() {
    const CHILD: &str = "MIDAIR_PERF_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let patch = pass_through(in_the_map);
        patch.disable().unwrap();
        patch.enable().unwrap(); // through the gate for good
        println!("map {}", midair::perf_map().unwrap().display());
        let mut n = 0;
        let until = std::time::Instant::now() + std::time::Duration::from_millis(500);
        while std::time::Instant::now() < until {
            for _ in 0..10_000 {
                n = black_box(in_the_map as Number)(n) & 0xff;
            }
        }
        return;
    }
    let folder = std::env::temp_dir().join(format!("midair-perf-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let data = folder.join("perf.data");
    let recorded = Command::new("perf")
        .args([
            "record",
            "--quiet",
            "--event",
            "cpu-clock:u",
            "--freq",
            "5000",
        ])
        .arg("--output")
        .arg(&data)
        .arg("--")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "perf_report_shows_the_names", "--nocapture"])
        .env(CHILD, "1")
        .output();
    let recorded = match recorded {
        Ok(output) if output.status.success() => output,
        other => {
            println!("NOT TESTED: perf does not record here: {other:?}");
            return;
        }
    };
    let printed = String::from_utf8_lossy(&recorded.stdout).into_owned();
    let map = printed.lines().find_map(|line| line.strip_prefix("map "));
    let map = PathBuf::from(map.expect("the child names its file"));
    let report = Command::new("perf")
        .args([
            "report", "--stdio", "--quiet", "--sort", "symbol", "--input",
        ])
        .arg(&data)
        .output()
        .unwrap();
    std::fs::remove_file(map).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let report = String::from_utf8_lossy(&report.stdout);
    assert!(
        report.contains("midair gate of perf_map::in_the_map"),
        "{report}"
    );
    assert!(
        report.contains("midair copy of perf_map::in_the_map"),
        "{report}"
    );
}
