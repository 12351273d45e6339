//! A signed statement: DSSE 1.0 (<https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md>).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// The media type of in-toto statements within an envelope.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// What a statement in it is.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// What is stated.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// A payload with its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The payload, in base64.
    pub payload: String,
    /// What it is.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// Who signed it.
    pub signatures: Vec<Signed>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// By which key.
    pub keyid: String,
    /// The signature, in base64.
    pub sig: String,
}

impl Envelope {
    /// A payload with one signature.
    pub fn new(payload: &[u8], payload_type: &str, keyid: String, signature: &[u8]) -> Self {
        let signed = Signed { keyid, sig: STANDARD.encode(signature) };
        Self { payload: STANDARD.encode(payload), payload_type: payload_type.to_owned(), signatures: vec![signed] }
    }

    /// As one line of JSON.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("an envelope is JSON by its types");
        line.push(b'\n');
        line
    }
}

/// What is signed: the pre-authentication encoding of a payload and its type.
pub fn encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vector of protocol.md, v1.0.0, "Test Vectors" (read 2026-11-21).
    #[test]
    fn the_encoding_is_that_of_the_specification() {
        let encoded = encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
