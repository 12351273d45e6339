//! The outstanding tickets: handed out, and neither presented nor taken back yet.

use std::collections::{BTreeMap, HashMap};

use super::queues::QueueIndex;
use crate::{clock::Timestamp, job::JobId, ledger::TicketId};

/// An outstanding ticket. Of its jobs, those are still handed out whose stage names its number.
#[derive(Debug)]
pub struct Outstanding {
    /// Its id.
    pub id: TicketId,
    /// The queue of all its jobs.
    pub queue: QueueIndex,
    /// When it was planned.
    pub issued_at: Timestamp,
    /// Its jobs in the planner's order.
    pub jobs: Vec<JobId>,
}

/// Every outstanding ticket, by a number that grows.
#[derive(Debug, Default)]
pub struct Tickets {
    by_number: BTreeMap<u32, Outstanding>,
    numbers: HashMap<TicketId, u32>,
    last_number: u32,
}

impl Tickets {
    /// Keeps a ticket and returns its number.
    pub fn add(&mut self, ticket: Outstanding) -> u32 {
        // Wraps after four billion tickets, of which at most the windows' worth are outstanding.
        self.last_number = self.last_number.wrapping_add(1);
        self.numbers.insert(ticket.id, self.last_number);
        self.by_number.insert(self.last_number, ticket);
        self.last_number
    }

    /// Takes a ticket off, with its number.
    pub fn remove(&mut self, id: &TicketId) -> Option<(u32, Outstanding)> {
        let number = self.numbers.remove(id)?;
        Some((number, self.by_number.remove(&number)?))
    }

    /// The outstanding tickets with their numbers, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &Outstanding)> {
        self.by_number.iter().map(|(number, ticket)| (*number, ticket))
    }
}
