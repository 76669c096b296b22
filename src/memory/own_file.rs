//! A file of `/proc/self` that is kept open.
//!
//! A descriptor is only a number: the program may close all of them, as daemons
//! do, and open files of its own under the same numbers. So before each use the
//! file is asked whether it is still the one that was opened, and a descriptor
//! that became another file's is forgotten, never closed.

use super::process;
use std::fs::File;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::AsRawFd;

/// The file, and of which process it is: after a fork an inherited one still
/// speaks of the parent.
pub(crate) struct OwnFile {
    file: ManuallyDrop<File>,
    process: u32,
    device: u64,
    inode: u64,
}

impl OwnFile {
    pub(crate) fn new(file: File) -> Option<Self> {
        let status = status(&file)?;
        Some(Self {
            file: ManuallyDrop::new(file),
            process: process::id(),
            device: status.st_dev,
            inode: status.st_ino,
        })
    }

    /// The file, for one that has just asked.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The file and its status now, if it is still this process's and the same.
    pub(crate) fn get(&self) -> Option<(&File, libc::stat)> {
        if self.process != process::id() {
            return None;
        }
        let status = status(&self.file)?;
        let same = status.st_dev == self.device && status.st_ino == self.inode;
        same.then_some((&*self.file, status))
    }
}

fn status(file: &File) -> Option<libc::stat> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `status` has room for the answer; a closed descriptor is an error.
    let done = unsafe { libc::fstat(file.as_raw_fd(), status.as_mut_ptr()) };
    // SAFETY: filled if fstat succeeded.
    (done == 0).then(|| unsafe { status.assume_init() })
}
