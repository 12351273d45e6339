//! A binary of the workspace in a process of its own, which never outlives the test that started it.

use std::{
    env,
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use rustix::process::Signal;

use crate::daemon::Daemon;

/// How long a process may take to end, and a command to finish: longer than any drain in the tests.
const END_MAX: Duration = Duration::from_secs(60);
const END_PAUSE: Duration = Duration::from_millis(10);

/// A running process in a group of its own. Dropping it kills the group.
pub struct Process {
    daemon: Daemon,
    output: PathBuf,
    log: PathBuf,
}

impl Process {
    /// Starts a binary in `folder`. Of the variables of Windrow it gets these and no others. It writes to
    /// `<binary>.out`, which is begun anew, and logs to `<binary>.log`, which goes on.
    ///
    /// Should the test's process die before it ends this one, this one is killed and `folder` removed.
    pub fn spawn(name: &str, arguments: &[&str], environment: &[(String, String)], folder: &Path) -> Self {
        Self::start(command(&binary(name), arguments, environment), name, folder)
    }

    /// The same for a program that is no binary of the workspace; `name` is for its files.
    pub fn spawn_program(program: &Path, name: &str, arguments: &[&str], environment: &[(String, String)], folder: &Path) -> Self {
        Self::start(command(program, arguments, environment), name, folder)
    }

    fn start(mut command: Command, name: &str, folder: &Path) -> Self {
        let (output, log) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.log")));
        command.current_dir(folder);
        let (out, err) = (File::create(&output), OpenOptions::new().create(true).append(true).open(&log));
        let daemon = Daemon::spawn_with(command, Signal::KILL, folder, |launcher| {
            launcher.stdout(out.expect("a file for the output")).stderr(err.expect("a file for the log"))
        });
        Self { daemon, output, log }
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.daemon.id().as_raw_pid().cast_unsigned()
    }

    /// What it has printed since its start.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// What it and those before it in the folder have logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends SIGTERM, to it alone: an orchestrator does not signal its children.
    pub fn terminate(&self) {
        self.daemon.signal(Signal::TERM);
    }

    /// Sends SIGSTOP: it stands still until it is told to go on.
    pub fn pause(&self) {
        self.daemon.signal(Signal::STOP);
    }

    /// Sends SIGCONT: it goes on where it stood.
    pub fn resume(&self) {
        self.daemon.signal(Signal::CONT);
    }

    /// Sends SIGKILL to its group.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Sends SIGKILL to its group and waits until it is gone, with whatever it held.
    pub fn end(&mut self) {
        self.kill();
        self.daemon.wait();
    }

    /// Waits until it has ended.
    pub async fn exited(&mut self) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.daemon.ended() {
                    return status;
                }
                tokio::time::sleep(END_PAUSE).await;
            }
        };
        let ended = tokio::time::timeout(END_MAX, ended).await;
        ended.unwrap_or_else(|_| panic!("the process does not end; its log:\n{}", self.log()))
    }

    /// Fails if it has ended.
    pub fn check_alive(&mut self) {
        if let Some(status) = self.daemon.ended() {
            panic!("the process has ended, {status}; its log:\n{}", self.log());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("the log of process {}:\n{}", self.pid(), self.log());
        }
    }
}

/// What a command that has ended leaves.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// Runs a binary until it ends. Of the variables of Windrow it gets these and no others.
pub async fn run(name: &str, arguments: &[&str], environment: &[(String, String)]) -> Finished {
    let mut command = tokio::process::Command::from(command(&binary(name), arguments, environment));
    let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(END_MAX, output).await.unwrap_or_else(|_| panic!("{name} {arguments:?} does not end"));
    let output = output.unwrap_or_else(|error| panic!("{name} {arguments:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is text");
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn command(program: &Path, arguments: &[&str], environment: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    for (variable, _) in env::vars_os().filter(|(variable, _)| variable.to_string_lossy().starts_with("WINDROW_")) {
        command.env_remove(variable);
    }
    command.args(arguments).envs(environment.iter().map(|(variable, value)| (variable, value)));
    command
}

/// The built binary of this profile, which must be as new as what it is made of.
pub fn binary(name: &str) -> PathBuf {
    current_binary(name).unwrap_or_else(|path| panic!("{} is missing, or older than its sources: run tests/run", path.display()))
}

/// The same, or where it should be.
pub fn current_binary(name: &str) -> Result<PathBuf, PathBuf> {
    let own = env::current_exe().expect("this binary has a path");
    let own_folder = own.parent().expect("a binary lies in a folder");
    // cargo puts test binaries in <profile>/deps, and those of the workspace in <profile>.
    let folder = if own_folder.ends_with("deps") { own_folder.parent().unwrap_or(own_folder) } else { own_folder };
    let path = folder.join(name);
    let sources = fs::read_to_string(folder.join(format!("{name}.d"))).unwrap_or_default();
    if is_current(&path, &sources) { Ok(path) } else { Err(path) }
}

/// Whether a binary is newer than every file that cargo says it was built from. Not than every file of the
/// workspace: one that only tests are built from would make it stale for good.
fn is_current(binary: &Path, sources: &str) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let (Some(built), Some((_, sources))) = (changed(binary), sources.split_once(": ")) else {
        return false;
    };
    // A space within a path is escaped, as make has it.
    let sources = sources.replace("\\ ", "\0");
    sources.split_whitespace().all(|source| changed(Path::new(&source.replace('\0', " "))).is_some_and(|changed| changed <= built))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_older_than_a_source_or_without_one_is_not_current() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let make = |name: &str, age_s: u64| {
            let file = File::create(path(name)).expect("a file");
            file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age_s)).expect("its time is set");
        };
        make("binary", 10);
        make("old source", 20);
        make("new", 0);
        let listed = |names: &[&str]| {
            let paths: Vec<_> = names.iter().map(|name| path(name).display().to_string().replace(' ', "\\ ")).collect();
            format!("{}: {}\n", path("binary").display(), paths.join(" "))
        };
        let cases: [(&str, &[&str], bool); 4] = [
            ("binary", &["old source", "binary"], true),
            ("binary", &["old source", "new"], false),
            ("binary", &["old source", "deleted"], false),
            ("missing", &["old source"], false),
        ];
        for (binary, sources, expected) in cases {
            assert_eq!(is_current(&path(binary), &listed(sources)), expected, "{binary} of {sources:?}");
        }
        assert!(!is_current(&path("binary"), ""), "cargo never built it");
    }
}
