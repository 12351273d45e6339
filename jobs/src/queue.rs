//! Queues and their limits. A queue is a platform-wide name; with a tenant it makes a lane.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::error::InvalidName;

/// A queue's name: `[a-z][a-z0-9_-]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^[a-z][a-z0-9_-]{0,62}$"))]
pub struct QueueName(Arc<str>);

/// The longest queue name; it becomes part of Redis keys and metric labels.
const QUEUE_BYTES_MAX: usize = 63;

/// The queues every installation has.
pub const BUILT_IN_QUEUES: [&str; 5] = ["default", "builds", "notifications", "syncs", "embeddings"];

impl QueueName {
    /// The queue of kinds that name no other.
    pub fn default_queue() -> Self {
        Self(BUILT_IN_QUEUES[0].into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for QueueName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let bytes = name.as_bytes();
        let well_formed = bytes.len() <= QUEUE_BYTES_MAX
            && bytes.first().is_some_and(u8::is_ascii_lowercase)
            && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
        if well_formed { Ok(Self(name.into())) } else { Err(InvalidName { what: "queue", pattern: "[a-z][a-z0-9_-]{0,62}" }) }
    }
}

crate::error::text_conversions!(QueueName);

/// What an operator allows a lane, or with platform scope a whole queue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// A paused lane starts nothing; what runs goes on.
    #[serde(default)]
    pub paused: bool,
    /// The most jobs running or handed out at once; none means no cap.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// The most starts per second, with a burst of one second; none means no cap.
    #[serde(default)]
    pub rate_per_s: Option<f64>,
    /// The lane's share against others: a lane of weight 2 gets twice the turns of one of weight 1.
    #[serde(default = "Limits::default_weight")]
    pub weight: u32,
}

impl Limits {
    /// The largest weight; a larger one would make the starvation bound of the others meaningless.
    pub const WEIGHT_MAX: u32 = 100;

    const fn default_weight() -> u32 {
        1
    }
}

/// A change of limits: what is left out stays.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LimitsPatch {
    /// Whether it is paused.
    pub paused: Option<bool>,
    /// The cap on concurrency; none within takes it off.
    pub concurrency: Option<Option<u32>>,
    /// The cap on the rate; none within takes it off.
    pub rate_per_s: Option<Option<f64>>,
    /// The weight.
    pub weight: Option<u32>,
}

impl Limits {
    /// These limits, changed.
    #[must_use]
    pub fn patched(self, patch: LimitsPatch) -> Self {
        Self {
            paused: patch.paused.unwrap_or(self.paused),
            concurrency: patch.concurrency.unwrap_or(self.concurrency),
            rate_per_s: patch.rate_per_s.unwrap_or(self.rate_per_s),
            weight: patch.weight.unwrap_or(self.weight),
        }
    }
}

impl From<Limits> for LimitsPatch {
    /// The change that leaves exactly these limits.
    fn from(limits: Limits) -> Self {
        let Limits { paused, concurrency, rate_per_s, weight } = limits;
        Self { paused: Some(paused), concurrency: Some(concurrency), rate_per_s: Some(rate_per_s), weight: Some(weight) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { paused: false, concurrency: None, rate_per_s: None, weight: Self::default_weight() }
    }
}

/// Whose limits: one lane's, or the whole queue's over all tenants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitScope {
    /// One tenant's lane of the queue.
    Tenant(crate::tenant::TenantId),
    /// Every lane of the queue together.
    Platform,
}
