//! Links to objects that the api itself serves: who signed the key and its expiry had the master key.
//!
//! Never asks whether there is such an object. Served by `api/src/routes/objects.rs`.

use std::time::Duration;

use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use super::{Key, Link, hex};
use crate::{clock::Timestamp, settings::MasterKeys};

/// What a key's segments may show as they are in a path (RFC 3986 §2.3), and the slash between them.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// What the master key signs here must never pass for something else that it signs.
const PURPOSE: &[u8] = b"windrow object link v1\n";

/// Signs and checks links. Cheap to clone.
#[derive(Clone)]
pub struct Signer {
    first: Hmac<Sha256>,
    /// Those that no longer sign, and still open what they signed.
    others: Vec<Hmac<Sha256>>,
}

impl Signer {
    /// A signer by the master key; the same on every replica, so that one opens the links of another.
    pub fn new(master_key: &[u8]) -> Self {
        Self { first: keyed(master_key), others: Vec::new() }
    }

    /// The same by several: the first signs, every one opens.
    pub fn of(master_keys: &MasterKeys) -> Self {
        let others = master_keys.iter().skip(1).map(|key| keyed(key.as_str().as_bytes()));
        Self { first: keyed(master_keys.first().as_str().as_bytes()), others: others.collect() }
    }

    /// The link to this key below `base`, the api's own URL or nothing.
    pub fn link(&self, base: &str, key: &Key, now: Timestamp, lasts: Duration) -> Link {
        let lasts_ms = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        // Whole seconds, rounded up, as the URL carries them.
        let expires_s = now.plus_ms(lasts_ms).plus_ms(999).ms() / 1_000;
        let signature = hex(&mac(&self.first, key, expires_s).finalize().into_bytes());
        let path = utf8_percent_encode(key.as_str(), PLAIN);
        Link {
            url: format!("{base}/v1/objects/{path}?expires={expires_s}&signature={signature}"),
            expires_at: Timestamp::from_ms(expires_s * 1_000),
        }
    }

    /// Whether a link with this expiry and signature opens this key now.
    pub fn opens(&self, key: &Key, expires_s: i64, signature: &str, now: Timestamp) -> bool {
        let signature = unhex(signature);
        let mut macs = std::iter::once(&self.first).chain(&self.others).map(|keyed| mac(keyed, key, expires_s));
        let genuine = signature.is_some_and(|signature| macs.any(|mac| mac.verify_slice(&signature).is_ok()));
        genuine && now.ms() < expires_s.saturating_mul(1_000)
    }
}

fn keyed(master_key: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(master_key).expect("HMAC takes keys of any length");
    mac.chain_update(PURPOSE)
}

fn mac(keyed: &Hmac<Sha256>, key: &Key, expires_s: i64) -> Hmac<Sha256> {
    // A key has no control characters, so nothing else has this form.
    keyed.clone().chain_update(key.as_str()).chain_update(format!("\n{expires_s}"))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_its_own_object_until_it_expires() {
        let signer = Signer::new(b"a master key");
        let key: Key = "tenants/a/größe 1.csv".parse().expect("a key");
        let now = Timestamp::from_ms(1_800_000_000_500);
        let link = signer.link("https://jobs.example.com", &key, now, Duration::from_secs(60));
        let begin = "https://jobs.example.com/v1/objects/tenants/a/gr%C3%B6%C3%9Fe%201.csv?expires=1800000061&signature=";
        let signature = link.url.strip_prefix(begin).unwrap_or_else(|| panic!("{}", link.url));
        assert_eq!(link.expires_at.ms(), 1_800_000_061_000);
        assert!(signer.opens(&key, 1_800_000_061, signature, now));
        assert!(!signer.opens(&key, 1_800_000_061, signature, link.expires_at));
        assert!(!signer.opens(&key, 1_800_000_062, signature, now));
        assert!(!signer.opens(&key, 1_800_000_061, &signature.replace(|digit| digit != '0', "0"), now));
        assert!(!signer.opens(&key, 1_800_000_061, "", now));
        assert!(!signer.opens(&"tenants/a/other".parse().expect("a key"), 1_800_000_061, signature, now));
        let rotated: MasterKeys = format!("{},{}", "n".repeat(32), "o".repeat(32)).parse().expect("two keys");
        let old = Signer::new("o".repeat(32).as_bytes());
        let theirs = old.link("", &key, now, Duration::from_secs(60)).url;
        let theirs = theirs.split_once("signature=").expect("a signature").1;
        assert!(Signer::of(&rotated).opens(&key, 1_800_000_061, theirs, now), "the old key signed it");
        let ours = Signer::of(&rotated).link("", &key, now, Duration::from_secs(60)).url;
        assert!(!old.opens(&key, 1_800_000_061, ours.split_once("signature=").expect("a signature").1, now), "the new key signs");
        assert!(!Signer::new(b"another key").opens(&key, 1_800_000_061, signature, now));
    }
}
