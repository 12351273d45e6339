//! Reads the settings from their sources, and remembers which source each value came from.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::Path};

use figment::{
    Figment, Metadata, Profile, Provider, Source,
    error::Kind,
    providers::{Format, Serialized, Toml},
    value::{Dict, Map, Value},
};
use serde::Serialize;

use super::{Settings, value::HIDDEN};

/// The settings, and where each came from.
#[derive(Clone)]
pub struct Effective {
    /// The settings.
    pub settings: Settings,
    figment: Figment,
}

/// One key as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The key, `section.key`.
    pub key: &'static str,
    /// Its value as text; none where nothing is set.
    pub value: Option<String>,
    /// `default`, the variable's name, or the file's path.
    pub origin: String,
}

impl Effective {
    /// Reads the settings of this process.
    pub fn of_process() -> Result<Self, Error> {
        Self::read(std::env::vars_os())
    }

    /// Reads the settings, taking these for the environment. An empty variable counts as unset, since Compose
    /// and Kubernetes files write one where they mean none.
    pub fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, Error> {
        let variables = ours(variables)?;
        let mut figment = Figment::from(Serialized::defaults(Settings::default()));
        if let Some(path) = variables.get(CONFIG_VARIABLE) {
            figment = figment.merge(file(Path::new(path))?);
        }
        let mut set_by: BTreeMap<&str, &str> = BTreeMap::new();
        for (variable, text) in variables.iter().filter(|(variable, _)| *variable != CONFIG_VARIABLE) {
            let key = key_of(variable).ok_or_else(|| Error::at(variable, "there is no such setting"))?;
            if let Some(other) = set_by.insert(key.name, variable) {
                return Err(Error { origin: Some(variable.clone()), ..Error::at(key.name, format!("{other} sets it too")) });
            }
            let value = typed(text, figment.find_value(key.name).ok().as_ref());
            figment = figment.merge(Variable { name: variable.clone(), key: key.name, value });
        }
        let settings = figment.extract().map_err(|error| explain(&figment, error))?;
        Ok(Self { settings, figment })
    }

    /// Every key with its value and origin; secrets are hidden.
    pub fn entries(&self) -> Vec<Entry> {
        KEYS.iter().map(|key| Entry { key: key.name, value: self.shown(key), origin: self.origin(key.name) }).collect()
    }

    /// Where a key's value came from: `default`, the variable's name, or the file's path.
    pub fn origin(&self, key: &str) -> String {
        origin(&self.figment, key).unwrap_or_else(|| "default".into())
    }

    /// The same error with the origin of its key.
    pub fn with_origin(&self, error: Error) -> Error {
        let unset = || {
            let variable = KEYS.iter().find(|key| key.name == error.key && self.figment.find_value(key.name).is_err())?.variable?;
            Some(format!("not set; {variable} sets it"))
        };
        let origin = origin(&self.figment, &error.key).or_else(unset).unwrap_or_else(|| "default".into());
        Error { origin: Some(origin), ..error }
    }

    fn shown(&self, key: &Key) -> Option<String> {
        let value = self.figment.find_value(key.name).ok()?;
        if key.secret {
            return Some(HIDDEN.into());
        }
        match value {
            Value::String(_, text) => Some(text),
            Value::Num(_, number) => number.to_u128().map(|n| n.to_string()).or_else(|| number.to_i128().map(|n| n.to_string())),
            Value::Dict(..) if key.name == "worker.queues" => Some(self.settings.worker.queues.to_string()),
            Value::Dict(..) => Some(self.settings.schedules.tenant_gaps_s_min.to_string()),
            Value::Array(..) => Some(self.settings.outbound.allow_hosts.to_string()),
            _ => None,
        }
    }
}

/// Our variables among these.
fn ours(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<BTreeMap<String, String>, Error> {
    let mut kept = BTreeMap::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        if value.is_empty() || name.starts_with(TEST_PREFIX) || is_service_link(name) {
            continue;
        }
        let value = value.into_string().map_err(|_| Error::at(name, "the value is not UTF-8"))?;
        kept.insert(name.to_owned(), value);
    }
    Ok(kept)
}

/// Whether Kubernetes made this variable for a Service named `windrow…` in the pod's namespace.
fn is_service_link(variable: &str) -> bool {
    variable.ends_with("_SERVICE_HOST") || variable.contains("_SERVICE_PORT") || variable.ends_with("_PORT") || variable.contains("_PORT_")
}

fn file(path: &Path) -> Result<impl Provider + use<>, Error> {
    let unreadable = |error: std::io::Error| Error {
        origin: Some(CONFIG_VARIABLE.into()),
        ..Error::at(path.display().to_string(), format!("cannot be read: {error}"))
    };
    // Figment takes a missing file for an empty one.
    std::fs::metadata(path).map_err(unreadable)?;
    Ok(Toml::file_exact(path))
}

fn key_of(variable: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.variable == Some(variable) || generic_variable(key.name).as_deref() == Some(variable))
}

/// `WINDROW_<SECTION>__<KEY>` of a key within a section.
fn generic_variable(key: &str) -> Option<String> {
    let (section, name) = key.split_once('.')?;
    Some(format!("{PREFIX}{}__{}", section.to_uppercase(), name.to_uppercase()))
}

/// A variable's text in the type of what it replaces. Figment's own provider would guess from the text, and
/// make a number of an API key of digits.
fn typed(text: &str, replaced: Option<&Value>) -> Value {
    match (replaced, text.trim().parse::<i64>()) {
        (Some(Value::Num(..)), Ok(number)) => number.into(),
        _ => text.into(),
    }
}

/// One variable as a source of its own, so that figment can name it.
struct Variable {
    name: String,
    key: &'static str,
    value: Value,
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(figment::util::nest(self.key, self.value.clone()).into_dict().unwrap_or_default()))
    }
}

fn explain(figment: &Figment, error: figment::Error) -> Error {
    let mut path = error.path.clone();
    let message = match &error.kind {
        Kind::UnknownField(name, known) => {
            if path.last() != Some(name) {
                path.push(name.clone());
            }
            format!("there is no such setting; there are {}", known.join(", "))
        }
        Kind::UnknownVariant(found, known) => format!("{found:?} is none of {}", known.join(", ")),
        kind => kind.to_string(),
    };
    let key = path.join(".");
    let origin = error.metadata.as_ref().and_then(origin_of).or_else(|| origin(figment, &key));
    if key.is_empty() {
        return Error::at(origin.unwrap_or_default(), message);
    }
    Error { key, origin, message }
}

fn origin(figment: &Figment, key: &str) -> Option<String> {
    figment.find_metadata(key).and_then(origin_of)
}

/// A source's name; none for the defaults.
fn origin_of(metadata: &Metadata) -> Option<String> {
    match &metadata.source {
        Some(Source::File(path)) => Some(path.display().to_string()),
        _ if metadata.name.starts_with(PREFIX) => Some(metadata.name.to_string()),
        _ => None,
    }
}

/// A key that may be set.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Its own variable, beside `WINDROW_<SECTION>__<KEY>`.
    variable: Option<&'static str>,
    secret: bool,
}

impl Key {
    const fn new(name: &'static str, variable: Option<&'static str>) -> Self {
        Self { name, variable, secret: false }
    }

    const fn secret(name: &'static str, variable: &'static str) -> Self {
        Self { name, variable: Some(variable), secret: true }
    }
}

/// Every key, in the order of the example file.
pub(super) const KEYS: [Key; 43] = [
    Key::new("data_dir", Some("WINDROW_DATA_DIR")),
    Key::new("api.listen", Some("WINDROW_LISTEN")),
    Key::new("api.public_url", Some("WINDROW_PUBLIC_URL")),
    Key::secret("api.key", "WINDROW_API_KEY"),
    Key::new("worker.queues", Some("WINDROW_QUEUES")),
    Key::new("worker.grace_s", Some("WINDROW_GRACE_S")),
    Key::new("worker.stalled_after_s", None),
    Key::new("worker.health_listen", Some("WINDROW_HEALTH_LISTEN")),
    Key::secret("ledger.database_url", "WINDROW_DATABASE_URL"),
    Key::new("ledger.migrate", Some("WINDROW_MIGRATE")),
    Key::new("objects.url", Some("WINDROW_OBJECTS_URL")),
    Key::secret("secrets.master_key", "WINDROW_MASTER_KEY"),
    Key::new("secrets.master_key_file", Some("WINDROW_MASTER_KEY_FILE")),
    Key::secret("dispatch.redis_url", "WINDROW_REDIS_URL"),
    Key::new("outbound.allow_hosts", None),
    Key::new("builds.commands", Some("WINDROW_BUILD_COMMANDS")),
    Key::new("builds.commands_as_worker", None),
    Key::new("builds.folder", None),
    Key::new("builds.user", None),
    Key::new("builds.memory_mib_max", None),
    Key::new("builds.workspace_mib_max", None),
    Key::new("signing.key_file", None),
    Key::new("signing.vault_url", None),
    Key::new("signing.vault_mount", None),
    Key::new("signing.vault_key", None),
    Key::new("signing.vault_namespace", None),
    Key { name: "signing.vault_token", variable: None, secret: true },
    Key::new("signing.vault_token_file", None),
    Key::new("signing.vault_role", None),
    Key::new("signing.vault_auth_mount", None),
    Key::new("signing.vault_jwt_file", None),
    Key::new("embeddings.tokens_per_day_max", None),
    Key::new("search.qdrant_url", Some("WINDROW_QDRANT_URL")),
    Key::secret("search.qdrant_api_key", "WINDROW_QDRANT_API_KEY"),
    Key::new("schedules.gap_s_min", None),
    Key::new("schedules.tenant_gaps_s_min", None),
    Key::new("schedules.late_after_s", None),
    Key::new("retention.completed_days", None),
    Key::new("retention.dead_days", None),
    Key::new("retention.fires_days", None),
    Key::new("retention.events_days", None),
    Key::new("log.filter", Some("WINDROW_LOG")),
    Key::new("log.format", Some("WINDROW_LOG_FORMAT")),
];

const PREFIX: &str = "WINDROW_";
const CONFIG_VARIABLE: &str = "WINDROW_CONFIG";
/// Variables of the test suites, which the processes under test inherit.
const TEST_PREFIX: &str = "WINDROW_TEST_";

/// Why the settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The key, or the variable or file that is wrong as a whole.
    pub key: String,
    /// The variable or file it came from, where that is known.
    pub origin: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl Error {
    /// A setting that does not fit, by its key; the origin is added where it is known.
    pub fn at(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), origin: None, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "setting {} ({origin}): {}", self.key, self.message),
            None => write!(f, "setting {}: {}", self.key, self.message),
        }
    }
}
