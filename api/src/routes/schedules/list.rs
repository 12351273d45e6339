//! `GET /v1/schedules`: a tenant's schedules by name, a page at a time.

use axum::{extract::State, response::Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use windrow_jobs::{schedule::Schedule, tenant::TenantId};

use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    page::{self, PAGE_BYTES_MAX},
    query::Params,
};

pub(crate) const PARAMETERS: [&str; 2] = ["page_size", "page_token"];

/// Schedules that are read at once: their payloads may be a mebibyte each.
const PIECE: usize = 20;

/// A page of schedules.
#[derive(Serialize, ToSchema)]
#[schema(as = SchedulePage)]
struct Listed {
    /// The schedules, by name.
    schedules: Vec<Schedule>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// List schedules
///
/// The tenant's schedules in the order of their names, a page at a time.
#[utoipa::path(
    get,
    path = "/v1/schedules",
    tag = "schedules",
    operation_id = "listSchedules",
    params(page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, Params, page::Asked, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    params.finish(&PARAMETERS)?;
    let list = json!(["schedules", caller.tenant]);
    let after = asked.after(&list, |last| String::from_utf8(last.to_vec()).ok())?;
    let (schedules, more) = read(&api, &caller.tenant, after, asked.size).await?;
    let next_page_token = schedules.last().filter(|_| more).map(|last| page::token(&list, last.definition.name.as_bytes()));
    let next = next_page_token.clone();
    Ok(page::answer(&api, "/v1/schedules", &[], asked.size, next.as_deref(), Listed { schedules, next_page_token }))
}

/// The schedules after this name, and whether there are more.
async fn read(api: &Api, tenant: &TenantId, mut after: Option<String>, size: usize) -> Result<(Vec<Schedule>, bool), ApiError> {
    let (mut schedules, mut bytes) = (Vec::new(), 0);
    loop {
        // One more than the page has tells whether there are any.
        let asked = (size + 1 - schedules.len()).min(PIECE);
        let piece = api.ledger.schedules(tenant, after.as_deref(), asked).await?;
        let is_last = piece.len() < asked;
        for schedule in piece {
            if schedules.len() == size || bytes >= PAGE_BYTES_MAX {
                return Ok((schedules, true));
            }
            bytes += schedule.definition.job.payload.get().len();
            after = Some(schedule.definition.name.clone());
            schedules.push(schedule);
        }
        if is_last {
            return Ok((schedules, false));
        }
    }
}
