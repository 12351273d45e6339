//! Where log lines go: stderr, so that stdout is the command's answer.

use std::io::{self, IsTerminal};

use crate::settings::{Effective, Error, LogFormat};
use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

/// What commands log that only talk to a server, unless a filter is set.
const QUIET: &str = "warn";

/// Whose steps are not news: the solver tells each of its own as if it were. Whoever names it in a filter hears it.
const SOLVER: &str = "pubgrub";

/// Starts logging; a server logs by its filter, other commands only if one was set.
pub fn start(effective: &Effective, serves: bool) -> Result<(), Error> {
    let log = &effective.settings.log;
    let is_default = effective.origin("log.filter") == "default";
    let filter = if is_default && !serves { QUIET } else { &log.filter };
    let filter = if filter.contains(SOLVER) { filter.to_owned() } else { format!("{filter},{SOLVER}=warn") };
    let filter: EnvFilter = filter.parse().map_err(|error| Error {
        key: "log.filter".into(),
        origin: Some(effective.origin("log.filter")),
        message: format!("{error}"),
    })?;
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => serves && !io::stderr().is_terminal(),
    };
    let lines = fmt().with_writer(io::stderr).with_env_filter(filter).with_ansi(io::stderr().is_terminal());
    if json {
        lines.json().flatten_event(true).finish().init();
    } else {
        lines.finish().init();
    }
    Ok(())
}
