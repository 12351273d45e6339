//! A few long-lived processes that make messages of words, so that thousands of messages a minute do not start thousands of processes.
//!
//! A process is used by one message at a time, and replaced when it has served many, when it ends, or when it gives no answer. One that
//! others used before may end for what they left: such a message is tried again by a fresh one, whose word counts.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    Ended, Process, Work,
    words::{Asked, Wordless, Words},
};

/// Messages that one process makes.
const SERVES_MAX: u32 = 1_000;
/// How long one message may take on a machine that has much else to do.
const MESSAGE_WALL: Duration = Duration::from_secs(30);

/// Why there is no message.
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
    program: PathBuf,
    at_once: Semaphore,
    idle: Mutex<Vec<Used>>,
}

/// A process, and how many messages it made.
struct Used {
    process: Process,
    served: u32,
}

impl Renderers {
    /// At most `at_once` of this program, whose `main` begins with `renderer::answer_if_asked`. None starts before it is needed.
    pub fn new(program: PathBuf, at_once: usize) -> Self {
        Self(Arc::new(Shared { program, at_once: Semaphore::new(at_once.max(1)), idle: Mutex::default() }))
    }

    /// Makes a message. Whoever stops waiting ends the process that works for them.
    pub async fn words(&self, asked: &Asked) -> Result<Words, Unmade> {
        // A test's that has no binary which could be started again.
        #[cfg(test)]
        if self.0.program.as_os_str().is_empty() {
            return Ok(super::words::words(asked)?);
        }
        let unavailable = |message: String| Unmade::Unavailable(message);
        let _permit = self.0.at_once.acquire().await.map_err(|error| unavailable(error.to_string()))?;
        loop {
            let idle = self.idle().pop();
            let mut used = match idle {
                Some(used) => used,
                None => Used {
                    process: Process::start(&self.0.program, Work::Words).map_err(|error| unavailable(error.to_string()))?,
                    served: 0,
                },
            };
            let answered = tokio::time::timeout(MESSAGE_WALL, used.process.ask::<Result<Words, Wordless>>(asked)).await;
            match answered {
                Ok(Ok(Some(answer))) => {
                    used.served += 1;
                    if used.served < SERVES_MAX {
                        self.idle().push(used);
                    }
                    return Ok(answer?);
                }
                Ok(Ok(None)) if used.served > 0 => {}
                Ok(Ok(None)) => {
                    return Err(match used.process.ended().await {
                        Ended::Limit(message) => Wordless::Failed("template".into(), message).into(),
                        Ended::Broken(message) => unavailable(message),
                    });
                }
                Ok(Err(error)) => return Err(unavailable(error.to_string())),
                Err(_) => return Err(unavailable(format!("no answer within {} s", MESSAGE_WALL.as_secs()))),
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Used>> {
        self.0.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
