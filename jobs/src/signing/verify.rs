//! Checks an archive, its signature and its provenance, with nothing but the public key: no server, no network.
//!
//! A file that differs by one byte from what was written fails: of an envelope that has been written another way too, though
//! it may say the same.

use std::io::{self, Read};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{VerifyingKey, pkcs8::DecodePublicKey};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Signature,
    dsse::{Envelope, IN_TOTO, encoding},
    local::name_of,
};
use crate::objects::hex;

/// What is read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether everything fits.
    pub verified: bool,
    /// SHA-256 of the archive.
    pub sha256: String,
    /// The signature over it: none where it fits.
    pub signature: Option<String>,
    /// The provenance: none where it fits.
    pub provenance: Option<String>,
    /// The key that signed, as the provenance names it.
    pub key: Option<String>,
    /// The job that made it, as the provenance tells.
    pub job: Option<String>,
}

/// Reads a public key in PEM.
pub fn key(pem: &str) -> Result<VerifyingKey, String> {
    VerifyingKey::from_public_key_pem(pem).map_err(|error| format!("no Ed25519 public key in PEM: {error}"))
}

/// Checks all three.
pub fn check(archive: impl Read, signature: &[u8], provenance: &[u8], key: &VerifyingKey) -> io::Result<Report> {
    let digest = digest(archive)?;
    let sha256 = hex(&digest);
    let signed = check_signature(&digest, signature, key);
    let stated = check_provenance(&sha256, provenance, key);
    let matched = match (&signed, &stated) {
        (Ok(signature), Ok(stated)) => same_key(signature, stated, key),
        _ => Ok(()),
    };
    let keyid = stated.as_ref().ok().map(|stated| stated.keyid.clone());
    let job = stated
        .as_ref()
        .ok()
        .and_then(|stated| stated.statement["predicate"]["runDetails"]["metadata"]["invocationId"].as_str().map(Into::into));
    let provenance = stated.err().or(matched.err());
    let signature = signed.err();
    Ok(Report { verified: signature.is_none() && provenance.is_none(), sha256, signature, provenance, key: keyid, job })
}

fn digest(mut archive: impl Read) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match archive.read(&mut chunk)? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&chunk[..length]),
        }
    }
}

fn check_signature(digest: &[u8], signature: &[u8], key: &VerifyingKey) -> Result<Signature, String> {
    let text = std::str::from_utf8(signature).ok().and_then(|text| text.strip_suffix('\n'));
    let signature: Signature = text.ok_or("the signature is not one line of text")?.parse()?;
    verify(key, digest, &signature.bytes).map_err(|()| "the signature is not this key's over this archive".to_owned())?;
    Ok(signature)
}

struct Stated {
    keyid: String,
    statement: Value,
}

fn check_provenance(sha256: &str, provenance: &[u8], key: &VerifyingKey) -> Result<Stated, String> {
    let envelope: Envelope = serde_json::from_slice(provenance).map_err(|error| format!("the provenance is no DSSE envelope: {error}"))?;
    if envelope.to_line() != provenance {
        return Err("the provenance is not written as Windrow writes it".into());
    }
    let [signed] = envelope.signatures.as_slice() else {
        return Err("the provenance has not one signature".into());
    };
    let base64 = |text: &str| STANDARD.decode(text).map_err(|error| format!("the provenance: {error}"));
    let (payload, signature) = (base64(&envelope.payload)?, base64(&signed.sig)?);
    if envelope.payload_type != IN_TOTO {
        return Err(format!("the provenance is no in-toto statement but {}", envelope.payload_type));
    }
    let signature = signature.try_into().map_err(|_| "the provenance's signature is not as long as one")?;
    verify(key, &encoding(&envelope.payload_type, &payload), &signature).map_err(|()| "the provenance is not signed by this key")?;
    let statement: Value = serde_json::from_slice(&payload).map_err(|error| format!("the provenance's statement: {error}"))?;
    let mut subjects = statement["subject"].as_array().into_iter().flatten();
    if !subjects.any(|subject| subject["digest"]["sha256"] == sha256) {
        return Err(format!("the provenance is of another archive: {}", statement["subject"]));
    }
    Ok(Stated { keyid: signed.keyid.clone(), statement })
}

/// The key's name is not signed where it stands, but within the statement too.
fn same_key(signature: &Signature, stated: &Stated, key: &VerifyingKey) -> Result<(), String> {
    let signer = stated.statement["predicate"]["buildDefinition"]["internalParameters"]["signer"].as_str();
    if signer != Some(stated.keyid.as_str()) {
        return Err(format!("the provenance is signed by {}, but says {}", stated.keyid, signer.unwrap_or("nothing")));
    }
    let prefix = format!("{}:v{}:", signature.scheme.as_str(), signature.version);
    let Some(name) = stated.keyid.strip_prefix(&prefix) else {
        return Err(format!("the archive is signed by {prefix}…, its provenance by {}", stated.keyid));
    };
    if signature.scheme == super::Scheme::Local && name != name_of(key) {
        return Err(format!("the provenance names the key {name}, and this one is {}", name_of(key)));
    }
    Ok(())
}

fn verify(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> Result<(), ()> {
    key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).map_err(|_| ())
}
