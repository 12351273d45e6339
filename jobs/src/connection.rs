//! A tenant's configured access to a provider: where it is, and the secrets that open it. Payloads name one; they never carry
//! secrets.
//!
//! A handler opens a connection through its context ([`Access`]) and says what came of using it. How a connection stands is
//! decided in `connection/decide.rs` and kept by the ledger's role `Connections`.

#[cfg(feature = "handlers")]
pub mod caller;
pub mod catalog;
mod decide;
#[cfg(feature = "outbound")]
pub mod door;
#[cfg(feature = "secrets")]
pub mod keys;
#[cfg(feature = "secrets")]
pub mod open;
#[cfg(feature = "handlers")]
mod rate;
mod record;
mod redact;
#[cfg(feature = "secrets")]
pub mod seal;
#[cfg(feature = "handlers")]
pub(crate) mod turns;

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::{
    decide::{ConnectionEdit, SECRETS_UNREADABLE, TOKEN_REFUSED},
    record::{Change, Connection, Facts, NewConnection, Sealed, Stored, TenantKey},
    redact::Hidden,
};
use crate::{hook::Hook, job::JobError, ledger, pace, tenant::TenantId};

/// The longest name of a connection, in bytes.
pub const NAME_BYTES_MAX: usize = 63;
/// The most connections of a tenant: the loss of its key reads them all in one transaction.
pub const CONNECTIONS_MAX: usize = 500;

/// A connection's id: a UUIDv7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = "uuid"))]
pub struct ConnectionId(pub Uuid);

impl ConnectionId {
    /// A new id.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ConnectionState {
    /// Not tested yet.
    Pending,
    /// Tested, and good.
    Active,
    /// The provider refused it.
    Error,
    /// Switched off by hand.
    Disabled,
}

/// A connection that was opened: what a handler needs to talk to the provider.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Which.
    pub id: ConnectionId,
    /// Whose.
    pub tenant: TenantId,
    /// Its name within the tenant.
    pub name: String,
    /// The provider, of the catalogue.
    pub provider: String,
    /// Counts the edits of its configuration and secrets: what is cached of one is of no use to the next.
    pub generation: u32,
    /// Its configuration, valid by the provider's schema, defaults filled in.
    pub config: serde_json::Value,
    /// Its secrets.
    pub secrets: Secrets,
}

/// Secrets by name. Never shown; zeroed when they go, where the feature `secrets` is on.
#[derive(Clone, Default)]
pub struct Secrets(pub BTreeMap<String, String>);

impl Secrets {
    /// The secret of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(feature = "secrets")]
impl Drop for Secrets {
    fn drop(&mut self) {
        self.0.values_mut().for_each(zeroize::Zeroize::zeroize);
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a connection cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The tenant has none of this name.
    #[error("there is no connection {0}")]
    Unknown(String),
    /// It is of another provider than the handler speaks to.
    #[error("the connection {name} is of provider {provider}; {wanted} is needed")]
    OtherProvider {
        /// The connection.
        name: String,
        /// Its provider.
        provider: String,
        /// What is needed.
        wanted: String,
    },
    /// It is not to be used: disabled, or refused by the provider.
    #[error("the connection {name} is {state}: {reason}")]
    Closed {
        /// The connection.
        name: String,
        /// `disabled` or `in error`.
        state: &'static str,
        /// The last error, or who switched it off.
        reason: String,
    },
    /// Its secrets are lost: the tenant's key was destroyed.
    #[error("the secrets of {0} cannot be read: give it new ones")]
    Sealed(String),
    /// This process cannot read its secrets, as it lacks the master key: nothing is lost, and another worker may.
    #[error("the secrets of {name} cannot be read here: {reason}")]
    Locked {
        /// The connection.
        name: String,
        /// What is missing.
        reason: String,
    },
    /// The key that its hook's token is derived from was destroyed.
    #[error("the hook of {0} cannot be said again: make it anew by POST …/hook")]
    HookLost(String),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

impl AccessError {
    /// The same as a job's error. What a person must mend is worth another attempt only where that may have been done meanwhile.
    pub fn as_job_error(&self) -> JobError {
        let (code, retryable) = match self {
            Self::Unknown(_) => ("connection_unknown", false),
            Self::OtherProvider { .. } => ("connection_other_provider", false),
            Self::Closed { .. } => ("connection_closed", true),
            Self::Sealed(_) => (SECRETS_UNREADABLE, true),
            Self::Locked { .. } => ("master_key_missing", true),
            Self::HookLost(_) => ("hook_lost", true),
            Self::Ledger(_) => ("ledger_unavailable", true),
        };
        JobError::new(code, self.to_string(), retryable)
    }
}

/// What came of using a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Used {
    /// The provider let it in.
    Well,
    /// Its test passed.
    Tested,
    /// The provider refuses it: it goes to `error` until somebody mends or tests it.
    Refused(JobError),
}

/// Opens connections for handlers.
#[async_trait]
pub trait Access: Send + Sync {
    /// Opens the tenant's connection of this name. A pending one opens too; one that is disabled or in error does not.
    async fn open(&self, tenant: &TenantId, name: &str) -> Result<Opened, AccessError>;

    /// The same for a test, to which one in error opens as well.
    async fn open_to_test(&self, tenant: &TenantId, name: &str) -> Result<Opened, AccessError>;

    /// Says what came of it. Ignored where the connection was edited since.
    async fn report(&self, opened: &Opened, used: Used) -> ledger::Result<()>;

    /// Takes a place in the row of calls that go through a connection, which are `apart_us` from each other, unless it would be longer than
    /// `patience_us` until then.
    async fn take_turn(&self, opened: &Opened, apart_us: i64, patience_us: i64) -> Result<pace::Turn, AccessError>;

    /// Keeps a secret that the provider itself has replaced, in the place of `before`. No edit: what is cached of the
    /// connection stays good. Ignored where `before` is not what stands there.
    async fn replaced(&self, opened: &Opened, secret: &str, before: &str, after: &str) -> ledger::Result<()>;

    /// What opens the hook of this name's connection, which the ledger knows by a hash alone.
    async fn hook_key(&self, hook: &Hook, name: &str) -> Result<HookKey, AccessError>;
}

/// What a hook is told by, and what signs its events when they are passed on.
#[derive(Clone)]
pub struct HookKey {
    /// The token of its URL.
    pub token: String,
    /// A Standard Webhooks secret.
    pub forward_secret: String,
}

impl fmt::Debug for HookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookKey")
    }
}

/// For workers without connections: there are none.
pub struct NoAccess;

#[async_trait]
impl Access for NoAccess {
    async fn open(&self, _: &TenantId, name: &str) -> Result<Opened, AccessError> {
        Err(AccessError::Unknown(name.to_owned()))
    }

    async fn open_to_test(&self, tenant: &TenantId, name: &str) -> Result<Opened, AccessError> {
        self.open(tenant, name).await
    }

    async fn report(&self, _: &Opened, _: Used) -> ledger::Result<()> {
        Ok(())
    }

    async fn take_turn(&self, opened: &Opened, _: i64, _: i64) -> Result<pace::Turn, AccessError> {
        Err(AccessError::Unknown(opened.name.clone()))
    }

    async fn replaced(&self, _: &Opened, _: &str, _: &str, _: &str) -> ledger::Result<()> {
        Ok(())
    }

    async fn hook_key(&self, _: &Hook, name: &str) -> Result<HookKey, AccessError> {
        Err(AccessError::Unknown(name.to_owned()))
    }
}
