//! What operators and workers say: limits, slots, kinds.

use std::collections::BTreeMap;

use super::Planner;
use crate::{
    ledger::{LaneKey, WorkerRecord},
    queue::{LimitScope, Limits, QueueName},
};

impl Planner {
    /// Sets every limit there is; what is not named is not limited. Rate limits that stay keep their tokens,
    /// new ones start empty. Ask `overdrawn` afterwards.
    pub fn set_limits(&mut self, limits: &[(QueueName, LimitScope, Limits)]) {
        let mut of_queues = BTreeMap::new();
        let mut of_lanes = BTreeMap::new();
        for (name, scope, limits) in limits {
            let queue = self.queues.find_or_add(name);
            match scope {
                LimitScope::Platform => drop(of_queues.insert(queue, *limits)),
                LimitScope::Tenant(tenant) => {
                    let key = LaneKey { queue: name.clone(), tenant: tenant.clone() };
                    of_lanes.insert(self.lanes.find_or_add(&key, queue), *limits);
                }
            }
        }
        for queue in self.queues.indexes() {
            self.queues.get_mut(queue).set_limits(of_queues.get(&queue).copied().unwrap_or_default());
        }
        // Whatever they waited for may have changed.
        self.lanes.wake_rated(None);
        for lane in self.lanes.indexes() {
            self.lanes.get_mut(lane).set_limits(of_lanes.get(&lane).copied());
            self.touch(lane);
        }
    }

    /// Sets the live workers: their slots per queue, and the kinds they know. Jobs of a kind that no worker
    /// of their queue knows wait, without blocking others.
    pub fn set_workers(&mut self, workers: &[WorkerRecord]) {
        let before: Vec<_> = self.queues.indexes().map(|queue| (queue, self.queues.get_mut(queue).take_workers())).collect();
        for worker in workers {
            let kinds: Vec<_> = worker.kinds.iter().map(|kind| self.kinds.find_or_add(kind)).collect();
            for (name, slots) in worker.slots.iter().filter(|(_, slots)| **slots > 0) {
                let queue = self.queues.find_or_add(name);
                self.queues.get_mut(queue).add_worker(*slots, kinds.iter().copied());
            }
        }
        let changed: Vec<_> =
            before.into_iter().filter(|(queue, kinds)| !self.queues.get(*queue).runs_the_same(kinds)).map(|(queue, _)| queue).collect();
        if changed.is_empty() {
            return;
        }
        for index in self.lanes.indexes() {
            let lane = self.lanes.get_mut(index);
            if changed.contains(&lane.queue) {
                let queue = self.queues.get(lane.queue);
                lane.head.sort_by_kind(|kind| queue.runs(kind));
                self.touch(index);
            }
        }
    }

    /// Describes kinds: name, cost of a job in fair sharing, most jobs in one ticket.
    pub fn set_kinds(&mut self, kinds: impl Iterator<Item = (String, u32, u32)>) {
        for (name, cost, ticket_jobs_max) in kinds {
            self.kinds.set(&name, cost, ticket_jobs_max);
        }
    }
}
