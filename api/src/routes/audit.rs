//! The accounts: whether everything that was accepted is accounted for.

use axum::{Json as Answer, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use windrow_jobs::ledger::Balance;

use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    query::NoParams,
};

/// The accounts of every tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accounts {
    /// Whether all of them hold.
    balanced: bool,
    /// Both sides of each.
    tenants: Vec<Balance>,
}

/// Whether all that was accepted is accounted for
///
/// Both sides of the conservation law, accepted = completed + dead + cancelled + live, for every tenant, at one instant.
#[utoipa::path(
    get,
    path = "/v1/audit/ledger",
    tag = "accounts",
    operation_id = "getAccounts",
    params(Caller),
    responses(
        (status = 200, description = "The accounts, whether they balance or not.", body = Accounts, example = json!({
            "balanced": true, "tenants": [{
                "tenant": "default", "accepted": 7, "completed": 4, "dead": 1, "cancelled": 1, "live": 1, "pruned": 0,
                "outcomes": { "completed": 4, "dead": 1, "cancelled": 1 }
            }]
        })),
        Caller, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn ledger(State(api): State<Api>, _: Caller, _: NoParams) -> Result<Answer<Accounts>, ApiError> {
    let tenants = api.ledger.balances().await?;
    let balanced = tenants.iter().all(Balance::holds);
    Ok(Answer(Accounts { balanced, tenants }))
}
