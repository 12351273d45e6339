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
    dsse::{Envelope, IN_TOTO, PROVENANCE, STATEMENT, encoding},
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
    /// Whose job that was, as the provenance tells.
    pub tenant: Option<String>,
}

/// What somebody who checks knows already; nothing of it need be given.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'e> {
    /// Whose it is.
    pub tenant: Option<&'e str>,
}

/// Reads a public key in PEM.
pub fn key(pem: &str) -> Result<VerifyingKey, String> {
    VerifyingKey::from_public_key_pem(pem).map_err(|error| format!("no Ed25519 public key in PEM: {error}"))
}

/// Checks all three.
pub fn check(archive: impl Read, signature: &[u8], provenance: &[u8], key: &VerifyingKey, expected: Expected<'_>) -> io::Result<Report> {
    let digest = digest(archive)?;
    let sha256 = hex(&digest);
    let signed = check_signature(&digest, signature, key);
    let stated = check_provenance(&sha256, provenance, key, expected);
    let matched = match (&signed, &stated) {
        (Ok(signature), Ok(stated)) => same_key(signature, stated, key),
        _ => Ok(()),
    };
    let keyid = stated.as_ref().ok().map(|stated| stated.keyid.clone());
    let job = stated
        .as_ref()
        .ok()
        .and_then(|stated| stated.statement["predicate"]["runDetails"]["metadata"]["invocationId"].as_str().map(Into::into));
    let tenant = stated.as_ref().ok().and_then(|stated| tenant_of(&stated.statement)).map(Into::into);
    let provenance = stated.err().or(matched.err());
    let signature = signed.err();
    Ok(Report { verified: signature.is_none() && provenance.is_none(), sha256, signature, provenance, key: keyid, job, tenant })
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

fn check_provenance(sha256: &str, provenance: &[u8], key: &VerifyingKey, expected: Expected<'_>) -> Result<Stated, String> {
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
    check_statement(&statement, sha256, expected)?;
    Ok(Stated { keyid: signed.keyid.clone(), statement })
}

fn check_statement(statement: &Value, sha256: &str, expected: Expected<'_>) -> Result<(), String> {
    for (field, wanted) in [("_type", STATEMENT), ("predicateType", PROVENANCE)] {
        if statement[field] != wanted {
            return Err(format!("the provenance's {field} is {}, not {wanted}", statement[field]));
        }
    }
    let subjects = statement["subject"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [subject] = subjects else {
        return Err(format!("the provenance is not of one archive but of {}", subjects.len()));
    };
    if subject["digest"]["sha256"] != sha256 {
        return Err(format!("the provenance is of another archive: {}", statement["subject"]));
    }
    // Its name is not compared: a file is called what its downloader calls it.
    let tenant = tenant_of(statement);
    match expected.tenant.filter(|wanted| tenant != Some(wanted)) {
        Some(wanted) => Err(format!("the archive is tenant {}'s, not {wanted}'s", tenant.unwrap_or("nobody"))),
        None => Ok(()),
    }
}

fn tenant_of(statement: &Value) -> Option<&str> {
    statement["predicate"]["buildDefinition"]["internalParameters"]["tenant"].as_str()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_must_be_what_it_is_taken_for() {
        let internal = json!({ "internalParameters": { "tenant": "acme" } });
        let good = json!({ "_type": STATEMENT, "predicateType": PROVENANCE, "subject": [{ "name": "a.zst", "digest": { "sha256": "00" } }],
            "predicate": { "buildDefinition": internal } });
        let with = |field: &str, value: Value| {
            let mut statement = good.clone();
            statement[field] = value;
            statement
        };
        let expected = |tenant| Expected { tenant };
        let all = expected(Some("acme"));
        assert_eq!(check_statement(&good, "00", all), Ok(()));
        assert_eq!(check_statement(&good, "00", Expected::default()), Ok(()));
        let twice = json!([good["subject"][0], good["subject"][0]]);
        let bad = [
            (with("_type", json!("x")), "00", all, "_type"),
            (with("predicateType", json!("x")), "00", all, "predicateType"),
            (with("subject", json!([])), "00", all, "not of one archive"),
            (with("subject", twice), "00", all, "not of one archive"),
            (with("predicate", json!({})), "00", all, "tenant nobody's, not acme's"),
            (good.clone(), "11", all, "another archive"),
            (good.clone(), "00", expected(Some("beta")), "tenant acme's, not beta's"),
        ];
        for (statement, sha256, expected, message) in bad {
            let error = check_statement(&statement, sha256, expected).expect_err(message);
            assert!(error.contains(message), "{error}");
        }
    }
}
