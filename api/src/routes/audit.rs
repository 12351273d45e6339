//! The accounts: whether everything that was accepted is accounted for.

use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::json;
use windrow_jobs::ledger::Balance;

use crate::{Api, auth::Caller, error::ApiError, query::NoParams};

/// `GET /v1/audit/ledger`: both sides of the conservation law, for every tenant, at one instant.
pub(crate) async fn ledger(State(api): State<Api>, _: Caller, _: NoParams) -> Result<Response, ApiError> {
    let tenants = api.ledger.balances().await?;
    let balanced = tenants.iter().all(Balance::holds);
    Ok(Answer(json!({ "balanced": balanced, "tenants": tenants })).into_response())
}
