//! What the code of a kind sees: its payload, a context, and the outcomes it may return.
//!
//! A handler never touches the ledger. `worker/attempt.rs` calls it and settles what it returns.
//! The kind to copy is `kinds/echo`.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    artifact::{self, Artifact},
    clock::{Clock, SystemClock, Timestamp},
    connection::{Access, AccessError, Opened},
    contract::Contract,
    effect::{self, Effect},
    hook,
    job::{JobError, JobId, Progress},
    ledger,
    objects::{self, Content, Objects},
    pace::Turn,
    tenant::TenantId,
};

/// How long an attempt waits for its turn at a provider; it keeps its slot meanwhile.
const PATIENCE_US: i64 = 2_000_000;
/// How far the row of a connection's calls is taken at most: whoever comes then takes no place and looks again later. Who sends that much sooner
/// than it may be sent has another rate in mind.
const FAR_US: i64 = 6 * 3_600 * 1_000_000;

/// A place in the row of calls through a connection, kept as the job's checkpoint until it comes.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    /// When it comes, by the clock of the machine where it was taken: good enough for calls to be apart.
    turn_at: Timestamp,
    /// Whose row it is.
    connection: String,
}

/// How a handler ends its attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Finished, with the result as JSON text.
    Done(String),
    /// Failed; try again, not before `after` if that is given (a `Retry-After`).
    Retry {
        /// What went wrong.
        error: JobError,
        /// What the other side asked for.
        after: Option<Duration>,
    },
    /// Nothing to do yet; call again later. Not charged.
    Snooze(Duration),
    /// Stop the job: it is no longer wanted.
    Cancel,
    /// Give the job up: trying again is of no use.
    Bury(JobError),
}

impl Outcome {
    /// Finished with this result. A result that has no JSON form buries the job.
    pub fn done(result: &impl Serialize) -> Self {
        match serde_json::to_string(result) {
            Ok(json) => Self::Done(json),
            Err(error) => Self::Bury(JobError::new("result_invalid", error.to_string(), false)),
        }
    }

    /// Failed, to be tried again.
    pub fn retry(code: &str, message: impl Into<String>) -> Self {
        Self::Retry { error: JobError::new(code, message, true), after: None }
    }

    /// Failed for good.
    pub fn bury(code: &str, message: impl Into<String>) -> Self {
        Self::Bury(JobError::new(code, message, false))
    }
}

/// Any error, so that handlers can use `?`: it becomes [`Outcome::Retry`] with code `failed`.
#[derive(Debug)]
pub struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self(message)
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::retry("failed", failure.0)
    }
}

/// The code of a kind. One value serves all attempts of a worker at once.
pub trait Handler: Send + Sync + 'static {
    /// What a job of this kind carries.
    type Payload: DeserializeOwned + JsonSchema + Send + 'static;

    /// The kind's contract.
    fn contract(&self) -> Contract;

    /// Does the work. Dropped at an await when the attempt times out or its lease is lost.
    fn run(&self, context: Context, payload: Self::Payload) -> impl Future<Output = Result<Outcome, Failure>> + Send;
}

/// What an attempt is told and may say. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The job.
    pub job: JobId,
    /// Who owns it.
    pub tenant: TenantId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// What the attempt before kept, if any.
    pub checkpoint: Option<Arc<str>>,
    /// After this nobody needs the result.
    pub deadline: Option<Timestamp>,
    /// Set when the job is to stop: cancelled, timed out, lease lost, or the worker is going down.
    pub cancel: CancellationToken,
    /// Who hears what it says.
    pub listener: Arc<dyn Listener>,
    /// The object store of the installation.
    pub objects: Arc<dyn Objects>,
    /// Who records the files that it makes.
    pub recorder: Arc<dyn Recorder>,
    /// The attempt's right to act.
    pub lease: Arc<dyn Lease>,
    /// What was done to the outside world.
    pub effects: Arc<dyn ledger::Effects>,
    /// What of the ledger handlers may use.
    pub ledger: Arc<dyn ledger::Reach>,
    /// The tenant's connections to providers.
    pub access: Arc<dyn Access>,
    /// Whether the place that the attempt before took was used.
    pub turned: Arc<AtomicBool>,
}

/// The attempt's right to act, as far as this worker can know without asking the ledger.
pub trait Lease: Send + Sync {
    /// Whether the lease is held and long enough for one more effect. By the machine's own clock, with a margin.
    fn valid(&self) -> bool;
}

/// Records what a running attempt made, and that it got on.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// Records an artifact. Returns whether the attempt still runs; if not, nothing is recorded.
    async fn record(&self, artifact: Artifact) -> ledger::Result<bool>;

    /// Notes that the attempt has kept something that no other has to do again: what the attempts before cost is forgiven.
    async fn moved_on(&self) -> ledger::Result<()>;
}

/// Why a file could not become an artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The object store.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The attempt is over: its lease was lost.
    #[error("the attempt is over, so its artifact {0} is not recorded")]
    Over(String),
}

/// Hears what a running handler says. Never blocks; keeps to its own limits.
pub trait Listener: Send + Sync {
    /// Hears one remark.
    fn hear(&self, remark: Remark);
}

/// Something a running handler says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// How far it is.
    Progress(Progress),
    /// What its next attempt should know.
    Checkpoint(String),
    /// A log line: level and message.
    Line(&'static str, String),
}

impl Context {
    /// Says how far the work is; `percent` is cut at 100.
    pub fn progress(&self, percent: u8, message: impl Into<String>) {
        self.listener.hear(Remark::Progress(Progress { percent: percent.min(100), message: message.into() }));
    }

    /// Keeps something for the next attempt, should this one not finish.
    pub fn checkpoint(&self, state: &impl Serialize) -> Result<(), Failure> {
        self.listener.hear(Remark::Checkpoint(serde_json::to_string(state)?));
        Ok(())
    }

    /// Uploads a file of the job's own and records it, in the place of one of that name. It is deleted when the job is pruned.
    pub async fn artifact(&self, name: &str, media_type: &str, content: impl Into<Content>) -> Result<Artifact, ArtifactError> {
        let key = artifact::key_of(&self.tenant, self.job, self.attempt, name)?;
        let meta = self.objects.put(&key, media_type, content.into()).await?;
        self.refer(name, &key, meta).await
    }

    /// Records an object as the job's artifact that is not its own: pruning the job leaves it where it is.
    pub async fn refer(&self, name: &str, key: &objects::Key, meta: objects::Meta) -> Result<Artifact, ArtifactError> {
        let artifact = Artifact {
            name: name.to_owned(),
            attempt: self.attempt,
            bytes: meta.bytes,
            sha256: meta.sha256.unwrap_or_default(),
            media_type: meta.media_type,
            key: key.to_string(),
        };
        if self.recorder.record(artifact.clone()).await? { Ok(artifact) } else { Err(ArtifactError::Over(artifact.name)) }
    }

    /// Something done to the outside world that must not be done twice, known by this key within the job (see `effect/run.rs`).
    pub fn effect(&self, key: impl Into<String>, policy: effect::Policy) -> Effect<'_> {
        Effect::new(self, key.into(), policy)
    }

    /// Opens the tenant's connection of this name, which must be of one of these providers.
    pub async fn connection(&self, name: &str, providers: &[&str]) -> Result<Opened, AccessError> {
        let opened = self.access.open(&self.tenant, name).await?;
        if providers.contains(&opened.provider.as_str()) {
            return Ok(opened);
        }
        Err(AccessError::OtherProvider { name: name.to_owned(), provider: opened.provider, wanted: providers.join(" or ") })
    }

    /// Waits for the turn of a message, where the connection's configuration says how many go in a second (`rate_per_s`). Whose turn is far
    /// takes a place and gets the outcome to end the attempt with: the job comes back when its turn has come, uncharged. Asked before the
    /// effect, as nothing is in doubt while one waits. A handler that asks keeps no checkpoint of its own.
    pub async fn turn(&self, opened: &Opened) -> Result<(), Outcome> {
        let Some(rate_per_s) = opened.config.get("rate_per_s").and_then(Value::as_f64).filter(|rate| *rate > 0.0) else {
            return Ok(());
        };
        let took = self.checkpoint.as_deref().and_then(|kept| serde_json::from_str::<Place>(kept).ok());
        if let Some(place) = took.filter(|place| place.connection == opened.id.0.to_string() && !self.turned.swap(true, Ordering::SeqCst)) {
            let wait_ms = place.turn_at.ms_since(SystemClock.now()).clamp(0, PATIENCE_US / 1_000);
            tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())).await;
            return Ok(());
        }
        let apart_us = (1_000_000.0 / rate_per_s).ceil() as i64;
        match self.access.take_turn(opened, apart_us, FAR_US).await {
            Ok(Turn::Taken { wait_us }) if wait_us <= PATIENCE_US => {
                tokio::time::sleep(Duration::from_micros(wait_us.unsigned_abs())).await;
                Ok(())
            }
            Ok(Turn::Taken { wait_us }) => {
                let place = Place { turn_at: SystemClock.now().plus_ms(wait_us / 1_000), connection: opened.id.0.to_string() };
                self.checkpoint(&place).map_err(Outcome::from)?;
                Err(Outcome::Snooze(Duration::from_micros(wait_us.unsigned_abs())))
            }
            // Those who come back together would only meet again.
            Ok(Turn::Later { wait_us }) => {
                Err(Outcome::Snooze(Duration::from_micros(wait_us.unsigned_abs() / 2).mul_f64(rand::random_range(1.0..2.0))))
            }
            Err(error) => {
                let error = error.as_job_error();
                Err(if error.retryable { Outcome::Retry { error, after: None } } else { Outcome::Bury(error) })
            }
        }
    }

    /// The URL of a connection's hook, of an api that is reached at `public_url`; none where it has no hook, or nobody said where the api is.
    pub async fn hook_url(&self, opened: &Opened, public_url: Option<&str>) -> Result<Option<String>, AccessError> {
        let Some(public_url) = public_url else { return Ok(None) };
        let Some(hook) = self.ledger.hook(&opened.tenant, opened.id).await? else { return Ok(None) };
        let key = self.access.hook_key(&hook, &opened.name).await?;
        Ok(Some(hook::url(public_url, &key.token)))
    }

    /// Writes a line to the job's log.
    pub fn info(&self, message: impl Into<String>) {
        self.listener.hear(Remark::Line("info", message.into()));
    }

    /// Writes a warning to the job's log.
    pub fn warn(&self, message: impl Into<String>) {
        self.listener.hear(Remark::Line("warn", message.into()));
    }
}

type RunFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A handler with its payload type forgotten, so that a registry can hold them all.
pub trait AnyHandler: Send + Sync {
    /// The kind's contract.
    fn contract(&self) -> Contract;
    /// Decodes the payload and does the work; a payload that does not decode buries the job.
    fn run<'a>(&'a self, context: Context, payload: &str) -> RunFuture<'a>;
}

impl<H: Handler> AnyHandler for H {
    fn contract(&self) -> Contract {
        Handler::contract(self)
    }

    fn run<'a>(&'a self, context: Context, payload: &str) -> RunFuture<'a> {
        let decoded = serde_json::from_str::<H::Payload>(payload);
        Box::pin(async move {
            match decoded {
                Ok(payload) => Handler::run(self, context, payload).await.unwrap_or_else(Outcome::from),
                Err(error) => Outcome::bury("payload_undecodable", error.to_string()),
            }
        })
    }
}

/// The handlers of a worker, by kind.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<String, (Contract, Arc<dyn AnyHandler>)>);

impl Registry {
    /// The same registry with one handler more; of two for one kind the later wins.
    #[must_use]
    pub fn with(mut self, handler: impl Handler) -> Self {
        let contract = Handler::contract(&handler);
        self.0.insert(contract.kind.clone(), (contract, Arc::new(handler)));
        self
    }

    /// The contract and the handler of `kind`.
    pub fn get(&self, kind: &str) -> Option<&(Contract, Arc<dyn AnyHandler>)> {
        self.0.get(kind)
    }

    /// Every contract, by kind.
    pub fn contracts(&self) -> impl Iterator<Item = &Contract> {
        self.0.values().map(|(contract, _)| contract)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
