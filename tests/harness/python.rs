//! Tools in Python, of which no test needs an installed one: `tests/run` keeps them below the target folder, at the
//! versions of `tests/requirements.txt`.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

use crate::server::Finished;

/// How long a tool may take.
const RUN_MAX: Duration = Duration::from_secs(240);

/// Where a tool lies.
pub fn tool(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("this binary has a path");
    let target = tests.ancestors().nth(3).expect("cargo puts test binaries in <target>/<profile>/deps");
    let path = target.join("python/bin").join(name);
    assert!(path.is_file(), "{} is missing: run tests/run, which makes it of tests/requirements.txt", path.display());
    path
}

/// Runs a tool in this folder, with these variables set, until it ends.
pub async fn run(name: &str, arguments: &[&str], environment: &[(&str, &Path)], folder: &Path) -> Finished {
    let mut command = Command::new(tool(name));
    // With its home there it reads nobody's settings, and it leaves nothing behind.
    command.current_dir(folder).env("HOME", folder).env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONPATH");
    command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(RUN_MAX, command.output()).await.unwrap_or_else(|_| panic!("{name} {arguments:?} does not end"));
    let output = output.unwrap_or_else(|error| panic!("{name} {arguments:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
