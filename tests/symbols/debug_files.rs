//! Separate debug files of stripped libraries.

use std::path::{Path, PathBuf};

use midair::symbols::{Image, Problem, file_symbols, symbol};

use crate::build::{self, run};

/// A stripped library and the debug file that was cut off it.
struct Stripped {
    folder: PathBuf,
    library: PathBuf,
    debug: PathBuf,
}

fn stripped(test: &str, build_id: &str) -> Stripped {
    let folder = build::folder(test);
    let library = folder.join(format!("libmidair_{test}.so"));
    let debug = folder.join(format!("libmidair_{test}.debug"));
    let prefix = format!("-DPREFIX={test}");
    let id = format!("-Wl,--build-id={build_id}");
    build::c_library("plain.c", &library, &["-g", &prefix, &id]);
    run(
        "objcopy",
        [
            "--only-keep-debug".as_ref(),
            library.as_os_str(),
            debug.as_os_str(),
        ],
    );
    run("strip", ["--strip-all".as_ref(), library.as_os_str()]);
    Stripped {
        folder,
        library,
        debug,
    }
}

impl Stripped {
    fn link(&self) {
        let link = format!("--add-gnu-debuglink={}", self.debug.display());
        run("objcopy", [link.as_ref(), self.library.as_os_str()]);
    }

    fn open(&self, root: &Path) -> Image {
        Image::open_with_debug_roots(&self.library, &[root.to_path_buf()]).unwrap()
    }

    fn move_debug_to(&self, place: &Path) {
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::rename(&self.debug, place).unwrap();
    }
}

fn has_hidden(image: &Image) -> bool {
    let found = file_symbols(image, "*_hidden");
    // A local function is in the debug file only.
    found.is_ok_and(|found| found.len() == 1 && found[0].size > 0)
}

#[test]
fn a_stripped_library_alone_has_only_what_it_exports() {
    let stripped = stripped("alone", "none");
    let image = stripped.open(&stripped.folder);
    assert!(!has_hidden(&image));
    assert_eq!(file_symbols(&image, "alone_visible").unwrap().len(), 1);
    assert!(image.debug_image().is_none());
    assert!(image.problems().is_empty());
    // Unwind information still knows where it is.
    let visible = file_symbols(&image, "alone_visible").unwrap();
    assert!(image.functions().extent(visible[0].address).is_some());
    assert!(image.functions().len() >= 3);
}

#[test]
fn a_debug_link_is_followed_to_each_place_it_may_mean() {
    type Place = fn(&Stripped, &Path) -> PathBuf;
    let places: [(&str, Place); 3] = [
        ("beside", |stripped, _| stripped.debug.clone()),
        ("below", |stripped, _| {
            stripped
                .folder
                .join(".debug")
                .join(stripped.debug.file_name().unwrap())
        }),
        ("root", |stripped, root| {
            let folder = root.join(stripped.folder.strip_prefix("/").unwrap());
            folder.join(stripped.debug.file_name().unwrap())
        }),
    ];
    for (test, place) in places {
        let stripped = stripped(test, "none");
        stripped.link();
        let root = stripped.folder.join("roots");
        stripped.move_debug_to(&place(&stripped, &root));
        let image = stripped.open(&root);
        assert!(has_hidden(&image), "{test}: {:?}", image.problems());
        assert!(image.problems().is_empty());
    }
}

#[test]
fn a_debug_file_is_found_by_build_id() {
    let stripped = stripped("byid", "sha1");
    let root = stripped.folder.join("roots");
    let image = stripped.open(&root);
    let id: Vec<String> = image
        .build_id()
        .unwrap()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let place = root.join(format!(".build-id/{}/{}.debug", id[0], id[1..].concat()));
    stripped.move_debug_to(&place);
    let image = stripped.open(&root);
    assert!(has_hidden(&image), "{:?}", image.problems());
    assert_eq!(image.debug_image().unwrap().path(), place);
    assert_eq!(image.debug_image().unwrap().build_id(), image.build_id());
}

#[test]
fn a_debug_file_of_another_build_is_told_and_not_used() {
    // By checksum.
    let one = stripped("checksum", "none");
    one.link();
    let mut bytes = std::fs::read(&one.debug).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&one.debug, bytes).unwrap();
    let image = one.open(&one.folder);
    assert!(!has_hidden(&image));
    let problems = image.problems();
    assert!(
        matches!(problems[..], [Problem::DebugFile { .. }]),
        "{problems:?}"
    );
    assert!(
        problems[0].to_string().contains("checksum"),
        "{}",
        problems[0]
    );

    // By build id.
    let two = stripped("otherid", "sha1");
    two.link();
    std::fs::rename(&stripped("otherid2", "sha1").debug, &two.debug).unwrap();
    let image = two.open(&two.folder);
    assert!(!has_hidden(&image));
    assert!(
        image.problems()[0].to_string().contains("build id"),
        "{:?}",
        image.problems()
    );
}

#[test]
fn a_local_function_of_a_loaded_stripped_library_is_found() {
    let stripped = stripped("loaded", "sha1");
    stripped.link();
    let library = build::load(&stripped.library);
    let visible = symbol("loaded_visible").unwrap();
    assert_eq!(
        visible.address.addr(),
        build::address_in(&library, "loaded_visible")
    );
    assert!(symbol("loaded_hidden").unwrap().is_local());
}
