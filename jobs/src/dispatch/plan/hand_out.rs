//! Planning: whose jobs go now, and how they are cut into tickets.
//!
//! Next on a job's path: `ledger::Ticket`, brought by a `carrier`.

use std::collections::BTreeMap;

use super::{Planner, jobs::Stage, kinds::KindIndex, queues::QueueIndex, tickets::Outstanding};
use crate::{
    clock::Timestamp,
    dispatch::{
        lanes::{LaneIndex, lane::Next},
        rate::Bucket,
    },
    job::JobId,
    ledger::{Ticket, TicketId},
};

/// A job whose turn it is.
#[derive(Debug, Clone, Copy)]
struct Pick {
    id: JobId,
    attempt: u32,
    kind: KindIndex,
}

impl Planner {
    /// Hands out what may go now, in the order in which it should be claimed. The tickets count as
    /// outstanding until a claim presents them or `revoked` takes them back.
    pub fn plan(&mut self, now: Timestamp, next_id: &mut dyn FnMut() -> TicketId) -> Vec<Ticket> {
        for lane in self.lanes.wake_rated(Some(now)) {
            self.touch(lane);
        }
        let mut tickets = Vec::new();
        for queue in self.queues.indexes() {
            let picks = self.pick(queue, now);
            for cut in self.cut(queue, picks) {
                tickets.push(self.issue(queue, cut, now, next_id()));
            }
        }
        self.lanes.forget_idle();
        tickets
    }

    /// Takes jobs off the queue's lanes by turns, as many as window, caps and rates let through.
    fn pick(&mut self, queue: QueueIndex, now: Timestamp) -> Vec<Pick> {
        let mut picks = Vec::new();
        let mut window = self.queues.get(queue).window(now, self.bounds.window_ids_max);
        // Each step hands out a job, or lets a lane sleep or pass until it is woken or has credit.
        while window.room > 0 && self.queues.get_mut(queue).permits(now) {
            let Some(lane) = self.queues.get(queue).ring.front() else { break };
            let (key, waiting) = match self.lanes.get_mut(lane).next(now) {
                Next::Job(key, waiting) => (key, waiting),
                Next::Sleeps => {
                    self.leave_ring(lane);
                    self.touch(lane);
                    continue;
                }
                Next::OutOfTokens(due) => {
                    self.leave_ring(lane);
                    self.lanes.sleep_until(lane, due);
                    continue;
                }
            };
            // A long job waits for an idle slot, and everyone behind it with it: short jobs that went by on
            // the promise of slots about to free would take those slots, and none would ever be idle.
            if window.idle <= 0 && self.kinds.get(waiting.kind).is_long() {
                break;
            }
            if self.charge(lane, waiting.kind) {
                self.lanes.remove(lane, &key);
                self.touch(lane);
                window.shrink();
                picks.push(Pick { id: key.id, attempt: waiting.attempt, kind: waiting.kind });
            }
        }
        picks
    }

    /// Charges the front lane for a job of this kind; says whether it had the credit to begin with.
    fn charge(&mut self, index: LaneIndex, kind: KindIndex) -> bool {
        let lane = self.lanes.get_mut(index);
        let queue = self.queues.get_mut(lane.queue);
        let weight = lane.weight();
        if !queue.ring.begin(&mut lane.turn, weight) {
            // Only where the weight was lowered since the lane was seated.
            queue.ring.pass(&mut lane.turn, index, weight);
            return false;
        }
        lane.handed += 1;
        queue.handed += 1;
        [&mut lane.bucket, &mut queue.bucket].into_iter().flatten().for_each(Bucket::take);
        queue.ring.spend(&mut lane.turn, index, self.kinds.get(kind).cost, weight);
        true
    }

    fn leave_ring(&mut self, lane: LaneIndex) {
        let lane = self.lanes.get_mut(lane);
        self.queues.get_mut(lane.queue).ring.leave(&mut lane.turn);
    }

    /// Cuts picks into tickets of one kind each; those first whose first job was picked first.
    fn cut(&self, queue: QueueIndex, picks: Vec<Pick>) -> Vec<Vec<Pick>> {
        let mut by_kind: BTreeMap<KindIndex, Vec<(usize, Pick)>> = BTreeMap::new();
        for (place, pick) in picks.into_iter().enumerate() {
            by_kind.entry(pick.kind).or_default().push((place, pick));
        }
        let mut cuts = Vec::new();
        for (kind, picks) in by_kind {
            let share = self.queues.get(queue).ticket_share(kind, picks.len());
            cuts.extend(picks.chunks(share.min(self.kinds.get(kind).ticket_jobs_max)).map(<[_]>::to_vec));
        }
        cuts.sort_unstable_by_key(|cut| cut[0].0);
        cuts.into_iter().map(|cut| cut.into_iter().map(|(_, pick)| pick).collect()).collect()
    }

    /// Makes a ticket of picks of one kind.
    fn issue(&mut self, queue: QueueIndex, picks: Vec<Pick>, now: Timestamp, id: TicketId) -> Ticket {
        let jobs = picks.iter().map(|pick| pick.id).collect();
        let number = self.tickets.add(Outstanding { id, queue, issued_at: now, jobs });
        for pick in &picks {
            if let Some(job) = self.jobs.get_mut(pick.id) {
                job.stage = Stage::Handed(number);
            }
        }
        let kind = picks.first().map_or_else(String::new, |pick| self.kinds.get(pick.kind).name.to_string());
        let ids = picks.iter().map(|pick| (pick.id, pick.attempt)).collect();
        Ticket { id, queue: self.queues.get(queue).name.clone(), kind, ids }
    }
}
