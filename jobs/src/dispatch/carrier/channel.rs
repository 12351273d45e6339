//! The carrier within one process: a list of tickets per queue. Nothing is written anywhere.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{PlannerEnd, WorkerEnd};
use crate::{
    ledger::{Offer, Result, Ticket, TicketId},
    queue::QueueName,
    status::{Carrier, Carrying},
};

/// Carries tickets between the planner and the workers of one process. Cheap to clone.
#[derive(Clone, Default)]
pub struct ChannelCarrier(Arc<Mutex<HashMap<QueueName, Arc<Shelf>>>>);

/// One queue's tickets, oldest first.
#[derive(Default)]
struct Shelf {
    tickets: Mutex<VecDeque<Put>>,
    filled: Notify,
}

/// A ticket on its shelf.
struct Put {
    ticket: Ticket,
    at: Instant,
}

impl ChannelCarrier {
    fn shelf(&self, queue: &QueueName) -> Arc<Shelf> {
        let mut shelves = lock(&self.0);
        shelves.entry(queue.clone()).or_default().clone()
    }

    /// Puts a ticket at the end of its queue's shelf.
    pub(super) fn put(&self, ticket: Ticket) {
        let shelf = self.shelf(&ticket.queue);
        lock(&shelf.tickets).push_back(Put { ticket, at: Instant::now() });
        shelf.filled.notify_one();
    }

    fn shelves(&self) -> Vec<Arc<Shelf>> {
        lock(&self.0).values().cloned().collect()
    }
}

#[async_trait]
impl PlannerEnd for ChannelCarrier {
    /// Within one process there is one planner, so its epoch is always the current one.
    async fn offer(&self, _: i64, tickets: Vec<Ticket>) -> Result<bool> {
        tickets.into_iter().for_each(|ticket| self.put(ticket));
        Ok(true)
    }

    async fn revoke(&self, tickets: Vec<TicketId>) -> Result<Vec<TicketId>> {
        let mut revoked = Vec::new();
        for shelf in self.shelves() {
            lock(&shelf.tickets).retain(|Put { ticket, .. }| {
                let wanted = tickets.contains(&ticket.id);
                if wanted {
                    revoked.push(ticket.id);
                }
                !wanted
            });
        }
        Ok(revoked)
    }

    async fn reset(&self) -> Result<()> {
        self.shelves().iter().for_each(|shelf| lock(&shelf.tickets).clear());
        Ok(())
    }

    fn carrying(&self) -> Carrying {
        Carrying { in_use: Carrier::Channel, why: "planner and worker share one process".into(), stands_in: false }
    }
}

#[async_trait]
impl WorkerEnd for ChannelCarrier {
    fn writes_rows(&self) -> bool {
        false
    }

    async fn take(&self, queue: &QueueName) -> Result<Ticket> {
        let shelf = self.shelf(queue);
        loop {
            let filled = shelf.filled.notified();
            let (ticket, more) = {
                let mut tickets = lock(&shelf.tickets);
                (tickets.pop_front(), !tickets.is_empty())
            };
            if more {
                // `notify_one` keeps one permit only: pass the word on, or a second worker sleeps beside a full shelf.
                shelf.filled.notify_one();
            }
            match ticket {
                Some(put) => return Ok(put.ticket),
                None => filled.await,
            }
        }
    }

    async fn give_back(&self, ticket: Ticket) {
        self.put(ticket);
    }

    async fn on_offer(&self, queues: &[QueueName], kinds: &[String]) -> Result<Vec<Offer>> {
        let oldest = |queue: &QueueName| {
            let shelf = self.shelf(queue);
            let oldest = lock(&shelf.tickets).iter().filter(|put| kinds.contains(&put.ticket.kind)).map(|put| put.at).min();
            oldest.map(|at| Offer { queue: queue.clone(), age_ms: i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX) })
        };
        Ok(queues.iter().filter_map(oldest).collect())
    }
}

/// A panic while a list was held leaves the list whole, so its poison means nothing here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{job::JobId, queue::QueueName};

    fn ticket(queue: &QueueName) -> Ticket {
        Ticket { id: TicketId::now_v7(), queue: queue.clone(), kind: "echo".into(), ids: vec![(JobId::generate(), 0)] }
    }

    #[tokio::test]
    async fn every_ticket_reaches_one_of_the_waiting_workers() {
        let (carrier, queue) = (ChannelCarrier::default(), QueueName::default_queue());
        let takers: Vec<_> = (0..3)
            .map(|_| {
                let (carrier, queue) = (carrier.clone(), queue.clone());
                tokio::spawn(async move { carrier.take(&queue).await.expect("a ticket").id })
            })
            .collect();
        tokio::task::yield_now().await;
        let tickets: Vec<_> = (0..3).map(|_| ticket(&queue)).collect();
        let mut offered: Vec<_> = tickets.iter().map(|ticket| ticket.id).collect();
        carrier.offer(1, tickets).await.expect("offered");
        let mut taken = Vec::new();
        for taker in takers {
            taken.push(taker.await.expect("the taker returns"));
        }
        offered.sort();
        taken.sort();
        assert_eq!(offered, taken);
    }

    #[tokio::test]
    async fn a_ticket_is_either_taken_or_revoked() {
        let (carrier, queue) = (ChannelCarrier::default(), QueueName::default_queue());
        let (first, second) = (ticket(&queue), ticket(&queue));
        carrier.offer(1, vec![first.clone(), second.clone()]).await.expect("offered");
        assert_eq!(carrier.take(&queue).await.expect("a ticket"), first);
        assert_eq!(carrier.revoke(vec![first.id, second.id]).await.expect("revoked"), [second.id]);
        assert!(lock(&carrier.shelf(&queue).tickets).is_empty());
    }
}
