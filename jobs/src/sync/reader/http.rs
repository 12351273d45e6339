//! Reads a provider's list over HTTP: asks for a page, waits where the provider is short, takes the page apart.
//!
//! A list may be asked for again at any time, so what may pass is tried again here before the attempt ends. What comes is believed nothing:
//! not its length, its form, its links nor its end. Next: `paging.rs`.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    Page, Patience, Place, Stopped, Wrong,
    ask::{ask, first},
    format::{self, Budget},
    paging::{Had, known_by, next, next_link, without_overlap},
    place::{At, Mark},
    records::{MARK_BYTES_MAX, Said, columns, said, take, too_long},
    unpack::{Unpacked, body},
};
use crate::{
    clock::Clock,
    connection::{
        caller::{Asking, Caller, Refusal, Uncalled},
        turns::Turns,
    },
    handler::{Context, Outcome},
    job::JobError,
    kinds::{
        Services,
        http_request::verdict::{Verdict, verdict},
    },
    outbound::{self, Answer, HeaderMap, Limits as Taken, Method, Url, header},
    sync::{
        definition::{Format, HttpSource, Incremental, Limits, ListMethod, Pagination},
        read::updated_at_of,
        state::Since,
    },
};

/// The longest silence within a page.
const SILENCE_MS: u64 = 30_000;
/// The most redirects of a page, all at the connection's origin.
const REDIRECTS_MAX: u32 = 3;
/// The longest `ETag` that is kept, and `Last-Modified`.
const VALIDATOR_BYTES_MAX: usize = 1_024;

/// A list that is read.
pub(super) struct Http {
    caller: Caller,
    context: Context,
    clock: Arc<dyn Clock>,
    source: HttpSource,
    limits: Limits,
    patience: Patience,
    /// From where is asked for what changed.
    since: Option<Mark>,
    /// There is such a mark, and it cannot be read.
    is_expired: bool,
    /// When something may be asked.
    turns: Turns,
    /// How long was waited for the page under way.
    waited: Duration,
    /// The connection was said to be good.
    is_good: bool,
    /// A mark was refused already, and the list begun anew.
    began_anew: bool,
}

/// What was answered.
enum Answered {
    /// A page, unpacked.
    Page { status: u16, headers: HeaderMap, url: Url, bytes: Vec<u8> },
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
    pub(super) async fn open(
        services: &Services,
        context: &Context,
        source: &HttpSource,
        limits: &Limits,
        since: Option<&Since>,
        patience: Patience,
    ) -> Result<Self, Outcome> {
        let caller = Caller::open(services, context, &source.connection, source.token_connection.as_deref()).await?;
        let read = since.and_then(|since| serde_json::from_str(&since.mark).ok());
        Ok(Self {
            caller,
            context: context.clone(),
            clock: services.clock.clone(),
            source: source.clone(),
            limits: limits.clone(),
            patience,
            is_expired: since.is_some() && read.is_none(),
            since: read,
            turns: Turns::of(limits.requests_per_s),
            waited: Duration::ZERO,
            is_good: false,
            began_anew: false,
        })
    }

    pub(super) async fn page(&mut self, place: Option<&Place>) -> Result<Page, Stopped> {
        if self.is_expired {
            return Err(Stopped::Expired);
        }
        let cancel = self.context.cancel.clone();
        let read = tokio::select! {
            read = self.read(place) => read,
            () = cancel.cancelled() => Err(Stopped::Cancelled),
        };
        // Whatever a provider repeats of what it was sent.
        read.map_err(|stopped| match stopped {
            Stopped::Failed(outcome) => Stopped::Failed(self.caller.hide(outcome)),
            Stopped::Wait { after, why } => Stopped::Wait { after, why: self.caller.hidden().text(&why) },
            stopped => stopped,
        })
    }

    async fn read(&mut self, place: Option<&Place>) -> Result<Page, Stopped> {
        let here = match place {
            Some(place) => place.clone(),
            None => Place::first(first(&self.source.list), self.clock.now(), self.since.clone()),
        };
        let asking = self.asking(&here).map_err(Stopped::Failed)?;
        self.waited = Duration::ZERO;
        match self.ask(asking).await? {
            Answered::No { status, message } => self.refused(&here, status, message),
            Answered::Page { status: 304, .. } => self.unchanged(&here),
            Answered::Page { status, headers, url, bytes } => {
                if !self.is_good {
                    self.is_good = true;
                    self.caller.was_good().await;
                }
                if status == 204 {
                    return self.nothing(here);
                }
                self.page_of(here, &headers, &url, bytes).await.map_err(|wrong| Stopped::Failed(wrong.into_outcome()))
            }
        }
    }

    fn asking(&self, here: &Place) -> Result<Asking, Outcome> {
        let list = &self.source.list;
        let method = match list.method {
            ListMethod::Get => Method::GET,
            ListMethod::Post => Method::POST,
        };
        let ask = ask(list, &here.at, self.since.as_ref());
        let url = match &here.at {
            // It was looked at when it was found, and says all itself.
            At::Link(link) => {
                let home = self.caller.url(None, std::iter::empty::<(&str, &str)>())?;
                home.join(link).map_err(|error| Outcome::bury("place_invalid", format!("the link to the next page: {error}")))?
            }
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

    fn validators(&self) -> Option<&Mark> {
        let is_asked = matches!(self.source.list.incremental, Some(Incremental::Validators {}));
        self.since.as_ref().filter(|_| is_asked)
    }

    /// Asks until there is an answer, or it is time to give up.
    async fn ask(&mut self, mut asking: Asking) -> Result<Answered, Stopped> {
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
            }));
        }
        if verdict(status) == Verdict::Done {
            return self.take(asking, answer).await;
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
    async fn take(&self, asking: &Asking, answer: Answer) -> Result<Heard, Stopped> {
        let (status, headers, url) = (answer.status.as_u16(), answer.headers.clone(), asking.url.clone());
        match body(answer, self.limits.page_bytes_max).await {
            Ok(bytes) => Ok(Heard::Answer(Answered::Page { status, headers, url, bytes })),
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

    /// An answer of 4xx, or a redirect that is not followed.
    fn refused(&mut self, here: &Place, status: u16, message: String) -> Result<Page, Stopped> {
        if status == 410 && self.since.is_some() && self.validators().is_none() {
            return Err(Stopped::Expired);
        }
        let is_mark = matches!(here.at, At::Link(_)) || matches!(&here.at, At::Mark(mark) if !mark.is_null());
        // A provider forgets its own marks: Airtable says 422 after a while, and asks to begin from the beginning.
        if is_mark && matches!(status, 400 | 404 | 410 | 422) && !self.began_anew {
            self.began_anew = true;
            self.context.warn(format!(
                "the provider takes its mark of the next page no more, so the list is read anew: {}",
                self.caller.hidden().text(&message)
            ));
            return Ok(Page { shifted: true, ..Page::default() });
        }
        // Nothing was expected there.
        if here.probing && matches!(status, 400 | 404 | 416 | 422) {
            return self.ended(here);
        }
        Err(Stopped::Failed(Outcome::bury("source_refused", message)))
    }

    fn ended(&self, here: &Place) -> Result<Page, Stopped> {
        Ok(Page { mark: written(here.mark.as_ref()), ..Page::default() })
    }

    /// 304: nothing changed since the validators that were sent.
    fn unchanged(&self, here: &Place) -> Result<Page, Stopped> {
        if self.validators().is_none() {
            let message = "the provider says that nothing changed (304), and was not asked whether it did";
            return Err(Stopped::Failed(Outcome::retry("page_unreadable", message)));
        }
        Ok(Page { not_modified: true, mark: written(here.mark.as_ref()), ..Page::default() })
    }

    /// 204: nothing is said. At the beginning that is not that there is nothing; later it is the end of what can be counted.
    fn nothing(&self, here: Place) -> Result<Page, Stopped> {
        if here.pages == 0 {
            return Ok(Page { not_modified: true, mark: written(here.mark.as_ref()), ..Page::default() });
        }
        match self.source.list.pagination {
            Some(Pagination::Page { total: None, .. } | Pagination::Offset { total: None, .. } | Pagination::Keyset { .. }) => {
                self.ended(&here)
            }
            _ => Err(Stopped::Failed(Outcome::retry("source_truncated", "the provider says nothing (204) where a page should be"))),
        }
    }

    async fn page_of(&mut self, here: Place, headers: &HeaderMap, url: &Url, bytes: Vec<u8>) -> Result<Page, Wrong> {
        self.looks_like_it(headers)?;
        let (length, link) = (bytes.len() as u64, self.link_of(headers));
        let (source, max) = (self.source.clone(), self.limits.page_bytes_max);
        let may_be_null = here.pages > 0 || self.since.is_some();
        // It takes tenths of a second for the largest, in which others want to run.
        let parsed = tokio::task::spawn_blocking(move || {
            let root = format::read(source.list.format, &bytes, &columns(&source), Budget::of(max))?;
            drop(bytes);
            let said = said(&source.list, &root)?;
            Ok((said, take(&source, root, may_be_null)?))
        });
        let (mut said, records) = parsed.await.map_err(|error| Wrong::now("failed", format!("reading a page: {error}")))??;
        said.link = match said.link.or(link) {
            Some(link) => Some(self.at_home(url, &link)?),
            None => None,
        };
        self.put_together(here, headers, said, records, length)
    }

    fn put_together(&mut self, here: Place, headers: &HeaderMap, said: Said, mut records: Vec<Value>, bytes: u64) -> Result<Page, Wrong> {
        let Some(again) = without_overlap(&self.source.list, &here, &mut records, |record| known_by(&self.source, record)) else {
            return Ok(Page { bytes, shifted: true, ..Page::default() });
        };
        let total = said.total;
        let mark = self.mark_after(&here, &said, &records, headers);
        let here = Place { mark, ..here };
        let last = records.last().map(|record| known_by(&self.source, record));
        let next = next(&self.source.list, &here, said, &Had { new: &records, again, last })?;
        Ok(Page { records, next, bytes, not_modified: false, mark: written(here.mark.as_ref()), total, shifted: false })
    }

    /// From where the next run asks for what changed.
    fn mark_after(&self, here: &Place, said: &Said, records: &[Value], headers: &HeaderMap) -> Option<Mark> {
        match self.source.list.incremental.as_ref()? {
            Incremental::UpdatedSince { .. } => {
                let greatest = records.iter().filter_map(|record| updated_at_of(&self.source, record).ok().flatten()).max();
                // What changed while the list was read may have been read before it did; and what lies in the future is a wrong clock.
                let greatest = greatest.map(|greatest| Mark::UpdatedAt(greatest.min(here.began_at)));
                match (&here.mark, greatest) {
                    (Some(Mark::UpdatedAt(before)), Some(Mark::UpdatedAt(now))) => Some(Mark::UpdatedAt(now.max(*before))),
                    (before, None) => before.clone(),
                    (_, now) => now,
                }
            }
            Incremental::Cursor { .. } => said.sync_mark.clone().map(Mark::Cursor).or_else(|| here.mark.clone()),
            Incremental::Validators {} => {
                let of = |name| headers.get(name)?.to_str().ok().filter(|value| value.len() <= VALIDATOR_BYTES_MAX).map(str::to_owned);
                let (etag, last_modified) = (of(header::ETAG), of(header::LAST_MODIFIED));
                (etag.is_some() || last_modified.is_some()).then_some(Mark::Validators { etag, last_modified })
            }
        }
    }

    /// Whether an answer says of itself that it is something else altogether.
    fn looks_like_it(&self, headers: &HeaderMap) -> Result<(), Wrong> {
        let said = headers.get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
        let essence = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json = essence == "application/json" || essence.ends_with("+json");
        let is_other = match self.source.list.format {
            Format::Json | Format::JsonLines => essence == "text/html",
            Format::Csv => essence == "text/html" || is_json,
            Format::Xml => is_json,
        };
        if is_other {
            let format = accepted(self.source.list.format);
            return Err(Wrong::now("page_unreadable", format!("the page is {essence}, and {format} was asked for")));
        }
        Ok(())
    }

    /// The link to the next page that the header says, where the list is paged by it.
    fn link_of(&self, headers: &HeaderMap) -> Option<String> {
        if !matches!(self.source.list.pagination, Some(Pagination::NextLink { pointer: None })) {
            return None;
        }
        headers.get_all(header::LINK).iter().filter_map(|link| link.to_str().ok()).find_map(next_link)
    }

    /// Where a link leads: path and query, without secrets. To another origin none is followed, whatever it is.
    fn at_home(&self, from: &Url, link: &str) -> Result<String, Wrong> {
        if link.len() > MARK_BYTES_MAX {
            return Err(too_long(link.len()));
        }
        let to = from
            .join(link)
            .map_err(|error| Wrong::always("next_link_elsewhere", format!("the link to the next page is no URL: {error}")))?;
        if !self.caller.is_at_home(&to) {
            let there = to.host_str().unwrap_or(to.scheme());
            let message = format!("the link to the next page leads to {there}, which is not the connection's origin: it is not followed");
            return Err(Wrong::always("next_link_elsewhere", message));
        }
        let hidden = self.caller.hidden();
        let is_secret = |value: &str| hidden.text(value) != value;
        let mut kept = to.clone();
        if to.query_pairs().any(|(_, value)| is_secret(&value)) {
            let pairs: Vec<(String, String)> = to
                .query_pairs()
                .filter(|(_, value)| !is_secret(value))
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            kept.query_pairs_mut().clear().extend_pairs(pairs);
        }
        let query = kept.query().map_or_else(String::new, |query| format!("?{query}"));
        Ok(format!("{}{query}", kept.path()))
    }
}

/// A call that brought nothing. That a connection broke may pass; what took all its time had it.
fn unheard(uncalled: Uncalled) -> Result<Heard, Stopped> {
    let passes = matches!(uncalled, Uncalled::Failed(outbound::Error::Unreachable { .. } | outbound::Error::Broken { .. }));
    let outcome = uncalled.into_outcome();
    if passes { Ok(Heard::Failed { outcome, is_busy: false }) } else { Err(Stopped::Failed(outcome)) }
}

fn accepted(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        Format::JsonLines => "application/x-ndjson, application/jsonl, application/json;q=0.5",
        Format::Csv => "text/csv",
        Format::Xml => "application/xml, text/xml",
    }
}

fn written(mark: Option<&Mark>) -> Option<String> {
    mark.map(|mark| serde_json::to_string(mark).expect("a mark has a JSON form"))
}
