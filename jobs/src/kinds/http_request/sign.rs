//! Signs a request by Standard Webhooks, so that an endpoint knows who calls and that nothing was changed or repeated. Pure.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, version 1.0.0: symmetric signatures.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD as BASE64},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What secrets begin with.
const PREFIX: &str = "whsec_";

/// Reads secrets with and without the signs that fill them up.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The id under which an effect is signed: an id has no full stop, which separates it from what follows.
pub fn id_of(key: &str) -> String {
    key.replace('.', "_")
}

/// The header `webhook-signature`: one signature for each of the secrets, which are separated by spaces. While a secret is replaced there
/// are two, and either side may go first. The error says what is wrong, not with which.
pub fn signature(secrets: &str, id: &str, timestamp_s: i64, body: &[u8]) -> Result<String, &'static str> {
    let signatures: Vec<String> = secrets
        .split_ascii_whitespace()
        .map(|secret| {
            let key =
                LENIENT.decode(secret.strip_prefix(PREFIX).unwrap_or(secret)).map_err(|_| "a signing secret is whsec_ and base 64")?;
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
            mac.update(format!("{id}.{timestamp_s}.").as_bytes());
            mac.update(body);
            Ok(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
        })
        .collect::<Result<_, &str>>()?;
    Ok(signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the libraries' own tests, as in
    /// <https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests/test_webhooks.py> (`test_sign_function`).
    #[test]
    fn the_published_example_is_signed_as_published() {
        let signed =
            signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn every_secret_signs() {
        let both = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let signed = signature(both, "id", 0, b"").expect("signed");
        let (first, second) = signed.split_once(' ').expect("two signatures");
        assert!(first.starts_with("v1,") && second.starts_with("v1,") && first != second, "{signed}");
        assert!(signature("whsec_!", "id", 0, b"").is_err());
        assert_eq!(id_of("0193.request"), "0193_request");
    }
}
