//! Where a run is: written as JSON with what each page brought, in one transaction, and read by the attempt that goes on. Pure.
//!
//! It grows with nothing but the page under way. Next: `running.rs`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    job::JobError,
    sync::{reader, state::Counts},
};

/// What is done next, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// Pages are read.
    #[default]
    Read,
    /// It is looked whether all was read.
    Verify,
    /// What vanished is seen to: it may be, as was found.
    Sweep,
    /// The file is put together.
    Assemble,
    /// It is told what could not be taken over, and ended.
    End,
}

/// Where a run is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct At {
    /// Grows with each write, so that no two lead to the same place.
    pub step: u64,
    /// What is done next.
    pub phase: Phase,
    /// Which reading of the list this is, from 1.
    pub pass: u32,
    /// The page that comes next; none for the first.
    pub next: Option<reader::Place>,
    /// How far that page is written.
    pub cut: Option<Cut>,
    /// Pages of this pass.
    pub pages: u64,
    /// Records of this pass.
    pub read: u64,
    /// A hash over the keys of this pass, in their order.
    pub keys: String,
    /// How many records the source says there are.
    pub total: Option<u64>,
    /// Records of this pass whose key is unknown: whichever they are, they are there.
    pub unkeyed: u64,
    /// What the run had made and changed when this pass began.
    pub changed_before: u64,
    /// What the pass before found.
    pub before: Option<Pass>,
    /// From where the next run may ask for what changed.
    pub mark: Option<String>,
    /// Whether all is read that the source has, and not what changed alone.
    pub all: bool,
    /// The source said that nothing changed.
    pub not_modified: bool,
    /// The part of the file that was written last.
    pub part: Option<String>,
    /// The last key that was seen to of those that vanished.
    pub swept: Option<String>,
    /// Keys of the batch under way, or of those that vanished, that are done with while others of it are not.
    pub ahead: BTreeSet<String>,
    /// How many of the records without a key were told: those of another pass are the same.
    pub unkeyed_told: u64,
    /// How often it was asked to wait since the run got on last.
    pub waits: u32,
    /// Why the run fails.
    pub error: Option<JobError>,
}

/// How far a run is, in this order: it reads all, its pass, its phase, pages of the pass, entries of a page, records of a batch, the last key
/// that was swept and what became of those after it. It grows by what no attempt has to do again, never otherwise, and has an end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reach(bool, u32, Phase, u64, usize, usize, Option<String>, u64);

/// How far a page is written that is written in several batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cut {
    /// So many of its entries.
    pub entries: usize,
    /// What it said: should it say something else when it is read again, it is written from its beginning.
    pub digest: String,
}

/// What a pass found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pass {
    /// A hash over its keys, in their order.
    pub keys: String,
    /// How many keys the run had seen by its end.
    pub seen: u64,
}

impl At {
    /// The beginning of a run that reads all, or what changed.
    pub(super) fn start(all: bool) -> Self {
        Self { pass: 1, all, ..Self::default() }
    }

    /// The beginning of another pass, after which the run has these counts.
    pub(super) fn another_pass(&mut self, before: Option<Pass>, counts: &Counts) {
        *self = Self {
            step: self.step,
            pass: self.pass + 1,
            before,
            changed_before: changed(counts),
            all: self.all,
            unkeyed_told: self.unkeyed_told,
            // What was learned first is the earliest: whatever changed since is asked for again.
            mark: self.mark.clone(),
            ..Self::default()
        };
    }

    /// How far that is in a run of these counts.
    pub(super) fn reach(&self, counts: &Counts) -> Reach {
        let entries = self.cut.as_ref().map_or(0, |cut| cut.entries);
        let swept = if self.phase == Phase::Sweep { counts.deleted + counts.missing + counts.failed } else { 0 };
        Reach(self.all, self.pass, self.phase, self.pages, entries, self.ahead.len(), self.swept.clone(), swept)
    }

    /// The same, as the ledger keeps it.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("a place is made of texts and numbers")
    }
}

/// What a run made and changed.
pub(super) const fn changed(counts: &Counts) -> u64 {
    counts.created + counts.updated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_gets_on_by_what_is_not_done_again_and_by_nothing_else() {
        let counts = |deleted| Counts { deleted, repeated: 9, read: deleted, ..Counts::default() };
        let cut = |entries| Some(Cut { entries, digest: "x".into() });
        let start = At::start(false);
        let steps = [
            start.clone(),
            At { cut: cut(20), ..start.clone() },
            At { cut: cut(20), ahead: ["a".into()].into(), ..start.clone() },
            At { cut: cut(40), ..start.clone() },
            At { pages: 1, ..start.clone() },
            At { pages: 1, phase: Phase::Verify, ..start.clone() },
            At { pass: 2, ..start.clone() },
            At { pass: 2, phase: Phase::Sweep, ..start.clone() },
            At { pass: 2, phase: Phase::Sweep, swept: Some("k".into()), ..start.clone() },
            At { pass: 2, phase: Phase::End, ..start.clone() },
            // What was learned is of no use: all is read.
            At::start(true),
        ];
        assert!(steps.windows(2).all(|two| two[0].reach(&counts(0)) < two[1].reach(&counts(0))));
        // Deletions get a sweep on, and nothing else does.
        for at in &steps {
            assert_eq!(at.reach(&counts(1)) > at.reach(&counts(0)), at.phase == Phase::Sweep, "{at:?}");
            let waited = At { step: at.step + 1, waits: 3, next: None, ..at.clone() };
            assert_eq!(waited.reach(&counts(0)), at.reach(&counts(0)));
        }
    }
}
