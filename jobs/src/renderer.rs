//! Renders in processes of their own, within limits of memory and time: what a template may ask of a renderer has no end, and one that
//! takes everything must not take its caller with it.
//!
//! The program starts itself again with two arguments, which every binary that renders looks for first of all (`answer_if_asked`).
//! Such a process reads a line of JSON for each thing to render and writes one for each answer. Builds have one each
//! (`kinds/build_generate/renderer.rs`), messages share a few (`pool.rs`); what is done inside is in
//! `fill.rs`, `needs.rs`, `words.rs` and, for syncs, `expressions.rs`.

pub mod expressions;
pub mod fill;
mod needs;
pub mod pool;
pub mod words;

use std::{
    env,
    io::{self, BufRead, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus, Stdio},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// The first argument.
const ASKED: &str = "__render";
/// All memory of a process, its code included: the largest file of a build takes a tenth of it.
pub const MEMORY_MIB_MAX: u64 = 512;
/// How long it may compute for one build, whose files take some milliseconds each, or for many messages.
pub const CPU_S_MAX: u64 = 60;

/// Sets limits, offers itself first where the machine is out of memory, then becomes the renderer.
const LAUNCH: &str = r#"{ echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null
ulimit -c 0
ulimit -v "$1" && ulimit -S -t "$2" && ulimit -H -t "$(($2 + 1))" || exit 1
shift 2
exec "$@""#;

/// How the kernel ends a process whose time is over.
const SIGXCPU: i32 = 24;

/// What a process renders: the second argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The files of one build.
    #[cfg(feature = "handlers")]
    Files,
    /// Messages.
    Words,
}

impl Work {
    const fn as_str(self) -> &'static str {
        match self {
            #[cfg(feature = "handlers")]
            Self::Files => "files",
            Self::Words => "words",
        }
    }

    /// The longest answer, in bytes: what a template makes may not fill its caller's memory. A file has at most 4 MiB, and each byte of it six
    /// as JSON; a message's words have at most 3 MiB, and few of theirs two.
    const fn answer_bytes_max(self) -> u64 {
        match self {
            #[cfg(feature = "handlers")]
            Self::Files => 32 * 1024 * 1024,
            Self::Words => 8 * 1024 * 1024,
        }
    }

    fn answer(self, input: impl BufRead, output: impl Write) -> io::Result<()> {
        match self {
            #[cfg(feature = "handlers")]
            Self::Files => crate::kinds::build_generate::renderer::answer(input, output),
            Self::Words => words::answer(input, output),
        }
    }
}

/// Does a renderer's work where this process was started for that. Before anything else in `main`.
pub fn answer_if_asked() -> Option<ExitCode> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [first, second] = arguments.as_slice() else { return None };
    let all = [
        #[cfg(feature = "handlers")]
        Work::Files,
        Work::Words,
    ];
    let work = all.into_iter().find(|work| first == ASKED && second == work.as_str())?;
    Some(match work.answer(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rendering: {error}");
            ExitCode::FAILURE
        }
    })
}

/// Writes an answer as a line.
pub(crate) fn write_line(mut output: impl Write, answer: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut output, answer)?;
    output.write_all(b"\n")?;
    output.flush()
}

/// A process that renders. Dropping it ends it.
pub struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What it was told and has not been sent.
    unsent: Vec<u8>,
    answer_bytes_max: u64,
    /// Whether its last answer was longer.
    is_overlong: bool,
}

/// Why a process ended in the middle of its work.
#[derive(Debug)]
pub enum Ended {
    /// By the time that it had for this piece of work, as the message says.
    Time(String),
    /// By another limit, which the message names.
    Limit(String),
    /// Otherwise.
    Broken(String),
}

impl Process {
    /// Starts `program` again, to do this work.
    pub fn start(program: &Path, work: Work) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", LAUNCH, "sh"]).args([(MEMORY_MIB_MAX * 1024).to_string(), CPU_S_MAX.to_string()]);
        command.arg(program).args([ASKED, work.as_str()]);
        command.env_clear().env("LANG", "C.UTF-8").env("TZ", "UTC").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| io::Error::other("it has no pipes"))?;
        let (output, answer_bytes_max) = (BufReader::new(output), work.answer_bytes_max());
        Ok(Self { child, input, output, unsent: Vec::new(), answer_bytes_max, is_overlong: false })
    }

    /// Tells it something that it gives no answer to.
    pub fn tell(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.unsent, line)?;
        self.unsent.push(b'\n');
        Ok(())
    }

    /// Asks it, and returns the answer; none where the process has ended, or its answer is too long (see `ended`).
    pub async fn ask<A: DeserializeOwned>(&mut self, line: &impl Serialize) -> io::Result<Option<A>> {
        self.tell(line)?;
        // It reads a whole line before it writes one. Where it ended meanwhile, there is no answer either.
        let _ = self.input.write_all(&self.unsent).await;
        self.unsent.clear();
        let mut answer = Vec::new();
        let read = (&mut self.output).take(self.answer_bytes_max).read_until(b'\n', &mut answer).await?;
        if answer.last() != Some(&b'\n') {
            self.is_overlong = read as u64 == self.answer_bytes_max;
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&answer)?))
    }

    /// How long it has computed so far, as far as the kernel tells.
    pub fn cpu(&self) -> Duration {
        const TICK_MS: u64 = 10;
        let stat = self.child.id().and_then(|id| std::fs::read_to_string(format!("/proc/{id}/stat")).ok()).unwrap_or_default();
        // Behind the program's name, which may have anything in it: the 12th and 13th field are its ticks (proc(5)).
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        Duration::from_millis(fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() * TICK_MS)
    }

    /// Why it has ended. One whose answer has no end is ended by this.
    pub async fn ended(mut self) -> Ended {
        if self.is_overlong {
            return Ended::Limit(format!("what it makes is longer than {} bytes", self.answer_bytes_max));
        }
        match self.child.wait().await {
            Ok(status) if status.signal() == Some(SIGXCPU) => Ended::Time("its rendering computed for too long".into()),
            Ok(status) => limit(status).map_or_else(|| Ended::Broken(format!("the renderer ended by itself: {status}")), Ended::Limit),
            Err(error) => Ended::Broken(format!("waiting for the renderer: {error}")),
        }
    }
}

/// The limit that ended it, if it was one.
fn limit(status: ExitStatus) -> Option<String> {
    const SIGABRT: i32 = 6;
    const SIGKILL: i32 = 9;
    const SIGSEGV: i32 = 11;
    match status.signal()? {
        // Both end a Rust program so.
        SIGABRT => Some(format!("its rendering used more than {MEMORY_MIB_MAX} MiB, or went too deep")),
        SIGKILL => Some(format!("its rendering was killed: it used more memory than this machine has, or more than {CPU_S_MAX} s")),
        SIGSEGV => Some("its rendering went too deep".into()),
        _ => None,
    }
}

/// This process's own program, by a name that stays even if its file is replaced.
pub fn own_program() -> io::Result<PathBuf> {
    let own = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if own.exists() { Ok(own) } else { env::current_exe() }
}
