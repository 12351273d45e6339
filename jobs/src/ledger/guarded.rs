//! How a SQL ledger writes decided changes: in batches of distinct jobs, each under its guard, and what became of each.
//! Both databases tell here how they touch their rows; what follows from a refusal is the same.
//!
//! Nothing is decided here: a guard that no longer holds refuses the write, and whoever decided looks again.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;

use super::{
    BATCH_MAX, Result,
    keyed::{self, KeyTable},
    side::{is_redrive, leading_distinct},
};
use crate::{job::JobId, keys::Written, lifecycle::Change, tenant::TenantId};

/// A job that is to live again: its tenant, and its unique key.
pub(super) type Redriven = (JobId, String, String);

/// The rows of jobs within a transaction. At most [`BATCH_MAX`] changes come at a time, each of another job.
#[async_trait]
pub(super) trait JobTable: KeyTable {
    /// Writes the changes whose guards hold, with their side rows, and returns whose they were.
    async fn write(&mut self, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<HashSet<JobId>>;
    /// Copies the attempts that the rows of these jobs still tell of to where attempts are kept.
    async fn keep_last_attempts(&mut self, ids: &[JobId]) -> Result<()>;
    /// Those of these jobs that have unique keys and whose guards hold.
    async fn redriven(&mut self, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<Vec<Redriven>>;
    /// The places of those among these endings that stand in the ledger already, by the same attempts.
    async fn already_ended(&mut self, changes: &[&Change]) -> Result<Vec<usize>>;
}

/// Writes how attempts ended. An ending that stands there already counts as written.
pub(super) async fn settle(table: &mut impl JobTable, changes: &[&Change]) -> Result<Vec<bool>> {
    let mut written: Vec<bool> = apply(table, None, changes).await?.into_iter().map(Written::is_done).collect();
    let refused: Vec<usize> = (0..changes.len()).filter(|index| !written[*index] && changes[*index].state.is_final()).collect();
    if !refused.is_empty() {
        let endings: Vec<&Change> = refused.iter().map(|index| changes[*index]).collect();
        for place in table.already_ended(&endings).await? {
            written[refused[place]] = true;
        }
    }
    Ok(written)
}

/// Writes changes where their guards hold, of one tenant's jobs only if one is given. For each in turn: what became of it.
pub(super) async fn apply(table: &mut impl JobTable, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<Vec<Written>> {
    let mut written = Vec::with_capacity(changes.len());
    for batch in changes.chunks(BATCH_MAX) {
        let mut rest = batch;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(leading_distinct(rest));
            written.extend(apply_batch(table, tenant, batch).await?);
            rest = later;
        }
    }
    Ok(written)
}

async fn apply_batch(table: &mut impl JobTable, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<Vec<Written>> {
    let redriven: Vec<JobId> = changes.iter().filter(|change| is_redrive(change)).map(|change| change.id).collect();
    let mut held = HashMap::new();
    if !redriven.is_empty() {
        held = regain_keys(table, tenant, changes).await?;
        table.keep_last_attempts(&redriven).await?;
    }
    let free: Vec<&Change> = changes.iter().copied().filter(|change| !held.contains_key(&change.id)).collect();
    let written = table.write(tenant, &free).await?;
    let became = |change: &&Change| held.get(&change.id).map_or(Written::of(written.contains(&change.id)), |by| Written::KeyHeld(*by));
    Ok(changes.iter().map(became).collect())
}

/// Reserves the unique keys of ended jobs that these changes bring back. Returns who holds those that are taken.
async fn regain_keys(table: &mut impl JobTable, tenant: Option<&TenantId>, changes: &[&Change]) -> Result<HashMap<JobId, JobId>> {
    let mut keyed = table.redriven(tenant, changes).await?;
    if keyed.is_empty() {
        return Ok(HashMap::new());
    }
    keyed.sort_by_key(|(id, ..)| changes.iter().position(|change| change.id == *id));
    keyed::regain(table, &keyed).await
}
