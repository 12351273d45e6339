//! Signing what builds make, with Ed25519: a key in a file, or one that never leaves Vault.
//!
//! A signature is one line of text, `<scheme>:v<key's version>:<base64>`, as Vault's Transit writes it; what is signed is
//! the raw SHA-256 of a file, or the encoding of an envelope (`dsse.rs`). Next: `local.rs`, `vault.rs`, and `verify.rs`,
//! which needs neither.

pub mod dsse;
pub mod local;
pub mod vault;
pub mod verify;

use std::{fmt, str::FromStr};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{SIGNATURE_LENGTH, VerifyingKey};

use crate::tenant::TenantId;

/// Why something could not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Whoever signs cannot be reached or is not ready; trying again later may help.
    #[error("signing is not available: {0}")]
    Unavailable(String),
    /// Whoever signs will not, until an operator changes something.
    #[error("signing was refused: {0}")]
    Refused(String),
}

/// Who holds the private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// A file.
    Local,
    /// Vault's Transit.
    Vault,
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "ed25519",
            Self::Vault => "vault",
        }
    }
}

/// A key, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName {
    /// Who holds it.
    pub scheme: Scheme,
    /// The key, as verifiers know it.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its public half.
    pub public: VerifyingKey,
}

impl KeyName {
    /// `<scheme>:v<version>:<name>`: the `keyid` of an envelope.
    pub fn id(&self) -> String {
        format!("{}:v{}:{}", self.scheme.as_str(), self.version, self.name)
    }
}

/// A signature, and by which version of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Who holds the key.
    pub scheme: Scheme,
    /// The key's version.
    pub version: u32,
    /// The signature itself (RFC 8032).
    pub bytes: [u8; SIGNATURE_LENGTH],
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:v{}:{}", self.scheme.as_str(), self.version, STANDARD.encode(self.bytes))
    }
}

impl FromStr for Signature {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("a signature is like vault:v1:<base64>, not {:?}", text.chars().take(100).collect::<String>());
        let mut parts = text.splitn(3, ':');
        let (scheme, version, bytes) = (parts.next(), parts.next(), parts.next());
        let scheme = [Scheme::Local, Scheme::Vault].into_iter().find(|known| scheme == Some(known.as_str())).ok_or_else(malformed)?;
        let version = version.and_then(|version| version.strip_prefix('v')?.parse().ok()).ok_or_else(malformed)?;
        let bytes = bytes.and_then(|bytes| STANDARD.decode(bytes).ok()?.try_into().ok()).ok_or_else(malformed)?;
        let signature = Self { scheme, version, bytes };
        // One signature is written one way only.
        if signature.to_string() == text { Ok(signature) } else { Err(malformed()) }
    }
}

/// Signs for tenants.
#[async_trait]
pub trait Signing: Send + Sync {
    /// The key that signs for this tenant now.
    async fn key(&self, tenant: &TenantId) -> Result<KeyName, Error>;

    /// Signs with that version of the key.
    async fn sign(&self, tenant: &TenantId, key: &KeyName, message: &[u8]) -> Result<Signature, Error>;
}

/// Signs, and makes sure that the signature is what the key's public half says: of what is not, nothing is kept.
pub async fn sign_checked(signing: &dyn Signing, tenant: &TenantId, key: &KeyName, message: &[u8]) -> Result<Signature, Error> {
    let signature = signing.sign(tenant, key, message).await?;
    let fits = (signature.scheme, signature.version) == (key.scheme, key.version)
        && key.public.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.bytes)).is_ok();
    if fits { Ok(signature) } else { Err(Error::Refused(format!("what {} signed does not fit its public key", key.id()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_written_one_way_only() {
        let signature = Signature { scheme: Scheme::Vault, version: 12, bytes: [7; SIGNATURE_LENGTH] };
        let text = signature.to_string();
        assert!(text.starts_with("vault:v12:BwcH") && text.ends_with("Bw=="), "{text}");
        assert_eq!(text.parse(), Ok(signature));
        let changed = [
            text.replace("v12", "v012"),
            text.replace("==", ""),
            text.replace("Bw==", "Bx=="),
            format!("{text} "),
            text.replace("vault", "Vault"),
        ];
        for changed in changed {
            assert!(changed.parse::<Signature>().is_err(), "{changed}");
        }
    }
}
