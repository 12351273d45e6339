//! What running handlers say: collected here within limits, written in batches, never waited for by a handler.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    clock::{Clock, SystemClock},
    handler::{Listener, Remark},
    job::{JobId, Progress},
    ledger::{LogLine, Note, Work},
};

/// How often what was said is written; progress is seen this late at most.
const WRITE_EVERY: Duration = Duration::from_millis(250);
/// The most log lines kept of an attempt.
pub const LINES_MAX: u32 = 1_000;
/// The most bytes of log messages kept of an attempt.
pub const LINE_BYTES_MAX: usize = 256 * 1024;

/// What the attempts of a worker have said and the ledger does not know yet.
pub(crate) struct Notebook {
    ledger: Arc<dyn Work>,
    pages: Arc<Mutex<HashMap<JobId, Vec<Arc<Page>>>>>,
}

impl Notebook {
    pub(crate) fn new(ledger: Arc<dyn Work>) -> Self {
        Self { ledger, pages: Arc::default() }
    }

    /// A page for an attempt. It is listed here from its first remark until it is written.
    pub(crate) fn open(&self, id: JobId, attempt: u32) -> Arc<dyn Listener> {
        Arc::new_cyclic(|this| Page { id, attempt, this: this.clone(), pages: self.pages.clone(), said: Mutex::default() })
    }

    /// Writes what was said, every now and then, until `stop`.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(WRITE_EVERY) => {}
            }
            let pages: Vec<_> = lock(&self.pages).drain().flat_map(|(_, pages)| pages).collect();
            self.write(pages).await;
        }
    }

    /// Writes what attempts of these jobs said: their last words, before their endings are recorded.
    pub(crate) async fn flush_of(&self, ids: impl Iterator<Item = JobId>) {
        let pages = {
            let mut pages = lock(&self.pages);
            if pages.is_empty() {
                return;
            }
            ids.filter_map(|id| pages.remove(&id)).flatten().collect()
        };
        self.write(pages).await;
    }

    async fn write(&self, pages: Vec<Arc<Page>>) {
        let notes: Vec<Note> = pages.iter().map(|page| page.tear_off()).collect();
        if notes.is_empty() {
            return;
        }
        if let Err(error) = self.ledger.note(notes).await {
            // Remarks are told once: repeating them could double lines, and no promise hangs on them.
            tracing::warn!(%error, attempts = pages.len(), "what handlers said was not recorded");
        }
    }
}

/// What one attempt has said.
struct Page {
    id: JobId,
    attempt: u32,
    this: std::sync::Weak<Self>,
    pages: Arc<Mutex<HashMap<JobId, Vec<Arc<Self>>>>>,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    listed: bool,
    progress: Option<Progress>,
    checkpoint: Option<String>,
    lines: Vec<LogLine>,
    dropped: u32,
    lines_total: u32,
    line_bytes_total: usize,
}

impl Said {
    fn line(&mut self, level: &'static str, message: String) {
        if self.lines_total >= LINES_MAX || self.line_bytes_total + message.len() > LINE_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.lines_total += 1;
        self.line_bytes_total += message.len();
        self.lines.push(LogLine { at: SystemClock.now(), level: level.to_owned(), message });
    }
}

impl Listener for Page {
    fn hear(&self, remark: Remark) {
        let mut said = lock(&self.said);
        match remark {
            Remark::Progress(progress) => said.progress = Some(progress),
            Remark::Checkpoint(checkpoint) => said.checkpoint = Some(checkpoint),
            Remark::Line(level, message) => said.line(level, message),
        }
        let list = !std::mem::replace(&mut said.listed, true);
        drop(said);
        if let (true, Some(page)) = (list, self.this.upgrade()) {
            lock(&self.pages).entry(self.id).or_default().push(page);
        }
    }
}

impl Page {
    fn tear_off(&self) -> Note {
        let mut said = lock(&self.said);
        said.listed = false;
        Note {
            id: self.id,
            attempt: self.attempt,
            progress: said.progress.take(),
            checkpoint: said.checkpoint.take(),
            lines: std::mem::take(&mut said.lines),
            dropped: std::mem::take(&mut said.dropped),
        }
    }
}

/// A panic while one of these was held leaves it whole, so its poison means nothing here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
