//! `POST /v1/search`: the chunks of an index that fit best, by meaning, by words, or by both.
//!
//! A query's vector comes of the index's own model: the lexical one is here, a provider's is asked by a job (`crate::embed`). An index that is
//! switched to another model meanwhile is asked again, so vectors of two models never meet. Next: `windrow_jobs::search`.

use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use windrow_jobs::{
    ledger,
    search::{Generation, HITS_MAX, Hit, Index, QUERY_BYTES_MAX, Query, filter::Filter, is_name, lexical},
    tenant::TenantId,
};

use super::indexes;
use crate::{
    Api,
    auth::Caller,
    body::Json,
    embed::{Embedded, embed, model_of},
    error::{ApiError, LedgerErrors, SearchErrors},
    openapi,
    query::NoParams,
};

/// How often an index may be switched under one search.
const LOOKS_MAX: usize = 3;

openapi::gives! {
    Refusals: INDEX_NOT_FOUND, MODEL_UNUSABLE, VECTOR_UNAVAILABLE, PAYLOAD_TOO_LARGE, CONTENDED;
}
/// What only a search is refused for.
struct Refusals;

/// What is looked for, and where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchRequest {
    /// The index.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    index: String,
    /// What is looked for, as a question or in words: up to 8 KiB.
    #[schema(min_length = 1, max_length = 8192)]
    query: String,
    /// The most hits.
    #[serde(default = "ten")]
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: u16,
    /// What documents have to have in their metadata, each member of it: a value (a list that has it counts), `{"any": [values]}`, or bounds
    /// (`gt`, `gte`, `lt`, `lte`) of numbers or texts.
    #[serde(default)]
    #[schema(value_type = Object)]
    filter: Map<String, Value>,
    /// How chunks are ranked.
    #[serde(default)]
    mode: Mode,
}

/// How chunks are ranked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(as = SearchMode)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// By vector and by words, both rankings fused.
    #[default]
    Hybrid,
    /// By vector alone.
    Vector,
    /// By words alone: no model is asked.
    Text,
}

const fn ten() -> u16 {
    10
}

/// What was found.
#[derive(Serialize, ToSchema)]
#[schema(as = SearchResult)]
pub(crate) struct Found {
    /// What fits, the best first.
    hits: Vec<HitView>,
}

/// A chunk that was found.
#[derive(Serialize, ToSchema)]
#[schema(as = SearchHit)]
struct HitView {
    /// The document that it is of.
    document_id: String,
    /// Which of the document's chunks, from 0.
    chunk: u32,
    /// How well it fits: larger is better. Scores compare hits of one search, and nothing else.
    score: f64,
    /// What it says.
    text: String,
    /// Where it was read: a URL or an object's key, of a PDF with the page (`#page=3`); none of a text that a job brought itself.
    source: Option<String>,
    /// The headings above it, the outermost first.
    heading: Vec<String>,
    /// What its document is called.
    title: Option<String>,
    /// What its document can be found by.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

impl From<Hit> for HitView {
    fn from(hit: Hit) -> Self {
        let Hit { document_id, chunk, score, text, source, heading, title, metadata } = hit;
        Self { document_id, chunk, score, text, source, heading, title, metadata }
    }
}

/// Search an index
///
/// The chunks that fit best, each with where it was read and under which headings. By default both by vector and by words, the two rankings fused.
/// Where the model is a provider's, a job of the kind `embedding.query` has the query's vector made, and the answer waits for it up to 15 seconds;
/// `"mode": "text"` needs no vector.
#[utoipa::path(
    post,
    path = "/v1/search",
    tag = "indexes",
    operation_id = "search",
    params(Caller),
    request_body(content = SearchRequest, examples(
        ("question" = (summary = "A question", value = json!({ "index": "manual", "query": "Who lights the lamp?", "limit": 5 }))),
        ("filtered" = (summary = "Among some documents", value = json!({
            "index": "manual", "query": "lamp oil", "limit": 10, "mode": "text",
            "filter": { "language": "en", "year": { "gte": 1880 }, "tags": { "any": ["keeper", "lamp"] } }
        }))),
    )),
    responses(
        (status = 200, description = "What was found.", body = Found, example = json!({ "hits": [{
            "document_id": "lighthouse", "chunk": 0, "score": 0.0328, "text": "The keeper lights the lamp at dusk.", "source": null,
            "heading": ["Lighthouses"], "title": "Lighthouses", "metadata": { "language": "en" }
        }] })),
        Caller, NoParams, Json<SearchRequest>, Refusals, SearchErrors, LedgerErrors,
    )
)]
pub(crate) async fn search(
    State(api): State<Api>,
    caller: Caller,
    _: NoParams,
    Json(request): Json<SearchRequest>,
) -> Result<Answer<Found>, ApiError> {
    let filter = request.checked()?;
    for _ in 0..LOOKS_MAX {
        let index = indexes::find(&api, &caller.tenant, &request.index).await?;
        let query = Query {
            words: (request.mode != Mode::Vector).then(|| request.query.clone()),
            vector: if request.mode == Mode::Text { None } else { Some(vector(&api, &caller.tenant, &index, &request.query).await?) },
            limit: request.limit,
            filter: filter.clone(),
        };
        let by_vector = query.vector.is_some();
        let found = api.search.search(&caller.tenant, &index.name, &query).await;
        // Numbers of generations are never given twice: if it is the same after as it was before, it was all the while.
        if by_vector && is_switched(&api, &index, &found).await? {
            continue;
        }
        let hits = found.map_err(ApiError::Search)?.ok_or(ApiError::IndexNotFound)?;
        return Ok(Answer(Found { hits: hits.into_iter().map(HitView::from).collect() }));
    }
    Err(ApiError::Contended)
}

impl SearchRequest {
    /// Its filter, if all of it is as it should be.
    fn checked(&self) -> Result<Filter, ApiError> {
        let field = |pointer: &str, message: String| Err(ApiError::Field { pointer: pointer.into(), message });
        if !is_name(&self.index) {
            return field(
                "/index",
                "an index's name has 1 to 63 lower-case letters, digits, '-' and '_', and begins with a letter or digit".into(),
            );
        }
        if self.query.is_empty() || self.query.len() > QUERY_BYTES_MAX {
            return field("/query", format!("a query has 1 to {QUERY_BYTES_MAX} bytes"));
        }
        if self.query.contains('\0') {
            return field("/query", "a query has no NUL".into());
        }
        if !(1..=HITS_MAX).contains(&self.limit) {
            return field("/limit", format!("is 1 to {HITS_MAX}"));
        }
        Filter::read(&self.filter).or_else(|wrong| field(&format!("/filter{}", wrong.pointer), wrong.message))
    }
}

/// The query's vector, by the model of the index.
async fn vector(api: &Api, tenant: &TenantId, index: &Index, query: &str) -> Result<Vec<f32>, ApiError> {
    let settings = &index.current.settings;
    let Some(connection) = &settings.connection else { return Ok(lexical::embed(query)) };
    let now_named = api.ledger.connection(tenant, connection).await?;
    same_model(index, model_of(connection, now_named.as_ref())?)?;
    let Embedded { model, vector } = embed(api, tenant, connection, query, Some(settings.model.dimension)).await?;
    same_model(index, &model)?;
    Ok(vector)
}

fn same_model(index: &Index, model: &str) -> Result<(), ApiError> {
    let own = &index.current.settings.model.name;
    if own == model {
        return Ok(());
    }
    let why = format!(
        "the index has vectors of {own}, and its connection now names {model}: a job of the kind embedding.reindex brings them together"
    );
    Err(ApiError::ModelUnusable(why))
}

/// Whether what was searched may be another generation than the one whose model made the vector.
async fn is_switched(api: &Api, before: &Index, found: &ledger::Result<Option<Vec<Hit>>>) -> Result<bool, ApiError> {
    if matches!(found, Ok(None) | Err(ledger::Error::Unavailable(_) | ledger::Error::Outdated { .. } | ledger::Error::Corrupt(_))) {
        return Ok(false);
    }
    let now = indexes::find(api, &before.tenant, &before.name).await?;
    let Generation { number, .. } = before.current;
    Ok(now.current.number != number)
}
