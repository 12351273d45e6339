//! Asks a provider for vectors, request by request. It keeps nothing, waits for nothing, and decides nothing but what an answer means.

use std::time::Duration;

use super::{
    read::{self, Complaint, Verdict, Wrong, verdict, wait},
    request::{self, Text},
};
use crate::{
    clock::Timestamp,
    connection::{Hidden, Opened, catalog::openai},
    handler::Outcome,
    job::JobError,
    notification::phone::{unsent, word},
    outbound::{self, Answer, HeaderMap, HeaderValue, Limits, Method, Outbound, Request, Url, header},
    search::DIMENSION_MAX,
};

use std::ops::Range;

/// How long an answer may take: a small machine makes a few vectors a second.
const TOTAL_MS: u64 = 300_000;
/// How long it may say nothing within.
const SILENCE_MS: u64 = 60_000;
/// How much of a refusal is read.
const EXCERPT_BYTES: usize = 16 * 1024;
/// How much of one that is no complaint is told.
const TOLD_BYTES: usize = 512;

/// A model of a provider, as a connection opens it.
pub struct OpenAi {
    outbound: Outbound,
    url: Url,
    authorization: Option<HeaderValue>,
    model: String,
    dimensions: Option<u16>,
    texts_max: usize,
    hidden: Hidden,
}

/// What was made of some texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// A vector of each, in their order, all of one dimension.
    pub vectors: Vec<Vec<f32>>,
    /// The tokens that the provider counted; none where it did not say.
    pub tokens: Option<u64>,
}

/// Why there are no vectors. What it says holds no secret of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unembedded {
    /// No answer came, or none that ended.
    Unanswered(outbound::Error),
    /// It was refused.
    Answered {
        /// What that means.
        verdict: Verdict,
        /// What was said.
        said: String,
        /// How long to wait, if that was said.
        after: Option<Duration>,
    },
    /// The vectors have another dimension.
    Dimension {
        /// Which.
        told: usize,
        /// Than this.
        wanted: u16,
    },
}

impl OpenAi {
    /// What this connection leads to.
    pub fn of(outbound: &Outbound, opened: &Opened) -> Result<Self, outbound::Error> {
        let config = &opened.config;
        let mut url = outbound.url(config["url"].as_str().unwrap_or(openai::URL))?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("embeddings");
        }
        let bearer = |key: &str| {
            let mut value = HeaderValue::try_from(format!("Bearer {key}"))
                .map_err(|_| outbound::Error::Invalid("the key cannot be sent: it has signs that no key has".into()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Self {
            outbound: outbound.clone(),
            url,
            authorization: opened.secrets.get(openai::API_KEY).map(bearer).transpose()?,
            model: config["model"].as_str().unwrap_or_default().to_owned(),
            dimensions: config["dimensions"].as_u64().and_then(|dimensions| u16::try_from(dimensions).ok()),
            texts_max: usize::try_from(config["texts_per_request_max"].as_u64().unwrap_or(openai::TEXTS)).unwrap_or(usize::MAX),
            hidden: opened.secrets.hidden(),
        })
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Which texts go together into a request, where each vector has this dimension.
    pub fn cut(&self, texts: &[Text<'_>], dimension: u16) -> Vec<Range<usize>> {
        request::cut(texts, self.texts_max, dimension)
    }

    /// Vectors of the texts of one request, which [`Self::cut`] says; of this dimension, where it is known.
    pub async fn embed(&self, texts: &[Text<'_>], dimension: Option<u16>, now: Timestamp) -> Result<Embedded, Unembedded> {
        let body = request::body(&self.model, self.dimensions, texts);
        let dimension = dimension.or(self.dimensions);
        let body_bytes_max = request::answer_bytes_max(texts.len(), dimension.unwrap_or(DIMENSION_MAX)) as u64;
        let limits = Limits { total_ms: TOTAL_MS, silence_ms: SILENCE_MS, body_bytes_max, redirects_max: 0 };
        let mut request = Request::new(Method::POST, self.url.clone())
            .with(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .with(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request = request.with(header::AUTHORIZATION, authorization.clone());
        }
        let answer = self.outbound.send(Request { body, ..request }, &limits).await.map_err(Unembedded::Unanswered)?;
        if answer.status != 200 {
            return Err(self.refused(answer, now).await);
        }
        let bytes = answer.bytes().await.map_err(Unembedded::Unanswered)?;
        // Unpacking numbers is work: nobody else's request waits for it.
        let count = texts.len();
        let read = tokio::task::spawn_blocking(move || read::vectors(&bytes, count, dimension)).await;
        let read = read.unwrap_or_else(|error| Err(Wrong::Unreadable(error.to_string())));
        match (read, dimension) {
            (Ok((vectors, tokens)), _) => {
                let most = count as u64 * u64::from(request::TEXT_TOKENS_MAX);
                Ok(Embedded { vectors, tokens: tokens.map(|tokens| tokens.min(most)) })
            }
            (Err(Wrong::Dimension(told)), Some(wanted)) => Err(Unembedded::Dimension { told, wanted }),
            (Err(Wrong::Dimension(told)), None) => Err(failed(format!("answered vectors of several dimensions, one of {told}"))),
            (Err(Wrong::Unreadable(why)), _) => Err(failed(format!("answered 200 with {why}"))),
        }
    }

    async fn refused(&self, answer: Answer, now: Timestamp) -> Unembedded {
        let (status, after) = (answer.status.as_u16(), waited(&answer.headers, now));
        let host = answer.host().to_owned();
        // Before anything is made of it: where it is cut again, what is left of a secret is known no more.
        let body = self.hidden.cut_text(&answer.excerpt(EXCERPT_BYTES).await);
        let complaint = Complaint::of(&body);
        let said = match complaint.said() {
            Some(said) => word(&self.hidden, said),
            None => body[..body.floor_char_boundary(TOLD_BYTES)].to_owned(),
        };
        Unembedded::Answered { verdict: verdict(status, &complaint), said: format!("{host} answered {status}: {said}"), after }
    }
}

fn failed(what: String) -> Unembedded {
    Unembedded::Answered { verdict: Verdict::Failed, said: format!("the provider {what}"), after: None }
}

fn waited(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    wait(text("retry-after-ms"), text("retry-after"), now)
}

impl Unembedded {
    /// Whether the connection is to blame, so that it goes to `error`, and why.
    pub fn blames(&self) -> Option<JobError> {
        match self {
            Self::Answered { verdict: Verdict::Refused, said, .. } => Some(JobError::new("connection_refused", said, false)),
            Self::Answered { verdict: Verdict::Unpaid, said, .. } => Some(JobError::new("provider_unpaid", said, false)),
            _ => None,
        }
    }

    /// How the attempt ends.
    pub fn into_outcome(self) -> Outcome {
        let (verdict, said, after) = match self {
            // A question without an answer that could be read: it may be asked again, unless it never went out and never will.
            Self::Unanswered(error) if error.is_unsent() => return unsent(&error),
            Self::Unanswered(error) => return Outcome::retry(error.code(), error.to_string()),
            Self::Dimension { told, wanted } => {
                let said =
                    format!("the model makes vectors of {told} dimensions, and the index has {wanted}: reindex it, or mend the connection");
                return Outcome::bury("dimension_other", said);
            }
            Self::Answered { verdict, said, after } => (verdict, said, after),
        };
        let again = |code| Outcome::Retry { error: JobError::new(code, &said, true), after };
        match verdict {
            // The connection waits to be mended, and the job with it as long as it has attempts.
            Verdict::Refused => again("connection_refused"),
            Verdict::Unpaid => again("provider_unpaid"),
            Verdict::NotNow => again("provider_busy"),
            Verdict::Failed => again("provider_failed"),
            Verdict::Never => Outcome::bury("embedding_refused", said),
        }
    }
}
