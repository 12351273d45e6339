//! A destination that takes records over HTTP: many at once, or one by one.
//!
//! The ledger has the intent before anything is sent; what came of it is settled after. Whatever was on its way when the attempt ended is sent
//! again by the next, with the same `Idempotency-Key`. What the provider refuses for what a record says is that record's error; what it refuses
//! whatever is sent ends the run. Nothing is sent without a lease. Next: `request.rs`, `connection/caller.rs`.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::StreamExt;
use serde_json::Value;

use super::{
    handler::stopped,
    request::{self, About, Unfit, text_of},
};
use crate::{
    connection::caller::{Asking, Caller, Uncalled},
    handler::{Context, Outcome},
    job::JobError,
    kinds::{Services, http_request::verdict::Verdict},
    outbound::{Limits, Method},
    sync::{
        SyncId,
        decide::Elsewhere,
        definition::{Bulk, Call, CallMethod, Find, HttpDestination, Several, Single},
        state::{Incoming, Planned, RowError, Settled, SettledAs},
    },
};

/// Records that are settled at once where each is sent by itself, and how many are on their way at a time.
const SINGLES: usize = 24;
const SINGLES_AT_ONCE: usize = 4;
/// How often something is sent within an attempt, and how long it rests before, doubling.
const TRIES_MAX: u32 = 4;
const REST_FIRST_MS: u64 = 500;
/// A longer wait is spent without a slot.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;
const SILENCE_MS: u64 = 30_000;
/// How much of a provider's error is told of each record.
const ERROR_CHARS_MAX: usize = 500;
/// The most records that one is found to be.
const FOUND_MAX: usize = 100;

/// How many records are settled at once.
pub(super) fn batch_max(http: &HttpDestination) -> usize {
    http.bulk.as_ref().map_or(SINGLES, |bulk| bulk.records_max as usize)
}

/// What came of carrying a plan out.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// What is known to have been done, or not to have been.
    pub settled: Vec<Settled>,
    /// What the provider refused.
    pub failed: Vec<RowError>,
    /// Why the rest was not tried, or is in doubt.
    pub stopped: Option<Outcome>,
    /// Of the rest, what was not sent.
    pub withdrawn: Vec<String>,
    /// Of the rest, what may have arrived.
    doubtful: HashSet<String>,
}

impl Carried {
    /// All went as planned.
    pub(super) fn as_planned(plan: &[(Incoming, Planned)], forget: bool) -> Self {
        let settled = plan.iter().filter_map(|(record, planned)| {
            let remote_id = planned.remote_id.clone();
            let outcome = match planned.fate {
                Elsewhere::Create => SettledAs::Created { remote_id },
                Elsewhere::Update => SettledAs::Updated { remote_id },
                Elsewhere::Delete => SettledAs::Deleted { forget },
                Elsewhere::Nothing => return None,
            };
            Some(Settled { key: record.key.clone(), outcome })
        });
        Self { settled: settled.collect(), ..Self::default() }
    }

    fn came(&mut self, key: &str, came: Result<SettledAs, Unsettled>) {
        let outcome = match came {
            Ok(outcome) => outcome,
            Err(Unsettled::Refused { code, message }) => {
                let message = message.chars().take(ERROR_CHARS_MAX).collect();
                self.failed.push(RowError { key: Some(key.to_owned()), page: 0, index: 0, code: code.into(), message, pointer: None });
                SettledAs::Refused
            }
            Err(Unsettled::Stopped { outcome, in_doubt }) => {
                if in_doubt {
                    self.doubtful.insert(key.to_owned());
                }
                // What ends the run for good says more than what only waits.
                if self.stopped.is_none() || matches!(outcome, Outcome::Bury(_)) {
                    self.stopped = Some(outcome);
                }
                return;
            }
        };
        self.settled.push(Settled { key: key.to_owned(), outcome });
    }
}

impl Carried {
    /// Takes the intents back of what is known not to have been sent, now or before: nothing of it is in doubt.
    fn withdraw(&mut self, plan: &[(String, bool)]) {
        let settled: HashSet<&str> = self.settled.iter().map(|settled| &*settled.key).collect();
        let is_open = |key: &str| !settled.contains(key) && !self.doubtful.contains(key);
        self.withdrawn = plan.iter().filter(|(key, before)| !before && is_open(key)).map(|(key, _)| key.clone()).collect();
    }
}

/// Why it is not known that something was done.
enum Unsettled {
    /// It was not: the provider does not take this record.
    Refused { code: &'static str, message: String },
    /// It has to wait.
    Stopped {
        /// How the attempt ends.
        outcome: Outcome,
        /// Whether it may have arrived all the same.
        in_doubt: bool,
    },
}

impl From<Outcome> for Unsettled {
    fn from(outcome: Outcome) -> Self {
        Self::Stopped { outcome, in_doubt: false }
    }
}

impl From<Unfit> for Unsettled {
    fn from(unfit: Unfit) -> Self {
        let message = match unfit {
            Unfit::NoId => "it is not known what the provider calls it".to_owned(),
            Unfit::Other(message) => message,
        };
        Self::Refused { code: "record_unfit", message }
    }
}

fn refused(message: String) -> Unsettled {
    Unsettled::Refused { code: "destination_refused", message }
}

/// Of what is made there is nothing to be found: where there is nothing, there is no such path.
fn refused_whole(status: u16, message: String) -> Unsettled {
    match status {
        404 | 410 => Outcome::bury("destination_refused", message).into(),
        _ => refused(message),
    }
}

/// What the provider answers.
enum Answered {
    /// Yes, and this.
    Taken(Value),
    /// Not this.
    Refused { status: u16, message: String },
}

/// The way to such a destination.
pub(super) struct Http {
    context: Context,
    caller: Caller,
    sync: SyncId,
    http: HttpDestination,
    /// Whether nothing is remembered of what is deleted.
    forget: bool,
    was_good: AtomicBool,
}

impl Http {
    /// Opens its connection.
    pub(super) async fn open(
        services: &Services,
        context: &Context,
        sync: SyncId,
        http: HttpDestination,
        forget: bool,
    ) -> Result<Self, Outcome> {
        let caller = Caller::open(services, context, &http.connection, http.token_connection.as_deref()).await?;
        Ok(Self { context: context.clone(), caller, sync, http, forget, was_good: AtomicBool::new(false) })
    }

    /// Does what is planned.
    pub(super) async fn carry_out(&self, plan: Vec<(Incoming, Planned)>) -> Carried {
        let mut carried = Carried::default();
        let all: Vec<(String, bool)> = plan.iter().map(|(record, planned)| (record.key.clone(), planned.in_doubt)).collect();
        let (gone, there): (Vec<_>, Vec<_>) = plan.into_iter().partition(|(_, planned)| planned.fate == Elsewhere::Delete);
        match (&self.http.bulk, &self.http.single) {
            (Some(bulk), _) => self.write_many(bulk, there, &mut carried).await,
            (None, Some(single)) => self.each(there, &mut carried, |record, planned| self.write(single, record, planned)).await,
            (None, None) => carried.stopped = Some(Outcome::bury("destination_unknown", "the destination says no way to write")),
        }
        if carried.stopped.is_none() {
            self.each(gone, &mut carried, |record, planned| self.delete(record, planned)).await;
        }
        if carried.stopped.is_some() {
            carried.withdraw(&all);
        }
        carried
    }

    /// Does something with each, a few at a time; after the first that has to wait no more is begun.
    async fn each<'h, F>(&'h self, plan: Vec<(Incoming, Planned)>, carried: &mut Carried, work: impl Fn(Incoming, Planned) -> F)
    where
        F: Future<Output = Result<SettledAs, Unsettled>> + 'h,
    {
        let is_stopped = AtomicBool::new(false);
        let begun = plan.into_iter().map(|(record, planned)| {
            let (key, work) = (record.key.clone(), work(record, planned));
            let is_stopped = &is_stopped;
            async move {
                if is_stopped.load(Ordering::Relaxed) {
                    return None;
                }
                let came = work.await;
                if matches!(came, Err(Unsettled::Stopped { .. })) {
                    is_stopped.store(true, Ordering::Relaxed);
                }
                Some((key, came))
            }
        });
        let mut all = futures::stream::iter(begun).buffer_unordered(SINGLES_AT_ONCE);
        while let Some(one) = all.next().await {
            if let Some((key, came)) = one {
                carried.came(&key, came);
            }
        }
    }
}

/// One by one.
impl Http {
    async fn write(&self, single: &Single, record: Incoming, planned: Planned) -> Result<SettledAs, Unsettled> {
        let data: Value = serde_json::from_str(&record.data)
            .map_err(|error| Unsettled::Refused { code: "record_unfit", message: format!("what was mapped is no JSON: {error}") })?;
        let mut ids: Vec<String> = planned.remote_id.clone().into_iter().collect();
        // Whoever has an id is known to be there; of all others it is looked first, also as a try before may have arrived.
        if let (Some(find), true) = (&single.find, ids.is_empty()) {
            ids = self.find(find, &record, &data).await?;
        }
        let Some(update) = &single.update else {
            // It is made or changed by its key, in one request.
            let id = self.make(single, &single.create, &record, &data, ids.first().map(String::as_str)).await?.or(ids.pop());
            return Ok(if planned.fate == Elsewhere::Create {
                SettledAs::Created { remote_id: id }
            } else {
                SettledAs::Updated { remote_id: id }
            });
        };
        if ids.is_empty() && planned.fate == Elsewhere::Create {
            let remote_id = self.make(single, &single.create, &record, &data, None).await?;
            return Ok(SettledAs::Created { remote_id });
        }
        // One that is known without an id of the provider's is changed by its key.
        let by_key = [None];
        let each: Vec<Option<&str>> = if ids.is_empty() { by_key.to_vec() } else { ids.iter().map(|id| Some(id.as_str())).collect() };
        for id in each {
            let asking = self.asking(update, &record, &data, id, Some(data.clone()), "write")?;
            match self.ask(&asking).await? {
                Answered::Taken(_) => {}
                // It is gone there: it is made anew.
                Answered::Refused { status: 404 | 410, .. } if planned.fate != Elsewhere::Create => {
                    let remote_id = self.make(single, &single.create, &record, &data, None).await?;
                    return Ok(SettledAs::Created { remote_id });
                }
                Answered::Refused { message, .. } => return Err(refused(message)),
            }
        }
        Ok(SettledAs::Updated { remote_id: ids.into_iter().next() })
    }

    /// Makes it; returns what the provider calls it, if it says so.
    async fn make(
        &self,
        single: &Single,
        call: &Call,
        record: &Incoming,
        data: &Value,
        id: Option<&str>,
    ) -> Result<Option<String>, Unsettled> {
        let asking = self.asking(call, record, data, id, Some(data.clone()), "write")?;
        match self.ask(&asking).await? {
            Answered::Taken(answer) => Ok(single.id.as_ref().and_then(|pointer| text_of(answer.pointer(pointer)))),
            Answered::Refused { status, message } => Err(refused_whole(status, message)),
        }
    }

    /// What the provider calls those of its records that this one is.
    async fn find(&self, find: &Find, record: &Incoming, data: &Value) -> Result<Vec<String>, Unsettled> {
        let asking = self.asking(&find.call, record, data, None, None, "find")?;
        let answer = match self.ask(&asking).await? {
            Answered::Taken(answer) => answer,
            Answered::Refused { status: 404 | 410, .. } => return Ok(Vec::new()),
            Answered::Refused { message, .. } => return Err(refused(message)),
        };
        let matches = match answer.pointer(&find.records) {
            None | Some(Value::Null) => &[],
            Some(Value::Array(matches)) => &matches[..],
            Some(one) => std::slice::from_ref(one),
        };
        let mut ids = Vec::new();
        for found in matches.iter().take(FOUND_MAX) {
            let id = text_of(found.pointer(&find.id));
            ids.push(id.ok_or_else(|| failed(format!("what was found has no id at {:?}", find.id)))?);
        }
        match find.several {
            Several::Fail if ids.len() > 1 => Err(Unsettled::Refused {
                code: "several_match",
                message: format!("the provider has {} records like it: {}", matches.len(), ids.join(", ")),
            }),
            Several::First => Ok(ids.into_iter().take(1).collect()),
            _ => Ok(ids),
        }
    }

    async fn delete(&self, record: Incoming, planned: Planned) -> Result<SettledAs, Unsettled> {
        let Some(call) = &self.http.delete else {
            return Err(Outcome::bury("destination_unknown", "the destination says no way to delete").into());
        };
        let asking = self.asking(call, &record, &Value::Null, planned.remote_id.as_deref(), None, "delete")?;
        match self.ask(&asking).await? {
            Answered::Taken(_) | Answered::Refused { status: 404 | 410, .. } => Ok(SettledAs::Deleted { forget: self.forget }),
            Answered::Refused { message, .. } => Err(refused(message)),
        }
    }
}

/// Many at once.
impl Http {
    async fn write_many(&self, bulk: &Bulk, plan: Vec<(Incoming, Planned)>, carried: &mut Carried) {
        let mut groups: Vec<_> = Some(plan).filter(|plan| !plan.is_empty()).into_iter().collect();
        while let Some(mut group) = groups.pop() {
            match self.write_group(bulk, &group).await {
                Ok(came) => {
                    for ((record, _), came) in group.iter().zip(came) {
                        carried.came(&record.key, came);
                    }
                }
                // Which of them it is is found by halves.
                Err(Unsettled::Refused { .. }) if group.len() > 1 => {
                    let half = group.split_off(group.len() / 2);
                    groups.extend([half, group]);
                }
                Err(Unsettled::Stopped { outcome, in_doubt }) => {
                    for (record, _) in &group {
                        carried.came(&record.key, Err(Unsettled::Stopped { outcome: outcome.clone(), in_doubt }));
                    }
                }
                Err(unsettled) => carried.came(&group[0].0.key, Err(unsettled)),
            }
            if carried.stopped.is_some() {
                return;
            }
        }
    }

    async fn write_group(&self, bulk: &Bulk, group: &[(Incoming, Planned)]) -> Result<Vec<Result<SettledAs, Unsettled>>, Unsettled> {
        let records = group.iter().map(|(record, _)| serde_json::from_str(&record.data));
        let records: Vec<Value> =
            records.collect::<Result<_, _>>().map_err(|error| refused(format!("what was mapped is no JSON: {error}")))?;
        let mut asking = self.call(&bulk.call, &About::default(), Some(Value::Array(records)))?;
        let key = request::idempotency_key(self.sync, "write", group.iter().map(|(record, _)| record));
        put(&mut asking, "idempotency-key", &key)?;
        let answer = match self.ask(&asking).await? {
            Answered::Taken(answer) => answer,
            Answered::Refused { status, message } => return Err(refused_whole(status, message)),
        };
        let none = Vec::new();
        let results = match &bulk.results {
            None => &none,
            Some(pointer) => match answer.pointer(pointer) {
                Some(Value::Array(results)) if results.len() == group.len() => results,
                _ => {
                    let message = format!("the answer has no list at {pointer:?} of results, one for each of {} records", group.len());
                    return Err(Unsettled::Stopped { outcome: failed(message), in_doubt: true });
                }
            },
        };
        let came = group.iter().enumerate().map(|(at, (_, planned))| {
            let result = results.get(at);
            let error = result.zip(bulk.error.as_ref()).and_then(|(result, pointer)| result.pointer(pointer)).filter(|error| says(error));
            if let Some(error) = error {
                let told = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
                return Err(refused(self.caller.hidden().text(&told)));
            }
            let id = result.zip(bulk.id.as_ref()).and_then(|(result, pointer)| text_of(result.pointer(pointer)));
            let remote_id = id.or_else(|| planned.remote_id.clone());
            Ok(if planned.fate == Elsewhere::Create { SettledAs::Created { remote_id } } else { SettledAs::Updated { remote_id } })
        });
        Ok(came.collect())
    }
}

/// Whether a value says that there is an error.
fn says(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// Asking.
impl Http {
    fn asking(
        &self,
        call: &Call,
        record: &Incoming,
        data: &Value,
        id: Option<&str>,
        content: Option<Value>,
        what: &str,
    ) -> Result<Asking, Unsettled> {
        let about = About { key: Some(&record.key), id, record: Some(data) };
        let mut asking = self.call(call, &about, content)?;
        put(&mut asking, "idempotency-key", &request::idempotency_key(self.sync, what, [record]))?;
        Ok(asking)
    }

    fn call(&self, call: &Call, about: &About<'_>, content: Option<Value>) -> Result<Asking, Unsettled> {
        let url = self.caller.url(None, request::query(call, about)?)?;
        let method = match call.method {
            CallMethod::Get => Method::GET,
            CallMethod::Post => Method::POST,
            CallMethod::Put => Method::PUT,
            CallMethod::Patch => Method::PATCH,
            CallMethod::Delete => Method::DELETE,
        };
        let mut asking = Asking::new(method, request::below(url, call, about)?);
        asking.body = request::body(call, content)?;
        for (name, value) in &call.headers {
            put(&mut asking, name, value)?;
        }
        Ok(asking)
    }

    /// Asks until there is an answer that says something, a few times.
    async fn ask(&self, asking: &Asking) -> Result<Answered, Unsettled> {
        let (mut rest, mut in_doubt) = (Duration::from_millis(REST_FIRST_MS), false);
        for tries in 1.. {
            let (outcome, wait) = match self.ask_once(asking).await {
                Ok(answered) => return Ok(answered),
                Err(unanswered) => {
                    in_doubt |= unanswered.in_doubt;
                    match unanswered.outcome {
                        Outcome::Retry { error, after } if unanswered.again => (Outcome::Retry { error, after }, after),
                        outcome => return Err(Unsettled::Stopped { outcome, in_doubt }),
                    }
                }
            };
            if let Some(wait) = wait.filter(|wait| *wait > WAIT_MAX) {
                self.context.progress(0, "the destination asks to wait");
                return Err(Unsettled::Stopped { outcome: Outcome::Snooze(wait), in_doubt });
            }
            if tries == TRIES_MAX {
                return Err(Unsettled::Stopped { outcome, in_doubt });
            }
            tokio::select! {
                () = tokio::time::sleep(wait.unwrap_or(rest)) => rest *= 2,
                () = self.context.cancel.cancelled() => return Err(Unsettled::Stopped { outcome: stopped(), in_doubt }),
            }
        }
        unreachable!("the last try returns")
    }

    async fn ask_once(&self, asking: &Asking) -> Result<Answered, Unanswered> {
        if self.context.cancel.is_cancelled() || !self.context.lease.valid() {
            return Err(Unanswered { outcome: stopped(), again: false, in_doubt: false });
        }
        let total_ms = u64::try_from(self.caller.timeout().as_millis()).unwrap_or(u64::MAX);
        let limits = Limits { total_ms, silence_ms: SILENCE_MS, body_bytes_max: ANSWER_BYTES_MAX, redirects_max: 0 };
        let sent = tokio::select! {
            sent = self.caller.send(asking, &limits) => sent,
            () = self.context.cancel.cancelled() => return Err(Unanswered { outcome: stopped(), again: false, in_doubt: true }),
        };
        let answer = sent.map_err(|uncalled| {
            // Whoever has no token will have none at once.
            let again = matches!(uncalled, Uncalled::Failed(_));
            let in_doubt = matches!(&uncalled, Uncalled::Failed(error) if !error.is_unsent());
            Unanswered { outcome: self.caller.hide(uncalled.into_outcome()), again, in_doubt }
        })?;
        let status = answer.status.as_u16();
        if answer.status.is_success() {
            if !self.was_good.swap(true, Ordering::Relaxed) {
                self.caller.was_good().await;
            }
            let bytes = answer.bytes().await.map_err(|error| {
                let outcome = self.caller.hide(Outcome::retry(error.code(), error.to_string()));
                Unanswered { outcome, again: true, in_doubt: true }
            })?;
            return Ok(Answered::Taken(serde_json::from_slice(&bytes).unwrap_or(Value::Null)));
        }
        let refusal = self.caller.refusal(answer).await;
        let retry = |code| Outcome::Retry { error: JobError::new(code, &refusal.message, true), after: refusal.after };
        let (outcome, again, in_doubt) = match refusal.verdict {
            // It is about what was sent: another record may be taken.
            _ if matches!(status, 400 | 404 | 409 | 410 | 413 | 414 | 422 | 431) => {
                return Ok(Answered::Refused { status, message: refusal.message });
            }
            Verdict::NotNow => (retry("destination_failed"), true, false),
            Verdict::Unclear | Verdict::Done => (retry("destination_failed"), true, true),
            Verdict::Unauthorized => (retry("connection_refused"), false, false),
            Verdict::Never => (Outcome::bury("destination_refused", &refusal.message), false, false),
        };
        Err(Unanswered { outcome, again, in_doubt })
    }
}

/// Why there is no answer that says something.
struct Unanswered {
    outcome: Outcome,
    /// Whether it may be asked again at once.
    again: bool,
    /// Whether what was asked may have been done.
    in_doubt: bool,
}

fn put(asking: &mut Asking, name: &str, value: &str) -> Result<(), Unsettled> {
    asking.put(name, value).map_err(|error| Outcome::Bury(error).into())
}

fn failed(message: String) -> Outcome {
    Outcome::retry("destination_failed", message)
}
