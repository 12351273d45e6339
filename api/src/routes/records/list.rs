//! `GET /v1/records/{collection}`: records by key, a page at a time, all of them or those that have a value; and the collections that there are.

use axum::{extract::State, response::Response};
use serde::Serialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::sync::{
    state::Record,
    store::{Look, Unready},
};

use super::{CollectionPath, View};
use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    openapi,
    page::{self, PAGE_BYTES_MAX},
    query::Params,
};

openapi::gives! {
    Finding: LOOKUP_INDEXING;
}
/// What looking for a value may end in.
struct Finding;

/// Records that are read at once: with 256 KiB each, a page stays within memory.
const READ_MAX: usize = 50;

/// A page of records.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordPage)]
pub(crate) struct Listed {
    /// The records, by key.
    records: Vec<View>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// A page of collections.
#[derive(Serialize, ToSchema)]
#[schema(as = CollectionPage)]
pub(crate) struct Collections {
    /// The collections, by name.
    collections: Vec<Collection>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// A collection.
#[derive(Serialize, ToSchema)]
struct Collection {
    /// Its name.
    name: String,
}

/// Which records are looked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
struct Which {
    /// One of the collection's look-up fields, with `value`: only records that have this value there. Several may.
    #[param(min_length = 1, max_length = 500)]
    field: Option<String>,
    /// The value, in words: a text as it is, numbers and truths as in JSON.
    #[param(min_length = 1, max_length = 512)]
    value: Option<String>,
    /// Whether those marked as deleted are listed as well.
    #[param(default = false)]
    deleted: Option<bool>,
}

/// List records
///
/// Of a collection, by key, a page at a time; with `field` and `value` those that have the value. Look-up fields are those that the syncs into
/// the collection say. A page is shorter where records are large.
#[utoipa::path(
    get,
    path = "/v1/records/{collection}",
    tag = "records",
    operation_id = "listRecords",
    params(CollectionPath, Which, page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, CollectionPath, Params, page::Asked, Finding, LedgerErrors,
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    CollectionPath { collection }: CollectionPath,
    mut params: Params,
) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    let (field, value, deleted) = (params.take("field"), params.take("value"), params.parse::<bool>("deleted")?);
    params.finish(&["field", "value", "deleted", "page_size", "page_token"])?;
    let field = match (field, value) {
        (Some(field), Some(value)) => Some((field, value)),
        (None, None) => None,
        _ => return Err(ApiError::Query("field and value are given together".into())),
    };
    let list = json!(["records", caller.tenant, collection, field, deleted]);
    let after = asked.after(&list, |last| String::from_utf8(last.to_vec()).ok())?;
    let look = Look { collection, field, deleted: deleted.unwrap_or(false), after, limit: 0 };
    let (records, more) = read(&api, &caller, &look, asked.size).await?;
    let last = records.last().filter(|_| more);
    let next_page_token = last.map(|last| page::token(&list, last.key.as_bytes()));
    let records = records.into_iter().map(|record| View::of(&caller.tenant, record)).collect();
    let (field, value) = look.field.unzip();
    let filter = [("field", field), ("value", value), ("deleted", deleted.map(|deleted| deleted.to_string()))];
    let (path, next) = (format!("/v1/records/{}", look.collection), next_page_token.clone());
    Ok(page::answer(&api, &path, &filter, asked.size, next.as_deref(), Listed { records, next_page_token }))
}

/// At most `size` records and some bytes of them, and whether there are more.
async fn read(api: &Api, caller: &Caller, look: &Look, size: usize) -> Result<(Vec<Record>, bool), ApiError> {
    let (mut records, mut bytes, mut after) = (Vec::<Record>::new(), 0, look.after.clone());
    loop {
        // One more than the page has tells whether there are any.
        let limit = (size + 1 - records.len()).min(READ_MAX);
        let looked = api.ledger.records(&caller.tenant, Look { after, limit, ..look.clone() }).await?;
        match looked.unready {
            None => {}
            Some(Unready::Unknown) => return Err(ApiError::Query("field: none of the collection's look-up fields".into())),
            Some(Unready::Indexing) => return Err(ApiError::LookupIndexing),
        }
        let found = looked.records.len();
        for record in looked.records {
            if records.len() == size || bytes >= PAGE_BYTES_MAX {
                return Ok((records, true));
            }
            bytes += record.data.get().len();
            records.push(record);
        }
        if found < limit {
            return Ok((records, false));
        }
        after = records.last().map(|record| record.key.clone());
    }
}

/// List collections
///
/// The names of those that have a record, a page at a time.
#[utoipa::path(
    get,
    path = "/v1/records",
    tag = "records",
    operation_id = "listCollections",
    params(page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Collections, headers(("Link"))),
        Caller, Params, page::Asked, LedgerErrors,
    )
)]
pub(crate) async fn collections(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    params.finish(&["page_size", "page_token"])?;
    let list = json!(["collections", caller.tenant]);
    let after = asked.after(&list, |last| String::from_utf8(last.to_vec()).ok())?;
    let mut names = api.ledger.collections(&caller.tenant, after.as_deref(), asked.size + 1).await?;
    let more = names.len() > asked.size;
    names.truncate(asked.size);
    let next_page_token = names.last().filter(|_| more).map(|last| page::token(&list, last.as_bytes()));
    let (next, collections) = (next_page_token.clone(), names.into_iter().map(|name| Collection { name }).collect());
    Ok(page::answer(&api, "/v1/records", &[], asked.size, next.as_deref(), Collections { collections, next_page_token }))
}
