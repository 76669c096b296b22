//! Who connects: the kernel knows (`SO_PEERCRED`).

use crate::control::place;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// Lets this user in and nobody else, root included: who is root can be this user.
pub(super) fn check(stream: &UnixStream) -> Result<(), String> {
    let peer = user_of(stream).map_err(|e| format!("nobody knows who you are: {e}"))?;
    let this = place::user();
    if peer == this {
        Ok(())
    } else {
        Err(format!(
            "you are user {peer}, and this program is user {this}'s"
        ))
    }
}

fn user_of(stream: &UnixStream) -> io::Result<u32> {
    let mut peer = MaybeUninit::<libc::ucred>::uninit();
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `peer` has room for `len` bytes.
    let failed = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            peer.as_mut_ptr().cast(),
            &mut len,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    if len as usize != size_of::<libc::ucred>() {
        return Err(io::Error::other("the kernel's answer is of another size"));
    }
    // SAFETY: filled by a call that succeeded.
    Ok(unsafe { peer.assume_init() }.uid)
}
