//! Asks for a page until there is an answer, and waits where the provider is short.
//!
//! What may pass is tried again here before the attempt ends; what takes longer than an attempt waits is for the job. Next: `page.rs`.

use std::time::{Duration, Instant};

use super::{Http, link::url_of};
use crate::{
    connection::caller::{Asking, Refusal, Uncalled},
    handler::Outcome,
    job::JobError,
    kinds::http_request::verdict::{Verdict, verdict},
    outbound::{self, Answer, HeaderMap, Limits as Taken, Method, Url, header},
    sync::{
        definition::{Format, Incremental, ListMethod},
        reader::{
            Stopped,
            ask::ask,
            place::{At, Mark, Place},
            unpack::{Unpacked, body},
        },
    },
};

/// The longest silence within a page.
const SILENCE_MS: u64 = 30_000;
/// The most redirects of a page, all at the connection's origin.
const REDIRECTS_MAX: u32 = 3;
/// What was answered.
pub(super) enum Answered {
    /// A page, unpacked, and how long it took since it was asked for.
    Page { status: u16, headers: HeaderMap, url: Url, bytes: Vec<u8>, took: Duration },
    /// A no that stays one.
    No { status: u16, message: String },
}

/// What came of asking once.
enum Heard {
    /// An answer.
    Answer(Answered),
    /// It is elsewhere, at the connection's origin.
    Elsewhere(Url),
    /// Not now: after so long, where it is said.
    Busy { after: Option<Duration>, why: String },
    /// It failed, and may do better; how often it did is counted. As one that is busy does, or otherwise.
    Failed { outcome: Outcome, is_busy: bool },
}

impl Http {
    pub(super) fn asking(&self, here: &Place) -> Result<Asking, Outcome> {
        let list = &self.source.list;
        let method = match list.method {
            ListMethod::Get => Method::GET,
            ListMethod::Post => Method::POST,
        };
        let ask = ask(list, &here.at, self.since.as_ref());
        let url = match &here.at {
            // It was looked at when it was found, and says all itself.
            At::Link(link) => url_of(&self.caller.url(None, std::iter::empty::<(&str, &str)>())?, link),
            _ => self.caller.url(Some(&list.path), ask.query.iter().map(|(name, value)| (name, value)))?,
        };
        let mut asking = Asking::new(method, url);
        let invalid = |error: JobError| Outcome::Bury(error);
        asking.put("accept", accepted(list.format)).map_err(invalid)?;
        asking.put("accept-encoding", "gzip").map_err(invalid)?;
        for (name, value) in &list.headers {
            asking.put(name, value).map_err(invalid)?;
        }
        if let Some(Mark::Validators { etag, last_modified }) = self.validators() {
            for (name, value) in [("if-none-match", etag), ("if-modified-since", last_modified)] {
                if let Some(value) = value {
                    asking.put(name, value).map_err(invalid)?;
                }
            }
        }
        if let Some(body) = ask.body.filter(|_| list.method == ListMethod::Post) {
            asking.body = body.to_string().into_bytes();
        }
        Ok(asking)
    }

    pub(super) fn validators(&self) -> Option<&Mark> {
        let is_asked = matches!(self.source.list.incremental, Some(Incremental::Validators {}));
        self.since.as_ref().filter(|_| is_asked)
    }

    /// Asks until there is an answer, or it is time to give up.
    pub(super) async fn ask(&mut self, mut asking: Asking) -> Result<Answered, Stopped> {
        let said = Duration::from_secs(self.limits.throttled_wait_s.into());
        let (mut tries, mut busy, mut redirects) = (0, self.patience.busy.unwrap_or(said), 0);
        loop {
            self.turn().await?;
            match self.ask_once(&asking).await? {
                Heard::Answer(answered) => return Ok(answered),
                Heard::Elsewhere(to) => {
                    redirects += 1;
                    if redirects > REDIRECTS_MAX {
                        let host = to.host_str().unwrap_or_default();
                        let message = format!("{host} sends on once more after {REDIRECTS_MAX} times");
                        return Err(Stopped::Failed(Outcome::bury("redirected_too_often", message)));
                    }
                    asking.url = to;
                }
                Heard::Busy { after, why } => {
                    self.wait(after.unwrap_or(busy), &why).await?;
                    busy *= 2;
                }
                Heard::Failed { outcome, is_busy } => {
                    tries += 1;
                    let Outcome::Retry { error, after } = &outcome else { return Err(Stopped::Failed(outcome)) };
                    if tries >= self.patience.tries {
                        return Err(Stopped::Failed(outcome));
                    }
                    // These tries are counted, so they are made.
                    let unsaid = if is_busy {
                        busy.min(self.patience.wait_max)
                    } else {
                        self.patience.between_tries * 4_u32.saturating_pow(tries - 1)
                    };
                    let pause = after.unwrap_or(unsaid);
                    let why = error.message.clone();
                    self.wait(pause, &why).await?;
                }
            }
        }
    }

    async fn ask_once(&mut self, asking: &Asking) -> Result<Heard, Stopped> {
        let total_ms = u64::from(self.limits.page_timeout_s) * 1_000;
        let (silence_ms, body_bytes_max) = (total_ms.min(SILENCE_MS), self.limits.page_bytes_max);
        let taken = Taken { total_ms, silence_ms, body_bytes_max, redirects_max: 0 };
        let asked_at = Instant::now();
        let answer = match self.caller.send(asking, &taken).await {
            Ok(answer) => answer,
            Err(uncalled) => return unheard(uncalled),
        };
        let (status, exhausted) = (answer.status.as_u16(), self.turns.heard(&answer.headers, self.clock.now()));
        if let Some(to) = self.redirect(asking, &answer)? {
            return Ok(Heard::Elsewhere(to));
        }
        if status == 304 {
            return Ok(Heard::Answer(Answered::Page {
                status,
                headers: answer.headers.clone(),
                url: asking.url.clone(),
                bytes: Vec::new(),
                took: Duration::ZERO,
            }));
        }
        if verdict(status) == Verdict::Done {
            return self.take(asking, answer, asked_at).await;
        }
        let Refusal { verdict, message, after } = self.caller.refusal(answer).await;
        let after = after.max(exhausted);
        // GitHub says by 403 that one was too fast. A 503 that does not say how long may last: those tries are counted.
        if status == 429 || (after.is_some() && (verdict == Verdict::NotNow || status == 403)) {
            return Ok(Heard::Busy { after, why: message });
        }
        if status == 403 {
            self.caller.was_refused(&message).await;
        }
        let again = |code| Outcome::Retry { error: JobError::new(code, &message, true), after };
        match (status, verdict) {
            (401 | 403, _) => Err(Stopped::Failed(again("connection_refused"))),
            (_, Verdict::NotNow | Verdict::Unclear) => Ok(Heard::Failed { outcome: again("source_failed"), is_busy: status == 503 }),
            _ => Ok(Heard::Answer(Answered::No { status, message })),
        }
    }

    /// Where an answer sends us on to: at the connection's origin, and asked by GET, or it ends here.
    fn redirect(&self, asking: &Asking, answer: &Answer) -> Result<Option<Url>, Stopped> {
        if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) || asking.method != Method::GET {
            return Ok(None);
        }
        let Some(location) = answer.headers.get(header::LOCATION) else { return Ok(None) };
        let to = location.to_str().ok().and_then(|location| asking.url.join(location).ok());
        match to {
            Some(to) if self.caller.is_at_home(&to) => Ok(Some(to)),
            to => {
                let there = to.as_ref().and_then(Url::host_str).unwrap_or("no URL").to_owned();
                let message = format!("{} sends us on to {there}, which is not the connection's origin: it is not followed", answer.host());
                Err(Stopped::Failed(Outcome::bury("redirected_elsewhere", message)))
            }
        }
    }

    /// Takes in a page. What broke off on its way may be asked for again.
    async fn take(&self, asking: &Asking, answer: Answer, asked_at: Instant) -> Result<Heard, Stopped> {
        let (status, headers, url) = (answer.status.as_u16(), answer.headers.clone(), asking.url.clone());
        match body(answer, self.limits.page_bytes_max).await {
            Ok(bytes) => Ok(Heard::Answer(Answered::Page { status, headers, url, bytes, took: asked_at.elapsed() })),
            Err(Unpacked::Failed(error)) => unheard(Uncalled::Failed(error)),
            Err(Unpacked::Wrong(wrong)) => Err(Stopped::Failed(wrong.into_outcome())),
        }
    }

    /// Waits until something may be asked, as fast as the run may go and as the provider said.
    async fn turn(&mut self) -> Result<(), Stopped> {
        match self.turns.take(self.longest()) {
            Ok(pause) => self.sleep(pause).await,
            Err(pause) => Err(Stopped::Wait { after: pause, why: "its quota of requests is used up".into() }),
        }
    }

    async fn wait(&mut self, pause: Duration, why: &str) -> Result<(), Stopped> {
        if pause > self.longest() {
            return Err(Stopped::Wait { after: pause, why: why.to_owned() });
        }
        self.sleep(pause).await
    }

    /// The longest that may still be waited at once.
    fn longest(&self) -> Duration {
        self.patience.wait_max.min(self.patience.waits_max.saturating_sub(self.waited))
    }

    async fn sleep(&mut self, pause: Duration) -> Result<(), Stopped> {
        if pause.is_zero() {
            return Ok(());
        }
        self.waited += pause;
        tokio::time::sleep(pause).await;
        // Whoever lost the lease meanwhile asks no more.
        if self.context.lease.valid() { Ok(()) } else { Err(Stopped::Cancelled) }
    }
}

/// A call that brought nothing. That a connection broke may pass; what took all its time had it.
fn unheard(uncalled: Uncalled) -> Result<Heard, Stopped> {
    let passes = matches!(uncalled, Uncalled::Failed(outbound::Error::Unreachable { .. } | outbound::Error::Broken { .. }));
    let outcome = uncalled.into_outcome();
    if passes { Ok(Heard::Failed { outcome, is_busy: false }) } else { Err(Stopped::Failed(outcome)) }
}

pub(super) fn accepted(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        Format::JsonLines => "application/x-ndjson, application/jsonl, application/json;q=0.5",
        Format::Csv => "text/csv",
        Format::Xml => "application/xml, text/xml",
    }
}
