//! Opens connections for the handlers of a worker, and keeps what came of using them.
//!
//! A tenant's data key is kept unwrapped for [`KEY_KEPT`]: so long may a worker still open what a destroyed key sealed, if it
//! read the row before. Nothing else of a connection is kept here: each opening reads its row.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::{
    Access, AccessError, Connection, ConnectionId, ConnectionState, HookKey, Opened, Secrets, Stored, TOKEN_REFUSED, Used,
    catalog::{self, oauth2::REFRESH_TOKEN},
    keys::{KeyError, TenantKeys},
    seal::{DataKey, Keyring, SealError},
};
use crate::{
    hook::{Hook, hash_of, verify::key_of},
    ledger::{self, Connections},
    pace,
    tenant::TenantId,
};

/// How long a data key is kept unwrapped.
pub const KEY_KEPT: Duration = Duration::from_secs(60);
/// How often a connection's use is noted.
pub const NOTED_EVERY: Duration = Duration::from_secs(60);
/// Tenants and connections that are remembered; past that all are forgotten, and read again.
const REMEMBERED_MAX: usize = 10_000;
/// How often a report is decided anew because the connection changed meanwhile.
const LOOKS_MAX: usize = 5;

/// The connections of a ledger, opened by the master keys of this process.
pub struct Opener {
    ledger: Arc<dyn Connections>,
    keys: TenantKeys,
    kept: Mutex<HashMap<TenantId, (Instant, DataKey)>>,
    noted: Mutex<HashMap<ConnectionId, Instant>>,
}

impl Opener {
    /// For the connections of this ledger.
    pub fn new(ledger: Arc<dyn Connections>, keyring: Keyring) -> Self {
        Self { keys: TenantKeys::new(ledger.clone(), keyring), ledger, kept: Mutex::default(), noted: Mutex::default() }
    }

    async fn find(&self, tenant: &TenantId, name: &str) -> Result<Connection, AccessError> {
        let found = self.ledger.connection(tenant, name).await?;
        found.ok_or_else(|| AccessError::Unknown(name.to_owned()))
    }

    async fn opened(&self, connection: Connection) -> Result<Opened, AccessError> {
        let secrets = self.secrets(&connection).await?;
        self.note(&connection).await?;
        let config = match catalog::provider(&connection.provider) {
            Some(provider) => provider.with_defaults(connection.facts.config),
            None => connection.facts.config,
        };
        Ok(Opened {
            id: connection.id,
            tenant: connection.tenant,
            name: connection.name,
            provider: connection.provider,
            generation: connection.facts.generation,
            config,
            secrets,
        })
    }

    async fn secrets(&self, connection: &Connection) -> Result<Secrets, AccessError> {
        let lost = || AccessError::Sealed(connection.name.clone());
        if connection.is_shredded() {
            return Err(lost());
        }
        let Some(sealed) = &connection.sealed else { return Ok(Secrets::default()) };
        let tenant = &connection.tenant;
        let key = match self.kept(tenant).filter(|key| key.id == sealed.key) {
            Some(key) => key,
            None => self.read_key(tenant, &connection.name).await?.filter(|key| key.id == sealed.key).ok_or_else(lost)?,
        };
        key.open(tenant, connection.id, sealed).map_err(|error| {
            tracing::error!(connection = %connection.id, %tenant, %error, "secrets do not open");
            lost()
        })
    }

    fn kept(&self, tenant: &TenantId) -> Option<DataKey> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(tenant).filter(|(since, _)| since.elapsed() < KEY_KEPT).map(|(_, key)| key.clone())
    }

    async fn read_key(&self, tenant: &TenantId, name: &str) -> Result<Option<DataKey>, AccessError> {
        let key = match self.keys.get(tenant).await {
            Ok(key) => key,
            Err(KeyError::Ledger(error)) => return Err(error.into()),
            Err(KeyError::Seal(SealError::Damaged(_)) | KeyError::Gone) => return Err(AccessError::Sealed(name.to_owned())),
            Err(KeyError::Seal(error)) => {
                return Err(AccessError::Locked { name: name.to_owned(), reason: error.to_string() });
            }
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (since, _)| since.elapsed() < KEY_KEPT);
        if kept.len() >= REMEMBERED_MAX {
            kept.clear();
        }
        if let Some(key) = &key {
            kept.insert(tenant.clone(), (Instant::now(), key.clone()));
        }
        Ok(key)
    }

    /// Whether a refusal is of a refresh token that another has replaced meanwhile: it says nothing of the new one.
    async fn has_newer(&self, standing: &Connection, opened: &Opened, used: &Used) -> ledger::Result<bool> {
        let (Used::Refused(error), Some(shown)) = (used, opened.secrets.get(REFRESH_TOKEN)) else { return Ok(false) };
        if error.code != TOKEN_REFUSED {
            return Ok(false);
        }
        match self.keys.open(&standing.tenant, standing.id, standing.sealed.as_ref()).await {
            Ok(secrets) => Ok(secrets.get(REFRESH_TOKEN) != Some(shown)),
            Err(KeyError::Ledger(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Notes the use, unless this process did so a moment ago.
    async fn note(&self, connection: &Connection) -> ledger::Result<()> {
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.get(&connection.id).is_some_and(|at| at.elapsed() < NOTED_EVERY) {
                return Ok(());
            }
            if noted.len() >= REMEMBERED_MAX {
                noted.clear();
            }
            noted.insert(connection.id, Instant::now());
        }
        self.ledger.touch_connection(&connection.tenant, connection.id).await
    }
}

#[async_trait]
impl Access for Opener {
    async fn open(&self, tenant: &TenantId, name: &str) -> Result<Opened, AccessError> {
        let connection = self.find(tenant, name).await?;
        let closed = |state, reason: &str| AccessError::Closed { name: name.to_owned(), state, reason: reason.to_owned() };
        match connection.facts.state {
            ConnectionState::Pending | ConnectionState::Active => self.opened(connection).await,
            ConnectionState::Disabled => Err(closed("disabled", "it was switched off by hand")),
            ConnectionState::Error => {
                let reason = connection.facts.error.as_ref().map_or("the provider refused it", |error| error.message.as_str());
                Err(closed("in error", reason))
            }
        }
    }

    async fn open_to_test(&self, tenant: &TenantId, name: &str) -> Result<Opened, AccessError> {
        let connection = self.find(tenant, name).await?;
        if connection.facts.state == ConnectionState::Disabled {
            let reason = "it was switched off by hand".to_owned();
            return Err(AccessError::Closed { name: name.to_owned(), state: "disabled", reason });
        }
        self.opened(connection).await
    }

    async fn report(&self, opened: &Opened, used: Used) -> ledger::Result<()> {
        let used = match used {
            Used::Refused(error) => Used::Refused(opened.secrets.redact_error(error)),
            used => used,
        };
        for look in 0..LOOKS_MAX {
            let Some(standing) = self.ledger.connection(&opened.tenant, &opened.name).await? else { return Ok(()) };
            if self.has_newer(&standing, opened, &used).await? {
                return Ok(());
            }
            let Some(change) = (standing.id == opened.id).then(|| standing.reported(opened.generation, &used)).flatten() else {
                return Ok(());
            };
            // Another has said the same since the first look: many tests at once would contend for nothing.
            if look > 0 && change.facts == standing.facts {
                return Ok(());
            }
            match self.ledger.change_connection(&opened.tenant, opened.id, standing.version, change).await? {
                Stored::Stale => {}
                _ => return Ok(()),
            }
        }
        Err(contended(opened.id))
    }

    async fn take_turn(&self, opened: &Opened, apart_us: i64, patience_us: i64) -> Result<pace::Turn, AccessError> {
        let turn = self.ledger.take_turn(&opened.tenant, opened.id, apart_us, patience_us).await?;
        turn.ok_or_else(|| AccessError::Unknown(opened.name.clone()))
    }

    async fn replaced(&self, opened: &Opened, secret: &str, before: &str, after: &str) -> ledger::Result<()> {
        for _ in 0..LOOKS_MAX {
            let Some(standing) = self.ledger.connection(&opened.tenant, &opened.name).await? else { return Ok(()) };
            if standing.id != opened.id {
                return Ok(());
            }
            let mut secrets = match self.keys.open(&standing.tenant, standing.id, standing.sealed.as_ref()).await {
                Ok(secrets) if secrets.get(secret) == Some(before) => secrets,
                // Another has replaced it meanwhile, or the key is gone.
                Ok(_) | Err(KeyError::Gone) => return Ok(()),
                Err(error) => return Err(unsealed(error)),
            };
            secrets.0.insert(secret.to_owned(), after.to_owned());
            let sealed = self.keys.seal(&standing.tenant, standing.id, &secrets).await.map_err(unsealed)?;
            let Some(change) = sealed.and_then(|sealed| standing.rotated(opened.generation, sealed)) else { return Ok(()) };
            match self.ledger.change_connection(&opened.tenant, opened.id, standing.version, change).await? {
                Stored::Stale => {}
                _ => return Ok(()),
            }
        }
        Err(contended(opened.id))
    }

    async fn hook_key(&self, hook: &Hook, name: &str) -> Result<HookKey, AccessError> {
        let fits = |key: DataKey| Some(key_of(&key, hook)).filter(|key| hash_of(&key.token) == hook.token);
        if let Some(key) = self.kept(&hook.tenant).and_then(fits) {
            return Ok(key);
        }
        self.read_key(&hook.tenant, name).await?.and_then(fits).ok_or_else(|| AccessError::HookLost(name.to_owned()))
    }
}

fn contended(id: ConnectionId) -> ledger::Error {
    ledger::Error::Unavailable(format!("connection {id} changed under every look"))
}

fn unsealed(error: KeyError) -> ledger::Error {
    match error {
        KeyError::Ledger(error) => error,
        other => ledger::Error::Unavailable(other.to_string()),
    }
}
