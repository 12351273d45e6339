//! Cancel, redrive and wake: read a job, let `lifecycle` decide, write where the guard holds, or look again.

use crate::{
    job::JobId,
    keys::Written,
    ledger::{self, Inspect, Intake},
    lifecycle::{self, Change, Refusal, Snapshot},
    tenant::TenantId,
};

/// A job that changes under every look is left alone after this many; each round lost means that somebody
/// else's round was won, so two are rarely needed.
const ROUNDS_MAX: u32 = 16;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operated {
    /// It is done, or a running handler is asked.
    Done,
    /// There was nothing to do, and why.
    Refused(Refusal),
    /// The tenant has no such job.
    NotFound,
    /// Another live job has its unique key.
    KeyHeld(JobId),
    /// The job changed under every look.
    Contended,
}

/// Asks for a job to stop.
pub async fn cancel(ledger: &(impl Intake + Inspect + ?Sized), tenant: &TenantId, id: JobId) -> ledger::Result<Operated> {
    operate(ledger, tenant, id, lifecycle::cancel).await
}

/// Sends a dead or cancelled job back.
pub async fn redrive(ledger: &(impl Intake + Inspect + ?Sized), tenant: &TenantId, id: JobId) -> ledger::Result<Operated> {
    operate(ledger, tenant, id, lifecycle::redrive).await
}

/// Tells a job that sleeps that what it waits for has come.
pub async fn wake(ledger: &(impl Intake + Inspect + ?Sized), tenant: &TenantId, id: JobId) -> ledger::Result<Operated> {
    operate(ledger, tenant, id, lifecycle::wake).await
}

async fn operate(
    ledger: &(impl Intake + Inspect + ?Sized),
    tenant: &TenantId,
    id: JobId,
    decide: fn(&Snapshot) -> Result<Change, Refusal>,
) -> ledger::Result<Operated> {
    for _ in 0..ROUNDS_MAX {
        let Some(snapshot) = ledger.snapshot(tenant, id).await? else {
            return Ok(Operated::NotFound);
        };
        let change = match decide(&snapshot) {
            Ok(change) => change,
            Err(refusal) => return Ok(Operated::Refused(refusal)),
        };
        match ledger.operate(tenant, vec![change]).await?.first() {
            Some(Written::Done) => return Ok(Operated::Done),
            Some(Written::KeyHeld(holder)) => return Ok(Operated::KeyHeld(*holder)),
            Some(Written::Stale) | None => {}
        }
    }
    Ok(Operated::Contended)
}
