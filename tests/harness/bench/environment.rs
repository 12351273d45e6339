//! What a run was measured on: machine, file system, servers, build. Figures mean nothing without it.

use std::{
    fs::{self, File},
    io::{Seek, Write},
    path::Path,
    process::Command,
    time::Instant,
};

use serde_json::{Value, json};

use super::statistics::{Times, rounded};

/// How often the cost of a sync is measured.
const SYNCS: usize = 100;
/// A load average above this disturbs the figures.
const LOAD_MAX: f64 = 0.5;

/// Everything but the servers, who are asked by whoever started them.
pub(super) fn of_machine(folder: &Path) -> anyhow::Result<Value> {
    let load = load_average();
    Ok(json!({
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": line("/proc/sys/kernel/osrelease"),
        "file_system": file_system(folder),
        "fsync_p50_ms": fsync_p50_ms(folder)?,
        "load_average": load,
        "build": build(),
        "rustc": printed("rustc", &["--version"]),
        "revision": revision(),
    }))
}

/// What a reader should know before the figures.
pub(super) fn warnings(environment: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(load) = environment["load_average"].as_f64().filter(|load| *load > LOAD_MAX) {
        warnings.push(format!("the machine is busy (load average {load}): the figures are too low, compare ratios only"));
    }
    if environment["file_system"].as_str().is_some_and(|kind| kind.starts_with("tmpfs")) {
        warnings.push("the data lies in memory: nothing is durable here; name a folder on a disk by TMPDIR".into());
    }
    warnings
}

fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

/// The load average of the last minute.
fn load_average() -> Option<f64> {
    line("/proc/loadavg")?.split(' ').next()?.parse().ok()
}

/// What a small write costs that has to be on disk: the median of a hundred.
fn fsync_p50_ms(folder: &Path) -> anyhow::Result<Option<f64>> {
    let path = folder.join("fsync");
    let mut file = File::create(&path)?;
    let mut times = Times::default();
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.rewind()?;
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.add(began.elapsed());
    }
    fs::remove_file(path)?;
    Ok(times.p50_p99_ms().map(|(p50_ms, _)| rounded(p50_ms)))
}

/// The file system of a folder, by the mount point that contains it most closely.
fn file_system(folder: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let around = fields.filter(|(point, _)| folder.starts_with(point)).max_by_key(|(point, _)| point.len());
    around.map(|(point, kind)| format!("{kind} on {point}"))
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()?.lines().next().map(ToOwned::to_owned)
}

/// The revision of the sources around the binary, if they are in git; with a plus where they were changed since.
fn revision() -> Option<String> {
    let binary = std::env::current_exe().ok()?;
    let folder = binary.parent()?.to_str()?;
    let revision = printed("git", &["-C", folder, "rev-parse", "--short", "HEAD"])?;
    let changed = printed("git", &["-C", folder, "status", "--porcelain", "--untracked-files=no", ":/"]).is_some();
    Some(if changed { revision + "+" } else { revision })
}

/// What a program prints; none where it is not there, fails, or prints nothing.
fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_described_and_a_busy_one_warned_of() {
        let folder = tempfile::tempdir().expect("a folder");
        let environment = of_machine(folder.path()).expect("the folder can be written to");
        for name in ["cpu", "cores", "memory", "kernel", "file_system", "fsync_p50_ms", "load_average"] {
            assert!(!environment[name].is_null(), "{name} of {environment}");
        }
        assert_eq!(environment["build"], "debug");
        assert!(fs::read_dir(folder.path()).expect("the folder").next().is_none(), "nothing is left behind");
        assert_eq!(warnings(&json!({ "load_average": 0.5, "file_system": "ext4 on /" })), Vec::<String>::new());
        assert_eq!(warnings(&json!({ "load_average": 0.51, "file_system": "tmpfs on /tmp" })).len(), 2);
    }
}
