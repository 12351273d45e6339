//! Finds and ends the processes of a build, wherever they went: each has the build's folder in its environment.
//!
//! A command's group is killed as one; this is for what left the group. A process that has also wiped its environment is
//! not found, which is why commands run as somebody without privileges.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// The variable that names the folder.
pub const MARK: &str = "BUILD_WORKSPACE";
/// How long the search goes on while it still finds something.
const SEARCH_MAX: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// Ends every process that has this folder in its environment, and waits until none is seen.
pub fn kill_of(folder: &Path) {
    let mark = format!("{MARK}={}", folder.display());
    let give_up = Instant::now() + SEARCH_MAX;
    while Instant::now() < give_up {
        let found = of(mark.as_bytes());
        if found.is_empty() {
            return;
        }
        for pid in found {
            // It may have ended since.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(PAUSE);
    }
    tracing::error!(folder = %folder.display(), "processes of a build do not end");
}

/// The processes with this entry in their environment; the dead, who are only waited for, have none.
fn of(entry: &[u8]) -> Vec<Pid> {
    pids().filter(|pid| has(*pid, entry)).filter_map(Pid::from_raw).collect()
}

fn has(pid: i32, entry: &[u8]) -> bool {
    // Another user's cannot be read; neither could it be killed.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == entry)
}

/// How many processes and threads this user has.
pub fn count_of(user: u32) -> u64 {
    let threads = |pid: i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let owner = field("Uid:")?.split_whitespace().next()?.parse::<u32>().ok()?;
        (owner == user).then(|| field("Threads:").and_then(|threads| threads.parse::<u64>().ok())).flatten()
    };
    pids().filter_map(threads).sum()
}

fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
