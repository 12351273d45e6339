//! `GET /v1/connections`: a tenant's connections by name, a page at a time.

use axum::{extract::State, response::Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::View;
use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    page,
    query::Params,
};

/// A page of connections.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectionPage)]
pub(crate) struct Listed {
    /// The connections, by name.
    connections: Vec<View>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// List connections
///
/// The tenant's connections in the order of their names, a page at a time. Their secrets are named and not told.
#[utoipa::path(
    get,
    path = "/v1/connections",
    tag = "connections",
    operation_id = "listConnections",
    params(page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, Params, page::Asked, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    params.finish(&["page_size", "page_token"])?;
    let list = json!(["connections", caller.tenant]);
    let after = asked.after(&list, |last| String::from_utf8(last.to_vec()).ok().filter(|name| super::check_name(name).is_ok()))?;
    // One more than the page has tells whether there are any. A tenant has 500 of at most 16 KiB.
    let mut connections = api.ledger.connections(&caller.tenant, after.as_deref(), asked.size + 1).await?;
    let more = connections.len() > asked.size;
    connections.truncate(asked.size);
    let next_page_token = connections.last().filter(|_| more).map(|last| page::token(&list, last.name.as_bytes()));
    let (next, connections) = (next_page_token.clone(), connections.into_iter().map(View::from).collect());
    Ok(page::answer(&api, "/v1/connections", &[], asked.size, next.as_deref(), Listed { connections, next_page_token }))
}
