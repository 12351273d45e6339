//! `GET /v1/indexes`: a tenant's indexes by name, a page at a time.

use axum::{extract::State, response::Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use windrow_jobs::search::is_name;

use super::View;
use crate::{
    Api,
    auth::Caller,
    error::{ApiError, SearchErrors},
    page,
    query::Params,
};

/// A page of indexes.
#[derive(Serialize, ToSchema)]
#[schema(as = IndexPage)]
pub(crate) struct Listed {
    /// The indexes, by name.
    indexes: Vec<View>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// List indexes
///
/// The tenant's indexes in the order of their names, a page at a time.
#[utoipa::path(
    get,
    path = "/v1/indexes",
    tag = "indexes",
    operation_id = "listIndexes",
    params(page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, Params, page::Asked, SearchErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    params.finish(&["page_size", "page_token"])?;
    let list = json!(["indexes", caller.tenant]);
    let after = asked.after(&list, |last| String::from_utf8(last.to_vec()).ok().filter(|name| is_name(name)))?;
    // One more than the page has tells whether there are any.
    let limit = u32::try_from(asked.size + 1).unwrap_or(u32::MAX);
    let mut indexes = api.search.indexes(&caller.tenant, after.as_deref(), limit).await.map_err(ApiError::Search)?;
    let more = indexes.len() > asked.size;
    indexes.truncate(asked.size);
    let next_page_token = indexes.last().filter(|_| more).map(|last| page::token(&list, last.name.as_bytes()));
    let (next, indexes) = (next_page_token.clone(), indexes.into_iter().map(View::from).collect());
    Ok(page::answer(&api, "/v1/indexes", &[], asked.size, next.as_deref(), Listed { indexes, next_page_token }))
}
