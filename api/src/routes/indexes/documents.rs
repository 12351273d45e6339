//! `GET /v1/indexes/{name}/documents`: what is in an index, by id, a page at a time.

use axum::{extract::State, response::Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    job::JobId,
    search::{self, DOCUMENT_ID_BYTES_MAX},
};

use super::{IndexPath, find};
use crate::{
    Api,
    auth::Caller,
    error::{ApiError, SearchErrors},
    page::{self, PAGE_BYTES_MAX},
    query::Params,
};

/// Documents that are read at once: with 16 KiB of metadata each, a page stays within memory.
const READ_MAX: usize = 200;

/// A page of documents.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentPage)]
pub(crate) struct Listed {
    /// The documents, by id.
    documents: Vec<Entry>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// A document of an index, without its text.
#[derive(Serialize, ToSchema)]
#[schema(as = Document)]
struct Entry {
    /// Its id in the index.
    #[schema(min_length = 1, max_length = 512)]
    document_id: String,
    /// What it is called.
    title: Option<String>,
    /// What it can be found by beside its text.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// How many chunks it has.
    chunks: u32,
    /// The job that brought it.
    job: JobId,
    /// When it was brought.
    written_at: Timestamp,
}

impl From<search::Listed> for Entry {
    fn from(listed: search::Listed) -> Self {
        let search::Listed { id, version, title, metadata, chunks, written_at } = listed;
        Self { document_id: id, title, metadata, chunks, job: version, written_at }
    }
}

/// List the documents of an index
///
/// By id, a page at a time, as searches find them now: one that is being brought is not there yet, or is the one before. A page is shorter where
/// documents have much metadata.
#[utoipa::path(
    get,
    path = "/v1/indexes/{name}/documents",
    tag = "indexes",
    operation_id = "listDocuments",
    params(IndexPath, page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, IndexPath, Params, page::Asked, SearchErrors,
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    IndexPath(name): IndexPath,
    mut params: Params,
) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    params.finish(&["page_size", "page_token"])?;
    find(&api, &caller.tenant, &name).await?;
    let list = json!(["documents", caller.tenant, name]);
    let after = asked.after(&list, |last| String::from_utf8(last.to_vec()).ok().filter(|id| is_id(id)))?;
    let (documents, more) = read(&api, &caller, &name, after, asked.size).await?;
    let next_page_token = documents.last().filter(|_| more).map(|last| page::token(&list, last.document_id.as_bytes()));
    let (path, next) = (format!("/v1/indexes/{name}/documents"), next_page_token.clone());
    Ok(page::answer(&api, &path, &[], asked.size, next.as_deref(), Listed { documents, next_page_token }))
}

/// Whether a document may have this id: a token may be anybody's invention, and one of the databases knows no NUL.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= DOCUMENT_ID_BYTES_MAX && !id.chars().any(char::is_control)
}

/// At most `size` documents and some bytes of them, and whether there are more.
async fn read(api: &Api, caller: &Caller, name: &str, mut after: Option<String>, size: usize) -> Result<(Vec<Entry>, bool), ApiError> {
    let (mut documents, mut bytes) = (Vec::<Entry>::new(), 0);
    loop {
        // One more than the page has tells whether there are any.
        let limit = (size + 1 - documents.len()).min(READ_MAX);
        let asked = u32::try_from(limit).unwrap_or(u32::MAX);
        let found = api.search.documents(&caller.tenant, name, after.as_deref(), asked).await.map_err(ApiError::Search)?;
        let is_last = found.len() < limit;
        for document in found {
            if documents.len() == size || bytes >= PAGE_BYTES_MAX {
                return Ok((documents, true));
            }
            bytes += serde_json::to_string(&document.metadata).map_or(0, |json| json.len());
            documents.push(document.into());
        }
        if is_last {
            return Ok((documents, false));
        }
        after = documents.last().map(|document| document.document_id.clone());
    }
}
