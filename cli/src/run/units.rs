//! The objects of a crate, and which of them have changed.
//!
//! rustc keeps an object for each unit of a crate in a folder for each build. A
//! unit that did not have to be compiled again is a hard link to the object of the
//! build before. So a unit has changed if its inode has; objects stay mapped, so
//! that no inode is given to another file.

use super::capture::Capture;
use super::crates::Crate;
use super::object::Object;
use cargo_midair::run::gate;
use object::read::archive::ArchiveFile;
use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A crate's objects by their file names.
pub(crate) type Objects = BTreeMap<String, Unit>;

/// One object.
#[derive(Clone)]
pub(crate) struct Unit {
    inode: u64,
    pub(crate) object: Arc<Object>,
    /// Its types.
    pub(crate) types: Arc<gate::Object>,
}

impl Unit {
    fn open(path: &Path, inode: u64) -> Result<Self, String> {
        let object = Object::open(path)?;
        let types = gate::Object::read(path, object.mapping()).map_err(|e| e.to_string())?;
        Ok(Self {
            inode,
            object: Arc::new(object),
            types: Arc::new(types),
        })
    }
}

/// The objects of one crate.
pub(crate) struct Units {
    folder: PathBuf,
    /// What runs.
    pub(crate) running: Objects,
}

impl Units {
    /// Those of the crate whose builds are in a subfolder of its folder for them and have
    /// the files of its library; if it is none, the files that `linked` knows, and that are
    /// of no crate before it: the library of a program is often of its name.
    pub(crate) fn find(
        capture: &Capture,
        linked: &HashSet<&str>,
        before: &[Crate],
    ) -> Result<Self, String> {
        let incremental = capture.incremental();
        let crate_name = capture.crate_name().unwrap_or_default();
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", incremental.display());
        let library = files_of_library(capture)?;
        let mut best = None;
        for entry in std::fs::read_dir(&incremental).map_err(|e| fail(&e))? {
            let folder = entry.map_err(|e| fail(&e))?.path();
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            if name
                .rsplit_once('-')
                .is_none_or(|(name, _)| name != crate_name)
                || before.iter().any(|one| one.units.folder == folder)
            {
                continue;
            }
            let Ok(files) = newest(&folder) else {
                continue;
            };
            let known = |(file, _): &&(String, PathBuf)| {
                let file = file.strip_suffix(".o").unwrap_or(file);
                match &library {
                    Some(files) => files.contains(file),
                    None => linked.contains(file),
                }
            };
            let count = files.iter().filter(known).count();
            if best.as_ref().is_none_or(|(most, _)| count > *most) {
                best = Some((count, folder));
            }
        }
        let (_, folder) = best.ok_or_else(|| {
            format!(
                "{}: no incremental build of `{crate_name}` is there; set `incremental = true` \
                 in the profile",
                incremental.display()
            )
        })?;
        let mut units = Self {
            folder,
            running: Objects::new(),
        };
        units.running = units.newest()?;
        Ok(units)
    }

    /// Those in `running`, as they were kept, whose builds are in `folder`.
    pub(crate) fn kept(running: &Path, folder: PathBuf) -> Result<Self, String> {
        let mut units = Self {
            folder,
            running: Objects::new(),
        };
        for (name, path) in objects_in(running)? {
            let metadata = path.metadata();
            let metadata = metadata.map_err(|e| format!("{}: {e}", path.display()))?;
            let unit = Unit::open(&path, metadata.ino())?;
            units.running.insert(name, unit);
        }
        Ok(units)
    }

    /// Where the builds are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes `folder` hold what runs, and nothing else.
    pub(crate) fn keep(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        // What is not to be found is written.
        let there: BTreeMap<String, PathBuf> = match newest(&self.folder) {
            Ok(files) => files.into_iter().collect(),
            Err(_) => BTreeMap::new(),
        };
        let inode = |path: &Path| path.metadata().ok().map(|file| file.ino());
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let unit = self.running.get(&*entry.file_name().to_string_lossy());
            if unit.is_none_or(|unit| inode(&entry.path()) != Some(unit.inode)) {
                std::fs::remove_file(entry.path())?;
            }
        }
        for (name, unit) in &self.running {
            let kept = folder.join(name);
            if kept.exists() {
                continue;
            }
            let file = there
                .get(name)
                .filter(|path| inode(path) == Some(unit.inode));
            let is_linked = file.is_some_and(|file| std::fs::hard_link(file, &kept).is_ok());
            if !is_linked {
                std::fs::write(&kept, &unit.object.mapping()[..])?;
            }
        }
        Ok(())
    }

    /// The objects of the newest build. Those that run are not opened again.
    pub(crate) fn newest(&self) -> Result<Objects, String> {
        let mut objects = Objects::new();
        for (name, path) in newest(&self.folder)? {
            let metadata = path
                .metadata()
                .map_err(|e| format!("{}: {e}", path.display()))?;
            let inode = metadata.ino();
            let unit = match self.running.get(&name) {
                Some(same) if same.inode == inode => same.clone(),
                _ => Unit::open(&path, inode)?,
            };
            objects.insert(name, unit);
        }
        Ok(objects)
    }
}

/// The objects that are in the one but not in the other.
pub(crate) fn only_in<'a>(one: &'a Objects, other: &Objects) -> Vec<&'a Unit> {
    let is_new =
        |(name, unit): &(&String, &Unit)| other.get(*name).is_none_or(|o| o.inode != unit.inode);
    one.iter().filter(is_new).map(|(_, unit)| unit).collect()
}

/// Of which files a crate's library is made, without their endings; none if it is a program.
fn files_of_library(capture: &Capture) -> Result<Option<HashSet<String>>, String> {
    let stem = capture.stem();
    let path = capture.out_folder().join(format!("lib{stem}.rlib"));
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let bytes = match std::fs::read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|e| fail(&e))?,
    };
    let archive = ArchiveFile::parse(&*bytes).map_err(|e| fail(&e))?;
    let mut files = HashSet::new();
    for member in archive.members() {
        let member = member.map_err(|e| fail(&e))?;
        let name = String::from_utf8_lossy(member.name());
        // `STEM.UNIT.HASH.rcgu.o`
        let unit = name
            .strip_prefix(&stem)
            .and_then(|name| name.strip_prefix('.'));
        files.extend(
            unit.and_then(|unit| unit.split('.').next())
                .map(str::to_owned),
        );
    }
    Ok(Some(files))
}

/// The objects in the folder of the newest finished build.
fn newest(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    objects_in(&newest_build(folder)?)
}

/// The folder of the newest finished build.
pub(crate) fn newest_build(folder: &Path) -> Result<PathBuf, String> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", folder.display());
    let mut builds = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| fail(&e))? {
        let path = entry.map_err(|e| fail(&e))?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("s-") && !name.ends_with("-working") && path.is_dir() {
            // The time of the build is the first part, of ten digits in base 36.
            let time = name[2..].split('-').next().unwrap_or_default().to_owned();
            builds.push((time.len(), time, path));
        }
    }
    let newest = builds.into_iter().max();
    let (_, _, build) = newest.ok_or_else(|| fail(&"no finished build"))?;
    Ok(build)
}

/// The objects in a folder, by their names.
fn objects_in(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", folder.display());
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| fail(&e))? {
        let path = entry.map_err(|e| fail(&e))?.path();
        if path.extension().is_some_and(|extension| extension == "o") {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            objects.push((name, path));
        }
    }
    Ok(objects)
}
