//! WhatsApp's approved templates, as Meta tells of them and the ledger keeps them: which there are, whether they may be sent, and
//! what they are filled in with. Pure.
//!
//! By Meta's page "Templates", as github.com/LimaLb01/endpoint-flow has copied it (docs_whatsappflow/docs_apiwhatsapp/templates.md at
//! 2d85b2b3, read 2026-11-22). What a template's components ask for is read in `kinds/notification_whatsapp/fit.rs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{clock::Timestamp, connection::ConnectionId, tenant::TenantId};

/// The status of a template that may be sent.
pub const APPROVED: &str = "APPROVED";
/// The most templates of an account that are kept: Meta allows 6,000, each language of a name being one.
pub const TEMPLATES_MAX: usize = 20_000;
/// The largest components of a template, in bytes of JSON; its texts have a few thousand characters together.
pub const COMPONENTS_BYTES_MAX: usize = 64 * 1024;

/// A template in a language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Approved {
    /// Its name.
    pub name: String,
    /// Its language, as Meta writes it: `de`, `en_US`.
    pub language: String,
    /// Meta's word for whether it may be sent: `APPROVED`, `PAUSED`, `REJECTED`, ….
    pub status: String,
    /// What it is for: `MARKETING`, `UTILITY`, `AUTHENTICATION`.
    #[serde(default)]
    pub category: Option<String>,
    /// Meta's word for how it is received: `GREEN`, `YELLOW`, `RED`, `UNKNOWN`.
    #[serde(default)]
    pub quality: Option<String>,
    /// How its placeholders are named: `POSITIONAL` or `NAMED`.
    #[serde(default)]
    pub parameter_format: Option<String>,
    /// What it is made of, as Meta tells it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub components: Value,
}

/// What is known of a connection's templates of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Synced {
    /// When they were last asked for.
    pub at: Timestamp,
    /// The ledger's now.
    pub now: Timestamp,
    /// Those of the name, by language; none where there is no such template.
    pub languages: Vec<Approved>,
}

/// A status that Meta reports of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turned {
    /// The template's name.
    pub name: String,
    /// Its language.
    pub language: String,
    /// Its status from now on.
    pub status: String,
}

/// A connection's templates, as they are kept in the place of those before.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// Whose.
    pub tenant: TenantId,
    /// The connection.
    pub connection: ConnectionId,
    /// All that there are.
    pub templates: Vec<Approved>,
}
