//! `notification.whatsapp_templates`: asks Meta which templates a connection's account has, and keeps what it tells.
//!
//! `read.rs` reads Meta's pages, `handler.rs` asks for them; `notification.whatsapp` asks by the same code where it must.

#[cfg(feature = "handlers")]
pub mod handler;
#[cfg(feature = "handlers")]
mod read;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::contract::{Contract, Policy};

/// The kind's name.
pub const KIND: &str = "notification.whatsapp_templates";

/// Whose templates are asked for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The connection, of the provider `whatsapp`.
    #[schemars(length(min = 1, max = 63))]
    pub connection: String,
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many templates, each language counted.
    pub templates: usize,
    /// How many by their status.
    pub by_status: BTreeMap<String, usize>,
}

/// The kind's contract.
pub fn contract() -> Contract {
    let policy = Policy { timeout_ms: 300_000, ticket_jobs_max: 1, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Asks Meta which approved templates the account of a `whatsapp` connection has, in which languages, and how they stand, and keeps that in the place of what was \
         known before. `notification.whatsapp` looks there before it sends, and a submission that names a template which is not there, or fills it in wrongly, is refused with 422 once a connection was synced. \
         Make a schedule for it, hourly for instance ([schedules](../schedules.md)): `POST /v1/schedules` with \
         `{\"name\": \"whatsapp-templates\", \"cron\": \"7 * * * *\", \"job\": {\"kind\": \"notification.whatsapp_templates\", \"payload\": {\"connection\": \"whatsapp\"}}}`. \
         A connection without one is synced by the first message that needs a template, and again where a template is not good and ten minutes have passed; what Meta \
         reports to the connection's hook (`message_template_status_update`) counts at once.",
        json!({ "connection": "whatsapp" }),
        json!({ "templates": 12, "by_status": { "APPROVED": 11, "PAUSED": 1 } }),
        &[
            ("provider_busy", true, "Meta takes no more questions just now (4, 80007, 429); `Retry-After` is kept"),
            ("provider_failed", true, "Meta answered 5xx, or nothing that can be read"),
            ("templates_refused", false, "Meta refuses to tell for another reason, which the message repeats: `business_account_id` may be wrong"),
            ("too_many_templates", false, "the account has more than 20,000 templates"),
            ("connection_refused", true, "Meta does not let the connection in: it goes to `error` until it is mended or tested"),
            ("answer_late", true, "no answer came in time"),
            ("unreachable", true, "no connection came about"),
            ("address_forbidden", false, "`base_url` leads to an address that is not of the internet, or is `http`, and the operator has made no exception"),
            ("connection_unknown", false, "the tenant has no connection of this name"),
            ("connection_other_provider", false, "the connection is of another provider than `whatsapp`"),
            ("connection_closed", true, "the connection is switched off, or in `error`"),
        ],
    )
}
