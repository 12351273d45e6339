//! What is wrong with a message that only the ledger knows, where a connection was synced before: an approved template that is not there, or
//! that is filled in wrongly. One that is not approved yet may be by the time it is sent: that is the handler's to say.

use serde::Deserialize;
use serde_json::Value;

use super::{
    ApprovedTemplate,
    fit::{find, fits},
};
use crate::{
    contract::Violation,
    ledger::{Approvals, Connections, Result},
    tenant::TenantId,
};

/// What is looked at of a payload.
#[derive(Deserialize)]
struct Wants {
    connection: String,
    approved_template: Option<ApprovedTemplate>,
}

/// What is wrong with a payload of the kind; the pointer begins at the payload.
pub async fn admit<L: Approvals + Connections + ?Sized>(
    ledger: &L,
    tenant: &TenantId,
    payload: &Value,
) -> Result<std::result::Result<(), Violation>> {
    let Ok(Wants { connection, approved_template: Some(wanted) }) = Wants::deserialize(payload) else { return Ok(Ok(())) };
    // A connection may be made later.
    let Some(connection) = ledger.connection(tenant, &connection).await? else { return Ok(Ok(())) };
    let Some(known) = ledger.approved(tenant, connection.id, &wanted.name).await? else { return Ok(Ok(())) };
    let fits = find(&known.languages, &wanted).and_then(|template| fits(template, &wanted));
    Ok(fits.map_err(|misfit| Violation {
        pointer: format!("/approved_template{}", misfit.violation.pointer),
        message: format!("{} (as Meta told at {}; a job notification.whatsapp_templates asks anew)", misfit.violation.message, known.at),
    }))
}
