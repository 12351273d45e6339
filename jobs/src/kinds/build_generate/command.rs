//! Runs one declared command of a bundle: remote code by design, within limits.
//!
//! Each runs in a process group of its own, as an unprivileged user where the worker is root, with nothing of the worker's
//! environment but what is named. However it ends (by itself, at a limit, cancelled, or because this worker dies) the whole
//! group is killed: a watcher in the group reads from a pipe that the worker holds, and kills the group when it breaks.
//! What left the group is found by `processes.rs`.

use std::{
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    process::{Child, ChildStdin},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    error::BuildError,
    processes::{self, MARK},
    tree::measure,
    workspace::Workspace,
};

/// Where commands are looked for, unless they are passed the worker's.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The time of everything that a command stamps: the first that a zip file can say.
const EPOCH: &str = "315532800";
/// What a worker passes on of its own environment where a bundle asks for it.
pub const PASSED: [&str; 14] = [
    "PATH",
    "LANG",
    "LC_ALL",
    "JAVA_HOME",
    "ANDROID_HOME",
    "ANDROID_SDK_ROOT",
    "GOROOT",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "NO_PROXY",
];
/// The longest log line made of an output's line; the rest of it is dropped.
const LINE_BYTES_MAX: usize = 4 * 1024;
/// The lines told again where a command fails.
const LAST_LINES: usize = 5;
/// How many processes and threads a command may add to those of its user.
const PROCESSES_MAX: u64 = 1_024;
/// The largest file that a command may write, in blocks of 512 bytes: 1 GiB.
const FILE_BLOCKS_MAX: u64 = 2 * 1024 * 1024;
/// The most files and folders in a workspace.
const FILES_MAX: u64 = 500_000;
/// How often the workspace is measured.
const MEASURE_EVERY: Duration = Duration::from_millis(500);
/// How long output may still come after the group was killed.
const LAST_OUTPUT_MAX: Duration = Duration::from_secs(2);
const READ_BYTES: usize = 64 * 1024;

/// Sets limits and the watcher, then becomes the command, which alone sees its variables: in this shell they could do
/// away with the limits. The watcher is nobody's child, so that a command that waits for all of its own does not wait for it.
/// Dash calls the limit of processes `-p`, bash `-u`.
const LAUNCH: &str = r#"umask 022
exec 3<&0 </dev/null
( { read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 & )
exec 3<&-
echo 1000 2>/dev/null >/proc/self/oom_score_adj || :
ulimit -c 0
ulimit -f "$1"
ulimit -u "$2" 2>/dev/null || ulimit -p "$2" 2>/dev/null
ulimit -S -t "$3"
ulimit -H -t "$(($3 + 1))"
ulimit -v "$4"
shift 4
exec /usr/bin/env "$@""#;

/// What to run, and within what.
pub struct Order<'o> {
    /// Whose it is, for messages: the bundle and the command's name.
    pub name: String,
    /// The program and its arguments.
    pub run: &'o [String],
    /// What it is told, beside what every command is.
    pub environment: Vec<(String, String)>,
    /// How long it may take.
    pub wall: Duration,
    /// How long each of its processes may compute.
    pub cpu_s: u64,
    /// How much memory each of its processes may map.
    pub memory_mib: u32,
    /// How large the workspace may grow.
    pub workspace_bytes_max: u64,
}

/// Runs it to its end, and tells each line of its output.
pub async fn run(
    order: &Order<'_>,
    workspace: &Workspace,
    cancel: &CancellationToken,
    mut say: impl FnMut(String),
) -> Result<(), BuildError> {
    let failed = |code, message: String| BuildError::inputs(code, format!("{} {message}", order.name));
    // It would be taken for a variable.
    if order.run.first().is_some_and(|program| program.contains('=')) {
        return Err(failed("command_failed", "cannot be started: its program has a = in its name".into()));
    }
    let (mut group, output) = Group::spawn(order, workspace).map_err(|error| not_started(order, &error))?;
    let mut lines = Lines::new(output);
    let until = Instant::now() + order.wall;
    let mut full = std::pin::pin!(until_full(order, workspace));
    let mut speaks = true;
    let ended = loop {
        // Its output last: of one that speaks without end there is always more.
        tokio::select! {
            biased;
            () = cancel.cancelled() => break Err(BuildError::Stopped),
            () = tokio::time::sleep_until(until) => break Err(failed("command_timeout", format!("took longer than {} s", order.wall.as_secs()))),
            ended = group.wait() => break ended.map_err(|error| BuildError::Workspace(format!("waiting for {}: {error}", order.name))),
            error = &mut full => break Err(error),
            more = lines.read(&mut say), if speaks => speaks = more,
        }
    };
    // Before its last output is read: whatever still runs may hold the pipe open.
    group.kill();
    let _ = tokio::time::timeout(LAST_OUTPUT_MAX, lines.rest(&mut say)).await;
    let status = ended?;
    check_size(order, workspace).await?;
    match ending(status, order.cpu_s) {
        None => Ok(()),
        Some((code, how)) => {
            let last = lines.last.join("\n");
            Err(failed(code, if last.is_empty() { how } else { format!("{how}; it said last:\n{last}") }))
        }
    }
}

/// What is wrong with this ending, if anything is.
fn ending(status: ExitStatus, cpu_s: u64) -> Option<(&'static str, String)> {
    const SIGXCPU: i32 = 24;
    const SIGXFSZ: i32 = 25;
    // A shell tells its child's signal as 128 and more.
    let signal = status.signal().or_else(|| status.code().filter(|code| *code > 128).map(|code| code - 128));
    match (status.code(), signal) {
        (Some(0), _) => None,
        (_, Some(SIGXCPU)) => Some(("command_cpu", format!("computed longer than {cpu_s} s"))),
        (_, Some(SIGXFSZ)) => Some(("workspace_full", format!("wrote a file larger than {} bytes", FILE_BLOCKS_MAX * 512))),
        (Some(code), _) => Some(("command_failed", format!("ended with exit code {code}"))),
        (None, signal) => Some(("command_failed", format!("was ended by signal {}", signal.unwrap_or_default()))),
    }
}

/// Whether the order is at fault, or this machine for the moment.
fn not_started(order: &Order<'_>, error: &io::Error) -> BuildError {
    let message = format!("{} cannot be started: {error}", order.name);
    match error.kind() {
        io::ErrorKind::ArgumentListTooLong | io::ErrorKind::InvalidInput => BuildError::inputs("command_failed", message),
        _ => BuildError::Workspace(message),
    }
}

/// Looks at the workspace again and again, until it is too full.
async fn until_full(order: &Order<'_>, workspace: &Workspace) -> BuildError {
    loop {
        tokio::time::sleep(MEASURE_EVERY).await;
        if let Err(error) = check_size(order, workspace).await {
            return error;
        }
    }
}

async fn check_size(order: &Order<'_>, workspace: &Workspace) -> Result<(), BuildError> {
    let (folder, bytes_max) = (workspace.folder().to_owned(), order.workspace_bytes_max);
    let measured = tokio::task::spawn_blocking(move || measure(&folder, bytes_max, FILES_MAX)).await;
    let (bytes, files) = measured.map_err(|error| BuildError::Workspace(format!("measuring the workspace: {error}")))?;
    if bytes <= order.workspace_bytes_max && files <= FILES_MAX {
        return Ok(());
    }
    let message = format!(
        "{} filled the workspace: it may have {} bytes in {FILES_MAX} files, and no folder too deep to look into",
        order.name, order.workspace_bytes_max
    );
    Err(BuildError::inputs("workspace_full", message))
}

/// The processes of a command. Dropping it kills them.
struct Group {
    id: Pid,
    child: Child,
    folder: PathBuf,
    user: Option<u32>,
    killed: bool,
    /// While this is open the watcher waits.
    _alive: Option<ChildStdin>,
}

impl Group {
    fn spawn(order: &Order<'_>, workspace: &Workspace) -> io::Result<(Self, pipe::Receiver)> {
        let (reader, writer) = io::pipe()?;
        let mut command = tokio::process::Command::new("/bin/sh");
        command.args(["-c", LAUNCH, "sh"]);
        let user = workspace.user().unwrap_or_else(|| rustix::process::geteuid().as_raw());
        let limits = [FILE_BLOCKS_MAX, processes::count_of(user) + PROCESSES_MAX, order.cpu_s, u64::from(order.memory_mib) * 1024];
        command.args(limits.map(|limit| limit.to_string()));
        let (shell, own) = environment(order, workspace);
        command.args(own.iter().map(|(name, value)| format!("{name}={value}"))).args(order.run);
        command.env_clear().envs(shell).current_dir(workspace.work());
        command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer).process_group(0).kill_on_drop(true);
        if let Some(user) = workspace.user() {
            command.uid(user).gid(user);
        }
        let mut child = command.spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).ok_or_else(|| io::Error::other("it has ended"))?;
        let alive = child.stdin.take();
        let group = Self { id, child, folder: workspace.folder().to_owned(), user: workspace.user(), killed: false, _alive: alive };
        Ok((group, pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?))
    }

    async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Once: later its number may be another's.
    fn kill(&mut self) {
        if std::mem::replace(&mut self.killed, true) {
            return;
        }
        // Where the whole group has ended by itself there is none.
        let _ = kill_process_group(self.id, Signal::KILL);
        match self.user {
            Some(user) => processes::kill_of_users(&[user]),
            None => processes::kill_of(&self.folder),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the shell that sets limits is told, and what the command is told beside that.
type Variables = Vec<(String, String)>;

fn environment(order: &Order<'_>, workspace: &Workspace) -> (Variables, Variables) {
    let text = |path: &Path| path.display().to_string();
    let mark = (MARK.to_owned(), text(workspace.folder()));
    let fixed = [
        ("PATH", PATH.to_owned()),
        ("HOME", text(&workspace.home())),
        ("TMPDIR", text(&workspace.tmp())),
        ("TZ", "UTC".into()),
        ("LANG", "C.UTF-8".into()),
        ("LC_ALL", "C.UTF-8".into()),
        ("SOURCE_DATE_EPOCH", EPOCH.into()),
    ];
    let shell = fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).chain([mark.clone()]).collect();
    // The mark last, so that nothing takes its place: by it processes are found.
    (shell, order.environment.iter().cloned().chain([mark]).collect())
}

/// An output as lines of bounded length.
struct Lines {
    output: pipe::Receiver,
    chunk: Vec<u8>,
    line: Vec<u8>,
    cut: bool,
    last: Vec<String>,
}

impl Lines {
    fn new(output: pipe::Receiver) -> Self {
        Self { output, chunk: vec![0; READ_BYTES], line: Vec::new(), cut: false, last: Vec::new() }
    }

    /// Reads once; whether there may be more. Loses nothing when it is dropped at its await.
    async fn read(&mut self, say: &mut impl FnMut(String)) -> bool {
        let length = self.output.read(&mut self.chunk).await.unwrap_or(0);
        for at in 0..length {
            match self.chunk[at] {
                b'\n' => self.end_line(say),
                byte if self.line.len() < LINE_BYTES_MAX => self.line.push(byte),
                _ => self.cut = true,
            }
        }
        if length == 0 && !self.line.is_empty() {
            self.end_line(say);
        }
        length > 0
    }

    async fn rest(&mut self, say: &mut impl FnMut(String)) {
        while self.read(say).await {}
    }

    fn end_line(&mut self, say: &mut impl FnMut(String)) {
        let mut line: String =
            String::from_utf8_lossy(&self.line).chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
        line.truncate(line.trim_end().len());
        if self.cut {
            line.push('…');
        }
        (self.cut, self.line) = (false, Vec::new());
        if self.last.len() == LAST_LINES {
            self.last.remove(0);
        }
        self.last.push(line.clone());
        say(line);
    }
}

#[cfg(test)]
mod tests;
