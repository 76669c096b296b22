//! A thread that does what `cargo midair run` asks for.

use super::active;
use super::area::Area;
use super::caches;
#[cfg(any(debug_assertions, feature = "control"))]
use super::developer;
use super::generations::Generations;
use super::image::{self, Image};
use super::images::Images;
use super::protocol::{
    self, Above, Answer, Guarded, Hello, Load, Loaded, PROGRAM, QUESTIONS, Request, SOCKET, Undone,
    VERSION,
};
use super::{pins, reserve};
use crate::memory::layout::page_size;
use crate::threads::quiet;
use std::ffi::{CString, OsStr};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Where the list of libraries is that are loaded before all others.
const PRELOAD: &str = "LD_PRELOAD";

/// How often is looked whether functions need not choose any more, while they do.
const TIDY: Duration = Duration::from_millis(50);

/// Puts patches above those of a reload that are to stay there; the functions, and
/// what is to be said of each.
pub(crate) type KeepAbove = fn() -> Vec<(usize, String)>;

/// Starts the agent of hot reload, if this process was started by `cargo midair run`;
/// answers whether it was. `control` opens the control socket, or says why there is none.
pub(crate) fn start(
    control: impl FnOnce() -> Result<String, String>,
    keep_above: KeepAbove,
) -> bool {
    let descriptor = |name| std::env::var(name).ok()?.parse().ok();
    let Some(socket) = descriptor(SOCKET) else {
        return false;
    };
    if !is_meant() {
        return false;
    }
    #[cfg(any(debug_assertions, feature = "control"))]
    if let Some(questions) = descriptor(QUESTIONS).and_then(take) {
        developer::connect(questions);
    }
    // Children of this process are not `cargo midair run`'s.
    forget_environment();
    let Some(socket) = take(socket) else {
        return false;
    };
    let control = control();
    let offset = reserve::offset();
    let distance = pins::held::distance();
    pins::activate();
    // Without a thread nobody says hello, and `cargo midair run` tells of that.
    quiet::spawn("midair", move || {
        serve(socket, offset, distance, control, keep_above)
    })
    .is_ok()
}

/// Whether this process is the program, and not one that is going to start it.
fn is_meant() -> bool {
    let Some(wanted) = std::env::var_os(PROGRAM) else {
        return true;
    };
    // Where `/proc` is not to be read nobody can tell.
    std::env::current_exe().map_or(true, |own| {
        let wanted = std::fs::canonicalize(&wanted).unwrap_or_else(|_| wanted.into());
        own == wanted
    })
}

fn forget_environment() {
    let preloaded = std::env::var_os(PRELOAD).unwrap_or_default();
    let rest = preloaded.as_bytes();
    let rest = rest
        .iter()
        .position(|byte| *byte == b':')
        .map(|at| &rest[at + 1..]);
    // SAFETY: called before there are other threads, as `agent` demands.
    unsafe {
        std::env::remove_var(SOCKET);
        std::env::remove_var(QUESTIONS);
        std::env::remove_var(PROGRAM);
    };
    match rest {
        // SAFETY: as above.
        Some(rest) => unsafe { std::env::set_var(PRELOAD, OsStr::from_bytes(rest)) },
        // SAFETY: as above.
        None => unsafe { std::env::remove_var(PRELOAD) },
    }
}

/// The inherited socket, if it is one; children do not inherit it.
fn take(descriptor: RawFd) -> Option<UnixStream> {
    // SAFETY: asks for a status, of whatever it may be.
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: `status` has room for the answer.
    if unsafe { libc::fstat(descriptor, status.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: filled by a call that succeeded.
    let status = unsafe { status.assume_init() };
    if status.st_mode & libc::S_IFMT != libc::S_IFSOCK {
        return None;
    }
    // SAFETY: sets a flag of a descriptor.
    unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    // SAFETY: the descriptor was inherited for this and is nobody else's.
    Some(unsafe { UnixStream::from_raw_fd(descriptor) })
}

/// Answers until the other half is gone. The program then goes on as it is.
fn serve(
    mut socket: UnixStream,
    offset: i64,
    pins: i64,
    control: Result<String, String>,
    keep_above: KeepAbove,
) {
    let executable = executable();
    // A reserve that is elsewhere in another thread is not at a fixed distance.
    let is_fixed = reserve::offset() == offset;
    let (control, no_control) = match control {
        Ok(path) => (path, String::new()),
        Err(why) => (String::new(), why),
    };
    let area = Area::new(executable.start).map_err(|e| e.to_string());
    let range = area.as_ref().map_or(0..0, Area::range);
    let hello = Hello {
        version: VERSION,
        pid: u64::from(std::process::id()),
        slide: executable.slide,
        reserve: offset,
        reserve_len: if is_fixed { reserve::LEN as u64 } else { 0 },
        control,
        no_control,
        area: range.start as u64,
        area_len: range.len() as u64,
        page: page_size() as u64,
    };
    // Not dropped: patches that are would be taken off, but the program goes on as it
    // is when the other half is gone.
    let mut agent = ManuallyDrop::new(Agent {
        area,
        generations: Generations::new(pins),
        images: Images::default(),
        changed: Vec::new(),
        waits_for_pins: false,
        caches: Vec::new(),
        keep_above,
    });
    if protocol::send(&mut socket, &hello).is_err() {
        return;
    }
    loop {
        while !is_asked(&socket, agent.due()) {
            agent.look_again();
        }
        let Ok(request) = protocol::receive(&mut socket) else {
            return;
        };
        let answer = agent.answer(request).unwrap_or_else(Answer::Failed);
        if protocol::send(&mut socket, &answer).is_err() {
            return;
        }
    }
}

/// Waits for a request, but not beyond this moment.
fn is_asked(socket: &UnixStream, until: Option<Instant>) -> bool {
    let Some(until) = until else {
        return true; // whoever reads waits
    };
    let left = until.saturating_duration_since(Instant::now());
    let mut polled = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let time = left
        .as_micros()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(i32::MAX);
    // SAFETY: one structure, which outlives the call.
    match unsafe { libc::poll(&mut polled, 1, time) } {
        0 => false,
        // An error shows when it is read.
        _ => true,
    }
}

struct Agent {
    area: Result<Area, String>,
    generations: Generations,
    images: Images,
    /// The functions that the last reload has changed.
    changed: Vec<u64>,
    /// Some functions still have older versions, for those who are pinned.
    waits_for_pins: bool,
    /// What is to be set back yet: somebody had the lock.
    caches: Vec<Guarded>,
    keep_above: KeepAbove,
}

impl Agent {
    fn answer(&mut self, request: Request) -> Result<Answer, String> {
        match request {
            Request::Resolve(names) => Ok(Answer::Addresses(
                names.into_iter().map(address_of).collect(),
            )),
            Request::Room(len) => {
                let area = self.area.as_mut().map_err(|why| why.clone())?;
                match area.room(len as usize) {
                    Ok(at) => Ok(Answer::Room(at as u64)),
                    Err(error) => Err(format!(
                        "no address space for {len} bytes near the executable: {error}; restart"
                    )),
                }
            }
            Request::Threads(file) => {
                let distance = image::thread_data(&file);
                distance.map(Answer::Threads)
            }
            Request::Load(load) => self.load(&load).map(Answer::Loaded),
            Request::Undo => self.undo().map(Answer::Undone),
            Request::Prepare(function) => {
                let function = function as usize as *const ();
                crate::can_patch(function).map_err(|e| e.to_string())?;
                Ok(Answer::Prepared)
            }
            Request::Active => {
                let bodies = self.images.bodies(&self.changed);
                active::find(bodies).map(Answer::Active)
            }
            Request::Images(look) => {
                if look != 0 {
                    self.look_at_images();
                }
                Ok(Answer::Images(self.images.list()))
            }
        }
    }

    /// Looks at what is due.
    fn look_again(&mut self) {
        self.waits_for_pins = self.generations.tidy();
        self.reset_caches();
        if self.images.due().is_some_and(|due| due <= Instant::now()) {
            self.look_at_images();
        }
    }

    /// Unloads what can be.
    fn look_at_images(&mut self) {
        // What only pins need is known after this.
        self.waits_for_pins = self.generations.tidy();
        if let Ok(area) = &mut self.area {
            let generations = &self.generations;
            self.images.look(area, |image| generations.need(image));
        }
    }

    /// Sets back what can be.
    fn reset_caches(&mut self) {
        // SAFETY: found by their names in the executable.
        self.caches.retain(|cache| unsafe { !caches::reset(cache) });
    }

    /// When something is to be looked at again that was left as it was.
    fn due(&self) -> Option<Instant> {
        let waits = self.waits_for_pins || !self.caches.is_empty();
        let tidy = waits.then(|| Instant::now() + TIDY);
        [self.images.due(), tidy].into_iter().flatten().min()
    }

    fn load(&mut self, load: &Load) -> Result<Loaded, String> {
        let begun = Instant::now();
        let area = self.area.as_mut().map_err(|why| why.clone())?;
        let (at, len) = (load.address as usize, load.len as usize);
        let loaded = if load.file.is_empty() {
            None
        } else if area.holds(at, len) {
            let loaded = image::load(area, &load.file, at, len);
            Some(loaded.map_err(|e| format!("{} cannot be loaded: {e}", load.file))?)
        } else {
            return Err(format!("{at:#x} was not given out for an image"));
        };
        let load_nanoseconds = begun.elapsed().as_nanos() as u64;
        let begun = Instant::now();
        // SAFETY: whoever linked the image has compared types, and has found the
        // constants in the executable.
        let done = unsafe { self.generations.reload(load) };
        let generation = match done {
            Ok(generation) => generation,
            Err(why) => {
                if let Some(image) = loaded {
                    image::unload(area, image, at, len);
                }
                return Err(why);
            }
        };
        let unlisted = match &loaded {
            Some(Image::Unlisted(why)) => why.clone(),
            _ => String::new(),
        };
        self.changed = load.swaps.iter().map(|swap| swap.target).collect();
        if let Some(image) = loaded {
            self.images.add(generation, image, load);
        }
        self.waits_for_pins = self.generations.tidy();
        self.images.look_soon();
        if !load.caches.is_empty() {
            self.caches.clone_from(&load.caches);
        }
        self.reset_caches();
        let swap_nanoseconds = begun.elapsed().as_nanos() as u64;
        let above = (self.keep_above)().into_iter();
        let above = above.map(|(function, said)| Above {
            function: function as u64,
            said,
        });
        Ok(Loaded {
            load_nanoseconds,
            swap_nanoseconds,
            unlisted,
            generation,
            above: above.collect(),
        })
    }

    fn undo(&mut self) -> Result<Undone, String> {
        let begun = Instant::now();
        // SAFETY: the functions go back to what stood in for them before.
        let (generation, reload) = unsafe { self.generations.undo() }?;
        let swap_nanoseconds = begun.elapsed().as_nanos() as u64;
        (self.keep_above)();
        self.waits_for_pins = self.generations.tidy();
        self.images.look_soon();
        Ok(Undone {
            generation,
            reload,
            left: self.generations.undoable(),
            swap_nanoseconds,
        })
    }
}

fn address_of(name: String) -> u64 {
    let Ok(name) = CString::new(name) else {
        return 0;
    };
    // SAFETY: looks a name up.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) as u64 }
}

struct Executable {
    slide: u64,
    start: usize,
}

/// The main program, which the dynamic linker lists first.
fn executable() -> Executable {
    let program = crate::symbols::modules()
        .ok()
        .and_then(|list| list.into_iter().next());
    match program {
        Some(module) => Executable {
            slide: module.slide().0,
            start: module.code_ranges().first().map_or(0, |code| code.start),
        },
        None => Executable { slide: 0, start: 0 },
    }
}
