//! Finds a tenant's data key: in the ledger, wrapped, by whatever master key is at hand.
//!
//! The api seals by it and reads it each time; workers open by it and keep it for a while (`open.rs`).

use std::sync::Arc;

use super::{
    ConnectionId, Sealed, Secrets,
    seal::{DataKey, Keyring, SealError},
};
use crate::{
    ledger::{self, Connections},
    tenant::TenantId,
};

/// Why secrets could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The master key is missing or another, or the bytes are.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The key that sealed them is not the tenant's any more.
    #[error("the key that sealed them was destroyed")]
    Gone,
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// The data keys of all tenants, behind the master keys of this process. Cheap to clone.
#[derive(Clone)]
pub struct TenantKeys {
    ledger: Arc<dyn Connections>,
    keyring: Keyring,
}

impl TenantKeys {
    /// Those of this ledger, by these master keys.
    pub fn new(ledger: Arc<dyn Connections>, keyring: Keyring) -> Self {
        Self { ledger, keyring }
    }

    /// The tenant's key, made if it has none. Of several made at once the one that the ledger kept.
    pub async fn get_or_make(&self, tenant: &TenantId) -> Result<DataKey, KeyError> {
        if let Some(key) = self.get(tenant).await? {
            return Ok(key);
        }
        let (_, wrapped) = self.keyring.make(tenant)?;
        let standing = self.ledger.keep_tenant_key(wrapped).await?;
        Ok(self.keyring.unwrap(&standing)?)
    }

    /// The tenant's key.
    pub async fn get(&self, tenant: &TenantId) -> Result<Option<DataKey>, KeyError> {
        let wrapped = self.ledger.tenant_key(tenant).await?;
        Ok(wrapped.map(|wrapped| self.keyring.unwrap(&wrapped)).transpose()?)
    }

    /// Seals the secrets of a connection; nothing where there are none.
    pub async fn seal(&self, tenant: &TenantId, id: ConnectionId, secrets: &Secrets) -> Result<Option<Sealed>, KeyError> {
        if secrets.0.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.get_or_make(tenant).await?.seal(tenant, id, secrets)))
    }

    /// Opens the secrets of a connection; none where there are none.
    pub async fn open(&self, tenant: &TenantId, id: ConnectionId, sealed: Option<&Sealed>) -> Result<Secrets, KeyError> {
        let Some(sealed) = sealed else { return Ok(Secrets::default()) };
        let key = self.get(tenant).await?.filter(|key| key.id == sealed.key).ok_or(KeyError::Gone)?;
        Ok(key.open(tenant, id, sealed)?)
    }
}
