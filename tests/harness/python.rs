//! Tools in Python, of which no test needs an installed one: `tests/run` keeps them below the target folder, at the
//! versions of `tests/requirements.txt`.

use std::{
    fs,
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
    there(home().join("bin").join(name))
}

/// Where a package lies, for what it brings beside its Python.
pub fn package(name: &str) -> PathBuf {
    let versions = fs::read_dir(there(home().join("lib"))).expect("the libraries of Python");
    let version = versions.map(|entry| entry.expect("a version of Python").path()).next().expect("a version of Python");
    there(version.join("site-packages").join(name))
}

fn there(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: run tests/run, which makes it of tests/requirements.txt", path.display());
    path
}

/// Binaries lie in `<target>/<profile>`, those of tests in its `deps`.
fn home() -> PathBuf {
    let own = std::env::current_exe().expect("this binary has a path");
    let profile = own.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).expect("a folder of the profile");
    profile.parent().expect("a target folder").join("python")
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
