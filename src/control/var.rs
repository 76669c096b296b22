//! A named value that can be redefined while the program runs.
//!
//! Readers load a pointer (`arc_swap`: no lock, no shared counter) and keep what
//! they have read for as long as they look at it; whoever redefines the value
//! changes the pointer. So a change is seen by all readers that come after it, at
//! once, and nobody ever sees half of one. The old value is freed when its last
//! reader is done.
//!
//! Such a load takes two locked instructions. So each thread also keeps what it has
//! read last of each `Var`, and [`Var::with`] and [`Var::get`] only look whether the
//! pointer is still that one. The price: an old value lives until each thread that has
//! read it so reads again, or ends.

use arc_swap::{ArcSwap, Cache, Guard};
use std::cell::Cell;
use std::fmt::{self, Display};
use std::ops::Deref;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::thread::LocalKey;

/// What a thread has read last.
#[doc(hidden)]
pub type Last<T> = Cell<Option<Cache<&'static ArcSwap<T>, Arc<T>>>>;

/// A value that can be redefined from outside; made by [`var!`](crate::var).
///
/// ```
/// midair::var! { static MESSAGE: String = "hello world" }
///
/// assert_eq!(MESSAGE.to_string(), "hello world");
/// MESSAGE.reset("goodbye".to_owned());
/// MESSAGE.swap(|old| format!("{old}, world"));
/// assert_eq!(*MESSAGE.read(), "goodbye, world");
/// ```
///
/// Over the control socket: `get MESSAGE` and `set MESSAGE "good evening"`.
///
/// `T` is any type that is read from text and written as text: [`FromStr`] and
/// [`Display`], and can be shared by threads (`Send + Sync + 'static`). So numbers,
/// `bool`, `char`, `String`, addresses of `std::net`, and your own types with these
/// two traits; not `Vec`, `PathBuf` or `Duration`, which have no text form in the
/// standard library.
pub struct Var<T: 'static> {
    name: &'static str,
    first: fn() -> T,
    value: OnceLock<ArcSwap<T>>,
    last: &'static LocalKey<Last<T>>,
}

impl<T> Var<T> {
    /// What [`var!`](crate::var) makes: one that is called `name`, with its path.
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        first: fn() -> T,
        last: &'static LocalKey<Last<T>>,
    ) -> Self {
        Self {
            name,
            first,
            value: OnceLock::new(),
            last,
        }
    }

    fn cell(&self) -> &ArcSwap<T> {
        self.value
            .get_or_init(|| ArcSwap::from_pointee((self.first)()))
    }

    /// Its name with the path of its module.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Shows the value as it is now to `look`: the fastest way.
    ///
    /// ```
    /// midair::var! { static MESSAGE: String = "hello world" }
    /// assert_eq!(MESSAGE.with(|message| message.len()), 11);
    /// ```
    #[inline]
    pub fn with<R>(&'static self, look: impl FnOnce(&T) -> R) -> R {
        // Taken out meanwhile: `look` may come here again.
        let Ok(taken) = self.last.try_with(Cell::take) else {
            // The thread is about to end.
            return look(&self.read());
        };
        let mut last = taken.unwrap_or_else(|| Cache::new(self.cell()));
        let result = look(last.load());
        // It was there a moment ago; without it the next look loads anew.
        let _ = self.last.try_with(|own| own.set(Some(last)));
        result
    }

    /// The value as it is now. It stays what it is for whoever holds it; hold it
    /// no longer than you look at it, and read again for the next look.
    #[inline]
    pub fn read(&self) -> Ref<T> {
        Ref(self.cell().load())
    }

    /// A copy of the value.
    #[inline]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Redefines the value, whatever it was: Clojure's `reset!`.
    pub fn reset(&self, value: T) {
        self.cell().store(Arc::new(value));
    }

    /// Redefines the value by a function of what it was, and returns what it is
    /// now: Clojure's `swap!`. No change that somebody else makes meanwhile is lost:
    /// then `change` is called again, with that. So it should only compute.
    pub fn swap(&self, mut change: impl FnMut(&T) -> T) -> Arc<T> {
        let cell = self.cell();
        let mut old = cell.load();
        loop {
            let new = Arc::new(change(&old));
            let seen = cell.compare_and_swap(&*old, Arc::clone(&new));
            if Arc::ptr_eq(&seen, &old) {
                return new;
            }
            old = seen;
        }
    }
}

impl<T: Display> Display for Var<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for Var<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Var")
            .field("name", &self.name)
            .field("value", &*self.read())
            .finish()
    }
}

/// A value that was read: [`Var::read`].
pub struct Ref<T>(Guard<Arc<T>>);

impl<T> Deref for Ref<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A [`Var`] of any type, as it is seen from outside: text.
pub trait Variable: Sync {
    /// Its name with the path of its module.
    fn name(&self) -> &'static str;
    /// What the compiler calls its type.
    fn type_name(&self) -> &'static str;
    /// Its value as text.
    fn text(&self) -> String;
    /// Redefines it.
    ///
    /// # Errors
    ///
    /// What the type's [`FromStr`] says. The old value is kept then.
    fn set(&self, text: &str) -> Result<(), String>;
}

impl<T> Variable for Var<T>
where
    T: FromStr + Display + Send + Sync,
    T::Err: Display,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn set(&self, text: &str) -> Result<(), String> {
        self.reset(text.parse().map_err(|e: T::Err| e.to_string())?);
        Ok(())
    }
}

/// Declares a [`Var`](crate::control::Var): a static that can be redefined while
/// the program runs.
///
/// ```
/// midair::var! {
///     /// How many at most.
///     pub static LIMIT: u32 = 10
/// }
/// midair::var! { static MESSAGE: String = "hello world" }
///
/// assert_eq!(*LIMIT.read(), 10);
/// println!("{MESSAGE}");
/// ```
///
/// The value is computed when it is first read; a `String` may be given as
/// anything that becomes one. It is known to the control socket from the start of
/// the program, read or not, by its name (`MESSAGE`) or its path
/// (`greeting::MESSAGE`).
#[macro_export]
macro_rules! var {
    ($(#[$attribute:meta])* $vis:vis static $name:ident: String = $value:expr $(;)?) => {
        $crate::__var!($(#[$attribute])* $vis $name: ::std::string::String =
            ::std::string::String::from($value));
    };
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = $value:expr $(;)?) => {
        $crate::__var!($(#[$attribute])* $vis $name: $type = $value);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __var {
    ($(#[$attribute:meta])* $vis:vis $name:ident: $type:ty = $value:expr) => {
        $(#[$attribute])*
        $vis static $name: $crate::control::Var<$type> = $crate::control::Var::new(
            ::core::concat!(::core::module_path!(), "::", ::core::stringify!($name)),
            || $value,
            {
                ::std::thread_local! {
                    static LAST: $crate::control::__Last<$type> =
                        const { ::core::cell::Cell::new(None) };
                }
                &LAST
            },
        );
        $crate::__at_start!($crate::control::__add_var(&$name));
    };
}

/// Runs an expression before `main`, so that what nobody has used yet has a name.
#[doc(hidden)]
#[macro_export]
macro_rules! __at_start {
    ($what:expr) => {
        const _: () = {
            extern "C" fn at_start() {
                $what
            }
            // SAFETY: the section holds pointers to functions that the loader calls.
            #[used]
            #[unsafe(link_section = ".init_array")]
            static AT_START: extern "C" fn() = at_start;
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    crate::var! { static COUNT: u64 = 0 }

    #[test]
    fn no_swap_is_lost() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        COUNT.swap(|n| n + 1);
                    }
                });
            }
        });
        assert_eq!(COUNT.get(), 40_000);
    }

    crate::var! { static PAIR: String = "0 0" }

    #[test]
    fn readers_see_whole_values_and_the_newest() {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut last = 0_u32;
                        while !stop.load(Ordering::Relaxed) {
                            let whole = |pair: &String| -> u32 {
                                let (a, b) = pair.split_once(' ').unwrap();
                                assert_eq!(a, b);
                                a.parse().unwrap()
                            };
                            // Neither way is behind the other.
                            let first = PAIR.with(whole);
                            let now = whole(&PAIR.read());
                            assert!(now >= first, "{now} after {first}");
                            assert!(PAIR.with(whole) >= now);
                            assert!(now >= last, "{now} after {last}");
                            last = now;
                        }
                        last
                    })
                })
                .collect();
            for n in 1..=20_000 {
                PAIR.reset(format!("{n} {n}"));
            }
            assert_eq!(*PAIR.read(), "20000 20000");
            stop.store(true, Ordering::Relaxed);
            for reader in readers {
                reader.join().unwrap();
            }
        });
    }

    crate::var! { static LIMIT: u8 = 7 }

    #[test]
    fn what_is_no_value_is_answered_and_the_old_value_is_kept() {
        let variable: &dyn Variable = &LIMIT;
        let error = variable.set("300").unwrap_err();
        assert!(error.contains("too large"), "{error}");
        assert_eq!(variable.text(), "7");
        variable.set("255").unwrap();
        assert_eq!(*LIMIT.read(), 255);
    }

    #[test]
    fn who_looks_may_look_again_and_redefine_it() {
        crate::var! { static WORD: String = "old" }
        let seen = WORD.with(|outer| {
            WORD.reset("new".to_owned());
            WORD.with(|inner| format!("{outer} {inner}"))
        });
        assert_eq!(seen, "old new");
        assert_eq!(WORD.get(), "new");
        // Each thread by itself.
        std::thread::spawn(|| assert_eq!(WORD.get(), "new"))
            .join()
            .unwrap();
    }

    #[test]
    fn what_was_read_stays() {
        crate::var! { static WORD: String = "old" }
        let read = WORD.read();
        WORD.reset("new".to_owned());
        assert_eq!((read.as_str(), WORD.get().as_str()), ("old", "new"));
    }

    /// `cargo test --release --lib control::var -- --ignored --nocapture`
    #[test]
    #[ignore = "measures"]
    fn timing_of_a_read() {
        const READS: u32 = 20_000_000;
        /// Of this thread: other processes may be busy.
        fn processor_time() -> f64 {
            let mut now = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // SAFETY: `now` has room for the answer.
            unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
            now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
        }
        fn read(what: &str, one: impl Fn() -> u64) {
            let mut best = f64::MAX;
            for _ in 0..5 {
                let start = processor_time();
                for _ in 0..READS {
                    std::hint::black_box(one());
                }
                best = best.min((processor_time() - start) / f64::from(READS));
            }
            println!("{what}: {best:.2} ns");
        }
        static PLAIN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        static LOCKED: std::sync::RwLock<u64> = std::sync::RwLock::new(1);
        PLAIN.store(std::hint::black_box(2), Ordering::Release);
        COUNT.reset(1);
        read("an atomic", || PLAIN.load(Ordering::Acquire));
        read("an RwLock<u64>", || *LOCKED.read().unwrap());
        read("a Var<u64>", || *COUNT.read());
        read("a Var<u64>, `get`", || COUNT.get());
        read("a Var<String>, its length, `with`", || {
            PAIR.with(String::len) as u64
        });
        read("a Var<String>, its length", || PAIR.read().len() as u64);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut sum = 0;
                while !stop.load(Ordering::Relaxed) {
                    sum += *COUNT.read();
                }
                std::hint::black_box(sum);
            });
            read("a Var<u64> that another thread reads", || *COUNT.read());
            read("a Var<u64> that another thread reads, `get`", || {
                COUNT.get()
            });
            stop.store(true, Ordering::Relaxed);
        });
    }
}
