//! A key in a file: PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it, its public half beside it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use ed25519_dalek::{
    Signer, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, KeypairBytes, spki::der::pem::LineEnding},
};
use sha2::{Digest, Sha256};

use super::{Error, KeyName, Scheme, Signature, Signing};
use crate::{objects::hex, tenant::TenantId};

/// A key file never has another version: another key has another name.
const VERSION: u32 = 1;

/// Signs for all tenants with one key.
pub struct LocalKey(SigningKey);

impl LocalKey {
    /// Reads the key in this file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |error: String| format!("{}: {error}", path.display());
        let pem = fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
        SigningKey::from_pkcs8_pem(&pem).map(Self).map_err(|error| named(format!("no Ed25519 key as PKCS #8 in PEM: {error}")))
    }

    /// Reads the key in this file, or makes one there, its owner's alone, and its public half beside it.
    pub fn read_or_make(path: &Path) -> Result<Self, String> {
        if !path.exists() {
            make(path).or_else(there_already).map_err(|error| format!("making {}: {error}", path.display()))?;
        }
        let key = Self::read(path)?;
        let public = public_file(path);
        // Anew where a start was cut short in between.
        if !public.exists() {
            let pem = public_pem(&key.0.verifying_key());
            let written = whole(&public, pem.as_bytes(), 0o644);
            written.or_else(there_already).map_err(|error| format!("making {}: {error}", public.display()))?;
        }
        Ok(key)
    }

    /// Its public half.
    pub fn public(&self) -> VerifyingKey {
        self.0.verifying_key()
    }
}

fn make(path: &Path) -> io::Result<()> {
    // Without the public half, which older programs do not read there.
    let pair = KeypairBytes { secret_key: rand::random(), public_key: None };
    let pem = pair.to_pkcs8_pem(LineEnding::LF).map_err(|error| io::Error::other(error.to_string()))?;
    whole(path, pem.as_bytes(), 0o600)
}

/// Somebody else was quicker.
fn there_already(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

/// Writes a file that is there with all of its content or not at all, whenever this process is killed; never over another.
fn whole(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = folder.join(format!(".key-{:016x}", rand::random::<u64>()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        // Unlike a rename, this takes nobody's place.
        fs::hard_link(&beside, path)
    })();
    let _ = fs::remove_file(&beside);
    written?;
    fs::File::open(folder)?.sync_all()
}

/// Where the public half of the key in this file lies: `signing-key.pub.pem` beside `signing-key.pem`.
pub fn public_file(path: &Path) -> PathBuf {
    path.with_extension("pub.pem")
}

/// A public key in PEM.
pub fn public_pem(key: &VerifyingKey) -> String {
    key.to_public_key_pem(LineEnding::LF).expect("32 bytes have an encoding")
}

/// The name of a key that has none: the SHA-256 of its public half in DER.
pub fn name_of(key: &VerifyingKey) -> String {
    let der = key.to_public_key_der().expect("32 bytes have an encoding");
    hex(&Sha256::digest(der.as_bytes()))
}

#[async_trait]
impl Signing for LocalKey {
    async fn key(&self, _: &TenantId) -> Result<KeyName, Error> {
        let public = self.public();
        Ok(KeyName { scheme: Scheme::Local, name: name_of(&public), version: VERSION, public })
    }

    async fn sign(&self, _: &TenantId, _: &KeyName, message: &[u8]) -> Result<Signature, Error> {
        Ok(Signature { scheme: Scheme::Local, version: VERSION, bytes: self.0.sign(message).to_bytes() })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_key_is_made_once_for_its_owner_alone() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("signing-key.pem");
        let first = LocalKey::read_or_make(&path).expect("made");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        let public = fs::read_to_string(home.path().join("signing-key.pub.pem")).expect("its public half");
        assert_eq!(public, public_pem(&first.public()));
        let again = LocalKey::read_or_make(&path).expect("read");
        assert_eq!(again.public(), first.public());
        let tenant = TenantId::default_tenant();
        let key = again.key(&tenant).await.expect("a key");
        let signature = crate::signing::sign_checked(&again, &tenant, &key, b"hay").await.expect("signed");
        assert!(first.public().verify_strict(b"hay", &ed25519_dalek::Signature::from_bytes(&signature.bytes)).is_ok());
        assert_eq!(fs::read_dir(home.path()).expect("the folder").count(), 2, "nothing else is left");
        assert!(whole(&path, b"another", 0o600).is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists));
        fs::write(&path, "no key").expect("written");
        assert!(LocalKey::read_or_make(&path).err().is_some_and(|error| error.contains("PKCS #8")));
    }

    /// RFC 8032, section 7.1, test 2: <https://www.rfc-editor.org/rfc/rfc8032#section-7.1>.
    #[tokio::test]
    async fn signatures_are_those_of_the_rfc() {
        let bytes = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
        };
        let secret = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = LocalKey(SigningKey::from_bytes(&secret.try_into().expect("32 bytes")));
        let tenant = TenantId::default_tenant();
        let name = key.key(&tenant).await.expect("a key");
        let signature = key.sign(&tenant, &name, &[0x72]).await.expect("signed");
        let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(signature.bytes.to_vec(), bytes(expected));
    }
}
