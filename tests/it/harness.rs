//! The harness itself: what it starts inherits nothing by accident, and never outlives a test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::time::Instant;
use windrow_tests::server::binary;

/// Longer than a start or an end of servers takes.
const WAIT_MAX: Duration = Duration::from_secs(60);
const WAIT_PAUSE: Duration = Duration::from_millis(20);

/// A process with servers as a test has them.
struct Doomed {
    process: Child,
    pids: Vec<u64>,
    folders: Vec<PathBuf>,
}

impl Doomed {
    /// Starts it with descriptors left open in it, as a careless shell would: this file is 5 and 27.
    async fn start(home: &Path) -> Self {
        let (marker, output) = (home.join("marker"), home.join("output"));
        fs::write(&marker, "").expect("a file");
        let mut command = Command::new("bash");
        command.args(["-c", r#"exec 5>"$1" 27<"$1"; exec "$2""#, "careless"]).arg(&marker).arg(binary("doomed"));
        let output_file = fs::File::create(&output).expect("a file");
        let process = command.stdin(Stdio::null()).stdout(output_file).spawn().expect("it starts");
        let said = async || serde_json::from_str::<Value>(&fs::read_to_string(&output).unwrap_or_default()).ok();
        let said = eventually("it says what it started", said).await;
        let list = |name: &str| said[name].as_array().cloned().unwrap_or_default();
        let pids = list("pids").iter().filter_map(Value::as_u64).collect();
        let folders = list("folders").iter().filter_map(Value::as_str).map(PathBuf::from).collect();
        Self { process, pids, folders }
    }
}

async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let give_up = Instant::now() + WAIT_MAX;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < give_up, "not within {WAIT_MAX:?}: {what}");
        tokio::time::sleep(WAIT_PAUSE).await;
    }
}

/// Whether a process runs. One that is dead and not yet reaped does not.
fn runs(pid: u64) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, after)| !after.starts_with(['Z', 'X']))
}

/// What a process has open.
fn open_in(pid: u64) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
    entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
}

#[tokio::test]
async fn servers_inherit_nothing_and_end_with_a_test_that_was_killed() {
    let home = tempfile::tempdir().expect("a folder");
    let mut doomed = Doomed::start(home.path()).await;
    assert_eq!((doomed.pids.len(), doomed.folders.len()), (3, 3), "PostgreSQL, Redis and Windrow");
    assert!(doomed.pids.iter().all(|pid| runs(*pid)), "{:?}", doomed.pids);
    let marker = home.path().join("marker");
    assert!(open_in(doomed.process.id().into()).contains(&marker), "it was left open in the process that starts them");
    for pid in &doomed.pids {
        let open = open_in(*pid);
        assert!(!open.is_empty() && !open.contains(&marker), "{pid} has {open:?}");
    }

    doomed.process.kill().expect("SIGKILL is sent");
    doomed.process.wait().expect("its end");
    eventually("its servers are gone", async || doomed.pids.iter().all(|pid| !runs(*pid)).then_some(())).await;
    eventually("their folders too", async || doomed.folders.iter().all(|folder| !folder.exists()).then_some(())).await;
}
