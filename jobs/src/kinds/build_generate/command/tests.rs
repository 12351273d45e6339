//! Commands that end well, badly and not at all; real processes throughout.

use std::{fs, path::Path, time::Instant as Clock};

use super::*;
use crate::{
    kinds::build_generate::workspace::Workspaces,
    settings::builds::{MEMORY_MIB_MAX, USER, USERS},
};

/// Longer than any of these takes.
const LONG: Duration = Duration::from_secs(60);

struct Ran {
    result: Result<(), BuildError>,
    lines: Vec<String>,
    _home: tempfile::TempDir,
    workspace: Workspace,
}

impl Ran {
    fn code(&self) -> &str {
        self.result.as_ref().expect_err("it fails").code()
    }

    fn message(&self) -> String {
        self.result.as_ref().expect_err("it fails").to_string()
    }
}

/// A folder that everybody may pass.
fn home() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().expect("a folder");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("passable");
    home
}

fn workspace(home: &Path) -> Workspace {
    let workspace = Workspaces::open(home, USER).expect("workspaces").make().expect("a workspace");
    workspace.write("input.txt", b"hay\n", false).expect("written");
    workspace.hand_over().expect("handed over");
    workspace
}

fn order(run: &[String]) -> Order<'_> {
    Order {
        name: "the command".into(),
        run,
        environment: vec![("MINE".into(), "1".into())],
        wall: LONG,
        cpu_s: 60,
        memory_mib: MEMORY_MIB_MAX,
        workspace_bytes_max: 64 * 1024 * 1024,
    }
}

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(ToOwned::to_owned).to_vec()
}

async fn run_with(script: &str, change: impl FnOnce(&mut Order<'_>)) -> Ran {
    let home = home();
    let workspace = workspace(home.path());
    let run = sh(script);
    let mut order = order(&run);
    change(&mut order);
    let mut lines = Vec::new();
    let result = super::run(&order, &workspace, &CancellationToken::new(), |line| lines.push(line)).await;
    Ran { result, lines, _home: home, workspace }
}

async fn run(script: &str) -> Ran {
    run_with(script, |_| {}).await
}

/// Whether a process lives whose command line has this word.
fn lives(word: &str) -> bool {
    let entries = fs::read_dir("/proc").expect("proc").flatten();
    let mut lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(word))
}

#[tokio::test]
async fn a_command_works_in_the_workspace_and_its_output_is_told_line_by_line() {
    let ran = run("cat input.txt; echo oops >&2; printf 'no end'; cp input.txt output.txt; read -r x || echo; echo \"[$x]\"").await;
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    assert_eq!(ran.lines, ["hay", "oops", "no end", "[]"], "and its input is empty");
    assert_eq!(fs::read_to_string(ran.workspace.work().join("output.txt")).expect("a file"), "hay\n");
}

#[tokio::test]
async fn it_gets_nothing_of_the_workers_environment_and_no_privileges() {
    let ran = run("env; id -u; umask").await;
    let folder = ran.workspace.folder().display().to_string();
    let value = |name: &str| ran.lines.iter().find_map(|line| line.strip_prefix(&format!("{name}=")));
    let expected =
        [("PATH", PATH), ("TZ", "UTC"), ("LANG", "C.UTF-8"), ("SOURCE_DATE_EPOCH", EPOCH), ("MINE", "1"), (MARK, folder.as_str())];
    for (name, expected) in expected {
        assert_eq!(value(name), Some(expected), "{:?}", ran.lines);
    }
    assert!(value("HOME").is_some_and(|home| home.starts_with(&folder)));
    let known = ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "SOURCE_DATE_EPOCH", "MINE", MARK, "PWD", "OLDPWD", "SHLVL", "_"];
    let strange: Vec<_> = ran.lines.iter().filter_map(|line| line.split_once('=')).filter(|(name, _)| !known.contains(name)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    if rustix::process::geteuid().is_root() {
        let user = ran.workspace.user().expect("a user of its own");
        assert!((USER..USER + USERS).contains(&user) && ran.lines.contains(&user.to_string()), "{:?}", ran.lines);
    }
    assert!(ran.lines.contains(&"0022".to_owned()));
}

#[tokio::test]
async fn a_command_that_fails_says_how_and_what_it_said_last() {
    let ran = run("for n in 1 2 3 4 5 6 7; do echo line $n; done; exit 3").await;
    assert_eq!(ran.code(), "command_failed");
    assert_eq!(ran.message(), "the command ended with exit code 3; it said last:\nline 3\nline 4\nline 5\nline 6\nline 7");
    let ran = run("kill -SEGV $$").await;
    assert_eq!((ran.code(), ran.message().as_str()), ("command_failed", "the command was ended by signal 11"));
    let ran = run("exec no-such-program").await;
    assert!(ran.message().contains("exit code 127"), "{}", ran.message());
}

#[tokio::test]
async fn limits_of_time_cpu_and_space_end_it() {
    let start = Clock::now();
    let ran = run_with("trap '' TERM INT; sleep 90000.3607", |order| order.wall = Duration::from_millis(300)).await;
    assert_eq!(ran.code(), "command_timeout");
    assert!(!lives("90000.3607") && start.elapsed() < LONG);
    let ran = run_with("while :; do :; done", |order| order.cpu_s = 1).await;
    assert_eq!((ran.code(), ran.message().as_str()), ("command_cpu", "the command computed longer than 1 s"));
    let ran = run_with("sh -c 'while :; do :; done'; exit $?", |order| order.cpu_s = 1).await;
    assert_eq!(ran.code(), "command_cpu", "of a shell's child too");
    let fill = "while :; do head -c 1000000 /dev/zero >> big; done";
    let ran = run_with(fill, |order| order.workspace_bytes_max = 20_000_000).await;
    assert_eq!(ran.code(), "workspace_full");
    let ran = run_with("head -c 1000000 /dev/zero > quick", |order| order.workspace_bytes_max = 500_000).await;
    assert_eq!(ran.code(), "workspace_full", "also if it was quicker than any look");
}

#[tokio::test]
async fn endless_output_costs_no_memory_and_long_lines_are_cut() {
    let ran = run("head -c 300000000 /dev/zero | tr '\\0' 'x'; echo; echo end").await;
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    assert_eq!(ran.lines.iter().map(|line| line.chars().count()).collect::<Vec<_>>(), [LINE_BYTES_MAX + 1, 3]);
    let ran = run("printf '\\033[31mred\\377\\r\\n'").await;
    assert_eq!(ran.lines, [" [31mred\u{fffd}"]);
}

#[tokio::test]
async fn whatever_it_left_running_is_killed_with_it_also_what_left_the_group() {
    let ran = run(
        "sleep 90000.3611 & (setsid sleep 90000.3612 >/dev/null 2>&1 &) ; (setsid sh -c 'sleep 90000.3613 & wait' &) ; sleep 0.2; exit 0",
    )
    .await;
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    for word in ["90000.3611", "90000.3612", "90000.3613"] {
        assert!(!lives(word), "{word}");
    }
}

#[tokio::test]
async fn a_command_that_closes_its_output_is_still_waited_for() {
    let ran = run("exec >/dev/null 2>&1; sleep 0.2; touch done").await;
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    assert!(ran.workspace.work().join("done").exists());
}

#[tokio::test]
async fn a_fork_bomb_ends_with_its_command() {
    let bomb = "b() { b | b & }; b; b; sleep 90000.3617";
    let ran = run_with(bomb, |order| order.wall = Duration::from_secs(1)).await;
    assert!(["command_timeout", "command_failed"].contains(&ran.code()), "{}", ran.message());
    assert!(!lives("90000.3617"));
}

#[tokio::test]
async fn a_cancelled_or_dropped_command_leaves_nothing() {
    let (home, cancel) = (home(), CancellationToken::new());
    let workspace = workspace(home.path());
    let run = sh("trap '' TERM; echo begun; sleep 90000.3621");
    let begun = |_| cancel.cancel();
    let ended = super::run(&order(&run), &workspace, &cancel, begun).await;
    assert!(matches!(ended, Err(BuildError::Stopped)), "{ended:?}");
    assert!(!lives("90000.3621"));

    let run = sh("echo begun; sleep 90000.3622");
    let (told, is_told) = tokio::sync::oneshot::channel::<()>();
    let mut told = Some(told);
    {
        let (order, never) = (order(&run), CancellationToken::new());
        let running = super::run(&order, &workspace, &never, |_| drop(told.take()));
        tokio::select! {
            ended = running => panic!("{ended:?}"),
            _ = is_told => {}
        }
    }
    assert!(!lives("90000.3622"));
}

#[tokio::test]
async fn what_wipes_its_environment_is_found_by_its_user_and_no_two_builds_have_the_same() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = home();
    let other = workspace(home.path());
    let ran = run("setsid env -i sh -c 'sleep 90000.3631 & sleep 90000.3632' >/dev/null 2>&1 & sleep 0.3").await;
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    assert!(!lives("90000.3631") && !lives("90000.3632"));
    assert_ne!(ran.workspace.user(), other.user());
    let theirs = other.work().join("input.txt").display().to_string();
    let ran = run_with(&format!("echo x >> {theirs} || echo kept; cat {theirs} || echo unread"), |_| {}).await;
    assert!(["kept", "unread"].iter().all(|said| ran.lines.contains(&(*said).to_owned())), "{:?}", ran.lines);
}

/// Asks for the environment of whoever started it.
const PEEK: &str = "tr '\\0' '\\n' </proc/$PPID/environ && echo seen || echo hidden";

#[tokio::test]
async fn a_command_cannot_read_its_workers_environment() {
    processes::hide().expect("hidden");
    let ran = run(PEEK).await;
    assert!(ran.lines.contains(&"hidden".to_owned()) && !ran.lines.contains(&"seen".to_owned()), "{:?}", ran.lines);
}

#[tokio::test]
async fn its_variables_do_not_reach_the_shell_that_limits_it_and_memory_is_limited() {
    let ran = run_with("echo $MINE; ulimit -v; cat /proc/self/oom_score_adj", |order| {
        order.environment.push(("LD_PRELOAD".into(), "/nowhere/no.so".into()));
        order.memory_mib = 512;
    })
    .await;
    let told = |word: &str| ran.lines.iter().filter(|line| line.contains(word)).count();
    assert_eq!((told("524288"), told("1000")), (1, 1), "{:?}", ran.lines);
    let ran = run_with("perl -e '$x = \"x\" x (1 << 30); print length $x'", |order| order.memory_mib = 512).await;
    assert_eq!(ran.code(), "command_failed", "{:?}", ran.lines);
    let ran = run_with("true", |order| order.environment.push(("PATH".into(), "/nowhere".into()))).await;
    assert!(ran.message().contains("127"), "its own PATH leads to it: {}", ran.message());
}

#[tokio::test]
async fn a_command_has_no_children_but_its_own() {
    let ran = run("exec perl -e 'print wait(), \"\\n\"'").await;
    assert_eq!((ran.result.is_ok(), ran.lines), (true, vec!["-1".to_owned()]));
}

#[tokio::test]
async fn endless_output_hides_no_limit() {
    let ran = run_with("while :; do echo x; done & while :; do head -c 1000000 /dev/zero >> big; done", |order| {
        order.workspace_bytes_max = 20_000_000;
    })
    .await;
    assert_eq!(ran.code(), "workspace_full");
    let ran = run_with("exec yes", |order| order.wall = Duration::from_millis(300)).await;
    assert_eq!(ran.code(), "command_timeout");
    let ran = run("for n in $(seq 300); do mkdir d && cd d; done; true").await;
    assert_eq!(ran.code(), "workspace_full", "what is too deep to look into");
}

#[test]
fn trouble_of_the_machine_is_tried_again() {
    let run = sh("true");
    for trouble in [11, 12, 24] {
        let error = not_started(&order(&run), &io::Error::from_raw_os_error(trouble));
        assert!(matches!(error, BuildError::Workspace(_)), "{error}");
    }
    const E2BIG: i32 = 7;
    assert_eq!(not_started(&order(&run), &io::Error::from_raw_os_error(E2BIG)).code(), "command_failed");
}
