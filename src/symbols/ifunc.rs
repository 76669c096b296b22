//! What an IFUNC resolved to.
//!
//! The dynamic linker is asked where it can be: `dlsym` on the module's own
//! handle, which runs the resolver as it is meant to be run. The resolver of an
//! IFUNC that is not exported is called directly; by the rules of IFUNC it is a
//! pure function of the processor.

use std::ffi::{CString, c_void};

use super::module::{Module, ModuleRole};
use super::symbol::FileSymbol;

/// Holds a module loaded.
struct Handle(*mut c_void);

impl Handle {
    /// A handle of a module that is loaded already; none if it is not any more.
    fn of(module: &Module) -> Option<Handle> {
        let name = match module.role() {
            ModuleRole::Program => std::ptr::null(),
            _ => module.link_name()?.as_ptr(),
        };
        // SAFETY: the name is NUL-terminated or null; RTLD_NOLOAD runs no constructors.
        let handle = unsafe { libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        (!handle.is_null()).then_some(Handle(handle))
    }

    fn find(&self, name: &str, version: Option<&str>) -> Option<usize> {
        let name = CString::new(name).ok()?;
        let found = match version {
            // SAFETY: the handle is open and the name NUL-terminated.
            None => unsafe { libc::dlsym(self.0, name.as_ptr()) },
            Some(version) => versioned(self.0, &name, version)?,
        };
        (!found.is_null()).then(|| found.addr())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle came from dlopen and is closed once. A refusal
        // leaves the module loaded, which is harmless.
        unsafe { libc::dlclose(self.0) };
    }
}

#[cfg(target_env = "gnu")]
fn versioned(handle: *mut c_void, name: &CString, version: &str) -> Option<*mut c_void> {
    unsafe extern "C" {
        fn dlvsym(
            handle: *mut c_void,
            name: *const std::ffi::c_char,
            version: *const std::ffi::c_char,
        ) -> *mut c_void;
    }
    let version = CString::new(version).ok()?;
    // SAFETY: the handle is open and both strings are NUL-terminated.
    Some(unsafe { dlvsym(handle, name.as_ptr(), version.as_ptr()) })
}

#[cfg(not(target_env = "gnu"))]
fn versioned(_: *mut c_void, _: &CString, _: &str) -> Option<*mut c_void> {
    None
}

/// Where the implementation is that `symbol` of `module` stands for; none if
/// the module is not loaded any more.
pub(super) fn target(module: &Module, symbol: &FileSymbol) -> Option<usize> {
    let handle = Handle::of(module)?;
    let resolver = symbol.address.at(module.slide());
    // Only exported names: another module may export what this one keeps to itself.
    let image = module.image().ok()?;
    let mut exported = image.exported_names_at(symbol.address).into_iter();
    let told = exported.find_map(|(name, version)| handle.find(&name, version.as_deref()));
    told.filter(|target| *target != resolver)
        .or_else(|| call(module, resolver))
}

/// Runs a resolver. The module must be held loaded.
fn call(module: &Module, resolver: usize) -> Option<usize> {
    if !module.has_code_at(resolver) {
        return None;
    }
    let resolver = resolver as *const ();
    #[cfg(target_arch = "x86_64")]
    let target = {
        type Resolver = unsafe extern "C" fn() -> usize;
        // SAFETY: an IFUNC symbol of a loaded module says that this is its resolver.
        unsafe { std::mem::transmute::<*const (), Resolver>(resolver)() }
    };
    #[cfg(target_arch = "aarch64")]
    let target = {
        /// Set in the first argument if there is a second one.
        const HAS_ARGUMENT: u64 = 1 << 62;
        #[repr(C)]
        struct Argument {
            size: u64,
            hwcap: u64,
            hwcap2: u64,
        }
        type Resolver = unsafe extern "C" fn(u64, *const Argument) -> usize;
        // SAFETY: getauxval only reads what the kernel gave the process.
        let capabilities = |kind| unsafe { libc::getauxval(kind) };
        let argument = Argument {
            size: size_of::<Argument>() as u64,
            hwcap: capabilities(libc::AT_HWCAP),
            hwcap2: capabilities(libc::AT_HWCAP2),
        };
        let first = argument.hwcap | HAS_ARGUMENT;
        // SAFETY: an IFUNC symbol of a loaded module says that this is its resolver.
        unsafe { std::mem::transmute::<*const (), Resolver>(resolver)(first, &argument) }
    };
    (target != 0).then_some(target)
}
