//! A few long-lived processes that make messages of words, so that thousands of messages a minute do not start thousands of processes.
//!
//! A process is used by one message at a time, and replaced when it has served many, when it ends, or when it gives no answer. One that
//! others used before may end for what they left: such a message is tried again by a fresh one, whose word counts.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::de::DeserializeOwned;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Ended, Process, Work,
    expressions::{self, Cell, Sheet},
    words::{self, Asked, Parts, Question, Reading, Wordless, Words},
};

/// Questions that one process answers.
const SERVES_MAX: u32 = 1_000;
/// How long one answer may take on a machine that has much else to do: less than a request to the api may.
const ANSWER_WALL: Duration = Duration::from_secs(20);
/// What gave no answer in that time is the template's fault where so much of it was spent on computing, and else the machine's.
const GUILTY: Duration = Duration::from_millis(500);

/// The part of a template that a process ended over: nobody knows which.
pub const WHOLE: &str = "template";

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmade {
    /// For its template, or for what it was to be filled in with.
    #[error(transparent)]
    Wordless(#[from] Wordless),
    /// For the renderer, or the machine: it may go well another time.
    #[error("the renderer: {0}")]
    Unavailable(String),
}

/// The processes. Cheap to clone.
#[derive(Clone)]
pub struct Renderers(Arc<Shared>);

struct Shared {
    /// None means this very process.
    program: Option<PathBuf>,
    at_once: Semaphore,
    /// What expressions may have of these: the other half stays for messages, whatever a mapping computes.
    sheets: Semaphore,
    idle: Mutex<Vec<Used>>,
}

/// A process, and how many questions it answered.
struct Used {
    process: Process,
    served: u32,
}

impl Renderers {
    /// At most `at_once` of this program, whose `main` begins with `renderer::answer_if_asked`. None starts before it is needed.
    pub fn new(program: PathBuf, at_once: usize) -> Self {
        Self::of(Some(program), at_once)
    }

    /// In this very process, where nothing bounds a hostile template's memory: for tests, whose program cannot be started again.
    pub fn in_process() -> Self {
        Self::of(None, 1)
    }

    fn of(program: Option<PathBuf>, at_once: usize) -> Self {
        Self(Arc::new(Shared {
            program,
            at_once: Semaphore::new(at_once.max(1)),
            sheets: Semaphore::new((at_once / 2).max(1)),
            idle: Mutex::default(),
        }))
    }

    /// Makes a message. Whoever stops waiting ends the process that works for them.
    pub async fn words(&self, asked: Asked) -> Result<Words, Unmade> {
        Ok(self.ask(Question::Fill(asked)).await?.0)
    }

    /// Reads a template.
    pub async fn read(&self, parts: Parts) -> Result<Reading, Unmade> {
        Ok(self.ask(Question::Read(parts)).await?.0)
    }

    /// What is wrong with each of these expressions, if anything.
    pub async fn read_expressions(&self, all: Vec<String>) -> Result<Vec<Option<String>>, Unmade> {
        Ok(self.ask(Question::ReadExpressions(all)).await?.0)
    }

    /// Evaluates expressions over records: a row for each of the first of them, in their order; the rest is to be asked for again.
    /// And how long that computed, as far as the kernel tells.
    pub async fn evaluate(&self, sheet: Sheet) -> Result<(Vec<Vec<Cell>>, Duration), Unmade> {
        let _permit = self.0.sheets.acquire().await.map_err(unavailable)?;
        self.ask(Question::Evaluate(sheet)).await
    }

    async fn ask<A: DeserializeOwned>(&self, question: Question) -> Result<(A, Duration), Unmade> {
        let Some(program) = &self.0.program else { return answer_here(&question).map(|answer| (answer, Duration::ZERO)) };
        let _permit = self.0.at_once.acquire().await.map_err(unavailable)?;
        let until = Instant::now() + ANSWER_WALL;
        loop {
            let idle = self.idle().pop();
            let mut used = match idle {
                Some(used) => used,
                None => Used { process: Process::start(program, Work::Words).map_err(unavailable)?, served: 0 },
            };
            let before = used.process.cpu();
            match tokio::time::timeout_at(until, used.process.ask::<Result<A, Wordless>>(&question)).await {
                Ok(Ok(Some(answer))) => {
                    let computed = used.process.cpu().saturating_sub(before);
                    used.served += 1;
                    if used.served < SERVES_MAX {
                        self.idle().push(used);
                    }
                    return Ok((answer?, computed));
                }
                Ok(Ok(None)) => match used.process.ended().await {
                    Ended::Time(message) => return Err(whole(message)),
                    _ if used.served > 0 => {}
                    Ended::Limit(message) => return Err(whole(message)),
                    Ended::Broken(message) => return Err(unavailable(message)),
                },
                Ok(Err(error)) => return Err(unavailable(error)),
                Err(_) => {
                    let message = format!("no answer within {} s", ANSWER_WALL.as_secs());
                    let computed = used.process.cpu().saturating_sub(before);
                    return Err(if computed > GUILTY { whole(message) } else { unavailable(message) });
                }
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Used>> {
        self.0.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn whole(message: String) -> Unmade {
    Wordless::Failed(WHOLE.into(), message).into()
}

fn unavailable(why: impl ToString) -> Unmade {
    Unmade::Unavailable(why.to_string())
}

/// The answer, as a process would give it.
fn answer_here<A: DeserializeOwned>(question: &Question) -> Result<A, Unmade> {
    let line = match question {
        Question::Fill(asked) => serde_json::to_value(words::words(asked)?),
        Question::Read(parts) => serde_json::to_value(words::read(parts)?),
        Question::ReadExpressions(all) => serde_json::to_value(expressions::read(all)),
        Question::Evaluate(sheet) => serde_json::to_value(expressions::evaluate(sheet)),
    };
    line.and_then(serde_json::from_value).map_err(unavailable)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn script(folder: &tempfile::TempDir, lines: &str) -> PathBuf {
        let program = folder.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{lines}\n")).expect("a program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it can be run");
        program
    }

    #[tokio::test]
    async fn expressions_take_half_of_the_processes_and_tell_what_they_computed() {
        let folder = tempfile::tempdir().expect("a folder");
        let lines = "while read -r line; do case $line in *hang*) exec sleep 60;; *Evaluate*) i=0
            while [ $i -lt 300000 ]; do i=$((i + 1)); done;; esac; echo '{\"Ok\":[]}'; done";
        let renderers = Renderers::new(script(&folder, lines), 2);
        let sheet = |expression: &str| renderers.evaluate(Sheet { expressions: vec![expression.into()], records: vec![] });
        let (_, computed) = sheet("1").await.expect("an answer");
        assert!(computed >= Duration::from_millis(10), "{computed:?}");
        tokio::select! {
            biased;
            _ = async { tokio::join!(sheet("hang"), sheet("hang")) } => panic!("they never end"),
            read = renderers.read_expressions(vec![]) => assert_eq!(read, Ok(vec![])),
        }
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_the_templates_fault_and_ends_its_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = script(&folder, "echo $$ > \"${0%/*}/id\"\nexec tr '\\0' a < /dev/zero");
        let unmade = Renderers::new(program, 1).read(Parts::default()).await.expect_err("no answer");
        let expected = whole("what it makes is longer than 8388608 bytes".into());
        assert_eq!(unmade, expected);
        let id = fs::read_to_string(folder.path().join("id")).expect("it was started");
        let ended = async {
            while fs::read_to_string(format!("/proc/{}/stat", id.trim())).is_ok_and(|stat| !stat.contains(") Z ")) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it was ended");
    }
}
