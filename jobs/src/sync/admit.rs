//! What is wrong with a job of a sync that only the ledger knows: the sync is not there. Asked wherever a job is made, by
//! `notification/admit.rs`, so that it is a refusal and not a failed job. Next: `kinds/sync_run/`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    contract::Violation,
    ledger::{Result, Syncs},
    sync::is_name,
    tenant::TenantId,
};

/// What the names of these kinds begin with.
pub const FAMILY: &str = "sync.";

/// What is looked for in a payload.
#[derive(Deserialize)]
struct Wants {
    sync: Option<String>,
}

/// What is wrong with a payload of a kind of this family; its pointer begins at the payload.
pub async fn check<L: Syncs + ?Sized>(ledger: &L, tenant: &TenantId, payload: &RawValue) -> Result<std::result::Result<(), Violation>> {
    // A kind whose payload has something else by this name means no sync.
    let Ok(Wants { sync: Some(name) }) = serde_json::from_str(payload.get()) else { return Ok(Ok(())) };
    if is_name(&name) && ledger.sync(tenant, &name).await?.is_some() {
        return Ok(Ok(()));
    }
    Ok(Err(Violation { pointer: "/sync".into(), message: format!("the tenant has no sync {name:?}") }))
}
