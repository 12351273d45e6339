//! The planner: the only place that decides order, fairness, caps, rates and windows. Pure.
//!
//! It knows every ready job that could go next, what is handed out and what runs, as sets of (id, attempt),
//! so that hearing of something twice or out of order does no harm. It never reads the ledger: it says what
//! it `wants`, and the `dispatch` duty reads and tells. Time and ids are arguments.
//!
//! **Order.** In a lane: priority, then id. Across a queue's lanes: weighted deficit round robin by cost
//! (`lanes/ring.rs`). Lanes that are paused, at their cap, out of tokens or empty are not visited.
//!
//! **Starvation bound.** Let J be the first job of a permitted lane L with weight w, and c the cost of L's
//! dearest job. From then on at most
//!
//! ```text
//! ceil(c / w) * SUM over the other lanes i of ceil(weight_i / cheapest_i)
//! ```
//!
//! other jobs are handed out before J, and at most W more were handed out already and may start before it,
//! W being the queue's window (`window.rs`, at most 2,000 ids). Why: a turn starts with a credit of at most
//! weight_i and goes on while there is any, so it hands out at most ceil(weight_i / cheapest_i) jobs; L's
//! last job put it into debt by at most c - 1, which ceil(c / w) rounds pay; and no lane has two turns in a
//! round, asleep meanwhile or not. With costs and weights of 1 that is one job of every other lane: the
//! window plus one round. A job that comes back untaken begins its wait anew.
//!
//! Next on a job's path: `plan/hand_out.rs`.

mod events;
mod hand_out;
mod jobs;
pub(super) mod kinds;
pub(super) mod queues;
mod reading;
mod report;
mod settings;
mod tickets;

pub use self::reading::Want;

use self::{jobs::Jobs, kinds::Kinds, queues::Queues, tickets::Tickets};
use super::{
    lanes::{LaneIndex, Lanes},
    window::WINDOW_IDS_MAX,
};

/// How much the planner keeps in memory and hands out. Tests make them small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most ready jobs in memory per lane: a tenth of a second at 40,000 jobs/s, so that a read of the
    /// ledger is back before a head at half runs out.
    pub lane_jobs_max: usize,
    /// Where the heads together hold this many, no lane takes in more than `lane_jobs_kept`; about 100 bytes
    /// each.
    pub heads_jobs_max: usize,
    /// The most ready jobs per lane while the heads are full: a lane hands out one or a few per round.
    pub lane_jobs_kept: usize,
    /// The most ids handed out per queue.
    pub window_ids_max: u32,
    /// The most lanes that one call of `wants` asks for, so that dispatch goes on between the reads.
    pub reads_max: usize,
    /// The most jobs that one read asks for: a few milliseconds of the ledger's time.
    pub read_jobs_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            lane_jobs_max: 4_000,
            heads_jobs_max: 64_000,
            lane_jobs_kept: 4,
            window_ids_max: WINDOW_IDS_MAX,
            reads_max: 64,
            read_jobs_max: 1_000,
        }
    }
}

/// Decides whose turn it is.
#[derive(Debug, Default)]
pub struct Planner {
    bounds: Bounds,
    kinds: Kinds,
    queues: Queues,
    lanes: Lanes,
    jobs: Jobs,
    tickets: Tickets,
}

impl Planner {
    /// A planner that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A planner with other bounds.
    pub fn with_bounds(bounds: Bounds) -> Self {
        Self { bounds, lanes: Lanes::new(bounds), ..Self::default() }
    }

    /// After a change to a lane: lets it take part wherever it now can.
    fn touch(&mut self, lane: LaneIndex) {
        let queue = self.lanes.get(lane).queue;
        self.lanes.touch(lane, &mut self.queues.get_mut(queue).ring);
    }
}

#[cfg(test)]
mod tests;
