//! Indexes: make one, look at it, delete it. Lists are in `indexes/list.rs`, what is in them in `indexes/documents.rs`, what a body may say in
//! `indexes/settings.rs`.
//!
//! Documents come by jobs (`embedding.ingest`), and so does another model (`embedding.reindex`). Next: `windrow_jobs::search`, then
//! `routes/search.rs`.

pub(crate) mod documents;
pub(crate) mod list;
mod settings;

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::LOCATION, request::Parts},
    response::Response,
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    clock::Timestamp,
    search::{Generation, Index, Settings, is_name},
    tenant::TenantId,
};

use self::settings::IndexSettings;
use super::tagged::{KnownTag, Tagged};
use crate::{
    Api,
    auth::Caller,
    body::{Json, NoBody},
    error::{ApiError, LedgerErrors, SearchErrors},
    openapi,
    query::NoParams,
};

openapi::gives! {
    Refusals: INDEX_EXISTS, MODEL_UNUSABLE, VECTOR_UNAVAILABLE, PAYLOAD_TOO_LARGE;
    IndexPath: INDEX_NOT_FOUND;
}
/// What only an index that is to be made is refused for.
struct Refusals;

/// An index.
#[derive(Serialize, ToSchema)]
#[schema(as = Index)]
pub(crate) struct View {
    /// Whose it is.
    tenant: TenantId,
    /// Its name.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    name: String,
    /// The connection by which its texts are embedded; none where that is the lexical model's work.
    connection: Option<String>,
    /// The model of its vectors.
    model: String,
    /// Their dimensions.
    dimension: u16,
    /// The most tokens of a chunk.
    tokens_max: u16,
    /// The tokens that a chunk has in common with the one before.
    overlap_tokens: u16,
    /// How many documents it has.
    documents: u64,
    /// How many chunks these have.
    chunks: u64,
    /// What a reindex makes, beside what is searched.
    next: Option<Next>,
    /// When it was made.
    created_at: Timestamp,
}

/// What an index becomes, as soon as all its documents are brought over.
#[derive(Serialize, ToSchema)]
#[schema(as = NextIndex)]
struct Next {
    /// The connection by which texts are embedded; none where that is the lexical model's work.
    connection: Option<String>,
    /// The model of its vectors.
    model: String,
    /// Their dimensions.
    dimension: u16,
    /// How many of the documents were brought over by now.
    documents: u64,
}

impl From<Index> for View {
    fn from(index: Index) -> Self {
        let Settings { connection, model, chunking } = index.current.settings;
        let next = index.next.map(|Generation { settings, .. }| Next {
            connection: settings.connection,
            model: settings.model.name,
            dimension: settings.model.dimension,
            documents: index.next_documents,
        });
        Self {
            tenant: index.tenant,
            name: index.name,
            connection,
            model: model.name,
            dimension: model.dimension,
            tokens_max: chunking.tokens_max,
            overlap_tokens: chunking.overlap_tokens,
            documents: index.documents,
            chunks: index.chunks,
            next,
            created_at: index.created_at,
        }
    }
}

/// Make an index
///
/// With the model of a connection of the provider `openai`, or with the lexical one, which needs no key and no network and knows spelling, not
/// meaning. A connection is asked for one vector, to know how many dimensions its model has. Saying the same again changes nothing. An index
/// that has other settings is left as it is (409): a job of the kind `embedding.reindex` gives it another model, and other sizes of chunks need
/// an index made anew.
#[utoipa::path(
    put,
    path = "/v1/indexes/{name}",
    tag = "indexes",
    operation_id = "putIndex",
    params(IndexPath, Caller),
    request_body(content = IndexSettings, examples(
        ("lexical" = (summary = "With the lexical model", value = json!({}))),
        ("small" = (summary = "In small chunks", value = json!({ "tokens_max": 200, "overlap_tokens": 20 }))),
    )),
    responses(
        (status = 200, description = "The index, which was there.", body = View, headers(("ETag"), ("Cache-Control"))),
        (status = 201, description = "The index, which is new.", body = View, headers(("Location"), ("ETag"), ("Cache-Control")),
            links(
                ("look" = (operation_id = "getIndex", parameters(
                    ("name" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("documents" = (operation_id = "listDocuments", parameters(
                    ("name" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("delete" = (operation_id = "deleteIndex", parameters(
                    ("name" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
            ),
            example = json!({
                "tenant": "default", "name": "manual", "connection": null, "model": "lexical-1", "dimension": 512, "tokens_max": 400,
                "overlap_tokens": 40, "documents": 0, "chunks": 0, "next": null, "created_at": "2027-01-15T08:00:00.000Z"
            })),
        Caller, IndexPath, NoParams, Json<()>, Refusals, SearchErrors, LedgerErrors,
    )
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    IndexPath(name): IndexPath,
    _: NoParams,
    Json(said): Json<IndexSettings>,
) -> Result<Response, ApiError> {
    let chunking = said.chunking()?;
    let (index, is_new) = match api.search.index(&caller.tenant, &name).await.map_err(ApiError::Search)? {
        Some(index) => (index, false),
        None => {
            let settings = said.settings(&api, &caller.tenant, chunking).await?;
            (api.search.open_index(&caller.tenant, &name, &settings).await.map_err(ApiError::Search)?, true)
        }
    };
    said.check_same(&api, &index, chunking).await?;
    if !is_new {
        return Ok(tagged(index)?.answer(StatusCode::OK));
    }
    let location = format!("{}/v1/indexes/{}", api.public_url, index.name);
    let mut response = tagged(index)?.answer(StatusCode::CREATED);
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).map_err(|_| ApiError::Internal)?);
    Ok(response)
}

/// Look at an index
///
/// What it was made with, how much is in it, and how far a reindex is that goes on.
#[utoipa::path(
    get,
    path = "/v1/indexes/{name}",
    tag = "indexes",
    operation_id = "getIndex",
    params(IndexPath, Caller, KnownTag),
    responses(
        (status = 200, description = "The index.", body = View, headers(("ETag"), ("Cache-Control"))),
        (status = 304, description = "The index is what you have.", headers(("ETag"), ("Cache-Control"))),
        Caller, IndexPath, NoParams, SearchErrors,
    )
)]
pub(crate) async fn look(
    State(api): State<Api>,
    caller: Caller,
    path: IndexPath,
    _: NoParams,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let tagged = tagged(find(&api, &caller.tenant, &path.0).await?)?;
    let status = if tagged.is_known(&headers) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    Ok(tagged.answer(status))
}

/// Delete an index
///
/// With all its documents: none of them is found from now on. A job that brings a document later makes the index anew, with the lexical model.
/// The call takes no body, or an empty object.
#[utoipa::path(
    delete,
    path = "/v1/indexes/{name}",
    tag = "indexes",
    operation_id = "deleteIndex",
    params(IndexPath, Caller),
    responses(
        (status = 204, description = "It is gone."),
        Caller, IndexPath, NoParams, NoBody, SearchErrors,
    )
)]
pub(crate) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    IndexPath(name): IndexPath,
    _: NoParams,
    _: NoBody,
) -> Result<StatusCode, ApiError> {
    let was_there = api.search.drop_index(&caller.tenant, &name).await.map_err(ApiError::Search)?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::IndexNotFound) }
}

/// The name in an index's path.
#[derive(IntoParams)]
#[into_params(names("name"), parameter_in = Path)]
pub(crate) struct IndexPath(
    /// The index's name.
    #[param(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    pub(crate) String,
);

impl FromRequestParts<Api> for IndexPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Path(name) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| ApiError::IndexNotFound)?;
        // What is no name names nothing, and no database need be asked: one of them knows no NUL.
        if is_name(&name) { Ok(Self(name)) } else { Err(ApiError::IndexNotFound) }
    }
}

/// A tenant's index of this name.
pub(super) async fn find(api: &Api, tenant: &TenantId, name: &str) -> Result<Index, ApiError> {
    api.search.index(tenant, name).await.map_err(ApiError::Search)?.ok_or(ApiError::IndexNotFound)
}

fn tagged(index: Index) -> Result<Tagged, ApiError> {
    Tagged::of(&View::from(index), "")
}
