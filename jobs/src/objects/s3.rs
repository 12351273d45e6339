//! Objects in S3, R2, MinIO or whatever speaks their language: the cluster's shape.
//!
//! The hash travels as metadata `sha256`, since an ETag is one only sometimes. Links are presigned by the client's
//! own keys, so the api serves none of them.

use std::{env, time::Duration};

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, timeout::TimeoutConfig,
    },
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    presigning::PresigningConfig,
    primitives::ByteStream,
};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::{Content, Error, Key, Link, Meta, Object, Objects, Result, hex};
use crate::clock::Timestamp;

const SHA256: &str = "sha256";
/// The most keys of one list, as S3 has it.
const LIST_MAX: usize = 1_000;
/// The longest that a link may last (Signature Version 4: seven days).
const LINK_LASTS_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// A store that does not take a connection for so long is away.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The longest that one try may take, uploads of large artifacts included.
const TRY_MAX: Duration = Duration::from_secs(300);
/// What is read from a file at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Where a region is asked for and there is none, as with MinIO.
const REGION: &str = "us-east-1";

/// Where the objects lie, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Place {
    /// The bucket.
    pub bucket: String,
    /// The server, where it is not Amazon's own. Its buckets are addressed by path.
    pub endpoint: Option<String>,
    /// The same server as clients reach it, for links; the endpoint where there is none.
    pub public_endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// Whether uploads carry a CRC32 trailer and downloads are checked by it; some clones do not take one.
    pub checksums: bool,
}

impl S3Place {
    /// Reads `s3://bucket?endpoint=…&public_endpoint=…&region=…&checksums=on|off`.
    pub fn parse(url: &str) -> std::result::Result<Self, String> {
        let rest = url.strip_prefix("s3://").ok_or("an S3 URL is like s3://bucket?endpoint=https://s3.example.com&region=eu-central-1")?;
        let (bucket, query) = rest.split_once('?').unwrap_or((rest, ""));
        let bucket = bucket.trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        if bucket.is_empty() || !bucket.bytes().all(plain) {
            return Err("the bucket's name has lower-case letters, digits, dots and hyphens".into());
        }
        let mut place = Self { bucket: bucket.into(), endpoint: None, public_endpoint: None, region: None, checksums: true };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("endpoint", url) if is_web(url) => place.endpoint = Some(url.into()),
                ("public_endpoint", url) if is_web(url) => place.public_endpoint = Some(url.into()),
                ("region", region) if !region.is_empty() => place.region = Some(region.into()),
                ("checksums", "on") => place.checksums = true,
                ("checksums", "off") => place.checksums = false,
                (name, _) => {
                    let known = "endpoint=http(s)://…, public_endpoint=http(s)://…, region=… and checksums=on|off";
                    return Err(format!("{name}: there are {known}"));
                }
            }
        }
        Ok(place)
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// A bucket of objects. Cheap to clone.
#[derive(Clone)]
pub struct S3Objects {
    client: Client,
    /// Signs links, which name the server as clients reach it; sends nothing.
    presigner: Client,
    bucket: String,
}

impl S3Objects {
    /// The bucket at `place`, with the keys of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    /// The error says what is missing.
    pub fn of_environment(place: S3Place) -> std::result::Result<Self, String> {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let missing = |name: &str| format!("S3 needs {name} in the environment");
        let id = set("AWS_ACCESS_KEY_ID").ok_or_else(|| missing("AWS_ACCESS_KEY_ID"))?;
        let secret = set("AWS_SECRET_ACCESS_KEY").ok_or_else(|| missing("AWS_SECRET_ACCESS_KEY"))?;
        let region = place.region.clone().or_else(|| set("AWS_REGION"));
        Ok(Self::open(S3Place { region, ..place }, &id, &secret, set("AWS_SESSION_TOKEN")))
    }

    /// The bucket at `place`, with these keys.
    pub fn open(place: S3Place, id: &str, secret: &str, session: Option<String>) -> Self {
        let (requests, responses) = if place.checksums {
            (RequestChecksumCalculation::WhenSupported, ResponseChecksumValidation::WhenSupported)
        } else {
            (RequestChecksumCalculation::WhenRequired, ResponseChecksumValidation::WhenRequired)
        };
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(place.region.unwrap_or_else(|| REGION.into())))
            .credentials_provider(Credentials::new(id, secret, session, None, "windrow"))
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_MAX).operation_attempt_timeout(TRY_MAX).build())
            .request_checksum_calculation(requests)
            .response_checksum_validation(responses);
        let at = |endpoint: Option<&String>| {
            let config = config.clone();
            Client::from_conf(match endpoint {
                Some(endpoint) => config.endpoint_url(endpoint).force_path_style(true).build(),
                None => config.build(),
            })
        };
        let (client, presigner) = (at(place.endpoint.as_ref()), at(place.public_endpoint.as_ref().or(place.endpoint.as_ref())));
        Self { client, presigner, bucket: place.bucket }
    }
}

#[async_trait]
impl Objects for S3Objects {
    async fn put(&self, key: &Key, media_type: &str, content: Content) -> Result<Meta> {
        let (bytes, sha256) = measure(&content).await.map_err(|error| Error::Unavailable(format!("reading what is kept: {error}")))?;
        let body = match content {
            Content::Bytes(content) => ByteStream::from(content),
            Content::File(path) => ByteStream::from_path(path).await.map_err(|error| Error::Unavailable(error.to_string()))?,
        };
        let put = self.client.put_object().bucket(&self.bucket).key(key.as_str()).body(body);
        put.content_type(media_type).metadata(SHA256, &sha256).send().await.map_err(|error| failed(key.as_str(), &error))?;
        Ok(Meta { bytes, sha256: Some(sha256), media_type: media_type.to_owned() })
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>> {
        match self.client.head_object().bucket(&self.bucket).key(key.as_str()).send().await {
            Ok(head) => Ok(Some(meta(head.content_length, head.metadata.as_ref(), head.content_type))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(key.as_str(), &error)),
        }
    }

    async fn get(&self, key: &Key) -> Result<Option<Object>> {
        match self.client.get_object().bucket(&self.bucket).key(key.as_str()).send().await {
            Ok(got) => {
                let meta = meta(got.content_length, got.metadata.as_ref(), got.content_type);
                Ok(Some(Object { meta, content: Box::pin(got.body.into_async_read()) }))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(key.as_str(), &error)),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>> {
        let limit = i32::try_from(limit.min(LIST_MAX)).unwrap_or(i32::MAX);
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).max_keys(limit);
        let listed = list.set_start_after(after.map(ToString::to_string)).send().await.map_err(|error| failed(prefix, &error))?;
        // What is no key of ours was not put there by us.
        Ok(listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key?.parse().ok()).collect())
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        match self.client.delete_object().bucket(&self.bucket).key(key.as_str()).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(failed(key.as_str(), &error)),
        }
    }

    async fn link(&self, key: &Key, now: Timestamp, lasts: Duration) -> Result<Link> {
        let lasts = lasts.min(LINK_LASTS_MAX);
        let presigning = PresigningConfig::expires_in(lasts).map_err(|error| Error::Refused(error.to_string()))?;
        let get = self.presigner.get_object().bucket(&self.bucket).key(key.as_str());
        let request = get.presigned(presigning).await.map_err(|error| failed(key.as_str(), &error))?;
        let lasts_ms = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        Ok(Link { url: request.uri().to_owned(), expires_at: now.plus_ms(lasts_ms) })
    }
}

fn meta(length: Option<i64>, metadata: Option<&std::collections::HashMap<String, String>>, media_type: Option<String>) -> Meta {
    Meta {
        bytes: length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default(),
        sha256: metadata.and_then(|metadata| metadata.get(SHA256)).cloned(),
        media_type: media_type.unwrap_or_else(|| "application/octet-stream".into()),
    }
}

async fn measure(content: &Content) -> std::io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    match content {
        Content::Bytes(content) => {
            hash.update(content);
            bytes = content.len() as u64;
        }
        Content::File(path) => {
            let mut file = tokio::fs::File::open(path).await?;
            let mut chunk = vec![0; CHUNK_BYTES];
            loop {
                let length = file.read(&mut chunk).await?;
                if length == 0 {
                    break;
                }
                hash.update(&chunk[..length]);
                bytes += length as u64;
            }
        }
    }
    Ok((bytes, hex(&hash.finalize())))
}

fn is_missing<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    matches!(error.code(), Some("NoSuchKey" | "NotFound"))
}

/// The store said no: the keys, the bucket or the request are wrong, and asking again is of no use until that is mended,
/// which an operator may do while a job is retried. Only what can never be is refused.
fn failed<E, R>(what: &str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match error.code() {
        Some("EntityTooLarge" | "InvalidRequest" | "KeyTooLongError") => Error::Refused(format!("{what}: {}", DisplayErrorContext(error))),
        _ => Error::Unavailable(format!("{what}: {}", DisplayErrorContext(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_place() {
        let url = "s3://files?endpoint=http://127.0.0.1:9000&public_endpoint=https://files.example.com&region=eu&checksums=off";
        let expected = S3Place {
            bucket: "files".into(),
            endpoint: Some("http://127.0.0.1:9000".into()),
            public_endpoint: Some("https://files.example.com".into()),
            region: Some("eu".into()),
            checksums: false,
        };
        assert_eq!(S3Place::parse(url), Ok(expected));
        assert!(S3Place::parse("s3://files").expect("a place").checksums);
        for url in ["http://files", "s3://", "s3://Files", "s3://a/b", "s3://a?endpoint=b", "s3://a?regoin=b", "s3://a?checksums=maybe"] {
            assert!(S3Place::parse(url).is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn links_name_the_server_as_clients_reach_it() {
        let place = S3Place::parse("s3://files?endpoint=http://s3:9000&public_endpoint=https://files.example.com").expect("a place");
        let objects = S3Objects::open(place, "id", "secret", None);
        let key = "tenants/default/a.txt".parse().expect("a key");
        let link = objects.link(&key, Timestamp::from_ms(0), Duration::from_secs(60)).await.expect("a link");
        assert!(link.url.starts_with("https://files.example.com/files/tenants/default/a.txt?"), "{}", link.url);
    }
}
