//! Deleting documents: from both generations, and so that no earlier job brings them back.

use std::collections::BTreeSet;

use super::{Base, Json, ROWS_MAX, Rows, SqlSearch, bound};
use crate::{job::JobId, ledger::Result, search::store::Which, tenant::TenantId};

impl<B: Base> SqlSearch<B> {
    pub(super) async fn delete(&self, tenant: &TenantId, name: &str, which: &Which, version: JobId) -> Result<u64> {
        let sql = self.statements();
        let mut tx = self.begin().await?;
        let Some(held) = self.hold(&mut tx, tenant, name).await? else { return Ok(0) };
        let now = tx.now();
        let ids: Vec<&str> = match which {
            // What no text can be is no document's id.
            Which::Ids(ids) => {
                ids.iter().map(String::as_str).filter(|id| !id.contains('\0')).collect::<BTreeSet<_>>().into_iter().collect()
            }
            Which::All => Vec::new(),
        };
        if matches!(which, Which::All) {
            tx.execute(&sql.set_deleted_to, bound![held.id, version]).await?;
        }
        for some in ids.chunks(ROWS_MAX) {
            tx.execute(&sql.keep_deletions, bound![held.id, Json::of(&some), version, now]).await?;
        }
        let mut deleted = 0;
        for generation in [Some(held.current), held.next].into_iter().flatten() {
            let mut documents: Vec<(i64, i64, i64)> = Vec::new();
            if matches!(which, Which::All) {
                documents = tx.fetch(&sql.all_documents, bound![generation, version]).await?;
            }
            for some in ids.chunks(ROWS_MAX) {
                documents.extend(tx.fetch::<(i64, i64, i64)>(&sql.documents_of, bound![generation, version, Json::of(&some)]).await?);
            }
            self.remove_documents(&mut tx, generation, &documents).await?;
            if generation == held.current {
                deleted = documents.len() as u64;
            }
        }
        tx.commit().await?;
        Ok(deleted)
    }

    /// Removes documents: each one's number, how many chunks it has, and how many words.
    async fn remove_documents(&self, tx: &mut B::Tx, generation: i64, documents: &[(i64, i64, i64)]) -> Result<()> {
        let sql = self.statements();
        for some in documents.chunks(ROWS_MAX) {
            let ids: Vec<i64> = some.iter().map(|(id, ..)| *id).collect();
            let chunks: Vec<(i64,)> = tx.fetch(&sql.chunks_of, bound![Json::of(&ids)]).await?;
            let chunks: Vec<i64> = chunks.into_iter().map(|(id,)| id).collect();
            self.remove_chunks(tx, &chunks).await?;
            tx.execute(&sql.remove_documents, bound![Json::of(&ids)]).await?;
            let sum = |of: fn(&(i64, i64, i64)) -> i64| -some.iter().map(of).sum::<i64>();
            let values = bound![generation, -(ids.len() as i64), sum(|(_, chunks, _)| *chunks), sum(|(.., words)| *words)];
            tx.execute(&sql.count, values).await?;
        }
        Ok(())
    }
}
