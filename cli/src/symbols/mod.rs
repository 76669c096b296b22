use crate::args::Symbols;
use crate::error::Error;
pub(crate) fn run(_: &Symbols) -> Result<std::process::ExitCode, Error> { unimplemented!() }
