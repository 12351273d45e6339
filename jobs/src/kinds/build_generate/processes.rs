//! Finds and ends the processes of a build, wherever they went.
//!
//! Where the worker is root each running build has a user of its own, and whatever that user still runs is ended, however it
//! hides. Elsewhere it is told by the build's folder in its environment: a process that has wiped that too is not found.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{DumpableBehavior, Pid, Signal, kill_process, set_dumpable_behavior};

/// The variable that names the folder.
pub const MARK: &str = "BUILD_WORKSPACE";
/// How long the search goes on while it still finds something.
const SEARCH_MAX: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// Hides this process from others of its own user, who could else read its environment and memory in `/proc`.
pub fn hide() -> rustix::io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

/// Ends every process that has this folder in its environment, and waits until none is seen.
pub fn kill_of(folder: &Path) {
    let mark = format!("{MARK}={}", folder.display());
    if !kill_all(|pid| has(pid, mark.as_bytes()), || ()) {
        tracing::error!(folder = %folder.display(), "processes of a build do not end");
    }
}

/// Ends every process of these users, and waits until none is seen.
pub fn kill_of_users(users: &[u32]) {
    let of_them = |pid: i32| Status::of(pid).is_some_and(|status| users.contains(&status.user) && !status.dead);
    // All at once, as one that forks without end is quicker than any list; it ends itself no less.
    let at_once = || {
        for user in users {
            let mut command = std::process::Command::new("/bin/sh");
            command.args(["-c", "kill -KILL -1"]).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            // Where it cannot be started, the list must do.
            let _ = command.uid(*user).gid(*user).status();
        }
    };
    if !kill_all(of_them, at_once) {
        tracing::error!(?users, "processes of these users do not end");
    }
}

/// Ends what is chosen, again and again until there is nothing more of it; whether that came about.
fn kill_all(chosen: impl Fn(i32) -> bool, mut also: impl FnMut()) -> bool {
    let give_up = Instant::now() + SEARCH_MAX;
    while Instant::now() < give_up {
        let found: Vec<_> = pids().filter(|pid| chosen(*pid)).filter_map(Pid::from_raw).collect();
        if found.is_empty() {
            return true;
        }
        for pid in found {
            // It may have ended since.
            let _ = kill_process(pid, Signal::KILL);
        }
        also();
        std::thread::sleep(PAUSE);
    }
    false
}

fn has(pid: i32, entry: &[u8]) -> bool {
    // Another user's cannot be read; neither could it be killed. The dead, who are only waited for, have none.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == entry)
}

/// Who runs anything.
pub fn users() -> BTreeSet<u32> {
    pids().filter_map(Status::of).filter(|status| !status.dead).map(|status| status.user).collect()
}

/// How many processes and threads this user has.
pub fn count_of(user: u32) -> u64 {
    pids().filter_map(Status::of).filter(|status| status.user == user).map(|status| status.threads).sum()
}

/// What the system says of a process.
struct Status {
    user: u32,
    threads: u64,
    dead: bool,
}

impl Status {
    fn of(pid: i32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let user = field("Uid:")?.split_whitespace().next()?.parse().ok()?;
        let threads = field("Threads:").and_then(|threads| threads.parse().ok()).unwrap_or(0);
        Some(Self { user, threads, dead: field("State:").is_some_and(|state| state.starts_with(['Z', 'X'])) })
    }
}

fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
