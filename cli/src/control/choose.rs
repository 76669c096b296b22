//! Which program is meant.

use crate::error::Error;
use midair::control::{Socket, sockets};

/// The only one with that number or that name; without either, the only one.
pub(super) fn choose(asked: Option<&str>) -> Result<Socket, Error> {
    let there = sockets().map_err(Error::Sockets)?;
    let fits = |socket: &&Socket| {
        asked.is_none_or(|asked| socket.name == asked || socket.pid.to_string() == asked)
    };
    let mut fitting = there.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(Error::NoSocket {
            asked: asked.map(str::to_owned),
            there,
        }),
    }
}
