//! The single values: what fits, what does not, and what is not for eyes.

use std::{fmt, net::SocketAddr, str::FromStr};

use serde::{Deserialize, Deserializer, de};

/// The shortest API key, in bytes: 128 bits if they are random.
pub const API_KEY_BYTES_MIN: usize = 16;

/// The shortest master key, in bytes: 256 bits if it is hexadecimal and random.
pub const MASTER_KEY_BYTES_MIN: usize = 32;

/// The most master keys at once: a rotation needs two, one that was broken off three.
pub const MASTER_KEYS_MAX: usize = 8;

pub(super) const FILE_SCHEME: &str = "file://";
const S3_SCHEME: &str = "s3://";
pub(super) const SQLITE_SCHEME: &str = "sqlite://";
const POSTGRES_SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
const REDIS_SCHEMES: [&str; 2] = ["redis://", "rediss://"];
const WEB_SCHEMES: [&str; 2] = ["http://", "https://"];

/// Text that is not for eyes: a key, or a URL that may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The master keys: the first wraps and signs, every one unwraps and opens what it signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKeys(Vec<Secret>);

impl MasterKeys {
    /// The one that wraps and signs.
    pub fn first(&self) -> &Secret {
        &self.0[0]
    }

    /// All of them, the first first.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }
}

impl FromStr for MasterKeys {
    type Err = String;

    /// Reads keys apart by commas or line breaks; the error says what is wrong, and no key.
    fn from_str(text: &str) -> Result<Self, String> {
        let keys: Vec<&str> = text.split([',', '\n']).map(str::trim).filter(|key| !key.is_empty()).collect();
        let is_long = |key: &&str| key.len() >= MASTER_KEY_BYTES_MIN && key.bytes().all(|byte| byte.is_ascii_graphic());
        if keys.is_empty() || !keys.iter().all(is_long) {
            return Err(format!(
                "a master key has at least {MASTER_KEY_BYTES_MIN} visible ASCII characters, no spaces and no commas; several are apart by \
                 commas, in a file by lines"
            ));
        }
        if keys.len() > MASTER_KEYS_MAX {
            return Err(format!("at most {MASTER_KEYS_MAX} master keys; drop those that wrap nothing any more (`windrow doctor`)"));
        }
        Ok(Self(keys.into_iter().map(|key| Secret(key.to_owned())).collect()))
    }
}

impl Secret {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// Never written: whoever has to see it asks for [`Secret::as_str`].
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// What is shown in a secret's place.
pub(super) const HIDDEN: &str = "(hidden)";

pub(super) fn within<'de, D: Deserializer<'de>, const LEAST: u32, const MOST: u32>(deserializer: D) -> Result<u32, D::Error> {
    let value = u32::deserialize(deserializer)?;
    if !(LEAST..=MOST).contains(&value) {
        return Err(de::Error::custom(format!("{value} is not within {LEAST} to {MOST}")));
    }
    Ok(value)
}

pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    // A port alone reads as a number.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Text(String),
        Number(i64),
    }
    let text = match Given::deserialize(deserializer)? {
        Given::Text(text) => text,
        Given::Number(number) => number.to_string(),
    };
    let wrong =
        |_| de::Error::custom(format!("{text:?}: an address is like 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080, numbers and no names"));
    text.parse().map_err(wrong)
}

pub(super) fn public_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = String::deserialize(deserializer)?;
    let host = WEB_SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme)).unwrap_or_default();
    let plain = host.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#@\"<>\\".contains(&byte));
    if host.is_empty() || host.starts_with('/') || !plain {
        return Err(de::Error::custom("a public URL is like https://jobs.example.com"));
    }
    Ok(Some(url.trim_end_matches('/').to_owned()))
}

pub(super) fn api_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let key = String::deserialize(deserializer)?;
    check_api_key(&key).map_err(de::Error::custom)?;
    Ok(Some(Secret(key)))
}

pub(super) fn service_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let key = String::deserialize(deserializer)?;
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(de::Error::custom("a key has visible ASCII characters and no spaces"));
    }
    Ok(Some(Secret(key)))
}

/// Whether `key` can be an API key: long enough, and what an HTTP header can carry.
pub fn check_api_key(key: &str) -> Result<(), String> {
    if key.len() < API_KEY_BYTES_MIN || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("an API key has at least {API_KEY_BYTES_MIN} visible ASCII characters and no spaces"));
    }
    Ok(())
}

pub(super) fn database_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let url = String::deserialize(deserializer)?;
    let known = |scheme: &&str| url.len() > scheme.len() && url.starts_with(*scheme);
    // The URL may hold a password, so a wrong one is not repeated.
    if !POSTGRES_SCHEMES.iter().chain([&SQLITE_SCHEME]).any(known) {
        return Err(de::Error::custom("a database URL begins with sqlite:// or postgres://"));
    }
    Ok(Some(Secret(url)))
}

pub(super) fn objects_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = String::deserialize(deserializer)?;
    let is_folder = url.strip_prefix(FILE_SCHEME).is_some_and(|path| path.starts_with('/'));
    if !is_folder && url.strip_prefix(S3_SCHEME).is_none_or(str::is_empty) {
        return Err(de::Error::custom("objects lie in file:///a/folder or s3://bucket?endpoint=…&region=…"));
    }
    Ok(Some(url))
}

pub(super) fn master_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MasterKeys>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(de::Error::custom)
}

pub(super) fn redis_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let url = String::deserialize(deserializer)?;
    if !REDIS_SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(de::Error::custom("a Redis URL begins with redis:// or rediss://"));
    }
    Ok(Some(Secret(url)))
}
