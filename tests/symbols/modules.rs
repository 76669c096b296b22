//! The list of what is loaded.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use midair::symbols::{ImageError, Module, ModuleRole, module_at, modules, symbol};

use crate::build;

fn called(name: &str) -> Option<Arc<Module>> {
    modules()
        .unwrap()
        .into_iter()
        .find(|module| module.file_name() == name)
}

#[test]
fn the_program_comes_first_and_every_image_is_readable() {
    let modules = modules().unwrap();
    assert_eq!(modules[0].role(), ModuleRole::Program);
    assert_eq!(modules[0].path(), std::env::current_exe().unwrap());
    for module in &modules {
        // Other tests load and unload fixtures meanwhile.
        if module.file_name().starts_with("libmidair") {
            continue;
        }
        let image = module.image().unwrap_or_else(|error| panic!("{error}"));
        assert!(!image.functions().is_empty(), "{}", module.path().display());
        assert!(image.problems().is_empty(), "{:?}", image.problems());
        for range in module.code_ranges() {
            let same = module_at(range.start).unwrap();
            assert!(Arc::ptr_eq(&same, module));
        }
    }
    let roles: Vec<_> = modules.iter().map(|module| module.role()).collect();
    assert!(roles.contains(&ModuleRole::DynamicLinker));
    assert!(roles.contains(&ModuleRole::Vdso));
    assert!(module_at(0).is_none());
    assert!(module_at(&raw const roles as usize).is_none());
}

#[test]
fn bytes_of_the_file_are_the_bytes_in_memory() {
    let here = bytes_of_the_file_are_the_bytes_in_memory as fn() as usize;
    let module = module_at(here).unwrap();
    let image = module.image().unwrap();
    let at = module.file_address(here);
    assert_eq!(at.at(module.slide()), here);
    let size = image.functions().extent(at).unwrap().size() as usize;
    let in_file = image.code(at, size).unwrap();
    // SAFETY: the function's own code is mapped and readable.
    let in_memory = unsafe { std::slice::from_raw_parts(here as *const u8, size) };
    assert_eq!(in_file, in_memory);
    assert_eq!(image.read(at, size), Some(in_file));
    let range = image.load_range();
    assert!(range.contains(&at));
    assert!(image.code_end(at).unwrap() <= range.end);
    assert!(image.code(range.end, 1).is_none());
    assert!(image.code(at, usize::MAX).is_none());
}

#[test]
fn a_library_that_is_unloaded_is_gone_and_one_loaded_again_is_another() {
    let folder = build::folder("reloaded");
    let path = folder.join("libmidair_reloaded.so");
    build::c_library("plain.c", &path, &["-DPREFIX=reloaded"]);
    assert!(symbol("reloaded_visible").is_err());
    let library = build::load(&path);
    let first = called("libmidair_reloaded.so").unwrap();
    assert_eq!(first.path(), path);
    let address = symbol("reloaded_visible").unwrap().address.addr();
    assert!(Arc::ptr_eq(&module_at(address).unwrap(), &first));
    assert!(Arc::ptr_eq(
        &called("libmidair_reloaded.so").unwrap(),
        &first
    ));
    library.close().unwrap();
    assert!(called("libmidair_reloaded.so").is_none());
    assert!(symbol("reloaded_visible").is_err());

    // Something else in its place makes it be loaded at another address.
    let page = (address & !0xfff) as *mut libc::c_void;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: an anonymous mapping that replaces nothing. If another thread was
    // quicker, its mapping stands in the way as well.
    unsafe { libc::mmap(page, 4096, libc::PROT_NONE, flags, -1, 0) };
    let _library = build::load(&path);
    let second = called("libmidair_reloaded.so").unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_ne!(symbol("reloaded_visible").unwrap().address.addr(), address);
    // The image of the first can still be read by those who hold it.
    assert!(first.image().is_ok());
}

/// Runs the test of that name again in a process of its own, where no other
/// test opens images.
fn alone(test: &str) -> bool {
    if std::env::var_os("MIDAIR_TEST_ALONE").is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env("MIDAIR_TEST_ALONE", "1");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("1 passed"), "{text}");
    false
}

#[test]
fn a_file_replaced_after_it_was_loaded_is_not_used() {
    if !alone("modules::a_file_replaced_after_it_was_loaded_is_not_used") {
        return;
    }
    for (id, test) in [("sha1", "replaced-id"), ("none", "replaced-plain")] {
        let folder = build::folder(test);
        let path = folder.join(format!("libmidair_{test}.so"));
        let id = format!("-Wl,--build-id={id}");
        build::c_library("plain.c", &path, &["-DPREFIX=replaced", &id]);
        let _library = build::load(&path);
        std::fs::remove_file(&path).unwrap();
        // Without build ids, only code of another size can be told.
        let flags = [
            "-DPREFIX=replaced_by_a_name_that_is_longer",
            "-O0",
            "-fcf-protection=full",
        ];
        let flags = if cfg!(target_arch = "x86_64") {
            &flags[..]
        } else {
            &flags[..2]
        };
        build::c_library("plain.c", &path, &[flags, &[id.as_str()]].concat());
        let module = called(&format!("libmidair_{test}.so")).unwrap();
        let error = module.image().unwrap_err();
        assert!(matches!(error, ImageError::FileChanged { .. }), "{error}");
        let error = symbol("replaced_visible").unwrap_err().to_string();
        assert!(
            error.contains("was replaced after it was loaded"),
            "{error}"
        );
        // Others are found all the same.
        assert!(symbol("malloc").is_ok());
    }
}

#[test]
fn the_program_is_readable_even_if_its_file_is_deleted() {
    let test = "modules::the_program_is_readable_even_if_its_file_is_deleted";
    if std::env::var_os("MIDAIR_TEST_ALONE").is_none() {
        let copy = build::folder("deleted").join("copy-of-the-test");
        std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        let mut command = Command::new(&copy);
        command
            .args(["--exact", test])
            .env("MIDAIR_TEST_ALONE", "1");
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{errors}");
        assert!(!copy.exists(), "the copy did not run the test");
        return;
    }
    std::fs::remove_file(std::env::current_exe().unwrap()).unwrap();
    let program = &modules().unwrap()[0];
    assert_eq!(program.file_name(), "copy-of-the-test");
    let name = "symbols::modules::the_program_is_readable_even_if_its_file_is_deleted";
    let function = the_program_is_readable_even_if_its_file_is_deleted as fn();
    assert_eq!(symbol(name).unwrap().address.addr(), function as usize);
    let foreign = Module::of_process(std::process::id() as i32).unwrap();
    let own = foreign
        .iter()
        .find(|module| module.file_name() == "copy-of-the-test")
        .unwrap();
    assert_eq!(own.slide().unwrap(), program.slide());
}

#[test]
fn modules_of_a_process_agree_with_what_that_process_says() {
    let foreign = Module::of_process(std::process::id() as i32).unwrap();
    for module in modules().unwrap() {
        if module.role() == ModuleRole::Vdso || module.path().starts_with("/tmp") {
            continue;
        }
        // Other tests load and unload fixtures meanwhile.
        if module.file_name().starts_with("libmidair") {
            continue;
        }
        let real = module.path().canonicalize().unwrap();
        let same = foreign
            .iter()
            .find(|foreign| foreign.path() == real)
            .unwrap();
        assert_eq!(same.slide().unwrap(), module.slide(), "{}", real.display());
        assert_eq!(
            same.image().unwrap().build_id(),
            module.image().unwrap().build_id()
        );
        for range in module.code_ranges() {
            let holds = |code: &std::ops::Range<usize>| code.contains(&range.start);
            assert!(same.code_ranges().iter().any(holds));
        }
    }
}

#[test]
fn modules_of_another_process_are_listed() {
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It answers once its libraries are loaded.
    use std::io::{Read, Write};
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let listed = Module::of_process(child.id() as i32);
    child.kill().unwrap();
    child.wait().unwrap();
    let listed = listed.unwrap();
    let libc = listed
        .iter()
        .find(|module| module.is_called("libc"))
        .unwrap();
    assert!(libc.path().is_absolute());
    // The process has ended: the path itself still leads to the file.
    assert!(libc.image().unwrap().functions().len() > 1000);
    let slide = libc.slide().unwrap();
    assert_eq!(slide.0 % 4096, 0);
    assert!(listed.iter().any(|module| module.is_called("cat")));
}

#[test]
fn a_process_that_is_not_there_is_an_error_with_its_path() {
    let error = Module::of_process(i32::MAX).unwrap_err().to_string();
    assert!(
        error.contains(&format!("/proc/{}/maps", i32::MAX)),
        "{error}"
    );
    assert!(Path::new("/proc/self/maps").exists());
}
