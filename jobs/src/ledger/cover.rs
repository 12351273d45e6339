//! The cover invariant: whatever waits or runs is found again through a side row. Pure: which rows a job must have.
//!
//! running ⇒ a lease row that runs out no earlier than the job's lease, or nobody ends the attempt of a worker that died;
//! scheduled, retryable, and whatever waits with a deadline ⇒ a delayed row at the time that counts, or nobody looks at it;
//! available ⇒ nothing here: the lane's index holds the row itself. What can be wrong is that the planner thinks a lane read
//! to its end, so these are named for it to compare. Held jobs have edges only once there are dependencies.
//! Side rows may be stale or double, and stay so; a missing one is a bug.

use std::collections::HashSet;

use uuid::Uuid;

use super::{LaneKey, ReadyJob, Result, rows, side::Delay};
use crate::{
    clock::Timestamp,
    job::{JobId, State},
};

/// What of a job decides which side rows it must have.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct CoverRow {
    pub id: Uuid,
    pub tenant: String,
    pub queue: String,
    pub kind: String,
    pub state: i16,
    pub priority: i16,
    pub attempt: i32,
    pub run_at_ms: i64,
    pub deadline_at_ms: Option<i64>,
    pub lease_until_ms: Option<i64>,
}

/// The cover that some jobs must have.
#[derive(Debug, Default)]
pub(super) struct Cover {
    /// Rows of `delayed`.
    pub delays: Vec<Delay>,
    /// Jobs that a lease row must name which runs out then or later.
    pub leases: Vec<(Timestamp, JobId)>,
    /// Jobs that the planner must know of.
    pub ready: Vec<ReadyJob>,
}

impl Cover {
    /// Of these jobs.
    pub(super) fn of(jobs: &[CoverRow]) -> Result<Self> {
        let mut cover = Self::default();
        for job in jobs {
            cover.add(job)?;
        }
        Ok(cover)
    }

    fn add(&mut self, job: &CoverRow) -> Result<()> {
        let (id, state) = (rows::job_id(job.id), rows::state(job.state)?);
        let deadline = job.deadline_at_ms.map(Timestamp::from_ms);
        self.delays.extend(Delay::of(state, id, &job.tenant, Timestamp::from_ms(job.run_at_ms), deadline));
        match state {
            State::Running => self.leases.extend(job.lease_until_ms.map(|until_ms| (Timestamp::from_ms(until_ms), id))),
            State::Available => self.ready.push(ReadyJob {
                id,
                attempt: rows::count(job.attempt)?,
                lane: LaneKey { queue: rows::name(&job.queue)?, tenant: rows::name(&job.tenant)? },
                kind: job.kind.clone(),
                priority: job.priority,
            }),
            _ => {}
        }
        Ok(())
    }

    /// When the leases run out that these jobs have by their own rows, each once: where their lease rows are found at once.
    pub(super) fn expiries(&self) -> Vec<i64> {
        let mut expiries: Vec<i64> = self.leases.iter().map(|(until, _)| until.ms()).collect();
        expiries.sort_unstable();
        expiries.dedup();
        expiries
    }

    /// Leaves the delays that are not among these.
    pub(super) fn drop_delayed(&mut self, found: &HashSet<(i16, i64, JobId)>) {
        self.delays.retain(|delay| !found.contains(&(delay.bucket, delay.due_at.ms(), delay.id)));
    }

    /// Leaves the leases that none of these rows covers: when each runs out, and whom it names.
    pub(super) fn drop_leased(&mut self, found: &[(i64, Vec<u8>)]) {
        let named: HashSet<(i64, JobId)> =
            found.iter().flat_map(|(expires_at_ms, ids)| super::side::lease_ids(ids).map(|id| (*expires_at_ms, id))).collect();
        let mut latest = std::collections::HashMap::new();
        for (expires_at_ms, id) in named {
            let until = latest.entry(id).or_insert(expires_at_ms);
            *until = expires_at_ms.max(*until);
        }
        self.leases.retain(|(until, id)| latest.get(id).is_none_or(|expires_at_ms| *expires_at_ms < until.ms()));
    }

    /// The lease rows that would cover what is left, by when they run out.
    pub(super) fn lease_rows(&self) -> Vec<(i64, Vec<u8>)> {
        let mut rows = std::collections::BTreeMap::<i64, Vec<u8>>::new();
        for (until, id) in &self.leases {
            rows.entry(until.ms()).or_default().extend_from_slice(id.as_bytes());
        }
        rows.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> JobId {
        JobId::from_bytes([number; 16])
    }

    #[test]
    fn a_lease_row_covers_what_runs_out_no_later() {
        let lease = |number, until_ms| (Timestamp::from_ms(until_ms), id(number));
        let row = |expires_at_ms, numbers: &[u8]| (expires_at_ms, numbers.iter().flat_map(|number| *id(*number).as_bytes()).collect());
        let mut cover = Cover { leases: vec![lease(1, 100), lease(2, 100), lease(3, 100), lease(4, 200)], ..Cover::default() };
        assert_eq!(cover.expiries(), [100, 200]);
        cover.drop_leased(&[row(100, &[1, 4]), row(99, &[2]), row(150, &[3, 4])]);
        assert_eq!(cover.leases, [lease(2, 100), lease(4, 200)]);
        assert_eq!(cover.lease_rows(), [row(100, &[2]), row(200, &[4])]);
    }
}
