//! What is wrong with a message that only the ledger knows, where a connection was synced before: an approved template that is not there, or
//! that is filled in wrongly. One that is not approved yet may be by the time it is sent: that is the handler's to say.

use serde::Deserialize;
use serde_json::Value;

use super::{
    ApprovedTemplate,
    fit::{find, fits},
};
use crate::{contract::Violation, notification::approved::Synced};

/// What is looked at of a payload.
#[derive(Deserialize)]
pub struct Wants {
    /// The connection that sends.
    pub connection: String,
    /// The template that it names.
    #[serde(rename = "approved_template")]
    pub template: ApprovedTemplate,
}

/// What of a payload is to be looked up, if anything.
pub fn wants(payload: &Value) -> Option<Wants> {
    Wants::deserialize(payload).ok()
}

/// What is wrong with a template, by what is known of the connection's; the pointer begins at the payload.
pub fn admit(known: &Synced, wanted: &ApprovedTemplate) -> Result<(), Violation> {
    let fits = find(&known.languages, wanted).and_then(|template| fits(template, wanted));
    fits.map_err(|misfit| Violation {
        pointer: format!("/approved_template{}", misfit.violation.pointer),
        message: format!("{} (as Meta told at {}; a job notification.whatsapp_templates asks anew)", misfit.violation.message, known.at),
    })
}
