//! Where a run stands in a source: small, without secrets, and kept as JSON with each page. Pure. Next: `paging.rs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

/// Where a page is, and what of those before it must be known. Opaque to whoever keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// How it is asked for.
    pub(super) at: At,
    /// Pages before it.
    pub(super) pages: u64,
    /// Records before it.
    pub(super) records: u64,
    /// The most records that a page had: some providers give fewer than they are asked for.
    pub(super) fullest: u64,
    /// The page before was short, so that nothing is to be expected here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) probing: bool,
    /// Empty pages in a row before it.
    #[serde(default)]
    pub(super) empty: u32,
    /// The key of the last record before it, as a hash: what should stand there when it is asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last: Option<String>,
    /// When the list was begun: by this machine's clock or the provider's, whichever is behind.
    pub(super) began_at: Timestamp,
    /// From where the next run asks for what changed, as far as is known by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mark: Option<Mark>,
    /// Whether these places go round in a circle.
    #[serde(default)]
    pub(super) places: Trail,
    /// Whether the pages say the same again and again.
    #[serde(default)]
    pub(super) contents: Trail,
}

/// How a page is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum At {
    /// By its number.
    Page(u64),
    /// By how many records come before.
    Offset(u64),
    /// By the mark that the page before gave.
    Mark(Value),
    /// By the link that it gave: path and query, without secrets.
    Link(String),
    /// By a value of the last record before.
    After(Value),
    /// By the key of the last record of the tenant's own before.
    Key(String),
}

impl Place {
    /// The page that a list begins with, at this instant.
    pub(super) fn first(at: At, began_at: Timestamp, mark: Option<Mark>) -> Self {
        let (places, contents) = (Trail::default(), Trail::default());
        Self { at, pages: 0, records: 0, fullest: 0, probing: false, empty: 0, last: None, began_at, mark, places, contents }
    }

    /// The same of a list that was begun no later than this, where that is said.
    pub(super) fn begun_by(self, at: Option<Timestamp>) -> Self {
        Self { began_at: at.map_or(self.began_at, |at| at.min(self.began_at)), ..self }
    }

    /// Pages before it.
    pub const fn pages(&self) -> u64 {
        self.pages
    }

    /// Records before it, since this reading of the list was begun.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// When the list was begun.
    pub const fn began_at(&self) -> Timestamp {
        self.began_at
    }
}

/// From where a run asks for what changed: what [`Since::mark`](crate::sync::state::Since) is, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    /// The greatest instant that was seen, and no later than when the list was begun: what changed while it was read is asked for again.
    UpdatedAt(Timestamp),
    /// What the provider gave.
    Cursor(Value),
    /// What the whole list was known by.
    Validators {
        /// `ETag`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        etag: Option<String>,
        /// `Last-Modified`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_modified: Option<String>,
    },
}

/// Notices a circle in constant space, as Brent does: each place is compared with one anchor, which is moved on after 1, 2, 4, 8 … steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trail {
    anchor: String,
    steps: u64,
    met: u32,
}

impl Trail {
    /// Takes a step onto this. How often the anchor was met there since it lies where it does.
    pub(super) fn step(&mut self, onto: &str) -> u32 {
        self.steps += 1;
        if self.anchor == onto {
            self.met += 1;
            return self.met;
        }
        if self.steps.is_power_of_two() {
            onto.clone_into(&mut self.anchor);
            self.met = 0;
        }
        0
    }
}

/// A hash that fits into a place: 128 bits of SHA-256.
pub(super) fn short_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_circle_is_noticed_and_nothing_else_is(tail in 0_u64..200, length in 1_u64..200) {
            let mut trail = Trail::default();
            let place = |step: u64| if step < tail { step } else { tail + (step - tail) % length };
            let noticed = (0..).find(|step| trail.step(&place(*step).to_string()) > 0).expect("it ends");
            // The anchor is within the circle after at most twice the longer of both, and met a round later.
            prop_assert!(noticed <= 4 * tail.max(length) + 4, "{}", noticed);
            let mut trail = Trail::default();
            prop_assert!((0..1_000_u64).all(|step| trail.step(&step.to_string()) == 0));
        }

        #[test]
        fn what_is_the_same_for_ever_is_met_again_and_again(length in 1_u64..20) {
            let mut trail = Trail::default();
            prop_assert!((0..20 * length + 20).any(|step| trail.step(&(step % length).to_string()) >= 3));
        }
    }
}
