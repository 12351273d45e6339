//! `GET /v1/syncs`: a tenant's syncs by name, a page at a time.

use axum::{extract::State, response::Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    sync::{SyncId, is_name, state::Sync},
};

use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    page,
    query::Params,
};

/// Syncs that are read at once: their definitions may have 64 KiB each.
const PIECE: usize = 100;

/// A page of syncs.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncPage)]
pub(crate) struct Listed {
    /// The syncs, by name.
    syncs: Vec<Entry>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// A sync, without what it says.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedSync)]
struct Entry {
    /// Its id.
    id: SyncId,
    /// Its name.
    name: String,
    /// Grows with each change of its definition.
    version: u32,
    /// The preset that it was made of.
    preset: Option<String>,
    /// For people.
    description: Option<String>,
    /// The number of its last run; 0 before the first.
    last_run: u32,
    /// When it was made.
    created_at: Timestamp,
    /// When its definition changed last.
    updated_at: Timestamp,
}

impl From<Sync> for Entry {
    fn from(sync: Sync) -> Self {
        let Sync { id, name, version, preset, definition, last_run, created_at, updated_at, .. } = sync;
        Self { id, name, version, preset, description: definition.description, last_run, created_at, updated_at }
    }
}

/// List syncs
///
/// The tenant's syncs in the order of their names, a page at a time, without what they say.
#[utoipa::path(
    get,
    path = "/v1/syncs",
    tag = "syncs",
    operation_id = "listSyncs",
    params(page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, Params, page::Asked, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    params.finish(&["page_size", "page_token"])?;
    let list = json!(["syncs", caller.tenant]);
    let mut after = asked.after(&list, |last| String::from_utf8(last.to_vec()).ok().filter(|name| is_name(name)))?;
    let mut syncs: Vec<Entry> = Vec::new();
    // One more than the page has tells whether there are any.
    while syncs.len() <= asked.size {
        let most = (asked.size + 1 - syncs.len()).min(PIECE);
        let piece = api.ledger.syncs(&caller.tenant, after.as_deref(), most).await?;
        let is_last = piece.len() < most;
        syncs.extend(piece.into_iter().map(Entry::from));
        after = syncs.last().map(|last| last.name.clone());
        if is_last {
            break;
        }
    }
    let more = syncs.len() > asked.size;
    syncs.truncate(asked.size);
    let next_page_token = syncs.last().filter(|_| more).map(|last| page::token(&list, last.name.as_bytes()));
    let next = next_page_token.clone();
    Ok(page::answer(&api, "/v1/syncs", &[], asked.size, next.as_deref(), Listed { syncs, next_page_token }))
}
