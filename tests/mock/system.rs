//! Functions of `std` and of C libraries, called by code that knows of no mock.

use midair::mock;
use std::io::{Error, ErrorKind, Read as _};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Getrandom = unsafe extern "C" fn(*mut libc::c_void, usize, libc::c_uint) -> isize;

fn random() -> [u8; 4] {
    let mut bytes = [0; 4];
    // SAFETY: four bytes at the address.
    let n = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), 4, 0) };
    assert_eq!(n, 4);
    bytes
}

#[test]
fn getrandom_is_not_random() {
    let mock = mock!(libc::getrandom as Getrandom => |at, n, _| {
        // SAFETY: the caller has n bytes there.
        unsafe { at.cast::<u8>().write_bytes(7, n) };
        n as isize
    });
    assert_eq!(random(), [7; 4]);
    assert_eq!(mock.calls()[0].arguments[1..], ["4", "0"]);
    drop(mock);
    assert_ne!([random(), random()], [[7; 4]; 2]);
}

/// What std opens files by is `open64`; what C programs call is `open`.
#[test]
fn a_file_that_cannot_be_opened() {
    let mock = mock!(
        libc::open64 as unsafe extern "C" fn(_, _, ...) -> _; libc::c_uint => |path, flags, mode| {
            // SAFETY: the caller's path ends with a zero.
            let name = unsafe { std::ffi::CStr::from_ptr(path) };
            if name.to_bytes().ends_with(b"/status") {
                // SAFETY: the calling thread's own.
                unsafe { *libc::__errno_location() = libc::EMFILE };
                return -1;
            }
            call_original!(path, flags, mode)
        }
    );
    let error = std::fs::File::open("/proc/self/status").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    let mut text = String::new();
    let mut file = std::fs::File::open("/proc/self/comm").unwrap();
    file.read_to_string(&mut text).unwrap();
    assert!(!text.is_empty() && mock.count() >= 2);
    drop(mock);
    assert!(std::fs::File::open("/proc/self/status").is_ok());
}

#[test]
fn the_time_of_c() {
    let _time = mock!(libc::time as unsafe extern "C" fn(_) -> _ => |_| 86_400);
    let _local =
        mock!(libc::gmtime_r as unsafe extern "C" fn(_, _) -> _ => |at, to| call_original!(at, to));
    // SAFETY: null is allowed; the rest are our own.
    let day = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut parts = std::mem::zeroed();
        libc::gmtime_r(&now, &mut parts);
        parts.tm_mday
    };
    assert_eq!(day, 2);
}

/// Of this crate, and uses the clock of std.
#[inline(never)]
fn is_stale(since: Instant) -> bool {
    // `since.elapsed()` is code of std, into which its compiler has inlined `now`.
    Instant::now() - since > Duration::from_secs(3600)
}

#[test]
fn clocks_of_std() {
    let start = Instant::now();
    assert!(!is_stale(start));
    let late = start + Duration::from_secs(4000);
    let mock = mock!(Instant::now).returns(late);
    assert!(is_stale(start));
    assert!(mock.count() > 0);
    drop(mock);
    assert!(!is_stale(start));

    let _now = mock!(SystemTime::now).returns(UNIX_EPOCH + Duration::from_secs(5));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(now, Duration::from_secs(5));
}

/// Where std does not go through a function of its own, its system call can be
/// mocked.
#[test]
fn the_clock_below_std() {
    let _clock = mock!(
        libc::clock_gettime as unsafe extern "C" fn(_, _) -> _ => |clock, to: *mut libc::timespec| {
            if clock != libc::CLOCK_REALTIME {
                return call_original!(clock, to);
            }
            // SAFETY: the caller's promise.
            unsafe { *to = libc::timespec { tv_sec: 9, tv_nsec: 0 } };
            0
        }
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(now.as_secs(), 9);
    assert_eq!(UNIX_EPOCH.elapsed().unwrap().as_secs(), 9);
}

fn greeting() -> String {
    std::env::var("MIDAIR_GREETING").unwrap_or_else(|_| "none".to_owned())
}

#[test]
fn the_environment() {
    let mock = mock!(std::env::var::<&str>)
        .when(|&(name,)| name == "MIDAIR_GREETING")
        .returns(Ok("hello".to_owned()))
        .once();
    assert_eq!(greeting(), "hello");
    assert!(std::env::var("PATH").is_ok());
    drop(mock);
    assert_eq!(greeting(), "none");
}

fn banner(of: &str) -> std::io::Result<String> {
    let mut text = String::new();
    TcpStream::connect(of)?.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn connections_fail_or_go_somewhere_else() {
    let refused = mock!(TcpStream::connect::<&str>)
        .returns_in_order([Err(ErrorKind::ConnectionRefused.into())])
        .times(1);
    let error = banner("example.org:80").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(refused.calls()[0].arguments, ["\"example.org:80\""]);
    drop(refused);

    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let serve = std::thread::spawn(move || {
        use std::io::Write as _;
        server.accept().unwrap().0.write_all(b"local").unwrap();
    });
    let _mock =
        mock!(TcpStream::connect::<&str> => move |_| TcpStream::connect(("127.0.0.1", port)));
    assert_eq!(banner("example.org:80").unwrap(), "local");
    serve.join().unwrap();
}

#[test]
fn files_are_not_read_and_not_written() {
    let read = mock!(std::fs::read_to_string::<&str> => |path| Ok(format!("all of {path}")));
    assert_eq!(std::fs::read_to_string("/none").unwrap(), "all of /none");
    let _write = mock!(std::fs::write::<&str, &[u8]>)
        .returns_in_order([Err(Error::from_raw_os_error(libc::ENOSPC))]);
    let full = std::fs::write("/tmp/none", &b"abc"[..]).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    assert_eq!(read.count(), 1);
}

#[test]
fn nobody_sleeps() {
    let sleep = mock!(std::thread::sleep).returns(()).times(1);
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(1000));
    assert!(start.elapsed() < Duration::from_secs(100));
    assert_eq!(sleep.calls()[0].arguments, ["1000s"]);
}

/// `snprintf` as a C-variadic function that is called with an int and a double.
#[test]
fn a_variadic_function_with_a_floating_point_argument() {
    let print = || {
        let mut text = [0_u8; 32];
        // SAFETY: the format goes with the arguments, and 32 bytes are there.
        let n = unsafe {
            libc::snprintf(
                text.as_mut_ptr().cast(),
                32,
                c"%d %.1f".as_ptr(),
                3,
                2.5_f64,
            )
        };
        String::from_utf8_lossy(&text[..n as usize]).into_owned()
    };
    let _mock = mock!(
        libc::snprintf as unsafe extern "C" fn(_, _, _, ...) -> _; libc::c_int, f64 =>
        |to, n, format, int, double| call_original!(to, n, format, int + 1, double * 2.0)
    );
    assert_eq!(print(), "4 5.0");
}

#[test]
fn threads_that_cannot_be_made() {
    type Start = extern "C" fn(*mut libc::c_void) -> *mut libc::c_void;
    let _mock = mock!(
        libc::pthread_create as unsafe extern "C" fn(_, _, Start, _) -> _ => |_, _, _, _| libc::EAGAIN
    );
    let error = std::thread::Builder::new().spawn(|| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn memory_that_cannot_be_had() {
    // For one size, so that nothing else of this thread runs out.
    let _mock = mock!(
        libc::malloc as unsafe extern "C" fn(_) -> _ =>
        |size| if size == 123_457 { std::ptr::null_mut() } else { call_original!(size) }
    )
    .unrecorded();
    assert!(Vec::<u8>::new().try_reserve_exact(123_457).is_err());
    assert!(Vec::<u8>::new().try_reserve_exact(123_458).is_ok());
}

/// midair reads files, maps memory and asks the kernel while it makes a mock.
#[test]
fn midair_itself_meets_no_mock() {
    type Open = unsafe extern "C" fn(*const libc::c_char, libc::c_int, ...) -> libc::c_int;
    let open = mock!(libc::open64 as Open; libc::c_uint => |_, _, _| -1);
    let map = mock!(
        libc::mmap as unsafe extern "C" fn(_, _, _, _, _, _) -> _ => |_, _, _, _, _, _| libc::MAP_FAILED
    );
    let control = mock!(
        libc::mprotect as unsafe extern "C" fn(_, _, _) -> _ => |_, _, _| -1
    );
    let write = mock!(libc::pwrite as unsafe extern "C" fn(_, _, _, _) -> _ => |_, _, _, _| -1);
    let process = mock!(std::process::id).returns(1);
    assert_eq!(std::process::id(), 1);
    assert!(std::fs::File::open("/proc/self/comm").is_err());
    drop(process);
    assert_ne!(std::process::id(), 1);
    drop((open, map, control, write));
}
