use crate::args::Inspect;
use crate::error::Error;
pub(crate) fn run(_: &Inspect) -> Result<std::process::ExitCode, Error> { unimplemented!() }
