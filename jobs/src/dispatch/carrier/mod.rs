//! How workers learn of tickets: the planner's end hands them out, the workers' end takes them. A carrier may
//! lose, delay or double a ticket; nothing is lost by it, since the planner takes back what nobody claims and a
//! claim is fenced by the ledger.

pub mod channel;
pub mod ledger;
#[cfg(feature = "redis-carrier")]
pub mod redis;

use async_trait::async_trait;

use crate::{
    ledger::{Offer, Result, Ticket, TicketId},
    queue::QueueName,
    status::Carrying,
};

/// Where the planner hands tickets out.
#[async_trait]
pub trait PlannerEnd: Send + Sync {
    /// Hands tickets out, in this epoch of the planner's leadership. Returns whether it still is the epoch.
    async fn offer(&self, epoch: i64, tickets: Vec<Ticket>) -> Result<bool>;

    /// Takes tickets back: returns those that nobody has claimed, which from now on nobody will.
    async fn revoke(&self, tickets: Vec<TicketId>) -> Result<Vec<TicketId>>;

    /// Takes every ticket back, at the beginning of a planner's term.
    async fn reset(&self) -> Result<()>;

    /// By what workers hear of tickets at present.
    fn carrying(&self) -> Carrying;
}

/// Where a worker takes tickets.
#[async_trait]
pub trait WorkerEnd: Send + Sync {
    /// Whether tickets are ledger rows, which a claim must find.
    fn writes_rows(&self) -> bool;

    /// Waits for a ticket of this queue. Dropping the wait loses no ticket.
    async fn take(&self, queue: &QueueName) -> Result<Ticket>;

    /// Gives a ticket back that was taken and could not be presented.
    async fn give_back(&self, ticket: Ticket);

    /// What waits for a worker of these queues that knows these kinds. Asked beside `take`, by whoever watches the takers:
    /// the answer must not depend on anything that they could be stuck in.
    async fn on_offer(&self, queues: &[QueueName], kinds: &[String]) -> Result<Vec<Offer>>;
}
