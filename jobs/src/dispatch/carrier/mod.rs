//! How workers learn of tickets. A carrier may lose, delay or double a ticket; nothing is lost by it, since
//! the planner takes back what nobody claims and a claim is fenced by the ledger.

pub mod channel;

use async_trait::async_trait;

use super::ticket::Ticket;
use crate::{
    ledger::{self, TicketId},
    queue::QueueName,
};

/// Brings tickets from the planner to the workers.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Whether tickets are ledger rows, which a claim must find.
    fn writes_rows(&self) -> bool;

    /// Hands tickets out. The planner's side.
    async fn offer(&self, tickets: Vec<Ticket>) -> ledger::Result<()>;

    /// Takes tickets back: those that no worker has taken, which from now on none will. The planner's side.
    async fn revoke(&self, tickets: &[TicketId]) -> ledger::Result<Vec<TicketId>>;

    /// Takes every ticket back, at the beginning of a planner's term. The planner's side.
    async fn reset(&self) -> ledger::Result<()>;

    /// Waits for a ticket of this queue. Dropping the wait loses no ticket. The worker's side.
    async fn take(&self, queue: &QueueName) -> ledger::Result<Ticket>;
}
