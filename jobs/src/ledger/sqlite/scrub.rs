//! The verb `scrub`: reads some jobs and their side rows, and inserts what is missing, in one turn of the writer.

use std::collections::HashSet;

use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

use super::{
    changes::write_side_rows,
    writer::{Tx, Verb},
};
use crate::{
    job::JobId,
    ledger::{
        Result, Scrubbed,
        cover::{Cover, CoverRow},
        rows,
        side::SideRows,
    },
};

pub(super) struct Scrub {
    pub after: Option<JobId>,
    pub limit: usize,
}

#[async_trait]
impl Verb for Scrub {
    type Answer = Scrubbed;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Scrubbed> {
        let after = self.after.map_or([0; 16], |after| *after.as_bytes());
        let jobs: Vec<CoverRow> = sqlx::query_as(tx.sql.scrubbed.clone())
            .bind(Uuid::from_bytes(after))
            .bind(i64::try_from(self.limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *tx.connection)
            .await?;
        let next = jobs.last().filter(|_| jobs.len() == self.limit).map(|job| rows::job_id(job.id));
        let mut cover = Cover::of(&jobs)?;
        let ready = std::mem::take(&mut cover.ready);
        drop_delayed(tx, &mut cover).await?;
        drop_leased(tx, &mut cover).await?;
        let scrubbed =
            Scrubbed { next, jobs: jobs.len() as u64, delayed: cover.delays.len() as u64, leases: cover.leases.len() as u64, ready };
        for (expires_at_ms, ids) in cover.lease_rows() {
            sqlx::query(tx.sql.lease.clone()).bind(expires_at_ms).bind(ids).execute(&mut *tx.connection).await?;
        }
        write_side_rows(tx, SideRows::of_delays(cover.delays)).await?;
        Ok(scrubbed)
    }
}

async fn drop_delayed(tx: &mut Tx<'_>, cover: &mut Cover) -> Result<()> {
    if cover.delays.is_empty() {
        return Ok(());
    }
    let wanted =
        cover.delays.iter().map(|delay| json!({"bucket": delay.bucket, "due_at_ms": delay.due_at.ms(), "id": rows::hex(delay.id)}));
    let wanted = serde_json::to_string(&wanted.collect::<Vec<_>>())?;
    let found: Vec<(i16, i64, Uuid)> = sqlx::query_as(tx.sql.covering_delays.clone()).bind(wanted).fetch_all(&mut *tx.connection).await?;
    let found: HashSet<_> = found.into_iter().map(|(bucket, due_at_ms, id)| (bucket, due_at_ms, rows::job_id(id))).collect();
    cover.drop_delayed(&found);
    Ok(())
}

/// Looks where the rows should be first, and through the later ones only if that leaves anything.
async fn drop_leased(tx: &mut Tx<'_>, cover: &mut Cover) -> Result<()> {
    let expiries = cover.expiries();
    if expiries.is_empty() {
        return Ok(());
    }
    let expiries = serde_json::to_string(&expiries)?;
    let found: Vec<(i64, Vec<u8>)> = sqlx::query_as(tx.sql.leases_at.clone()).bind(expiries).fetch_all(&mut *tx.connection).await?;
    cover.drop_leased(&found);
    if let Some(first) = cover.expiries().first() {
        let later: Vec<(i64, Vec<u8>)> = sqlx::query_as(tx.sql.leases_after.clone()).bind(first).fetch_all(&mut *tx.connection).await?;
        cover.drop_leased(&later);
    }
    Ok(())
}
