//! How much a run takes and bears. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much is taken and borne.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncLimits))]
pub struct Limits {
    /// Pages of the list, each time that it is read.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub pages_max: u32,
    /// Records of the list, each time that it is read.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub records_max: u64,
    /// Bytes of a page, unpacked.
    #[schemars(range(min = 1_024, max = 67_108_864))]
    pub page_bytes_max: u64,
    /// Bytes of all pages of a run, unpacked, with those that are read again.
    #[schemars(range(min = 1_024, max = 1_099_511_627_776_u64))]
    pub bytes_max: u64,
    /// How long a page may take, in seconds.
    #[schemars(range(min = 1, max = 600))]
    pub page_timeout_s: u32,
    /// Requests a second to the source, and to a destination over HTTP, of this run.
    #[schemars(range(min = 0.01, max = 1_000.0))]
    pub requests_per_s: Option<f64>,
    /// How long the source, or a destination over HTTP, is left alone after an answer of 429 or 503 that does not say, in seconds.
    #[schemars(range(min = 1, max = 3_600))]
    pub throttled_wait_s: u32,
    /// A run fails that would have more records fail.
    #[schemars(range(max = 10_000))]
    pub failed_max: u64,
    /// A run deletes nothing, and fails, that would delete a larger part than this of what was there (and more than 10 records): a source that
    /// suddenly has nothing is more likely broken than empty.
    #[schemars(range(min = 0, max = 100))]
    pub deleted_percent_max: u8,
    /// How often the list is read within a run, at most: again where it changes meanwhile, and once more to see that it did not (`second_pass`,
    /// which needs two).
    #[schemars(range(min = 1, max = 10))]
    pub passes_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pages_max: 100_000,
            records_max: 1_000_000,
            page_bytes_max: 8 * 1024 * 1024,
            bytes_max: 16 * 1024 * 1024 * 1024,
            page_timeout_s: 60,
            requests_per_s: None,
            throttled_wait_s: 10,
            failed_max: 10_000,
            deleted_percent_max: 50,
            passes_max: 3,
        }
    }
}
