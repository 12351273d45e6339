//! Against published vectors, and against everything that must not open. The second opinion, by an implementation that is not
//! ours, is in `tests/it/connections/second_opinion.rs`.

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits")).collect()
}

/// draft-irtf-cfrg-xchacha-03, appendix A.3.1, fetched 2026-11-21:
/// <https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha-03#appendix-A.3.1>
#[test]
fn the_published_vector_opens() {
    let key: [u8; 32] = unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f").try_into().expect("32 bytes");
    let nonce: [u8; 24] = unhex("404142434445464748494a4b4c4d4e4f5051525354555657").try_into().expect("24 bytes");
    let place = unhex("50515253c0c1c2c3c4c5c6c7");
    let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    let sealed = unhex(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452
         2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e",
    );
    let tag = unhex("c0875924c1c7987947deafd8780acf49");
    let payload = Payload { msg: text, aad: &place };
    let ours = XChaCha20Poly1305::new((&key).into()).encrypt((&nonce).into(), payload).expect("it seals");
    assert_eq!(ours, [sealed.clone(), tag.clone()].concat());
    let payload = Payload { msg: &ours, aad: &place };
    let opened = XChaCha20Poly1305::new((&key).into()).decrypt((&nonce).into(), payload).expect("it opens");
    assert_eq!(opened, text);
}

fn keys(text: &str) -> MasterKeys {
    text.parse().expect("master keys")
}

const ONE: &str = "11111111111111111111111111111111";
const TWO: &str = "22222222222222222222222222222222";

fn tenant(name: &str) -> TenantId {
    name.parse().expect("a tenant")
}

fn secrets() -> Secrets {
    Secrets([("token".to_owned(), "planted".to_owned())].into())
}

#[test]
fn what_is_sealed_opens_in_its_own_place_only() {
    let keyring = Keyring::new(&keys(ONE));
    let (key, wrapped) = keyring.make(&tenant("a")).expect("a key");
    let id = ConnectionId(Uuid::from_u128(1));
    let sealed = key.seal(&tenant("a"), id, &secrets());
    assert!(!String::from_utf8_lossy(&sealed.bytes).contains("planted"));
    assert_ne!(sealed.bytes, key.seal(&tenant("a"), id, &secrets()).bytes, "each has a nonce of its own");
    let again = keyring.unwrap(&wrapped).expect("it unwraps");
    assert_eq!(again.open(&tenant("a"), id, &sealed).expect("it opens").get("token"), Some("planted"));
    assert!(again.open(&tenant("b"), id, &sealed).is_err(), "another tenant's row");
    assert!(again.open(&tenant("a"), ConnectionId(Uuid::from_u128(2)), &sealed).is_err(), "another connection's row");
    let (other, _) = keyring.make(&tenant("a")).expect("a key");
    assert!(other.open(&tenant("a"), id, &sealed).is_err(), "another key");
    for at in 0..sealed.bytes.len() {
        let mut bytes = sealed.bytes.clone();
        bytes[at] ^= 1;
        assert!(again.open(&tenant("a"), id, &Sealed { bytes, ..sealed }).is_err(), "byte {at} was changed");
        let bytes = sealed.bytes[..at].to_vec();
        assert!(again.open(&tenant("a"), id, &Sealed { bytes, ..sealed }).is_err(), "cut at {at}");
    }
}

#[test]
fn a_wrapped_key_opens_for_its_own_tenant_under_its_own_master_only() {
    let keyring = Keyring::new(&keys(ONE));
    let (_, wrapped) = keyring.make(&tenant("a")).expect("a key");
    let stolen = TenantKey { tenant: tenant("b"), ..wrapped.clone() };
    assert!(matches!(keyring.unwrap(&stolen), Err(SealError::Damaged(_))));
    let renamed = TenantKey { id: Uuid::from_u128(1), ..wrapped.clone() };
    assert!(matches!(keyring.unwrap(&renamed), Err(SealError::Damaged(_))));
    let refused = Keyring::new(&keys(TWO)).unwrap(&wrapped).expect_err("another master key");
    let message = refused.to_string();
    assert!(message.contains(keyring.first().expect("an id")) && !message.contains(ONE) && !message.contains(TWO), "{message}");
    assert_eq!(Keyring::default().unwrap(&wrapped).expect_err("no master key"), SealError::NoMaster);
    assert_eq!(Keyring::default().make(&tenant("a")).expect_err("no master key"), SealError::NoMaster);
}

#[test]
fn the_first_master_key_wraps_and_every_one_unwraps() {
    let (old, both, new) = (Keyring::new(&keys(ONE)), Keyring::new(&keys(&format!("{TWO},{ONE}"))), Keyring::new(&keys(TWO)));
    let (key, wrapped) = old.make(&tenant("a")).expect("a key");
    let sealed = key.seal(&tenant("a"), ConnectionId(Uuid::nil()), &secrets());
    assert!(new.rewrapped(&wrapped).is_err());
    let rewrapped = both.rewrapped(&wrapped).expect("both are here").expect("it was wrapped by the other");
    assert_eq!((rewrapped.id, Some(rewrapped.master.as_str())), (wrapped.id, new.first()));
    assert_eq!(both.rewrapped(&rewrapped).expect("it unwraps"), None);
    let opened = new.unwrap(&rewrapped).expect("it unwraps").open(&tenant("a"), ConnectionId(Uuid::nil()), &sealed);
    assert_eq!(opened.expect("it opens").get("token"), Some("planted"));
}

#[test]
fn nothing_shows_a_key() {
    let keyring = Keyring::new(&keys(ONE));
    let (key, wrapped) = keyring.make(&tenant("a")).expect("a key");
    let sealed = key.seal(&tenant("a"), ConnectionId(Uuid::nil()), &secrets());
    let shown = format!("{keyring:?} {key:?} {wrapped:?} {sealed:?} {:?}", secrets());
    assert!(!shown.contains("1111111111") && !shown.contains("planted"), "{shown}");
    let raw: String = key.key.iter().map(|byte| format!("{byte}, ")).collect();
    assert!(!shown.contains(&raw));
}
