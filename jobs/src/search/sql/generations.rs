//! The generation that is made beside the current one, and the switch to it.

use super::{Base, Rows, SqlSearch, bound, version};
use crate::{
    job::JobId,
    ledger::Result,
    search::{
        Generation, Settings,
        store::{Begun, Place, Switched},
    },
    tenant::TenantId,
};

impl<B: Base> SqlSearch<B> {
    pub(super) async fn begin_next(&self, tenant: &TenantId, name: &str, settings: &Settings) -> Result<Begun> {
        let mut tx = self.begin().await?;
        let Some(held) = self.hold(&mut tx, tenant, name).await? else { return Ok(Begun::Unknown) };
        // The same elsewhere is another: so vectors move to where they are kept from now on.
        if self.made_with(&mut tx, held.current).await? == (settings.clone(), self.points.is_some()) {
            return Ok(Begun::Same);
        }
        if let Some(number) = held.next {
            let (standing, _) = self.made_with(&mut tx, number).await?;
            return Ok(if standing == *settings { Begun::Next(Generation { number, settings: standing }) } else { Begun::Busy });
        }
        let next = self.add_generation(&mut tx, settings).await?;
        tx.execute(&self.statements().set_generations, bound![held.id, held.current, next.number]).await?;
        tx.commit().await?;
        Ok(Begun::Next(next))
    }

    pub(super) async fn list_behind(&self, next: &Place, limit: u32) -> Result<Vec<(String, JobId)>> {
        let mut tx = self.begin_snapshot().await?;
        let Some((index, _)) = self.read_index(&mut tx, &next.tenant, &next.index).await? else { return Ok(Vec::new()) };
        if index.next.is_none_or(|generation| generation.number != next.generation) {
            return Ok(Vec::new());
        }
        self.lacking(&mut tx, index.current.number, next.generation, limit).await
    }

    async fn lacking(&self, tx: &mut B::Tx, current: i64, next: i64, limit: u32) -> Result<Vec<(String, JobId)>> {
        let rows: Vec<(String, Vec<u8>)> = tx.fetch(&self.statements().behind, bound![current, next, i64::from(limit)]).await?;
        rows.into_iter().map(|(id, bytes)| Ok((id, version(&bytes)?))).collect()
    }

    pub(super) async fn switch_to(&self, next: &Place) -> Result<Switched> {
        let sql = self.statements();
        let mut tx = self.begin().await?;
        let Some(held) = self.hold(&mut tx, &next.tenant, &next.index).await? else { return Ok(Switched::Moved) };
        if held.current == next.generation {
            return Ok(Switched::Done);
        }
        if held.next != Some(next.generation) {
            return Ok(Switched::Moved);
        }
        if !self.lacking(&mut tx, held.current, next.generation, 1).await?.is_empty() {
            return Ok(Switched::Behind);
        }
        tx.execute(&sql.set_generations, bound![held.id, next.generation, None::<i64>]).await?;
        tx.execute(&sql.drop_generation, bound![held.current]).await?;
        tx.commit().await?;
        Ok(Switched::Done)
    }

    pub(super) async fn drop_next(&self, next: &Place) -> Result<()> {
        let sql = self.statements();
        let mut tx = self.begin().await?;
        let Some(held) = self.hold(&mut tx, &next.tenant, &next.index).await? else { return Ok(()) };
        if held.next != Some(next.generation) {
            return Ok(());
        }
        tx.execute(&sql.set_generations, bound![held.id, held.current, None::<i64>]).await?;
        tx.execute(&sql.drop_generation, bound![next.generation]).await?;
        tx.commit().await
    }
}
