//! Vectors in Qdrant, by its REST API: a collection for each dimension, a point for each vector, and in a point's payload the space that it belongs to,
//! by which every search is filtered. Nothing else of a tenant's is there: no text, no name, no id of a document.
//!
//! <https://api.qdrant.tech/api-reference>, by the models of PyPI's `qdrant-client` 1.20.0; why the collections are as they are:
//! <https://qdrant.tech/documentation/guides/multitenancy>. Read on 2026-11-22.

use std::{collections::BTreeSet, sync::Mutex, sync::PoisonError, time::Duration};

use async_trait::async_trait;
use reqwest::{Client, Method, StatusCode, header::HeaderValue};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{lexical, points::Points};
use crate::ledger::{Error, Result};

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a search may take.
const SEARCH_MAX: Duration = Duration::from_secs(10);
/// How long a write may take, until what is written is found.
const WRITE_MAX: Duration = Duration::from_secs(60);
/// The most numbers in one request: 5 MB or so, of the 32 MB that Qdrant takes unless it is told otherwise.
const NUMBERS_MAX: usize = 500_000;
/// The most points that one request removes.
const REMOVED_MAX: usize = 1_000;
/// The most bytes of an answer: 20,000 points have 2 MB.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most characters of what Qdrant says of a request that it does not take.
const SAID_MAX: usize = 200;
/// Neighbours in the graph that each space has of its own. There is none over all of them: nobody ever looks for what is near in all.
const NEIGHBOURS: u16 = 16;
/// How many candidates a walk of such a graph keeps: more find more, and take longer. Small spaces are compared as a whole.
const CANDIDATES: u32 = 256;

/// Qdrant.
pub struct Qdrant {
    base: String,
    key: Option<Secret>,
    http: Client,
    /// Dimensions whose collections were there when this process looked.
    made: Mutex<BTreeSet<u16>>,
}

/// The key, and what it is sent as.
struct Secret {
    text: String,
    header: HeaderValue,
}

/// An answer with a status that means something.
enum Answer {
    Read(Value),
    Missing,
    /// It is there already.
    Conflict,
}

impl Qdrant {
    /// A client; asks nothing yet.
    pub fn new(url: &str, api_key: Option<&str>) -> Result<Self> {
        let unusable = |what: &str| Error::Unavailable(format!("Qdrant cannot be asked: {what}"));
        let key = api_key.map(|key| {
            let mut header = HeaderValue::from_str(key).map_err(|_| unusable("search.qdrant_api_key is no header's value"))?;
            header.set_sensitive(true);
            Ok::<_, Error>(Secret { text: key.to_owned(), header })
        });
        let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).connect_timeout(CONNECT_MAX);
        // Without TLS no roots are wanted, and where there are none, asking for the system's fails.
        let builder = if url.starts_with("http://") { builder.tls_certs_only([]) } else { builder };
        let http = builder.build().map_err(|error| unusable(&error.to_string()))?;
        Ok(Self { base: url.trim_end_matches('/').to_owned(), key: key.transpose()?, http, made: Mutex::default() })
    }

    /// Whether it answers, and takes the key.
    pub async fn check(&self) -> Result<()> {
        // Whether that one is there does not matter.
        self.ask(Method::GET, &collection(lexical::DIMENSION), None, SEARCH_MAX).await.map(|_| ())
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>, limit: Duration) -> Result<Answer> {
        let away = |error: reqwest::Error| Error::Unavailable(format!("Qdrant at {path}: {}", deepest(&error.without_url())));
        let mut request = self.http.request(method, format!("{}{path}", self.base)).timeout(limit);
        if let Some(key) = &self.key {
            request = request.header("api-key", key.header.clone());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(away)?;
        let status = response.status();
        let mut content = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if content.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(strange(path));
            }
            content.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&content).unwrap_or_default();
        let said = answer["status"]["error"].as_str().unwrap_or_default();
        // A proxy on the way may repeat what it was sent.
        let said = self.key.as_ref().map_or_else(|| said.to_owned(), |key| said.replace(&key.text, "(hidden)"));
        let said: String = said.chars().take(SAID_MAX).collect();
        let message = format!("Qdrant answers {} for {path}: {said}", status.as_u16());
        match status {
            status if status.is_success() && answer["result"].is_null() => Err(strange(path)),
            status if status.is_success() => Ok(Answer::Read(answer["result"].clone())),
            StatusCode::NOT_FOUND => Ok(Answer::Missing),
            StatusCode::CONFLICT => Ok(Answer::Conflict),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Error::Unavailable(format!("the key may be wrong (search.qdrant_api_key): {message}")))
            }
            // What is asked is wrong, and stays so. All else may pass.
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => Err(Error::Refused(message)),
            _ => Err(Error::Unavailable(message)),
        }
    }

    /// Sees to it that there is a collection for vectors of this dimension.
    async fn make(&self, dimension: u16) -> Result<()> {
        if self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(&dimension) {
            return Ok(());
        }
        let path = collection(dimension);
        if let Answer::Read(there) = self.ask(Method::GET, &path, None, SEARCH_MAX).await? {
            let vectors = &there["config"]["params"]["vectors"];
            if vectors["size"] != json!(dimension) || vectors["distance"] != json!("Cosine") {
                return Err(Error::Unavailable(format!(
                    "Qdrant's {path} is not ours: it has not vectors of {dimension} dimensions by cosine"
                )));
            }
        } else {
            let body = json!({
                "vectors": { "size": dimension, "distance": "Cosine" },
                "hnsw_config": { "m": 0, "payload_m": NEIGHBOURS },
            });
            // Somebody else may have made it meanwhile, as we would.
            self.ask(Method::PUT, &path, Some(&body), WRITE_MAX).await?;
        }
        // Again where it is there already: whoever made the collection may not have come so far.
        let body = json!({ "field_name": "space", "field_schema": { "type": "keyword", "is_tenant": true } });
        let made = self.ask(Method::PUT, &format!("{path}/index?wait=true"), Some(&body), WRITE_MAX).await?;
        written(made, &path)?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(dimension);
        Ok(())
    }

    async fn put_some(&self, space: &str, dimension: u16, points: &[(Uuid, Vec<f32>)]) -> Result<()> {
        let point = |(id, vector): &(Uuid, Vec<f32>)| json!({ "id": id, "vector": vector, "payload": { "space": space } });
        let body = json!({ "points": points.iter().map(point).collect::<Vec<_>>() });
        let path = format!("{}/points?wait=true", collection(dimension));
        self.make(dimension).await?;
        if let answer @ (Answer::Read(_) | Answer::Conflict) = self.ask(Method::PUT, &path, Some(&body), WRITE_MAX).await? {
            return written(answer, &path);
        }
        // It was there when we looked: somebody removed it.
        self.made.lock().unwrap_or_else(PoisonError::into_inner).remove(&dimension);
        self.make(dimension).await?;
        written(self.ask(Method::PUT, &path, Some(&body), WRITE_MAX).await?, &path)
    }
}

#[async_trait]
impl Points for Qdrant {
    async fn put(&self, space: &str, dimension: u16, points: &[(Uuid, Vec<f32>)]) -> Result<()> {
        for some in points.chunks((NUMBERS_MAX / usize::from(dimension.max(1))).max(1)) {
            self.put_some(space, dimension, some).await?;
        }
        Ok(())
    }

    async fn nearest(&self, space: &str, vector: &[f32], limit: u32, among: Option<&[Uuid]>) -> Result<Vec<(Uuid, f64)>> {
        let mut must = vec![json!({ "key": "space", "match": { "value": space } })];
        must.extend(among.map(|among| json!({ "has_id": among })));
        let body = json!({
            "query": vector,
            "filter": { "must": must },
            "limit": limit,
            "params": { "hnsw_ef": CANDIDATES },
            "with_payload": false,
        });
        let dimension = u16::try_from(vector.len()).unwrap_or(u16::MAX);
        let path = format!("{}/points/query", collection(dimension));
        let Answer::Read(answer) = self.ask(Method::POST, &path, Some(&body), SEARCH_MAX).await? else { return Ok(Vec::new()) };
        let points = answer["points"].as_array().ok_or_else(|| strange(&path))?;
        let read = |point: &Value| Some((point["id"].as_str()?.parse().ok()?, point["score"].as_f64()?));
        Ok(points.iter().filter_map(read).collect())
    }

    async fn remove(&self, dimension: u16, points: &[Uuid]) -> Result<()> {
        let path = format!("{}/points/delete?wait=true", collection(dimension));
        for some in points.chunks(REMOVED_MAX) {
            match self.ask(Method::POST, &path, Some(&json!({ "points": some })), WRITE_MAX).await? {
                // Without the collection there is nothing of theirs.
                Answer::Missing => return Ok(()),
                answer => written(answer, &path)?,
            }
        }
        Ok(())
    }
}

/// The path of the collection for vectors of this dimension.
fn collection(dimension: u16) -> String {
    format!("/collections/windrow_{dimension}")
}

/// Whether what was written is found from now on.
fn written(answer: Answer, path: &str) -> Result<()> {
    match answer {
        Answer::Read(result) if result["status"] == json!("completed") => Ok(()),
        _ => Err(Error::Unavailable(format!("Qdrant has not completed {path}"))),
    }
}

fn strange(path: &str) -> Error {
    Error::Unavailable(format!("Qdrant's answer to {path} is not what it should be"))
}

fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
