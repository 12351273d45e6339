//! Forgetting what nobody needs, a little at a time, so that no write waits for long.

use super::{Base, Rows, SqlSearch, bound};
use crate::{
    ledger::Result,
    search::store::{DAYS_KEPT, DELETIONS_KEPT_MS, PRUNED_MAX, STAGED_MS, day_of},
};

impl<B: Base> SqlSearch<B> {
    pub(super) async fn forget(&self) -> Result<bool> {
        let sql = self.statements();
        let mut tx = self.begin().await?;
        let (now, limit) = (tx.now(), PRUNED_MAX as i64);
        let staged = self.remove(&mut tx, &sql.prune_staged, bound![now.plus_ms(-STAGED_MS), limit]).await?;
        let deletions = tx.execute(&sql.prune_deletions, bound![now.plus_ms(-DELETIONS_KEPT_MS), limit]).await?;
        let days = tx.execute(&sql.prune_days, bound![day_of(now) - DAYS_KEPT, limit]).await?;
        let is_more = [staged, deletions, days].contains(&PRUNED_MAX);
        let dropped: Vec<(i64,)> = tx.fetch(&sql.dropped_generation, bound![]).await?;
        if let Some((generation,)) = dropped.first() {
            self.prune_generation(&mut tx, *generation).await?;
        }
        tx.commit().await?;
        Ok(self.remove_points().await? || is_more || !dropped.is_empty())
    }

    /// Removes some of a generation that nobody finds, in the end the generation.
    async fn prune_generation(&self, tx: &mut B::Tx, generation: i64) -> Result<()> {
        let (sql, limit) = (self.statements(), PRUNED_MAX as i64);
        let chunks: Vec<(i64,)> = tx.fetch(&sql.generation_chunks, bound![generation, limit]).await?;
        if !chunks.is_empty() {
            return self.remove_chunks(tx, &chunks.into_iter().map(|(id,)| id).collect::<Vec<_>>()).await;
        }
        if tx.execute(&sql.prune_documents, bound![generation, limit]).await? > 0
            || self.remove(tx, &sql.prune_staged_of, bound![generation, limit]).await? > 0
        {
            return Ok(());
        }
        tx.execute(&sql.remove_generation, bound![generation]).await?;
        Ok(())
    }
}
