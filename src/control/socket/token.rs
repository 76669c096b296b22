//! Who may go on over TCP: whoever has read a file of this user's.

use super::session;
use crate::control::ControlError;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How many random bytes a token has.
const BYTES: usize = 16;
/// A first line is not longer.
const LONGEST: usize = 64;

/// Makes a token and writes it to a new file.
pub(super) fn write(path: &Path) -> Result<String, ControlError> {
    let system = |source| ControlError::System {
        what: "write the token",
        path: path.to_owned(),
        source,
    };
    let mut bytes = [0; BYTES];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(system)?;
    let token = bytes.iter().fold(String::new(), |mut token, byte| {
        // Writing to a string cannot fail.
        let _ = write!(token, "{byte:02x}");
        token
    });
    // Of an earlier process of this number.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(system(e)),
        _ => {}
    }
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path);
    file.and_then(|mut file| writeln!(file, "{token}"))
        .map_err(system)?;
    Ok(token)
}

/// Reads the first line, byte by byte and no further than a token is long, and goes
/// on if it is right. A browser that was led to this port sends `POST / HTTP/1.1`.
pub(super) fn talk(
    mut input: impl Read,
    mut output: impl Write,
    token: &str,
    go_on: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        match byte {
            [b'\n'] => break,
            [byte] => line.push(byte),
        }
        if line.len() > LONGEST {
            break;
        }
    }
    let line = line.strip_suffix(b"\r").unwrap_or(&line);
    let given = line.strip_prefix(b"token ").unwrap_or_default();
    if !is_same(given, token.as_bytes()) {
        return writeln!(
            output,
            "error: the first line must be `token` and the right one"
        );
    }
    writeln!(output, "ok")?;
    go_on()?;
    session::talk(input, output)
}

/// Takes as long for a wrong byte in front as for one at the end.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let different = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && std::hint::black_box(different) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_token_ends_the_limit_of_time_and_no_other_does() {
        let is_let_on = |line: &str| {
            let (mut told, mut is_let_on) = (Vec::new(), false);
            let go_on = || {
                is_let_on = true;
                Ok(())
            };
            talk(line.as_bytes(), &mut told, "0af1", go_on).unwrap();
            assert_eq!(told.starts_with(b"ok\n"), is_let_on, "{line:?}");
            is_let_on
        };
        assert!(is_let_on("token 0af1\n"));
        assert!(is_let_on("token 0af1\r\n"));
        for line in [
            "token 0af2\n",
            "token 0af\n",
            "token 0af11\n",
            "token \n",
            "0af1\n",
            "\n",
        ] {
            assert!(!is_let_on(line), "{line:?}");
        }
    }
}
