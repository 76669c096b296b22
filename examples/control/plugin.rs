//! A web server whose handler is replaced by one from a library file, over HTTP.
//!
//! `cargo run --example plugin`, then
//!
//! ```text
//! $ curl localhost:8888/
//! I am the first one
//! $ cat next.rs
//! #[unsafe(no_mangle)]
//! pub extern "C" fn example(visit: u64) -> *mut std::ffi::c_char {
//!     std::ffi::CString::new(format!("I am the next one, visit {visit}")).unwrap().into_raw()
//! }
//! $ rustc --crate-type cdylib next.rs
//! $ curl "localhost:8888/reload?$PWD/libnext.so"
//! $ curl localhost:8888/
//! I am the next one, visit 2
//! ```
//!
//! Nothing of midair's control socket is used: this is `libloading` and
//! `midair::patch_raw`, as one would with Go's plugins. Do not do it where strangers
//! can reach the port: whoever can ask for a reload can run any code.

mod http;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::error::Error;
use std::ffi::{CString, c_char};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

type Example = extern "C" fn(u64) -> *mut c_char;

/// What is served: made by `CString::into_raw`, and freed by whoever prints it. Library
/// and program share one allocator, libc's, which is Rust's default on Linux.
#[inline(never)]
extern "C" fn example(_visit: u64) -> *mut c_char {
    c"I am the first one".to_owned().into_raw()
}

static VISITS: AtomicU64 = AtomicU64::new(0);
static PATCH: Mutex<Option<midair::Patch<Example>>> = Mutex::new(None);
static RELOADS: AtomicU64 = AtomicU64::new(0);

/// Loads a copy of the file: the dynamic linker would answer with what it has loaded
/// from this file before, and a loaded file must not be overwritten.
fn load(file: &Path) -> Result<Library, Box<dyn Error>> {
    let number = RELOADS.fetch_add(1, Ordering::Relaxed);
    let name = format!("midair-plugin-{}-{number}.so", std::process::id());
    let copy: PathBuf = std::env::temp_dir().join(name);
    std::fs::copy(file, &copy)?;
    // SAFETY: whoever asked for it wants what the file does when it is loaded.
    let library = unsafe { Library::open(Some(&copy), RTLD_NOW | RTLD_LOCAL) };
    // It is mapped, or of no use.
    std::fs::remove_file(&copy)?;
    Ok(library?)
}

fn reload(file: &Path) -> Result<String, Box<dyn Error>> {
    let library = load(file)?;
    // SAFETY: the library's `example` has this type, says whoever asked for it.
    let replacement: Example = unsafe { *library.get::<Example>(b"example")? };
    let mut patch = PATCH.lock().map_err(|_| "a reload panicked")?;
    match &*patch {
        // One store; requests that are inside of the old one finish there.
        Some(patch) => patch.retarget(replacement)?,
        // SAFETY: as above.
        None => *patch = Some(unsafe { midair::patch(example as Example, replacement) }?),
    }
    // Requests may be inside of it: it stays.
    std::mem::forget(library);
    Ok(format!("loaded {}\n", file.display()))
}

fn page() -> String {
    let text = example(VISITS.fetch_add(1, Ordering::Relaxed) + 1);
    // SAFETY: made by `into_raw`, here or in a library with the same allocator.
    let text = unsafe { CString::from_raw(text) };
    format!("{}\n", text.to_string_lossy())
}

fn serve(stream: &TcpStream) -> std::io::Result<()> {
    let path = http::path_of_request(stream)?;
    match path.strip_prefix("/reload?") {
        None => http::answer(stream, "200 OK", &page()),
        Some(file) => match reload(Path::new(file)) {
            Ok(done) => http::answer(stream, "200 OK", &done),
            Err(error) => http::answer(stream, "500 Internal Server Error", &format!("{error}\n")),
        },
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let port = match std::env::var("PORT") {
        Ok(port) => port.parse()?,
        Err(_) => 8888,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    println!("listening on port {port}");
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            if let Err(error) = serve(&stream) {
                eprintln!("a request failed: {error}");
            }
        });
    }
    Ok(())
}
