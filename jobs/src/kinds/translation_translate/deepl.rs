//! Asks DeepL: the paths, and what every request bears. Decides nothing of what an answer means for the job.

use crate::{
    clock::Timestamp,
    connection::{Opened, catalog::deepl},
    notification::phone::{Asked, ask_within},
    outbound::{self, HeaderValue, Limits, Method, Outbound, Request, Url, header},
};

use super::quota::Usage;

/// How much of an answer is taken, and how long it may take: a request's texts are translated in seconds.
const LIMITS: Limits = Limits { total_ms: 60_000, silence_ms: 30_000, body_bytes_max: 4 * 1024 * 1024, redirects_max: 0 };
/// The largest content of a glossary: DeepL's are of 10 MiB, and JSON makes them larger.
const ENTRIES_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// DeepL, as a connection opens it.
pub(crate) struct DeepL<'a> {
    outbound: &'a Outbound,
    base: Url,
    authorization: HeaderValue,
}

/// Why a connection leads to no DeepL.
pub(crate) enum Closed {
    /// Its key and its URL do not go together.
    OtherPlan(String),
    /// Its URL cannot be called.
    NoUrl(outbound::Error),
}

/// Why the usage is not known.
pub(crate) enum Unusable {
    /// No answer came.
    Unsent(outbound::Error),
    /// Something else was answered.
    Answered(Asked),
}

impl<'a> DeepL<'a> {
    /// What this connection leads to.
    pub fn of(outbound: &'a Outbound, opened: &Opened) -> Result<Self, Closed> {
        let auth_key = opened.secrets.get(deepl::AUTH_KEY).unwrap_or_default();
        let base = deepl::base(opened.config["url"].as_str(), auth_key).map_err(Closed::OtherPlan)?;
        let base = outbound.url(base).map_err(Closed::NoUrl)?;
        let authorization = HeaderValue::try_from(format!("DeepL-Auth-Key {auth_key}"));
        let mut authorization =
            authorization.map_err(|_| Closed::OtherPlan("the key cannot be sent: it has signs that no key has".into()))?;
        authorization.set_sensitive(true);
        Ok(Self { outbound, base, authorization })
    }

    /// Where it is.
    pub fn base(&self) -> &str {
        self.base.as_str()
    }

    /// How much of its quota the account has used.
    pub async fn usage(&self, now: Timestamp) -> Result<Usage, Unusable> {
        let asked = self.get(&["v2", "usage"], &[], now, &LIMITS).await.map_err(Unusable::Unsent)?;
        match asked.json().filter(|_| asked.status == 200) {
            Some(usage) => Ok(usage),
            None => Err(Unusable::Answered(asked)),
        }
    }

    pub(super) async fn translate(&self, body: Vec<u8>, now: Timestamp) -> Result<Asked, outbound::Error> {
        self.post(&["v2", "translate"], body, now).await
    }

    pub(super) async fn glossaries(&self, now: Timestamp) -> Result<Asked, outbound::Error> {
        self.get(&["v2", "glossaries"], &[], now, &LIMITS).await
    }

    pub(super) async fn make_glossary(&self, body: Vec<u8>, now: Timestamp) -> Result<Asked, outbound::Error> {
        self.post(&["v2", "glossaries"], body, now).await
    }

    /// What a glossary has for these languages. Only the third version knows glossaries that may be changed.
    pub(super) async fn entries(&self, id: &str, source: &str, target: &str, now: Timestamp) -> Result<Asked, outbound::Error> {
        let limits = Limits { body_bytes_max: ENTRIES_BYTES_MAX, ..LIMITS };
        self.get(&["v3", "glossaries", id, "entries"], &[("source_lang", source), ("target_lang", target)], now, &limits).await
    }

    /// The same of a glossary of one pair of languages, where only the second version knows it.
    pub(super) async fn entries_of_one(&self, id: &str, now: Timestamp) -> Result<Asked, outbound::Error> {
        let request = self.request(Method::GET, &["v2", "glossaries", id, "entries"]);
        let request = request.with(header::ACCEPT, HeaderValue::from_static("text/tab-separated-values"));
        ask_within(self.outbound, request, now, &Limits { body_bytes_max: ENTRIES_BYTES_MAX, ..LIMITS }).await
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)], now: Timestamp, limits: &Limits) -> Result<Asked, outbound::Error> {
        let mut request = self.request(Method::GET, path);
        if !query.is_empty() {
            request.url.query_pairs_mut().extend_pairs(query);
        }
        ask_within(self.outbound, request, now, limits).await
    }

    async fn post(&self, path: &[&str], body: Vec<u8>, now: Timestamp) -> Result<Asked, outbound::Error> {
        let request = self.request(Method::POST, path).with(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ask_within(self.outbound, Request { body, ..request }, now, &LIMITS).await
    }

    fn request(&self, method: Method, path: &[&str]) -> Request {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        Request::new(method, url).with(header::AUTHORIZATION, self.authorization.clone())
    }
}
