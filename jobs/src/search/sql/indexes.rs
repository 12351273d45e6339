//! Indexes: making, reading and dropping them.

use super::{Base, Bound, Json, Rows, SqlSearch, bound, unsigned};
use crate::{
    clock::Timestamp,
    ledger::{Error, Result},
    search::{Generation, Index, Settings, bm25::Corpus},
    tenant::TenantId,
};

type IndexRow = (i64, String, i64, String, i64, i64, i64, Option<i64>, Option<String>, Option<i64>, i64);

impl<B: Base> SqlSearch<B> {
    pub(super) async fn make(&self, tenant: &TenantId, name: &str, or: &Settings) -> Result<Index> {
        if let Some((index, _)) = self.read_index(&mut self.begin_snapshot().await?, tenant, name).await? {
            return Ok(index);
        }
        let sql = self.statements();
        let mut tx = self.begin().await?;
        let generation = self.add_generation(&mut tx, or).await?;
        let (nothing, now) = (Bound::Bytes(Some(vec![0; 16])), tx.now());
        let made: Vec<(i64,)> = tx.fetch(&sql.add_index, bound![tenant, name, generation.number, nothing, now]).await?;
        if made.is_empty() {
            // Somebody else made it meanwhile: what was begun here is rolled back.
            drop(tx);
        } else {
            tx.commit().await?;
        }
        let made = self.read_index(&mut self.begin_snapshot().await?, tenant, name).await?;
        made.map(|(index, _)| index).ok_or_else(|| Error::Unavailable("the index was dropped as it was made".into()))
    }

    pub(super) async fn add_generation(&self, tx: &mut B::Tx, settings: &Settings) -> Result<Generation> {
        let in_qdrant = i64::from(self.points.is_some());
        let rows: Vec<(i64,)> = tx.fetch(&self.statements().add_generation, bound![Json::of(settings), in_qdrant]).await?;
        let (number,) = *rows.first().ok_or_else(|| Error::Corrupt("a generation without a number".into()))?;
        Ok(Generation { number, settings: settings.clone() })
    }

    /// The index, and what its current generation is like.
    pub(super) async fn read_index(&self, tx: &mut B::Tx, tenant: &TenantId, name: &str) -> Result<Option<(Index, Corpus)>> {
        let rows: Vec<IndexRow> = tx.fetch(&self.statements().index, bound![tenant, name]).await?;
        rows.into_iter().next().map(|row| index(tenant, row)).transpose()
    }

    pub(super) async fn list(&self, tenant: &TenantId, after: Option<&str>, limit: u32) -> Result<Vec<Index>> {
        let mut tx = self.begin_snapshot().await?;
        let values = bound![tenant, after.unwrap_or_default(), i64::from(limit)];
        let rows: Vec<IndexRow> = tx.fetch(&self.statements().indexes, values).await?;
        rows.into_iter().map(|row| Ok(index(tenant, row)?.0)).collect()
    }

    pub(super) async fn drop(&self, tenant: &TenantId, name: &str) -> Result<bool> {
        let sql = self.statements();
        let mut tx = self.begin().await?;
        let Some(held) = self.hold(&mut tx, tenant, name).await? else { return Ok(false) };
        tx.execute(&sql.drop_index, bound![held.id]).await?;
        for generation in [Some(held.current), held.next].into_iter().flatten() {
            tx.execute(&sql.drop_generation, bound![generation]).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

fn index(tenant: &TenantId, row: IndexRow) -> Result<(Index, Corpus)> {
    let (_, name, current, settings, documents, chunks, words, next, next_settings, next_documents, created_at_ms) = row;
    let generation = |number, settings: &str| Ok::<_, Error>(Generation { number, settings: serde_json::from_str(settings)? });
    let next = next.zip(next_settings).map(|(number, settings)| generation(number, &settings)).transpose()?;
    let index = Index {
        tenant: tenant.clone(),
        name,
        current: generation(current, &settings)?,
        next,
        next_documents: unsigned(next_documents.unwrap_or(0)),
        documents: unsigned(documents),
        chunks: unsigned(chunks),
        created_at: Timestamp::from_ms(created_at_ms),
    };
    Ok((index, Corpus { chunks: unsigned(chunks), words: unsigned(words) }))
}
