//! The verb `scrub`: reads some jobs and their side rows in one snapshot, and inserts what is missing.

use std::collections::HashSet;

use uuid::Uuid;

use super::{PostgresLedger, Tx, changes::uuid};
use crate::{
    job::JobId,
    ledger::{
        Result, Scrubbed,
        cover::{Cover, CoverRow},
        rows,
        side::SideRows,
    },
};

impl PostgresLedger {
    /// One snapshot for jobs and side rows, or a job that moves between two reads would look bare. What is inserted for a job
    /// that moved on meanwhile is stale, and stale rows do no harm; where another inserts the very row, the whole is given up
    /// and done again at the next look.
    pub(super) async fn scrub_some(&self, after: Option<JobId>, limit: usize) -> Result<Scrubbed> {
        let mut tx = self.core.begin_snapshot().await?;
        let jobs: Vec<CoverRow> = sqlx::query_as(tx.sql().scrubbed.clone())
            .bind(after.map_or(Uuid::nil(), uuid))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(tx.connection())
            .await?;
        let next = jobs.last().filter(|_| jobs.len() == limit).map(|job| rows::job_id(job.id));
        let mut cover = Cover::of(&jobs)?;
        let ready = std::mem::take(&mut cover.ready);
        drop_delayed(&mut tx, &mut cover).await?;
        drop_leased(&mut tx, &mut cover).await?;
        let scrubbed =
            Scrubbed { next, jobs: jobs.len() as u64, delayed: cover.delays.len() as u64, leases: cover.leases.len() as u64, ready };
        for (expires_at_ms, ids) in cover.lease_rows() {
            sqlx::query(tx.sql().lease.clone()).bind(expires_at_ms).bind(ids).execute(tx.connection()).await?;
        }
        super::changes::write_side_rows(&mut tx, SideRows::of_delays(cover.delays), None).await?;
        tx.commit().await?;
        Ok(scrubbed)
    }
}

async fn drop_delayed(tx: &mut Tx<'_>, cover: &mut Cover) -> Result<()> {
    if cover.delays.is_empty() {
        return Ok(());
    }
    let found: Vec<(i16, i64, Uuid)> = sqlx::query_as(tx.sql().covering_delays.clone())
        .bind(cover.delays.iter().map(|delay| delay.bucket).collect::<Vec<_>>())
        .bind(cover.delays.iter().map(|delay| delay.due_at.ms()).collect::<Vec<_>>())
        .bind(cover.delays.iter().map(|delay| uuid(delay.id)).collect::<Vec<_>>())
        .fetch_all(tx.connection())
        .await?;
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
    let found: Vec<(i64, Vec<u8>)> = sqlx::query_as(tx.sql().leases_at.clone()).bind(&expiries).fetch_all(tx.connection()).await?;
    cover.drop_leased(&found);
    if let Some(first) = cover.expiries().first() {
        let later: Vec<(i64, Vec<u8>)> = sqlx::query_as(tx.sql().leases_after.clone()).bind(first).fetch_all(tx.connection()).await?;
        cover.drop_leased(&later);
    }
    Ok(())
}
