//! Processes that tests start: they inherit nothing of ours but what they are given, and never outlive us.
//!
//! A launcher (bash) closes every descriptor beyond the three standard ones, those too that a shell or a test runner
//! left open in us, and waits for a word before it becomes the daemon. By then a watchdog holds the other end of a
//! pipe: however the test's process ends, SIGKILL included, the pipe breaks, and the watchdog ends the daemon. It waits
//! for no process id, which might be another's by then, and there is no moment in which a daemon runs unwatched.
//!
//! Who uses it: `postgres.rs`, `redis.rs`, `server/process.rs`.

use std::{
    ffi::OsStr,
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Closes what was inherited. Bash and not sh: dash cannot name a descriptor of two digits.
const CLOSE_INHERITED: &str = r#"for fd in /proc/self/fd/*; do fd=${fd##*/}; ((fd > 2)) && eval "exec $fd>&-"; done"#;
/// Waits for a word, then becomes what its arguments say. No word means that who would watch it is gone.
const LAUNCH: &str = r#"read -r || exit 1; exec "$@" </dev/null"#;

/// How often a watchdog looks, each twentieth of a second, whether the daemon is gone, before it removes its folder all
/// the same: five seconds. Where nobody reaps orphans a dead one stays to be seen for ever.
const LOOKS: u32 = 100;

/// A running daemon in a process group of its own.
pub struct Daemon {
    child: Child,
    watchdog: Watchdog,
}

impl Daemon {
    /// Starts what `command` says, with its arguments, variables and folder. Should the test's process
    /// end first, its group gets `last` (SIGKILL, or what ends it for good without leaving anything behind), and
    /// `folder`, once it is gone, is removed.
    pub fn spawn(command: Command, last: Signal, folder: &Path) -> Self {
        Self::spawn_with(command, last, folder, |launcher| launcher.stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// The same with outputs.
    pub fn spawn_with(command: Command, last: Signal, folder: &Path, outputs: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let what = format!("{command:?}");
        let mut launcher = launching(command, LAUNCH);
        outputs(&mut launcher).stdin(Stdio::piped()).process_group(0);
        let mut child = launcher.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
        let watchdog = Watchdog::of(Pid::from_child(&child), last, folder);
        let word = child.stdin.take().expect("the launcher's input is a pipe").write_all(b"go\n");
        word.unwrap_or_else(|error| panic!("{what} is not launched: {error}"));
        Self { child, watchdog }
    }

    /// Its id.
    pub fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal to it alone: an orchestrator does not signal its children. Fails if it was waited for.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap_or_else(|error| panic!("{signal:?}: {error}"));
    }

    /// Kills its group, if it runs. One that was waited for has given its id back: it may be anybody's by now.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            kill_process_group(self.id(), Signal::KILL).unwrap_or_else(|error| panic!("SIGKILL: {error}"));
        }
    }

    /// How it ended; none while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child is waited for")
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a child is waited for")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = kill_process_group(self.id(), self.watchdog.last);
            let _ = self.child.wait();
        }
        self.watchdog.dismiss();
    }
}

/// Ends a daemon and removes its folder when the test's process is gone.
struct Watchdog {
    last: Signal,
    child: Child,
    /// The test's end of the pipe, which nobody else inherits.
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    fn of(daemon: Pid, last: Signal, folder: &Path) -> Self {
        let pid = daemon.as_raw_nonzero();
        let script = format!(
            r#"read -r && exit; kill -{last} -- -{pid}; for ((look = 0; look < {LOOKS}; look++)); do kill -0 -- -{pid} || break; sleep 0.05; done; rm -rf -- "$1""#,
            last = last.as_raw(),
        );
        let mut launcher = bash(&script);
        launcher.arg(folder).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = launcher.spawn().expect("bash starts");
        let pipe = child.stdin.take();
        Self { last, child, pipe }
    }

    /// There is nothing left to watch.
    fn dismiss(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.child.wait();
    }
}

/// Runs what `command` says to its end, with nothing of ours open in it and no input or output. For what leaves a
/// daemon behind, and so must not hand our descriptors on.
pub fn run_apart(command: Command) {
    let what = format!("{command:?}");
    let mut launcher = launching(command, r#"exec "$@""#);
    launcher.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let status = launcher.status().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(status.success(), "{what}: {status}");
}

/// A launcher of what `command` says: its program, arguments, variables and folder. Whom it runs as cannot be read
/// from a command, so a caller who cares says so by `setpriv`.
fn launching(command: Command, then: &str) -> Command {
    let mut launcher = bash(then);
    launcher.arg(command.get_program()).args(command.get_args());
    for (variable, value) in command.get_envs() {
        match value {
            Some(value) => launcher.env(variable, value),
            None => launcher.env_remove(variable),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        launcher.current_dir(folder);
    }
    launcher
}

fn bash(script: &str) -> Command {
    let mut bash = Command::new("bash");
    bash.args([OsStr::new("-c"), OsStr::new(&format!("{CLOSE_INHERITED}\n{script}")), OsStr::new("windrow-tests")]);
    bash
}
