//! The head of one lane: its first ready jobs in their order, and how far down that order they are all
//! here. Pure.
//!
//! A head is bounded; what lies beyond its reach is found again in the ledger by the immutable index. No
//! ready job may be in neither place: whatever leaves a full head pulls the reach back to before it, and a
//! read that was under way meanwhile vouches for no more than that.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{dispatch::plan::kinds::KindIndex, job::JobId, ledger::HeadKey};

/// A ready job in a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The attempt it stands at.
    pub attempt: u32,
    /// Its kind.
    pub kind: KindIndex,
}

/// How far down a lane's order its ready jobs are all known. Ordered from less to more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The lane was not read yet.
    Nothing,
    /// Up to and including this place.
    UpTo(HeadKey),
    /// The ledger has no others.
    Whole,
}

impl Reach {
    /// Everything up to but excluding `key`.
    fn before(key: HeadKey) -> Self {
        let id = u128::from_be_bytes(*key.id.as_bytes());
        let last_before = match (id.checked_sub(1), key.priority.0.checked_add(1)) {
            (Some(id), _) => HeadKey { id: JobId::from_bytes(id.to_be_bytes()), ..key },
            (None, Some(higher)) => HeadKey { priority: Reverse(higher), id: JobId::from_bytes([u8::MAX; 16]) },
            (None, None) => return Self::Nothing,
        };
        Self::UpTo(last_before)
    }

    fn covers(self, key: HeadKey) -> bool {
        Self::UpTo(key) <= self
    }
}

/// The first ready jobs of one lane.
#[derive(Debug)]
pub struct Head {
    /// Jobs that some worker can run.
    open: BTreeMap<HeadKey, Waiting>,
    /// Jobs of kinds that no live worker knows: kept apart, so that they block nobody behind them.
    parked: BTreeMap<HeadKey, Waiting>,
    reach: Reach,
    /// While a read is under way: how far it can vouch at most.
    read_vouches: Option<Reach>,
    /// How many parked jobs a full head let go of, by kind. The reach was not pulled back for them, or they
    /// would be read again and again; the lane is read anew when a worker for the kind comes.
    passed: BTreeMap<KindIndex, u64>,
    /// About how many ready jobs are beyond the reach.
    unseen: u64,
}

impl Default for Head {
    fn default() -> Self {
        Self { open: BTreeMap::new(), parked: BTreeMap::new(), reach: Reach::Whole, read_vouches: None, passed: BTreeMap::new(), unseen: 0 }
    }
}

impl Head {
    /// The job to hand out next. None also while jobs before the first one here may be in the ledger only.
    pub fn first(&self) -> Option<(HeadKey, Waiting)> {
        let (key, waiting) = self.open.first_key_value()?;
        self.reach.covers(*key).then_some((*key, *waiting))
    }

    /// How many jobs are here.
    pub fn len(&self) -> usize {
        self.open.len() + self.parked.len()
    }

    /// Whether nothing is here, nor known to be in the ledger.
    pub fn is_exhausted(&self) -> bool {
        self.len() == 0 && self.reach == Reach::Whole && self.passed.is_empty()
    }

    /// The jobs here, and about those that are in the ledger only.
    pub fn depth(&self) -> u64 {
        self.len() as u64 + self.unseen + self.passed.values().sum::<u64>()
    }

    /// The smallest id here, which is the oldest job.
    pub fn oldest(&self) -> Option<JobId> {
        self.open.keys().chain(self.parked.keys()).map(|key| key.id).min()
    }

    /// Takes a job in and returns the one that is not here because of it: the last, where more than
    /// `jobs_max` are here, or the job itself where the next read will find it.
    pub fn admit(&mut self, key: HeadKey, waiting: Waiting, runnable: bool, jobs_max: usize) -> Option<HeadKey> {
        // A job that comes while a read is under way may be missing from what is read: keep it for then.
        if !self.reach.covers(key) && self.read_vouches.is_none() {
            self.unseen += 1;
            return Some(key);
        }
        let side = if runnable { &mut self.open } else { &mut self.parked };
        side.insert(key, waiting);
        if self.len() > jobs_max { self.evict_last() } else { None }
    }

    /// Takes a job out.
    pub fn remove(&mut self, key: &HeadKey) -> Option<Waiting> {
        self.open.remove(key).or_else(|| self.parked.remove(key))
    }

    /// Whether a read should bring more, where at most `jobs_max` may be here.
    pub fn is_hungry(&self, jobs_max: usize) -> bool {
        // At half a head, so that the lane goes on while it is read.
        self.reach != Reach::Whole && (self.open.len() < (jobs_max / 2).max(1) || self.first().is_none())
    }

    /// A read begins after the place returned; from now on, what it may miss is kept.
    pub fn begin_read(&mut self) -> Option<HeadKey> {
        self.read_vouches = Some(Reach::Whole);
        match self.reach {
            Reach::UpTo(key) => Some(key),
            Reach::Nothing | Reach::Whole => None,
        }
    }

    /// The read that was under way saw everything up to `covered`. Says whether there was one: a read from
    /// before the lane was reset vouches for nothing.
    pub fn finish_read(&mut self, covered: Reach) -> bool {
        let Some(vouched) = self.read_vouches.take() else { return false };
        self.reach = covered.min(vouched);
        if self.reach == Reach::Whole {
            self.unseen = 0;
        }
        true
    }

    /// Whether a job that was read belongs here; it is no longer counted as unseen then.
    pub fn expects(&mut self, key: HeadKey) -> bool {
        let covered = self.reach.covers(key);
        self.unseen -= u64::from(covered && self.unseen > 0);
        covered
    }

    /// Whether a ready job with this key that is not here would never be read: the head vouches for its place.
    pub fn vouches_for(&self, key: HeadKey) -> bool {
        self.reach.covers(key) && self.read_vouches.is_none() && self.passed.is_empty()
    }

    /// Lets the lane be read from its start, as if nothing of the ledger's had been seen.
    pub fn reset(&mut self) {
        self.reach = Reach::Nothing;
        self.read_vouches = None;
        self.unseen += std::mem::take(&mut self.passed).into_values().sum::<u64>();
    }

    /// Sorts the jobs anew by whether some worker can run them.
    pub fn sort_by_kind(&mut self, runnable: impl Fn(KindIndex) -> bool) {
        let now_open = self.parked.extract_if(.., |_, waiting| runnable(waiting.kind)).collect::<Vec<_>>();
        let now_parked = self.open.extract_if(.., |_, waiting| !runnable(waiting.kind)).collect::<Vec<_>>();
        self.open.extend(now_open);
        self.parked.extend(now_parked);
        if self.passed.keys().any(|kind| runnable(*kind)) {
            self.reset();
        }
    }

    fn evict_last(&mut self) -> Option<HeadKey> {
        if let Some((key, waiting)) = self.parked.pop_last() {
            *self.passed.entry(waiting.kind).or_default() += 1;
            return Some(key);
        }
        let (key, _) = self.open.pop_last()?;
        let before = Reach::before(key);
        self.reach = self.reach.min(before);
        self.read_vouches = self.read_vouches.map(|vouched| vouched.min(before));
        self.unseen += 1;
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(priority: i16, id: u128) -> HeadKey {
        HeadKey { priority: Reverse(priority), id: JobId::from_bytes(id.to_be_bytes()) }
    }

    fn admit(head: &mut Head, key: HeadKey, jobs_max: usize) -> Option<HeadKey> {
        head.admit(key, Waiting { attempt: 0, kind: KindIndex::default() }, true, jobs_max)
    }

    #[test]
    fn the_place_before_a_key_excludes_only_that_key() {
        let cases = [(key(0, 7), Reach::UpTo(key(0, 6))), (key(0, 0), Reach::UpTo(key(1, u128::MAX))), (key(i16::MAX, 0), Reach::Nothing)];
        for (place, before) in cases {
            assert_eq!(Reach::before(place), before);
            assert!(!before.covers(place));
        }
    }

    #[test]
    fn an_evicted_job_is_read_again_and_not_one_sooner() {
        let mut head = Head::default();
        for id in [1, 2, 3] {
            assert_eq!(admit(&mut head, key(0, id), 3), None);
        }
        assert_eq!(admit(&mut head, key(5, 9), 3), Some(key(0, 3)), "a higher priority pushes the last one out");
        assert_eq!(admit(&mut head, key(0, 4), 3), Some(key(0, 4)), "what lies beyond the reach stays in the ledger");
        assert_eq!(head.depth(), 5);
        assert_eq!(head.begin_read(), Some(key(0, 2)));
    }

    #[test]
    fn a_job_that_comes_during_a_read_is_not_lost_when_the_read_missed_it() {
        let mut head = Head::default();
        head.reset();
        head.begin_read();
        assert_eq!(admit(&mut head, key(0, 5), 3), None);
        assert_eq!(head.first(), None, "the ledger may hold others before it");
        assert!(head.finish_read(Reach::Whole));
        assert_eq!(head.first().map(|(first, _)| first), Some(key(0, 5)));
    }

    #[test]
    fn a_job_evicted_during_a_read_limits_what_the_read_vouches_for() {
        let mut head = Head::default();
        head.reset();
        head.begin_read();
        for id in [7, 5, 6] {
            admit(&mut head, key(0, id), 2);
        }
        head.finish_read(Reach::Whole);
        assert_eq!(head.begin_read(), Some(key(0, 6)));
    }
}
