//! Renders in a process of its own, within limits of memory and time: what a template may ask of a renderer has no end, and one
//! that takes everything must not take the worker with it.
//!
//! The worker starts itself again with one argument, which every binary with handlers looks for first of all (`answer_if_asked`).
//! One such process serves a build, a line of JSON for each file and one for each answer. What rendering is, says `render.rs`.

use std::{
    env,
    io::{self, BufRead, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use tokio_util::sync::CancellationToken;

use super::{error::BuildError, render};

/// The argument.
const ASKED: &str = "__render";
/// All memory of the process, its code included: the largest file takes a tenth of it.
pub const MEMORY_MIB_MAX: u64 = 512;
/// How long it may compute for one build, whose files take some milliseconds each.
pub const CPU_S_MAX: u64 = 60;
/// How long one file may take on a machine that has much else to do.
const FILE_WALL: Duration = Duration::from_secs(120);

/// Sets limits, offers itself first where the machine is out of memory, then becomes the renderer.
const LAUNCH: &str = r#"{ echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null
ulimit -c 0
ulimit -v "$1" && ulimit -S -t "$2" && ulimit -H -t "$(($2 + 1))" || exit 1
shift 2
exec "$@""#;

/// A file to render.
#[derive(Serialize, Deserialize)]
struct Asked {
    bundle: String,
    path: String,
    source: String,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
enum Answer {
    Text(String),
    VariableMissing(String),
    Failed(String),
}

/// Does the renderer's work where this process was started for that; its values come first, then the files. Before anything else in `main`.
pub fn answer_if_asked() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let asked = arguments.next().is_some_and(|first| first == ASKED) && arguments.next().is_none();
    asked.then(|| match answer(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rendering: {error}");
            ExitCode::FAILURE
        }
    })
}

fn answer(mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let values: Value = serde_json::from_str(&line)?;
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let Asked { bundle, path, source } = serde_json::from_str(&line)?;
        let answer = match render::render(&bundle, &path, source.as_bytes(), &values) {
            Ok(text) => Answer::Text(String::from_utf8(text).expect("text rendered with text is text")),
            Err(BuildError::Inputs { code: render::VARIABLE_MISSING, message }) => Answer::VariableMissing(message),
            Err(error) => Answer::Failed(error.to_string()),
        };
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
}

/// Renders the files of one build. Dropping it ends its process.
pub struct Renderer<'b> {
    program: &'b Path,
    values: Value,
    cancel: &'b CancellationToken,
    running: Option<Running>,
}

struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl<'b> Renderer<'b> {
    /// One that fills in these values; its process starts with the first file.
    pub fn new(program: &'b Path, values: Value, cancel: &'b CancellationToken) -> Self {
        Self { program, values, cancel, running: None }
    }

    /// The file at `path` of `bundle` with its placeholders filled in.
    pub async fn render(&mut self, bundle: &str, path: &str, source: Vec<u8>) -> Result<Vec<u8>, BuildError> {
        let failed = |message: &str| BuildError::inputs(render::FAILED, format!("{path} of {bundle}: {message}"));
        let source = String::from_utf8(source).map_err(|_| failed(render::NO_TEXT))?;
        // None but a test's: it has no binary that could be started again.
        #[cfg(test)]
        if self.program.as_os_str().is_empty() {
            return render::render(bundle, path, source.as_bytes(), &self.values);
        }
        let asked = Asked { bundle: bundle.to_owned(), path: path.to_owned(), source };
        let answered = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(BuildError::Stopped),
            answered = tokio::time::timeout(FILE_WALL, self.ask(&asked)) => answered,
        };
        match answered {
            Ok(Ok(Some(Answer::Text(text)))) => Ok(text.into_bytes()),
            Ok(Ok(Some(Answer::VariableMissing(message)))) => Err(BuildError::inputs(render::VARIABLE_MISSING, message)),
            Ok(Ok(Some(Answer::Failed(message)))) => Err(BuildError::inputs(render::FAILED, message)),
            Ok(Ok(None)) => Err(self.ended(failed).await),
            Ok(Err(error)) => Err(BuildError::Workspace(format!("starting the renderer: {error}"))),
            Err(_) => Err(failed(&format!("its rendering took longer than {} s", FILE_WALL.as_secs()))),
        }
    }

    /// The answer; none where the process has ended.
    async fn ask(&mut self, asked: &Asked) -> io::Result<Option<Answer>> {
        let running = match &mut self.running {
            Some(running) => running,
            None => self.running.insert(Running::start(self.program)?),
        };
        let mut lines = Vec::new();
        // The values are not empty until they were sent.
        if !self.values.is_null() {
            serde_json::to_writer(&mut lines, &self.values.take())?;
            lines.push(b'\n');
        }
        serde_json::to_writer(&mut lines, asked)?;
        lines.push(b'\n');
        // It reads a whole line before it writes one. Where it ended meanwhile, there is no answer either.
        let _ = running.input.write_all(&lines).await;
        let mut answer = Vec::new();
        running.output.read_until(b'\n', &mut answer).await?;
        if answer.last() != Some(&b'\n') {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&answer)?))
    }

    /// Why it ended in the middle of a file.
    async fn ended(&mut self, failed: impl Fn(&str) -> BuildError) -> BuildError {
        let Some(mut running) = self.running.take() else { return BuildError::Workspace("the renderer is not running".into()) };
        match running.child.wait().await {
            Ok(status) => match limit(status) {
                Some(message) => failed(&message),
                None => BuildError::Workspace(format!("the renderer ended by itself: {status}")),
            },
            Err(error) => BuildError::Workspace(format!("waiting for the renderer: {error}")),
        }
    }
}

impl Running {
    fn start(program: &Path) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", LAUNCH, "sh"]).args([(MEMORY_MIB_MAX * 1024).to_string(), CPU_S_MAX.to_string()]);
        command.arg(program).arg(ASKED);
        command.env_clear().env("LANG", "C.UTF-8").env("TZ", "UTC").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| io::Error::other("it has no pipes"))?;
        Ok(Self { child, input, output: BufReader::new(output) })
    }
}

/// The limit that ended it, if it was one.
fn limit(status: ExitStatus) -> Option<String> {
    const SIGABRT: i32 = 6;
    const SIGKILL: i32 = 9;
    const SIGSEGV: i32 = 11;
    const SIGXCPU: i32 = 24;
    match status.signal()? {
        SIGABRT => Some(format!("its rendering used more than {MEMORY_MIB_MAX} MiB")),
        SIGKILL => Some(format!("its rendering was killed: it used more memory than this machine has, or more than {CPU_S_MAX} s")),
        SIGSEGV => Some("its rendering went too deep".into()),
        SIGXCPU => Some(format!("its rendering computed longer than {CPU_S_MAX} s")),
        _ => None,
    }
}

/// This process's own program, by a name that stays even if its file is replaced.
pub fn own_program() -> io::Result<PathBuf> {
    let own = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if own.exists() { Ok(own) } else { env::current_exe() }
}
