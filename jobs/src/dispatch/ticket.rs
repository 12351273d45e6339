//! What the planner hands out: the right to claim a few jobs.

use serde::{Deserialize, Serialize};

use crate::{job::JobId, ledger::TicketId, queue::QueueName};

/// A few ids of one queue and one kind that a worker may claim. It is used up by the first claim that
/// presents it, whatever that claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// The queue of all its jobs.
    pub queue: QueueName,
    /// The kind of all its jobs.
    pub kind: String,
    /// The jobs in the planner's order, and the attempts they stood at.
    pub ids: Vec<(JobId, u32)>,
}
