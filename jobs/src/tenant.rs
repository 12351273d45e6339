//! Who owns a job. The first argument of every ledger read and write.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::error::InvalidName;

/// A tenant's name: `[a-z0-9][a-z0-9-]{0,62}`, unique on the platform.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,62}$"))]
pub struct TenantId(Arc<str>);

/// The longest tenant name, that of a DNS label (RFC 1035 §2.3.4).
const TENANT_BYTES_MAX: usize = 63;

impl TenantId {
    /// The tenant of a platform key that names none.
    pub fn default_tenant() -> Self {
        Self("default".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let lower_or_digit = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = name.as_bytes();
        let well_formed = bytes.len() <= TENANT_BYTES_MAX
            && bytes.first().is_some_and(lower_or_digit)
            && bytes.iter().all(|byte| lower_or_digit(byte) || *byte == b'-');
        if well_formed { Ok(Self(name.into())) } else { Err(InvalidName { what: "tenant", pattern: "[a-z0-9][a-z0-9-]{0,62}" }) }
    }
}

crate::error::text_conversions!(TenantId);
