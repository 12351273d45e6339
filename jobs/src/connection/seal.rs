//! Sealing: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) under keys that are zeroed when they go.
//!
//! Two layers. A tenant has one random *data key*, which seals the secrets of its connections; a *master key* of the platform
//! wraps it. The master key itself, which also signs links, never encrypts: a key derived from it for this one purpose does.
//! What is sealed says for whom in its associated data, so that no row opens in another's place.
//! Bytes: `1` (this format), 24 of nonce, the ciphertext, 16 of tag. Next: `keys.rs`, which finds the key.

use std::{collections::BTreeMap, fmt};

use chacha20poly1305::{
    AeadCore, KeyInit, XChaCha20Poly1305,
    aead::{Aead, OsRng, Payload},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{ConnectionId, Sealed, Secrets, TenantKey};
use crate::{settings::MasterKeys, tenant::TenantId};

/// The format of everything sealed here.
const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;
/// What the master key wraps with must never pass for what it signs links with.
const WRAPPING: &[u8] = b"windrow tenant key wrapping v1\n";
/// What a hook's token is derived by, and what signs that its events are passed on.
const HOOK: &str = "windrow hook token v1";
const FORWARD: &str = "windrow hook forward secret v1";
/// What names a master key without telling anything of it.
const NAMING: &[u8] = b"windrow master key id v1\n";
/// Bytes of a master key's id: enough that no two of an operator's are alike.
const ID_BYTES: usize = 8;

/// Why something sealed could not be opened, or nothing could be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no master key.
    #[error("this process has no master key (secrets.master_key, secrets.master_key_file)")]
    NoMaster,
    /// Another master key wrapped the tenant's key.
    #[error("the key of tenant {tenant} is wrapped by master key {by}; this process has {has}")]
    OtherMaster {
        /// Whose key.
        tenant: TenantId,
        /// The master key that wraps it, by its id.
        by: String,
        /// Those that are here, by their ids.
        has: String,
    },
    /// It is not what was sealed under this key for this place.
    #[error("what is sealed for {0} does not open: it is damaged, or another's")]
    Damaged(String),
}

/// The master keys of a process: the first wraps, every one unwraps. Cheap to clone.
#[derive(Clone, Default)]
pub struct Keyring(std::sync::Arc<[Master]>);

struct Master {
    id: String,
    wrapping: Zeroizing<[u8; KEY_BYTES]>,
}

/// A tenant's data key.
#[derive(Clone)]
pub struct DataKey {
    /// Which.
    pub id: Uuid,
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl Keyring {
    /// The keyring of these master keys.
    pub fn new(keys: &MasterKeys) -> Self {
        Self(keys.iter().map(|key| Master::of(key.as_str().as_bytes())).collect())
    }

    /// The id of the key that wraps; none where there is none.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(|master| master.id.as_str())
    }

    /// The ids of its keys, the one that wraps first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|master| master.id.as_str())
    }

    /// A new data key for this tenant, and the same wrapped.
    pub fn make(&self, tenant: &TenantId) -> Result<(DataKey, TenantKey), SealError> {
        let key = DataKey::generate();
        let wrapped = self.wrap(tenant, &key)?;
        Ok((key, wrapped))
    }

    /// The data key that is wrapped.
    pub fn unwrap(&self, wrapped: &TenantKey) -> Result<DataKey, SealError> {
        let Some(master) = self.0.iter().find(|master| master.id == wrapped.master) else {
            let has: Vec<&str> = self.ids().collect();
            return Err(match has.as_slice() {
                [] => SealError::NoMaster,
                has => SealError::OtherMaster { tenant: wrapped.tenant.clone(), by: wrapped.master.clone(), has: has.join(", ") },
            });
        };
        let damaged = || SealError::Damaged(format!("tenant {}", wrapped.tenant));
        let opened = open(&master.wrapping, &wrapped.wrapped, &key_place(&wrapped.tenant, wrapped.id)).ok_or_else(damaged)?;
        let key = <[u8; KEY_BYTES]>::try_from(opened.as_slice()).map_err(|_| damaged())?;
        Ok(DataKey { id: wrapped.id, key: Zeroizing::new(key) })
    }

    /// The same key wrapped by the first master key; none where it is already.
    pub fn rewrapped(&self, wrapped: &TenantKey) -> Result<Option<TenantKey>, SealError> {
        if self.first() == Some(wrapped.master.as_str()) {
            return Ok(None);
        }
        self.wrap(&wrapped.tenant, &self.unwrap(wrapped)?).map(Some)
    }

    fn wrap(&self, tenant: &TenantId, key: &DataKey) -> Result<TenantKey, SealError> {
        let master = self.0.first().ok_or(SealError::NoMaster)?;
        let wrapped = seal(&master.wrapping, key.key.as_slice(), &key_place(tenant, key.id));
        Ok(TenantKey { tenant: tenant.clone(), id: key.id, wrapped, master: master.id.clone() })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.ids()).finish()
    }
}

impl Master {
    fn of(key: &[u8]) -> Self {
        let id = derived(key, NAMING)[..ID_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { id, wrapping: derived(key, WRAPPING) }
    }
}

/// One step of HKDF (RFC 5869) would say the same: the master key is as good as random, and one block is enough.
fn derived(master_key: &[u8], purpose: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mac = <Hmac<Sha256> as Mac>::new_from_slice(master_key).expect("HMAC takes keys of any length");
    Zeroizing::new(mac.chain_update(purpose).finalize().into_bytes().into())
}

impl DataKey {
    fn generate() -> Self {
        let key = Zeroizing::new(XChaCha20Poly1305::generate_key(OsRng).into());
        Self { id: Uuid::new_v4(), key }
    }

    /// Seals the secrets of a connection.
    pub fn seal(&self, tenant: &TenantId, id: ConnectionId, secrets: &Secrets) -> Sealed {
        let text = Zeroizing::new(serde_json::to_vec(&secrets.0).expect("text by name has a JSON form"));
        Sealed { key: self.id, bytes: seal(&self.key, &text, &secrets_place(tenant, id)) }
    }

    /// Opens the secrets of a connection.
    pub fn open(&self, tenant: &TenantId, id: ConnectionId, sealed: &Sealed) -> Result<Secrets, SealError> {
        let damaged = || SealError::Damaged(format!("connection {id}"));
        let text = open(&self.key, &sealed.bytes, &secrets_place(tenant, id)).ok_or_else(damaged)?;
        serde_json::from_slice::<BTreeMap<String, String>>(&text).map(Secrets).map_err(|_| damaged())
    }

    /// The token of a connection's hook: whoever has this key and the salt can say it again.
    pub fn hook_token(&self, tenant: &TenantId, id: ConnectionId, salt: Uuid) -> String {
        derived(self.key.as_slice(), hook_place(HOOK, tenant, id, salt).as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The key by which events of a connection's hook are signed when they are passed on.
    pub fn forward_key(&self, tenant: &TenantId, id: ConnectionId, salt: Uuid) -> Zeroizing<[u8; KEY_BYTES]> {
        derived(self.key.as_slice(), hook_place(FORWARD, tenant, id, salt).as_bytes())
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.id)
    }
}

/// For whom a wrapped key is. No name of a tenant has a line break.
fn key_place(tenant: &TenantId, id: Uuid) -> String {
    format!("windrow tenant key v1\n{tenant}\n{id}")
}

/// For which hook something is derived.
fn hook_place(purpose: &str, tenant: &TenantId, id: ConnectionId, salt: Uuid) -> String {
    format!("{purpose}\n{tenant}\n{id}\n{salt}")
}

/// For whom sealed secrets are. The generation is not in it: switching a connection off, which counts as an edit, needs no key.
fn secrets_place(tenant: &TenantId, id: ConnectionId) -> String {
    format!("windrow connection secrets v1\n{tenant}\n{id}")
}

fn seal(key: &[u8; KEY_BYTES], text: &[u8], place: &str) -> Vec<u8> {
    // Random: 192 bits do not meet again, however many processes seal.
    let nonce: [u8; NONCE_BYTES] = XChaCha20Poly1305::generate_nonce(OsRng).into();
    let payload = Payload { msg: text, aad: place.as_bytes() };
    let sealed = XChaCha20Poly1305::new(key.into()).encrypt(&nonce.into(), payload).expect("secrets are shorter than 256 GiB");
    [&[FORMAT], nonce.as_slice(), &sealed].concat()
}

fn open(key: &[u8; KEY_BYTES], bytes: &[u8], place: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (&format, rest) = bytes.split_first()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
    if format != FORMAT {
        return None;
    }
    let payload = Payload { msg: sealed, aad: place.as_bytes() };
    XChaCha20Poly1305::new(key.into()).decrypt(nonce.into(), payload).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests;
