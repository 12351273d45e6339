//! What an operator may set: defaults, then the TOML file of `WINDROW_CONFIG`, then the environment.
//!
//! Never guesses: an unknown key or a value that does not fit stops the start, naming the key and where it
//! came from. `deploy/windrow.example.toml` is the annotated list; a test holds it to the defaults.
//! Next: each `main.rs`, which reads these once and hands plain values on.

pub mod builds;
pub mod hosts;
pub mod numbers;
pub mod source;
pub mod value;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use self::builds::{BuildsSettings, SigningSettings};
use self::hosts::Hosts;
use self::numbers::{Meaning, OfTenants};
use self::value::{
    FILE_SCHEME, SQLITE_SCHEME, api_key, database_url, master_keys, objects_url, public_url, redis_url, service_key, within,
};
pub use self::{
    numbers::{Gaps, Slots},
    source::{Effective, Entry, Error},
    value::{MasterKeys, Secret, check_api_key},
};
use crate::{
    ledger::Retention,
    queue::{BUILT_IN_QUEUES, QueueName},
    tenant::TenantId,
};

/// The longest drain, in seconds: a day.
pub const GRACE_S_MAX: u32 = 86_400;
/// How long a worker may leave work lying beside free slots before it counts as stuck, in seconds, unless set: past every
/// passing trouble of a carrier or the ledger, which is over or known within a few seconds.
pub const STALLED_AFTER_S: u32 = 30;
/// The shortest such time: some looks of a second each.
pub const STALLED_AFTER_S_MIN: u32 = 5;
/// The longest such time: an hour, so that somebody still looks.
pub const STALLED_AFTER_S_MAX: u32 = 3_600;
/// How late a fire may be before the watchdog speaks, in seconds, unless set: past every fail-over.
pub const LATE_AFTER_S: u32 = 10;
/// The longest retention, in days: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_525;

/// Everything that can be set, with the defaults of a standalone installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Standalone: where the SQLite file and the api key file lie.
    pub data_dir: PathBuf,
    /// The HTTP side.
    pub api: ApiSettings,
    /// The running side.
    pub worker: WorkerSettings,
    /// The durable truth.
    pub ledger: LedgerSettings,
    /// Where files lie.
    pub objects: ObjectsSettings,
    /// What signs and wraps.
    pub secrets: SecretsSettings,
    /// How workers learn of tickets.
    pub dispatch: DispatchSettings,
    /// Whom handlers may call.
    pub outbound: OutboundSettings,
    /// Where builds work, and what they may.
    pub builds: BuildsSettings,
    /// Who signs what builds make.
    pub signing: SigningSettings,
    /// What embeddings may cost.
    pub embeddings: EmbeddingsSettings,
    /// Where indexes are kept.
    pub search: SearchSettings,
    /// What makes jobs by the clock.
    pub schedules: SchedulesSettings,
    /// How long finished jobs are kept.
    pub retention: RetentionSettings,
    /// What is logged, and how.
    pub log: LogSettings,
}

/// Section `[api]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSettings {
    /// The address it answers on.
    #[serde(deserialize_with = "value::address")]
    pub listen: SocketAddr,
    /// The base of links and `Location`; none means derived from the address.
    #[serde(default, skip_serializing, deserialize_with = "public_url")]
    pub public_url: Option<String>,
    /// The first key, a platform key.
    #[serde(default, skip_serializing, deserialize_with = "api_key")]
    pub key: Option<Secret>,
}

/// Section `[worker]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    /// Slots per queue.
    pub queues: Slots,
    /// How long a stopping worker lets its jobs go on, in seconds.
    #[serde(deserialize_with = "within::<_, 0, GRACE_S_MAX>")]
    pub grace_s: u32,
    /// After how long, in seconds, a worker is stuck that claims nothing though work is on offer and slots are free.
    #[serde(deserialize_with = "within::<_, STALLED_AFTER_S_MIN, STALLED_AFTER_S_MAX>")]
    pub stalled_after_s: u32,
    /// Where the probes of a worker or scheduler answer.
    #[serde(deserialize_with = "value::address")]
    pub health_listen: SocketAddr,
}

/// Section `[ledger]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerSettings {
    /// `sqlite://…` or `postgres://…`; none means the SQLite file in the data folder.
    #[serde(default, skip_serializing, deserialize_with = "database_url")]
    pub database_url: Option<Secret>,
    /// What becomes of a schema that is older than this release.
    pub migrate: Migrate,
}

/// What becomes of a schema that is older than the release that starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Migrate {
    /// The start migrates it.
    Auto,
    /// The start is refused; `windrow migrate` migrates it.
    Check,
}

/// Section `[objects]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectsSettings {
    /// `file://…` or `s3://…`; none means the folder in the data folder.
    #[serde(default, skip_serializing, deserialize_with = "objects_url")]
    pub url: Option<String>,
}

/// Section `[secrets]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsSettings {
    /// Signs links and wraps the keys of tenants; the same in every process. Several, for a rotation: the first signs and wraps.
    #[serde(default, skip_serializing, deserialize_with = "master_keys")]
    pub master_key: Option<MasterKeys>,
    /// The file that holds it, or them, in its place.
    #[serde(default, skip_serializing)]
    pub master_key_file: Option<PathBuf>,
}

/// Section `[dispatch]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DispatchSettings {
    /// `redis://…`: the carrier between processes; none means there is no Redis.
    #[serde(default, skip_serializing, deserialize_with = "redis_url")]
    pub redis_url: Option<Secret>,
}

/// Section `[outbound]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundSettings {
    /// Hosts that may be called though they are not of the internet, or speak no TLS.
    pub allow_hosts: Hosts,
}

/// Section `[embeddings]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingsSettings {
    /// The most tokens of a tenant that providers are asked to embed in a day (UTC); 0 for as many as it likes.
    pub tokens_per_day_max: u64,
}

impl EmbeddingsSettings {
    /// The same, or none where there is no such limit.
    pub fn quota(&self) -> Option<u64> {
        (self.tokens_per_day_max > 0).then_some(self.tokens_per_day_max)
    }
}

/// Section `[search]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Qdrant's base URL: it keeps the vectors of indexes. None for the database.
    #[serde(default, skip_serializing, deserialize_with = "public_url")]
    pub qdrant_url: Option<String>,
    /// The key that it asks for.
    #[serde(default, skip_serializing, deserialize_with = "service_key")]
    pub qdrant_api_key: Option<Secret>,
}

/// Section `[schedules]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchedulesSettings {
    /// The shortest time between two fires of a schedule, in seconds.
    #[serde(deserialize_with = "within::<_, 1, { <OfTenants as Meaning>::MAX }>")]
    pub gap_s_min: u32,
    /// The same of tenants that keep another.
    pub tenant_gaps_s_min: Gaps,
    /// By how much a fire may be late before the watchdog speaks, in seconds.
    #[serde(deserialize_with = "within::<_, 1, 3600>")]
    pub late_after_s: u32,
}

impl SchedulesSettings {
    /// The shortest time between two fires of this tenant's schedules, in seconds.
    pub fn gap_s_min_of(&self, tenant: &TenantId) -> u32 {
        self.tenant_gaps_s_min.0.get(tenant).copied().unwrap_or(self.gap_s_min)
    }
}

/// Section `[retention]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSettings {
    /// Completed and cancelled jobs, in days.
    #[serde(deserialize_with = "within::<_, 1, RETENTION_DAYS_MAX>")]
    pub completed_days: u32,
    /// Dead jobs, in days.
    #[serde(deserialize_with = "within::<_, 1, RETENTION_DAYS_MAX>")]
    pub dead_days: u32,
    /// What became of the fires of schedules, in days.
    #[serde(deserialize_with = "within::<_, 1, RETENTION_DAYS_MAX>")]
    pub fires_days: u32,
    /// What hooks were told, in days.
    #[serde(deserialize_with = "within::<_, 1, RETENTION_DAYS_MAX>")]
    pub events_days: u32,
}

/// Section `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// Which lines, in the syntax of tracing's `EnvFilter`.
    pub filter: String,
    /// In which form.
    pub format: LogFormat,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One line of text each.
    Text,
    /// One JSON object each.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        let retention = Retention::default();
        let days = |ms: i64| u32::try_from(ms / DAY_MS).unwrap_or(RETENTION_DAYS_MAX);
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            data_dir: "./windrow-data".into(),
            api: ApiSettings { listen: local(8080), public_url: None, key: None },
            worker: WorkerSettings { queues: Slots::default(), grace_s: 30, stalled_after_s: STALLED_AFTER_S, health_listen: local(0) },
            ledger: LedgerSettings { database_url: None, migrate: Migrate::Auto },
            objects: ObjectsSettings::default(),
            secrets: SecretsSettings::default(),
            dispatch: DispatchSettings::default(),
            outbound: OutboundSettings::default(),
            builds: BuildsSettings::default(),
            signing: SigningSettings::default(),
            embeddings: EmbeddingsSettings::default(),
            search: SearchSettings::default(),
            schedules: SchedulesSettings { gap_s_min: 1, tenant_gaps_s_min: Gaps::default(), late_after_s: LATE_AFTER_S },
            retention: RetentionSettings {
                completed_days: days(retention.completed_ms),
                dead_days: days(retention.dead_ms),
                fires_days: days(retention.fires_ms),
                events_days: days(retention.events_ms),
            },
            log: LogSettings { filter: "info".into(), format: LogFormat::Auto },
        }
    }
}

impl Settings {
    /// The queues of the installation: the built-in ones and those that have slots here.
    pub fn queue_names(&self) -> Vec<QueueName> {
        let built_in = BUILT_IN_QUEUES.into_iter().map(|name| name.parse().expect("the built-in names are well-formed"));
        let mut names: Vec<QueueName> = built_in.collect();
        names.extend(self.worker.queues.0.keys().filter(|name| !BUILT_IN_QUEUES.contains(&name.as_str())).cloned());
        names
    }

    /// The retention as the ledger takes it.
    pub fn retention(&self) -> Retention {
        let ms = |days: u32| i64::from(days) * DAY_MS;
        Retention {
            completed_ms: ms(self.retention.completed_days),
            dead_ms: ms(self.retention.dead_days),
            fires_ms: ms(self.retention.fires_days),
            events_ms: ms(self.retention.events_days),
        }
    }

    /// The base of links for an api that listens on `bound`: as set, or that address, or, where it listens on
    /// every address and no single one is right, empty, so that links are relative to the request.
    pub fn links_base(&self, bound: SocketAddr) -> String {
        match &self.api.public_url {
            Some(url) => url.clone(),
            None if bound.ip().is_unspecified() => String::new(),
            None => format!("http://{bound}"),
        }
    }

    /// The folder of the object store, or none where it is S3.
    pub fn objects_folder(&self) -> Option<PathBuf> {
        match &self.objects.url {
            None => Some(self.data_dir.join("objects")),
            Some(url) => url.strip_prefix(FILE_SCHEME).map(Into::into),
        }
    }

    /// The master keys as set or as their file holds them; none where neither is.
    pub fn master_keys(&self) -> Result<Option<MasterKeys>, Error> {
        match (&self.secrets.master_key, &self.secrets.master_key_file) {
            (Some(_), Some(_)) => Err(Error::at("secrets.master_key_file", "secrets.master_key is set too")),
            (Some(keys), None) => Ok(Some(keys.clone())),
            (None, None) => Ok(None),
            (None, Some(path)) => {
                let wrong = |message: String| Error::at("secrets.master_key_file", format!("{}: {message}", path.display()));
                let keys = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
                keys.parse().map(Some).map_err(wrong)
            }
        }
    }

    /// The SQLite file of a standalone installation, or the key that asks for something else.
    pub fn sqlite_file(&self) -> Result<PathBuf, Error> {
        if self.dispatch.redis_url.is_some() {
            return Err(Error::at(
                "dispatch.redis_url",
                "`windrow serve` carries its tickets itself: unset this one, or set ledger.database_url to a postgres:// URL and run the cluster's binaries",
            ));
        }
        match &self.ledger.database_url {
            None => Ok(self.data_dir.join("windrow.db")),
            Some(url) => match url.as_str().strip_prefix(SQLITE_SCHEME) {
                Some(path) => Ok(path.into()),
                None => Err(Error::at(
                    "ledger.database_url",
                    "`windrow serve` keeps its ledger in SQLite: give a sqlite:// URL or none; over PostgreSQL run windrow-api, windrow-worker and windrow-scheduler",
                )),
            },
        }
    }
}

const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests;
